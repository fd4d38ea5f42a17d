// Between the executor and its links to the other nodes' executors (rule L6), in the core's words;
// no wire type passes here. Both sides live on the loop's thread. PeerLink (peer_link.h) is the
// real one.
#ifndef HB_EXECUTOR_PEER_H_
#define HB_EXECUTOR_PEER_H_

#include <functional>

#include "absl/status/statusor.h"
#include "executor/core/node.h"

namespace hb::executor {

// Asks.
class Peers {
 public:
  virtual ~Peers() = default;
  // `done` is called once, later: with the answer, or an error (Unavailable, DeadlineExceeded after
  // `within`), which is no promise.
  virtual void Ask(const AskPromise& question, Duration within,
                   std::function<void(absl::StatusOr<PromiseReply>)> done) = 0;
};

// Answers.
class PromiseHandler {
 public:
  virtual ~PromiseHandler() = default;
  // `request.id` is for the handler to give. `answer` may be called from within, or later; once.
  virtual void PromiseAsked(PromiseRequest request,
                            std::function<void(const AnswerPromise&)> answer) = 0;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_PEER_H_
