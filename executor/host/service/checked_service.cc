// See checked_service.h.
#include "executor/host/service/checked_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;

constexpr Duration kStartingInterval = absl::Milliseconds(20);
constexpr char kWaiting[] = "alive, waiting for its checks";

}  // namespace

CheckedService::CheckedService(EventLoop* loop, HttpProber* prober, std::unique_ptr<Service> driver,
                               const std::vector<CheckDefinition>& checks, Duration start_timeout)
    : loop_(loop), start_timeout_(start_timeout), driver_(std::move(driver)), status_(loop) {
  for (const CheckDefinition& check : checks) {
    checks_.push_back(std::make_unique<CheckLoop>(loop, prober, check, [this] { OnCheck(); }));
  }
  driver_->OnChange([this] { OnDriver(); });
  OnDriver();
}

bool CheckedService::driver_alive() const {
  return driver_->status().state == State::kRunning || driver_->status().state == State::kFailing;
}

void CheckedService::Start() {
  asked_ = true;
  if (phase_ == Phase::kGivingUp)
    phase_ = Phase::kDown;  // its stop goes on, and then it starts again
  driver_->Start();
  if (phase_ == Phase::kComingUp) ComeUp();  // it starts already: from now on within the timeout
  OnDriver();
}

void CheckedService::Stop() {
  asked_ = false;
  StopChecking();
  phase_ = Phase::kDown;
  driver_->Stop();
  OnDriver();
}

void CheckedService::OnDriver() {
  switch (driver_->status().state) {
    case State::kRunning:
    case State::kFailing:
      OnDriverAlive();
      break;
    case State::kStarting:
      if (phase_ != Phase::kComingUp) {
        StopChecking();
        ComeUp();
      }
      break;
    case State::kStopped:
    case State::kStopping:
    case State::kFailed:
      StopChecking();
      if (phase_ != Phase::kGivingUp) phase_ = Phase::kDown;
      break;
  }
  status_.Set(Conclude());
}

void CheckedService::ComeUp() {
  phase_ = Phase::kComingUp;
  if (asked_ && !start_timer_.active()) {
    start_timer_ = loop_->After(start_timeout_, [this] { OnStartTimeout(); });
  }
}

void CheckedService::OnDriverAlive() {
  if (phase_ == Phase::kUp || phase_ == Phase::kLooking) return;
  if (phase_ != Phase::kComingUp) ComeUp();
  if (checks_.empty()) {
    start_timer_.Cancel();
    phase_ = Phase::kUp;
    return;
  }
  if (checking_) return;
  checking_ = true;
  if (!asked_) phase_ = Phase::kLooking;
  for (const auto& check : checks_) {
    check->Begin(asked_ ? kStartingInterval : check->definition().interval);
  }
}

void CheckedService::OnCheck() {
  if (phase_ == Phase::kLooking) {
    const bool complete = std::all_of(checks_.begin(), checks_.end(),
                                      [](const auto& check) { return check->has_result(); });
    if (complete) {
      for (const auto& check : checks_) check->CountAsFallen();
      phase_ = Phase::kUp;
    }
  } else if (phase_ == Phase::kComingUp) {
    const bool good = std::all_of(checks_.begin(), checks_.end(),
                                  [](const auto& check) { return check->good(); });
    if (good) {
      start_timer_.Cancel();
      phase_ = Phase::kUp;
      for (const auto& check : checks_) check->ChangeInterval(check->definition().interval);
    }
  }
  status_.Set(Conclude());
}

void CheckedService::OnStartTimeout() {
  if (driver_alive()) {
    give_up_reason_ = absl::StrCat("started but ", FirstProblem());
  } else {
    const std::string& detail = driver_->status().detail;
    give_up_reason_ = absl::StrCat("did not start within ", HumanDuration(start_timeout_),
                                   detail.empty() ? "" : ": ", detail);
  }
  asked_ = false;
  StopChecking();
  phase_ = Phase::kGivingUp;
  driver_->Stop();
  OnDriver();
}

void CheckedService::StopChecking() {
  start_timer_.Cancel();
  checking_ = false;
  for (const auto& check : checks_) check->Cancel();
}

std::string CheckedService::FirstProblem() const {
  for (const auto& check : checks_) {
    if (!check->has_result()) {
      return absl::StrCat("check ", check->definition().http, ": no answer yet");
    }
    if (!check->good()) return check->problem();
  }
  return "its checks did not pass at one time";
}

ServiceStatus CheckedService::Conclude() const {
  switch (phase_) {
    case Phase::kDown:
      return driver_->status();
    case Phase::kComingUp:
      return {State::kStarting, driver_alive() ? kWaiting : driver_->status().detail};
    case Phase::kLooking:
      return {State::kStarting, kWaiting};
    case Phase::kUp:
      for (const auto& check : checks_) {
        if (check->fallen()) return {State::kFailing, check->problem()};
      }
      return {State::kRunning, driver_->status().detail};
    case Phase::kGivingUp:
      return {driver_->status().state == State::kStopping ? State::kStopping : State::kFailed,
              give_up_reason_};
  }
  return {};
}

}  // namespace hb::executor
