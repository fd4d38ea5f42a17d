// See systemd.h. Events come in (calls of Start and Stop, states, jobs, losses), each changes what
// is known and ends in Advance(), which issues the next call, if any, and derives the status anew.
#include "executor/host/service/systemd.h"

#include <signal.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/log.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using Want = UnitIntent::Want;

// A bus that is restarted, or a systemd that re-executes itself, is back within it even on a busy
// host, and the local checks go on meanwhile: no reason to move a healthy service.
constexpr Duration kGrace = absl::Seconds(5);
constexpr Duration kFirstRetry = absl::Milliseconds(50);
constexpr Duration kLongestRetry = absl::Seconds(5);
constexpr Duration kStopRetry = absl::Seconds(1);

}  // namespace

SystemdService::SystemdService(EventLoop* loop, const std::string& unit, Duration stop_timeout)
    : loop_(loop),
      unit_(unit),
      stop_timeout_(stop_timeout),
      status_(loop),
      bus_(loop, unit, this),
      retry_delay_(kFirstRetry) {
  status_.Set(State::kStarting, "asking systemd");
  Connect();
}

void SystemdService::Connect() {
  reconnect_timer_.Cancel();
  if (const absl::Status opened = bus_.Open(); !opened.ok()) OnLost(std::string(opened.message()));
}

void SystemdService::Start() {
  intent_.start_error.clear();
  switch (status_.state()) {
    case State::kRunning:
    case State::kFailing:
      return;
    case State::kStarting:
      if (state_.has_value()) return;
      break;
    case State::kStopped:
    case State::kStopping:
    case State::kFailed:
      break;
  }
  start_wanted_ = true;
  if (intent_.want != Want::kStop || stop_done_) intent_.want = Want::kRun;
  if (!state_.has_value() && lost_for_long_) {
    lost_for_long_ = false;
    retry_delay_ = kFirstRetry;
    Connect();
  }
  Advance();
}

void SystemdService::Stop() {
  start_wanted_ = false;
  if (intent_.want == Want::kStop) {  // done, or under way
    Advance();
    return;
  }
  intent_.want = Want::kStop;
  stop_issued_ = false;
  stop_done_ = false;
  // A unit that rests while a start of it waits for its dependencies has to be stopped, too.
  if (!intent_.start_under_way) {
    job_.clear();
    calling_ = false;
  }
  Advance();
}

void SystemdService::OnState(const UnitState& state) {
  if (!state_.has_value() && !lost_reason_.empty()) LogInfo("systemd is back", {{"unit", unit_}});
  state_ = state;
  lost_reason_.clear();
  lost_for_long_ = false;
  retry_delay_ = kFirstRetry;
  grace_timer_.Cancel();

  if (job_result_.has_value()) {
    if (intent_.start_under_way && *job_result_ != "done" && state.active_state != "failed") {
      intent_.start_error = absl::StrCat("systemd could not start it: job result ", *job_result_);
    }
    intent_.start_under_way = false;
    job_result_.reset();
  }
  if (!state.at_rest()) {
    if (intent_.want == Want::kStop && stop_done_)
      intent_.want = Want::kNothing;  // someone started it
    if (intent_.want == Want::kNothing) intent_.want = Want::kRun;
    intent_.start_error.clear();
  }
  if (state.active() && others_job_over_) intent_.others_job = others_job_over_ = false;
  Advance();
}

void SystemdService::OnJobNew(const std::string& job) {
  // One's own job is announced before the reply to the call that made it.
  if (calling_ || job == job_) return;
  intent_.others_job = true;
  others_job_over_ = false;
}

void SystemdService::OnJobRemoved(const std::string& job, const std::string& result) {
  if (job == job_) {
    job_.clear();
    job_result_ = result;
  } else {
    others_job_over_ = true;
  }
  bus_.Refresh();
}

void SystemdService::OnLost(const std::string& reason) {
  const bool first = state_.has_value() || lost_reason_.empty();
  if (first) {
    LogWarning("systemd can't be asked", {{"unit", unit_}, {"reason", reason}});
  }
  lost_reason_ = reason;
  state_.reset();
  if (!lost_for_long_ && !grace_timer_.active()) {
    grace_timer_ = loop_->After(kGrace, [this] { OnGraceOver(); });
  }
  // What was under way is asked for again: its outcome is not known any more.
  if (intent_.start_under_way) start_wanted_ = true;
  intent_.start_under_way = false;
  intent_.others_job = false;
  others_job_over_ = false;
  stop_issued_ = false;
  calling_ = false;
  ++operation_;
  job_.clear();
  job_result_.reset();
  retry_timer_.Cancel();
  reconnect_timer_ = loop_->After(retry_delay_, [this] { Connect(); });
  retry_delay_ = std::min(retry_delay_ * 2, kLongestRetry);
  Publish();
}

void SystemdService::OnGraceOver() {
  grace_timer_.Cancel();
  lost_for_long_ = true;
  start_wanted_ = false;  // it has failed; to try again is the caller's
  Publish();
}

void SystemdService::Advance() {
  if (state_.has_value()) {
    if (intent_.want == Want::kStop && !stop_done_) AdvanceStop();
    if (start_wanted_ && (intent_.want != Want::kStop || stop_done_)) AdvanceStart();
  }
  Publish();
}

void SystemdService::AdvanceStop() {
  if (state_->at_rest() && !job_under_way() && !intent_.start_under_way) {
    stop_done_ = true;
    stop_timer_.Cancel();
    retry_timer_.Cancel();
    if (state_->active_state == "failed") bus_.ResetFailed();
    intent_.others_job = false;
    others_job_over_ = false;
    intent_.start_error.clear();
    return;
  }
  if (stop_issued_ && (job_under_way() || retry_timer_.active())) return;
  if (stop_issued_) {  // the job is over, and still it runs: somebody else wants it to
    retry_timer_ = loop_->After(kStopRetry, [this] {
      stop_issued_ = false;
      retry_timer_.Cancel();
      Advance();
    });
    return;
  }
  stop_issued_ = true;
  intent_.start_under_way = false;
  calling_ = true;
  job_.clear();
  job_result_.reset();
  bus_.StopUnit([this, operation = ++operation_](const absl::StatusOr<std::string>& job) {
    OnCalled(operation, job);
  });
  if (!stop_timer_.active()) stop_timer_ = loop_->After(stop_timeout_, [this] { OnStopTimeout(); });
}

void SystemdService::AdvanceStart() {
  if (state_->active() || state_->active_state == "activating") {
    start_wanted_ = false;
    return;
  }
  if (!state_->at_rest()) return;  // once it is
  start_wanted_ = false;
  intent_.want = Want::kRun;
  intent_.start_under_way = true;
  intent_.others_job = false;
  intent_.start_error.clear();
  calling_ = true;
  job_.clear();
  job_result_.reset();
  // The controller counts the moves; systemd's limit on starts must not keep a site down on top of
  // that.
  bus_.ResetFailed();
  bus_.StartUnit([this, operation = ++operation_](const absl::StatusOr<std::string>& job) {
    OnCalled(operation, job);
  });
}

void SystemdService::OnCalled(uint64_t operation, const absl::StatusOr<std::string>& job) {
  if (operation != operation_) return;
  calling_ = false;
  if (job.ok()) {
    job_ = *job;
    return;
  }
  if (intent_.want == Want::kStop) {
    if (!absl::IsNotFound(job.status())) {
      LogWarning("unit not stopped", {{"unit", unit_}, {"reason", job.status().message()}});
    }
  } else {
    intent_.start_error = std::string(job.status().message());
  }
  intent_.start_under_way = false;
  bus_.Refresh();
}

void SystemdService::OnStopTimeout() {
  LogWarning("unit killed",
             {{"unit", unit_},
              {"reason", absl::StrCat("did not stop within ", HumanDuration(stop_timeout_))}});
  bus_.Kill(SIGKILL);
  stop_timer_ = loop_->After(stop_timeout_, [this] { OnStopTimeout(); });
}

void SystemdService::Publish() {
  if (!state_.has_value() && lost_for_long_) {
    status_.Set(State::kFailed, absl::StrCat("can't ask systemd: ", lost_reason_));
  } else if (intent_.want == Want::kStop && !stop_done_) {
    status_.Set(State::kStopping);
  } else if (state_.has_value()) {
    status_.Set(InterpretUnit(unit_, *state_, intent_));
  } else if (start_wanted_) {
    status_.Set(State::kStarting, lost_reason_.empty() ? "asking systemd" : lost_reason_);
  }
}

}  // namespace hb::executor
