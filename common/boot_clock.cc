// The clocks as the kernel gives them: CLOCK_BOOTTIME for everything that is decided, with
// CLOCK_MONOTONIC_RAW for who waits for another host, the wall clock for what people read. The only
// file that reads a clock.
#include "common/boot_clock.h"

#include <ctime>

#include "absl/time/clock.h"
#include "common/mutex.h"
#include "common/wait_clock.h"

namespace hb {
namespace {

MonoTime Read(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return MonoTime::FromNanoseconds(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

struct Readings {
  MonoTime boot;
  MonoTime raw;
};

// Both clocks as nearly at one instant as can be had: what lies between them, WaitClock loses for
// good. Interrupted in between, it tries again, three times at most.
Readings ReadBoth() {
  constexpr Duration kClose = absl::Microseconds(5);
  constexpr int kMaxTries = 3;
  Readings closest{};
  Duration least = absl::InfiniteDuration();
  for (int i = 0; i < kMaxTries && least > kClose; ++i) {
    const Readings readings = {Read(CLOCK_BOOTTIME), Read(CLOCK_MONOTONIC_RAW)};
    const Duration spread = Read(CLOCK_BOOTTIME) - readings.boot;
    if (spread >= least) continue;
    least = spread;
    closest = readings;
  }
  return closest;
}

}  // namespace

MonoTime BootNow() { return Read(CLOCK_BOOTTIME); }

MonoTime WaitNow() {
  static Mutex mutex;
  static WaitClock clock;
  const MutexLock lock(&mutex);  // the readings, too: another thread's may not overtake them
  const Readings readings = ReadBoth();
  return clock.Advance(readings.boot, readings.raw);
}

absl::Time WallNow() { return absl::Now(); }

}  // namespace hb
