// The only file that reads a clock (a test enforces it). Everything else is handed a MonoTime.
#ifndef HB_COMMON_BOOT_CLOCK_H_
#define HB_COMMON_BOOT_CLOCK_H_

#include "absl/time/time.h"
#include "common/time.h"

namespace hb {

// CLOCK_BOOTTIME: counts suspend, is slewed by NTP, never stepped. clock_gettime(2).
MonoTime BootNow();

// Wall clock, for people only: event log and status. Never compared, never a deadline.
absl::Time WallNow();

}  // namespace hb

#endif  // HB_COMMON_BOOT_CLOCK_H_
