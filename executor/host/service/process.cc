// See process.h. A pid is used only while it can't have become another process's: while its pidfd
// is not readable, or while it is a zombie that only this process may collect.
#include "executor/host/service/process.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/log.h"
#include "executor/host/service/signal_name.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;

constexpr Duration kSaveRetry = absl::Seconds(1);
// Killed processes end within milliseconds, unless the kernel can't let go of them (a hung file
// system).
constexpr Duration kGroupLimit = absl::Seconds(2);
constexpr Duration kFirstLook = absl::Milliseconds(2);
constexpr Duration kLongestLook = absl::Milliseconds(100);

// What a process does by default on such a signal is nothing, signal(7).
bool IgnoredByDefault(int signal) {
  return signal == SIGWINCH || signal == SIGCHLD || signal == SIGURG || signal == SIGCONT;
}

UniqueFd OpenPidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace

ProcessService::ProcessService(EventLoop* loop, std::string name, ProcessDefinition definition,
                               Duration stop_timeout, const std::string& state_dir)
    : loop_(loop),
      name_(std::move(name)),
      request_{std::move(definition.argv), std::move(definition.environment),
               std::move(definition.output)},
      stop_signal_(definition.stop_signal),
      stop_timeout_(stop_timeout),
      state_file_(absl::StrCat(state_dir, "/", name_, ".pid")),
      status_(loop) {
  Adopt();
}

void ProcessService::Adopt() {
  const absl::StatusOr<ProcessRecord> record = ReadRecord(state_file_);
  if (absl::IsNotFound(record.status())) return;
  if (!record.ok()) {
    LogWarning("state file ignored", {{"service", name_}, {"reason", record.status().message()}});
    return;
  }
  const absl::StatusOr<std::string> boot_id = BootId();
  std::string reason = "process " + absl::StrCat(record->pid) + " has ended";
  if (!boot_id.ok()) {
    reason = std::string(boot_id.status().message());
  } else if (record->boot_id != *boot_id) {
    reason = "it is of an earlier boot";
  } else if (AdoptLeader(*record) || EndLeftovers(*record)) {
    return;
  }
  LogInfo("state file ignored", {{"service", name_}, {"file", state_file_}, {"reason", reason}});
}

bool ProcessService::AdoptLeader(const ProcessRecord& record) {
  UniqueFd pidfd = OpenPidfd(record.pid);
  if (!pidfd.valid()) return false;
  // Read after the pidfd was opened: what matches now is what the pidfd stands for.
  const absl::StatusOr<ProcessStat> stat = ReadProcessStat(record.pid);
  if (!stat.ok() || stat->dead() || stat->start_time != record.start_time) return false;
  record_ = record;
  pidfd_ = std::move(pidfd);
  phase_ = Phase::kAlive;
  Watch();
  status_.Set(State::kRunning);
  LogInfo("process found again", {{"service", name_}, {"pid", record.pid}});
  return true;
}

// The leader died while nobody looked. What it left behind is known by its session, its program,
// and a start no earlier than the leader's; a process that has the leader's pid now proves that the
// session is over.
bool ProcessService::EndLeftovers(const ProcessRecord& record) {
  const absl::StatusOr<ProcessStat> leader = ReadProcessStat(record.pid);
  if (leader.ok() && leader->start_time != record.start_time) return false;
  const std::vector<ProcessStat> members = LivingMembers(record.pid);
  const bool ours = std::any_of(members.begin(), members.end(), [&](const ProcessStat& member) {
    return member.session == record.pid && member.start_time >= record.start_time &&
           !record.executable.empty() && ProcessExecutable(member.pid) == record.executable;
  });
  if (!ours) return false;
  LogWarning("process has ended; ending what it left behind",
             {{"service", name_}, {"pid", record.pid}, {"left", members.size()}});
  kill(-record.pid, SIGKILL);
  record_ = record;
  stopping_ = true;
  phase_ = Phase::kEnding;
  ending_since_ = BootNow();
  next_look_ = kFirstLook;
  status_.Set(State::kStopping, "ending what it left behind");
  group_timer_ = loop_->After(next_look_, [this] { WaitForGroup(); });
  return true;
}

void ProcessService::Start() {
  switch (phase_) {
    case Phase::kIdle:
      Launch();
      return;
    case Phase::kSpawning:
    case Phase::kAlive:
      if (stopping_) start_again_ = true;
      return;
    case Phase::kEnding:
      start_again_ = true;
      return;
  }
}

void ProcessService::Stop() {
  start_again_ = false;
  switch (phase_) {
    case Phase::kIdle:
      status_.Set(State::kStopped);
      return;
    case Phase::kSpawning:
    case Phase::kAlive:
      if (stopping_) return;
      stopping_ = true;
      status_.Set(State::kStopping);
      // A server that has not come as far as to catch SIGWINCH would lose it, and be killed in the
      // end.
      stop_signal_sent_ =
          IgnoredByDefault(stop_signal_) && !ProcessCatches(record_.pid, stop_signal_)
              ? SIGTERM
              : stop_signal_;
      // A stopped process (SIGSTOP) acts on a signal only once it is continued.
      if (SignalLeader(stop_signal_sent_)) static_cast<void>(SignalLeader(SIGCONT));
      stop_timer_ = loop_->After(stop_timeout_, [this] { OnStopTimeout(); });
      return;
    case Phase::kEnding:
      stopping_ = true;
      return;
  }
}

void ProcessService::Launch() {
  stopping_ = false;
  start_again_ = false;
  forced_ = false;
  end_.clear();
  absl::StatusOr<Spawned> child = Spawn(request_);
  if (!child.ok()) {
    status_.Set(State::kFailed, std::string(child.status().message()));
    return;
  }
  record_ = ProcessRecord{};
  record_.pid = child->pid;
  // Neither fails for a child that is not reaped; if it did, the process would only not be found
  // again.
  if (const absl::StatusOr<ProcessStat> stat = ReadProcessStat(child->pid); stat.ok()) {
    record_.start_time = stat->start_time;
  }
  if (const absl::StatusOr<std::string> boot_id = BootId(); boot_id.ok())
    record_.boot_id = *boot_id;
  Save();
  const absl::Status released = Release(*child);
  if (!released.ok())
    end_ = std::string(released.message());  // it ends then, which the pidfd tells
  pidfd_ = std::move(child->pidfd);
  channel_ = std::move(child->channel);
  phase_ = Phase::kSpawning;
  status_.Set(State::kStarting);
  Watch();
}

void ProcessService::Watch() {
  leader_watch_ = loop_->WatchFd(pidfd_.get(), EPOLLIN, [this](uint32_t) { OnLeaderExit(); });
  if (!channel_.valid()) return;
  channel_watch_ = loop_->WatchFd(channel_.get(), EPOLLIN, [this](uint32_t) { OnChannel(); });
}

void ProcessService::OnChannel() {
  const std::optional<absl::Status> outcome = SpawnOutcome(request_, channel_);
  if (!outcome.has_value()) return;
  channel_watch_.Cancel();
  channel_.Close();
  if (!outcome->ok()) {
    end_ = std::string(outcome->message());
    return;  // it exits now
  }
  phase_ = Phase::kAlive;
  record_.executable = ProcessExecutable(record_.pid);
  if (record_.executable.find('\n') != std::string::npos) record_.executable.clear();
  Save();
  if (!stopping_) status_.Set(State::kRunning);
}

bool ProcessService::SignalLeader(int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) == 0;
}

void ProcessService::OnStopTimeout() {
  if (!SignalLeader(SIGKILL)) return;  // it has ended, which the pidfd is about to tell
  kill(-record_.pid, SIGKILL);
  forced_ = true;
  end_ = absl::StrCat("did not end within ", HumanDuration(stop_timeout_), " of ",
                      SignalName(stop_signal_sent_), " and was killed");
  LogWarning("process killed", {{"service", name_}, {"pid", record_.pid}, {"reason", end_}});
}

void ProcessService::OnLeaderExit() {
  if (channel_.valid()) {  // both may have become readable in one turn
    channel_watch_.Cancel();
    if (const auto outcome = SpawnOutcome(request_, channel_); outcome && !outcome->ok()) {
      end_ = std::string(outcome->message());
    }
    channel_.Close();
  }
  leader_watch_.Cancel();
  stop_timer_.Cancel();
  const std::string exit = CollectExit();
  if (end_.empty()) end_ = exit;
  pidfd_.Close();
  phase_ = Phase::kEnding;
  ending_since_ = BootNow();
  next_look_ = kFirstLook;
  WaitForGroup();
}

// Kills the leader's group and collects the leader, in this order where it is our child: until it
// is collected, its number, which is the group's, is nobody else's.
std::string ProcessService::CollectExit() {
  siginfo_t info = {};
  const auto id = static_cast<id_t>(pidfd_.get());
  const bool ours =
      waitid(P_PIDFD, id, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid != 0;
  if (ours) {
    kill(-record_.pid, SIGKILL);
    siginfo_t collected = {};
    waitid(P_PIDFD, id, &collected, WEXITED | WNOHANG);
    return DescribeExit(info.si_code, info.si_status);
  }
  const absl::StatusOr<ProcessStat> now = ReadProcessStat(record_.pid);
  if (!now.ok() || now->start_time == record_.start_time) kill(-record_.pid, SIGKILL);
  return "ended; how is unknown, as an earlier run of hb-executor had started it";
}

void ProcessService::WaitForGroup() {
  const size_t left = LivingMembers(record_.pid).size();
  if (left == 0 || BootNow() - ending_since_ >= kGroupLimit) {
    Finish(left);
    return;
  }
  status_.Set(State::kStopping, end_);
  group_timer_ = loop_->After(next_look_, [this] { WaitForGroup(); });
  next_look_ = std::min(next_look_ * 2, kLongestLook);
}

void ProcessService::Finish(size_t left) {
  phase_ = Phase::kIdle;
  save_timer_.Cancel();
  const absl::Status removed = RemoveRecord(state_file_);
  if (!removed.ok()) {
    LogWarning("state file stays", {{"service", name_}, {"reason", removed.message()}});
  }
  if (left > 0) {
    absl::StrAppend(&end_, end_.empty() ? "" : "; ", left, " of its processes can't be killed");
    LogWarning("processes left", {{"service", name_}, {"group", record_.pid}, {"reason", end_}});
  }
  if (start_again_) {
    Launch();
  } else if (stopping_) {
    status_.Set(State::kStopped, forced_ || left > 0 ? end_ : "");
  } else {
    status_.Set(State::kFailed, end_);
  }
}

void ProcessService::Save() {
  const absl::Status saved = WriteRecord(state_file_, record_);
  if (saved.ok()) {
    save_timer_.Cancel();
    return;
  }
  if (!save_timer_.active()) {
    LogWarning("state file not written; a restarted hb-executor would not find the process",
               {{"service", name_}, {"reason", saved.message()}});
  }
  save_timer_ = loop_->After(kSaveRetry, [this] { Save(); });
}

}  // namespace hb::executor
