// The driver `process`: runs a program in the foreground, as the leader of a session of its own.
// The program's death is learnt from a pidfd; what it leaves behind of its process group is killed
// before the death is reported, so that a restart finds its port free. A state file lets a
// restarted executor find the program again. Kills nothing that it has not started: a pid whose
// start time differs is another process.
#ifndef HB_EXECUTOR_HOST_SERVICE_PROCESS_H_
#define HB_EXECUTOR_HOST_SERVICE_PROCESS_H_

#include <functional>
#include <string>
#include <utility>

#include "common/event_loop.h"
#include "common/time.h"
#include "executor/host/service/definition.h"
#include "executor/host/service/observed_status.h"
#include "executor/host/service/process_record.h"
#include "executor/host/service/service.h"
#include "executor/host/service/spawn.h"
#include "executor/host/service/unique_fd.h"

namespace hb::executor {

// kRunning here means: the program has been executed and lives. A program that can't be executed,
// or that ends without Stop(), is kFailed. How long a start may take is for CheckedService to say.
class ProcessService : public Service {
 public:
  // Finds the process again that <state_dir>/<name>.pid names, if it still lives; it is kRunning
  // then. A state file that is corrupt or names nobody is ignored, and the log says so. `state_dir`
  // exists.
  ProcessService(EventLoop* loop, std::string name, ProcessDefinition definition,
                 Duration stop_timeout, const std::string& state_dir);
  // Leaves the process running.
  ~ProcessService() override = default;
  ProcessService(const ProcessService&) = delete;
  ProcessService& operator=(const ProcessService&) = delete;

  void Start() override;
  void Stop() override;
  const ServiceStatus& status() const override { return status_.get(); }
  void OnChange(std::function<void()> changed) override { status_.OnChange(std::move(changed)); }

 private:
  enum class Phase {
    kIdle,
    kSpawning,  // forked, not known to run yet
    kAlive,
    kEnding,  // the leader is dead, the rest of its group has been killed and is waited for
  };

  void Adopt();
  bool AdoptLeader(const ProcessRecord& record);
  bool EndLeftovers(const ProcessRecord& record);
  void Launch();
  void Watch();
  void OnChannel();
  void OnLeaderExit();
  std::string CollectExit();
  void OnStopTimeout();
  void WaitForGroup();
  void Finish(size_t left);
  // Writes the state file, now and (while that fails) again every second: a full disk keeps no
  // service down.
  void Save();
  [[nodiscard]] bool SignalLeader(int signal);

  EventLoop* const loop_;
  const std::string name_;
  const SpawnRequest request_;
  const int stop_signal_;
  const Duration stop_timeout_;
  const std::string state_file_;

  ObservedStatus status_;
  Phase phase_ = Phase::kIdle;
  bool stopping_ = false;  // Stop() was called: the outcome is kStopped
  int stop_signal_sent_ = 0;
  bool start_again_ = false;  // Start() was called while it was ending
  bool forced_ = false;       // the stop signal did not suffice
  std::string end_;           // how the leader ended, or why it could not start
  ProcessRecord record_;
  UniqueFd pidfd_;
  UniqueFd channel_;
  MonoTime ending_since_;
  Duration next_look_;

  EventLoop::Handle leader_watch_;
  EventLoop::Handle channel_watch_;
  EventLoop::Handle stop_timer_;
  EventLoop::Handle group_timer_;
  EventLoop::Handle save_timer_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_PROCESS_H_
