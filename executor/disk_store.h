// Runs StateDirectory's writes, and other slow work of the daemon, on a thread of its own, so that
// a slow disk never holds up a lease. Answers are posted to the loop. It keeps at most kMaxWaiting
// jobs; the next one is refused (Unavailable), for its caller will come again.
#ifndef HB_EXECUTOR_DISK_STORE_H_
#define HB_EXECUTOR_DISK_STORE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "common/event_loop.h"
#include "common/mutex.h"
#include "executor/state.h"
#include "executor/store.h"

namespace hb::executor {

class DiskStore final : public Store {
 public:
  static constexpr size_t kMaxWaiting = 1024;

  // Both must outlive it; from here on `state` is used by the thread alone.
  DiskStore(EventLoop* loop, StateDirectory* state);
  // Finishes what is under way and waiting; answers that have not been given are not given.
  ~DiskStore() override;

  void StoreRecord(const std::string& cluster, const Record& record, Done done) override;
  void StoreVips(const std::set<Vip>& vips, Done done) override;
  // Any slow work: `work` runs on the thread, `done` gets its outcome.
  void Do(std::function<absl::Status()> work, Done done) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Job {
    std::function<absl::Status()> work;
    Done done;
  };
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !jobs_.empty(); }

  EventLoop* const loop_;
  StateDirectory* const state_;
  Mutex mutex_;
  CondVar work_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_DISK_STORE_H_
