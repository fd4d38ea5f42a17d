// Between the executor and its link to the controller: the two interfaces they know each other by.
// In the core's words; no wire type passes here. Both sides live on the loop's thread.
#ifndef HB_EXECUTOR_STREAM_H_
#define HB_EXECUTOR_STREAM_H_

#include <string>

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
  // Whether the executor may be led by this controller now (L11). FailedPrecondition: it follows
  // another one, which was heard a moment ago or of which a grant runs.
  [[nodiscard]] virtual absl::Status MayFollow(const std::string& controller) const = 0;
  // `stream` is good until StreamClosed returns. Opened and closed alternate.
  virtual void StreamOpened(Stream* stream, const std::string& controller) = 0;
  virtual void StreamClosed() = 0;
  virtual void StreamIdle() = 0;
  // An error closes the stream with it.
  [[nodiscard]] virtual absl::Status Receive(const Orders& orders) = 0;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_STREAM_H_
