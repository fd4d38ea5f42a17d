// The only file that reads a clock (a test enforces it). Everything else is handed a MonoTime.
#ifndef HB_COMMON_BOOT_CLOCK_H_
#define HB_COMMON_BOOT_CLOCK_H_

#include "absl/time/time.h"
#include "common/time.h"

namespace hb {

// CLOCK_BOOTTIME: counts suspend, is slewed by NTP, never stepped. clock_gettime(2).
MonoTime BootNow();

// The clock of whoever waits for a lease or promise of another host to end, and for nothing else:
// since the last call it has advanced by the smaller of the advances of CLOCK_BOOTTIME and
// CLOCK_MONOTONIC_RAW (common/wait_clock.h). Starts at the boot clock's reading and from then on
// stays behind it, so its instants are compared with its own alone. Never decreases. Thread-safe.
MonoTime WaitNow();

// Wall clock, for people only: event log and status. Never compared, never a deadline.
absl::Time WallNow();

}  // namespace hb

#endif  // HB_COMMON_BOOT_CLOCK_H_
