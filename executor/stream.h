// Between the executor and its link to the controller: the two interfaces they know each other by.
// In the core's words; no wire type passes here. Both sides live on the loop's thread.
#ifndef HB_EXECUTOR_STREAM_H_
#define HB_EXECUTOR_STREAM_H_

#include "absl/status/status.h"
#include "executor/core/node.h"

namespace hb::executor {

// The open stream of the one controller that is followed.
class Stream {
 public:
  virtual ~Stream() = default;
  // True when the last report has left this process: the next may be composed.
  virtual bool Idle() const = 0;
  // Only while Idle(). Later, never from within, StreamIdle or StreamClosed follows.
  virtual void Send(const Report& report) = 0;
};

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // `stream` is good until StreamClosed returns. Opened and closed alternate.
  virtual void StreamOpened(Stream* stream) = 0;
  virtual void StreamClosed() = 0;
  virtual void StreamIdle() = 0;
  // An error closes the stream with it.
  [[nodiscard]] virtual absl::Status Receive(const Orders& orders) = 0;
  // True while a lease holds: then another controller is refused.
  virtual bool HoldsAnything() const = 0;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_STREAM_H_
