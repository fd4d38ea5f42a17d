// A way into the event loop for objects of other threads (gRPC's) that may outlive it: shared by
// them and the loop's side, which closes it when it goes.
#ifndef HB_COMMON_POSTER_H_
#define HB_COMMON_POSTER_H_

#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "common/event_loop.h"

namespace hb {

// Made by std::make_shared.
class Poster : public std::enable_shared_from_this<Poster> {
 public:
  explicit Poster(EventLoop* loop) : loop_(loop) {}

  // Thread-safe: the function runs on the loop's thread, in the order of posting. After Close it is
  // destroyed unrun.
  void Post(absl::AnyInvocable<void()> f) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (loop_ == nullptr) return;
    waiting_.push_back(std::move(f));
    loop_->Post([self = shared_from_this()] { self->RunNext(); });
  }
  // On the loop's thread. What still waits is destroyed here, unrun.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::deque<absl::AnyInvocable<void()>> unrun;
    absl::MutexLock lock(&mutex_);
    loop_ = nullptr;
    unrun.swap(waiting_);
  }

 private:
  void RunNext() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::AnyInvocable<void()> f;
    {
      absl::MutexLock lock(&mutex_);
      if (waiting_.empty()) return;  // closed
      f = std::move(waiting_.front());
      waiting_.pop_front();
    }
    f();
  }

  absl::Mutex mutex_;
  EventLoop* loop_ ABSL_GUARDED_BY(mutex_);
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb

#endif  // HB_COMMON_POSTER_H_
