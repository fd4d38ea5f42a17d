// A service is what its driver says and what its local checks find: kRunning means alive and every
// check passed. Also the keeper of the start timeout, for every driver. It never restarts anything
// by itself.
#ifndef HB_EXECUTOR_HOST_SERVICE_CHECKED_SERVICE_H_
#define HB_EXECUTOR_HOST_SERVICE_CHECKED_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/event_loop.h"
#include "common/probe/http.h"
#include "common/time.h"
#include "executor/host/service/check_loop.h"
#include "executor/host/service/definition.h"
#include "executor/host/service/observed_status.h"
#include "executor/host/service/service.h"

namespace hb::executor {

class CheckedService : public Service {
 public:
  // Owns `driver`, whose kRunning means: alive. `prober` outlives this.
  CheckedService(EventLoop* loop, HttpProber* prober, std::unique_ptr<Service> driver,
                 const std::vector<CheckDefinition>& checks, Duration start_timeout);
  // Leaves the service as it is.
  ~CheckedService() override = default;
  CheckedService(const CheckedService&) = delete;
  CheckedService& operator=(const CheckedService&) = delete;

  // While starting, the checks are asked every 20 ms until each has passed. One that has not when
  // `start_timeout` is over: the driver is stopped, and the outcome is kFailed.
  void Start() override;
  void Stop() override;
  const ServiceStatus& status() const override { return status_.get(); }
  void OnChange(std::function<void()> changed) override { status_.OnChange(std::move(changed)); }

 private:
  enum class Phase {
    kDown,      // the driver's status is the status
    kComingUp,  // the driver starts, or is alive and the checks have not passed yet
    kLooking,   // found alive, not started by us: the first outcome of each check decides
    kUp,
    kGivingUp,  // the start took too long, and the driver was told to stop
  };

  bool driver_alive() const;
  // Brings phase and status into line with the driver's status.
  void OnDriver();
  void OnDriverAlive();
  void ComeUp();
  void OnCheck();
  void OnStartTimeout();
  void StopChecking();
  ServiceStatus Conclude() const;
  std::string FirstProblem() const;

  EventLoop* const loop_;
  const Duration start_timeout_;
  const std::unique_ptr<Service> driver_;
  std::vector<std::unique_ptr<CheckLoop>> checks_;
  ObservedStatus status_;
  Phase phase_ = Phase::kDown;
  bool asked_ = false;     // to run, by Start(), and not to stop since
  bool checking_ = false;  // the checks are being asked
  std::string give_up_reason_;
  EventLoop::Handle start_timer_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_CHECKED_SERVICE_H_
