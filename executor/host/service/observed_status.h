// A service's status together with its observer: the part of the Service interface that every
// driver shares. A change is announced one turn of the loop later, so that it never happens within
// Start() or Stop(); changes of one turn are announced together. Belongs to the loop's thread.
#ifndef HB_EXECUTOR_HOST_SERVICE_OBSERVED_STATUS_H_
#define HB_EXECUTOR_HOST_SERVICE_OBSERVED_STATUS_H_

#include <functional>
#include <string>

#include "common/event_loop.h"
#include "executor/host/service/service.h"

namespace hb::executor {

class ObservedStatus {
 public:
  explicit ObservedStatus(EventLoop* loop) : loop_(loop) {}

  const ServiceStatus& get() const { return status_; }
  ServiceStatus::State state() const { return status_.state; }

  // Nothing is announced when nothing changes.
  void Set(ServiceStatus status);
  void Set(ServiceStatus::State state, std::string detail = "");

  // `changed` may destroy the owner of this object.
  void OnChange(std::function<void()> changed) { changed_ = std::move(changed); }

 private:
  EventLoop* const loop_;
  ServiceStatus status_;
  std::function<void()> changed_;
  EventLoop::Handle announcement_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_OBSERVED_STATUS_H_
