// A way into the event loop for objects of other threads (gRPC's) that may outlive it: shared by
// them and the loop's side, which closes it when it goes.
#ifndef HB_COMMON_POSTER_H_
#define HB_COMMON_POSTER_H_

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "common/event_loop.h"

namespace hb {

class Poster {
 public:
  explicit Poster(EventLoop* loop) : loop_(loop) {}

  // Thread-safe. After Close the function is dropped unrun.
  void Post(absl::AnyInvocable<void()> f) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (loop_ != nullptr) loop_->Post(std::move(f));
  }
  // On the loop's thread. What was posted before may still run: it has to find out by itself
  // whether what it is for is still there.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    loop_ = nullptr;
  }

 private:
  absl::Mutex mutex_;
  EventLoop* loop_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb

#endif  // HB_COMMON_POSTER_H_
