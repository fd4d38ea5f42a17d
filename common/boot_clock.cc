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
