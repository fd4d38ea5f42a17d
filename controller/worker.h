// One thread for what may be slow (the store, the event log file), so that the loop never waits for
// a disk. Jobs run in the order in which they were given.
#ifndef HB_CONTROLLER_WORKER_H_
#define HB_CONTROLLER_WORKER_H_

#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace hb::controller {

class Worker {
 public:
  using Job = absl::AnyInvocable<void()>;
  // More waiting jobs than this are refused: the disk is stuck.
  static constexpr size_t kMaxWaiting = 100'000;

  Worker();
  ~Worker();  // finishes what waits
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Thread-safe. False: too many wait, and the job is dropped.
  [[nodiscard]] bool Run(Job job) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  std::deque<Job> waiting_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_WORKER_H_
