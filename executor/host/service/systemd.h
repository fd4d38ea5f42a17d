// The driver `systemd`: a unit of the host's systemd (apache2.service), started and stopped by its
// manager. The unit's state is what counts, whoever caused it; one that is at rest without having
// been asked to is a failure until Stop() is called. Restarting is left to the unit's own Restart=
// and to the controller.
#ifndef HB_EXECUTOR_HOST_SERVICE_SYSTEMD_H_
#define HB_EXECUTOR_HOST_SERVICE_SYSTEMD_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/time.h"
#include "executor/host/service/observed_status.h"
#include "executor/host/service/service.h"
#include "executor/host/service/unit_bus.h"
#include "executor/host/service/unit_state.h"

namespace hb::executor {

// kRunning here means: the unit is active. How long a start may take is for CheckedService to say;
// a stop that takes longer than `stop_timeout` kills the unit's processes. Until systemd has told
// the unit's state it is kStarting. When the bus is lost, the last state stands for five seconds,
// in which it is connected to again; then it is kFailed, and is tried further.
class SystemdService : public Service, private UnitBus::Observer {
 public:
  SystemdService(EventLoop* loop, const std::string& unit, Duration stop_timeout);
  // Leaves the unit as it is.
  ~SystemdService() override = default;
  SystemdService(const SystemdService&) = delete;
  SystemdService& operator=(const SystemdService&) = delete;

  void Start() override;
  void Stop() override;
  const ServiceStatus& status() const override { return status_.get(); }
  void OnChange(std::function<void()> changed) override { status_.OnChange(std::move(changed)); }

 private:
  void OnState(const UnitState& state) override;
  void OnJobNew(const std::string& job) override;
  void OnJobRemoved(const std::string& job, const std::string& result) override;
  void OnLost(const std::string& reason) override;

  void Connect();
  void OnGraceOver();
  // Does what is to be done next, and sets the status.
  void Advance();
  void AdvanceStop();
  void AdvanceStart();
  void OnCalled(uint64_t operation, const absl::StatusOr<std::string>& job);
  void OnStopTimeout();
  void Publish();
  bool job_under_way() const { return calling_ || !job_.empty(); }

  EventLoop* const loop_;
  const std::string unit_;
  const Duration stop_timeout_;
  ObservedStatus status_;
  UnitBus bus_;

  // Nothing while there is no connection.
  std::optional<UnitState> state_;
  UnitIntent intent_;
  bool start_wanted_ = false;  // Start() was called, and StartUnit not yet
  bool stop_issued_ = false;
  bool stop_done_ = true;

  // The call or job that was asked for last; replies to an earlier one are ignored.
  uint64_t operation_ = 0;
  bool calling_ = false;
  std::string job_;
  std::optional<std::string> job_result_;  // waits for the state after it
  bool others_job_over_ = false;

  std::string lost_reason_;
  bool lost_for_long_ = false;
  Duration retry_delay_;
  EventLoop::Handle reconnect_timer_;
  EventLoop::Handle grace_timer_;
  EventLoop::Handle stop_timer_;
  EventLoop::Handle retry_timer_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_SYSTEMD_H_
