// The minimum of two advances, and nothing else: no reading is smoothed or corrected, for whatever
// made the wait shorter would have to be proved safe.
#include "common/wait_clock.h"

#include <algorithm>

namespace hb {

MonoTime WaitClock::Advance(MonoTime boot, MonoTime raw) {
  if (!started_) {
    started_ = true;
    now_ = boot;
    boot_ = boot;
    raw_ = raw;
    return now_;
  }
  const MonoTime highest_boot = std::max(boot, boot_);
  const MonoTime highest_raw = std::max(raw, raw_);
  now_ = now_ + std::min(highest_boot - boot_, highest_raw - raw_);
  boot_ = highest_boot;
  raw_ = highest_raw;
  return now_;
}

}  // namespace hb
