// The two clocks as the kernel gives them: CLOCK_BOOTTIME for everything that is decided, the wall
// clock for what people read. The only file that reads a clock; nothing is cached or corrected
// here.
#include "common/boot_clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace hb {

MonoTime BootNow() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return MonoTime::FromNanoseconds(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

absl::Time WallNow() { return absl::Now(); }

}  // namespace hb
