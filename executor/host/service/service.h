// A service that the node can run (httpd), whatever runs it: a child process of ours, or a systemd
// unit. Starting and stopping take time and are asynchronous; the state is what was observed, and
// every change of it is pushed at once. A service outlives the executor: a driver finds a running
// service again at its start. Belongs to the event loop's thread.
#ifndef HB_EXECUTOR_HOST_SERVICE_SERVICE_H_
#define HB_EXECUTOR_HOST_SERVICE_SERVICE_H_

#include <functional>

#include "executor/core/types.h"

namespace hb::executor {

class Service {
 public:
  virtual ~Service() = default;

  // Starts it unless it is starting or running. While it is stopping: starts it afterwards. The
  // outcome is kRunning or kFailed, within the start timeout.
  virtual void Start() = 0;

  // Stops it, gracefully, then firmly. The outcome is kStopped. Also from kFailed (the record of
  // the failure is cleared). While it is starting: the start is given up.
  virtual void Stop() = 0;

  virtual const ServiceStatus& status() const = 0;

  // `changed` is called on the loop after each change of status(), never from within Start() or
  // Stop().
  virtual void OnChange(std::function<void()> changed) = 0;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_SERVICE_H_
