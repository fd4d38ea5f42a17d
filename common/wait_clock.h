// The clock of whoever waits for a lease or promise of another host to end (design, section 4): of
// CLOCK_BOOTTIME, which NTP slews and suspend jumps, and CLOCK_MONOTONIC_RAW, which stands still in
// suspend, it follows whichever is slower, interval by interval. Pure: the readings are handed in;
// boot_clock.h keeps the process's one instance.
#ifndef HB_COMMON_WAIT_CLOCK_H_
#define HB_COMMON_WAIT_CLOCK_H_

#include "common/time.h"

namespace hb {

class WaitClock {
 public:
  // Advances by the smaller of what the two clocks advanced since the last call, and returns where
  // it stands. The first call returns `boot`. A clock that reads less than before counts as
  // standing still until it has passed its highest reading.
  //
  // Between any two calls, neighbours or not, it advances by no more than either clock: a sum of
  // minima is at most the minimum of the sums. No clock of that kind is faster, because the bound
  // holds for neighbouring calls, too. So readings that were not taken at one instant lose their
  // distance for good, once a call: take them close together.
  MonoTime Advance(MonoTime boot, MonoTime raw);

 private:
  bool started_ = false;
  MonoTime now_;
  MonoTime boot_;  // the highest readings so far
  MonoTime raw_;
};

}  // namespace hb

#endif  // HB_COMMON_WAIT_CLOCK_H_
