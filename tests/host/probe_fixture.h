// What the probes' tests share: a loop, and waiting on it for what a probe finds.
#ifndef HB_TESTS_HOST_PROBE_FIXTURE_H_
#define HB_TESTS_HOST_PROBE_FIXTURE_H_

#include <memory>

#include "common/boot_clock.h"
#include "common/event_loop.h"

namespace hb {

// Runs the loop until `done()`; false when that takes longer than any probe of these tests may.
template <typename F>
[[nodiscard]] bool RunLoopUntil(EventLoop* loop, F done, Duration limit = absl::Seconds(20)) {
  const MonoTime end = BootNow() + limit;
  while (!done()) {
    const MonoTime now = BootNow();
    if (now >= end) return false;
    loop->RunOnce(end - now);
  }
  return true;
}

// Runs the loop for a time, to see that something does not happen.
inline void RunLoopFor(EventLoop* loop, Duration time) {
  const bool over = RunLoopUntil(
      loop, [] { return false; }, time);
  static_cast<void>(over);
}

}  // namespace hb

#endif  // HB_TESTS_HOST_PROBE_FIXTURE_H_
