// What one of the meter's probes has asked and been answered, in order of asking. Written by the
// meter's thread, read by whoever wants a report. Bounded: the oldest requests are forgotten.
#ifndef HB_TESTS_LAB_REQUEST_LOG_H_
#define HB_TESTS_LAB_REQUEST_LOG_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/time.h"
#include "tests/lab/meter_report.h"

namespace hb::lab {

// Thread-safe.
class RequestLog {
 public:
  using Id = int64_t;
  static constexpr size_t kKept = 500'000;  // more than a quarter of an hour at one in 2 ms

  Id Sent(MonoTime now) ABSL_LOCKS_EXCLUDED(mutex_);
  // The second answer of a node to the same request does not count.
  void Answered(Id id, MonoTime now, const std::string& node) ABSL_LOCKS_EXCLUDED(mutex_);
  void Failed(Id id) ABSL_LOCKS_EXCLUDED(mutex_);

  // All that were sent at `from` or later.
  std::vector<Request> Since(MonoTime from) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Request* Find(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Id first_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Request> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_REQUEST_LOG_H_
