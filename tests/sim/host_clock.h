// A simulated host's clocks: CLOCK_BOOTTIME, which runs off by what NTP may slew it, and
// CLOCK_MONOTONIC_RAW, which does not. Integer arithmetic only.
#ifndef HB_TESTS_SIM_HOST_CLOCK_H_
#define HB_TESTS_SIM_HOST_CLOCK_H_

#include <cstdint>

#include "common/time.h"

namespace hb::sim {

using Time = int64_t;  // nanoseconds since the world began; what no host can see
inline constexpr Time kNever = INT64_MAX;

class HostClock {
 public:
  // Boots at `now`: both clocks begin anew.
  void Boot(Time now) {
    boot_ = raw_ = kAtBoot;
    since_ = now;
  }
  // How much faster than true time the boot clock runs, in parts per million.
  void SetRate(int64_t ppm, Time now) {
    Anchor(now);
    ppm_ = ppm;
  }
  MonoTime BootTime(Time now) {
    if (now - since_ > kAnchorAfter) Anchor(now);
    return MonoTime::FromNanoseconds(boot_ + Scaled(now - since_));
  }
  MonoTime RawTime(Time now) const { return MonoTime::FromNanoseconds(raw_ + now - since_); }
  // The first instant at which the boot clock reads `when` or more.
  Time WhenBootTime(MonoTime when, Time now) {
    if (when == MonoTime::Infinite()) return kNever;
    const int64_t local = BootTime(now).nanoseconds();
    if (when.nanoseconds() <= local) return now;
    const int64_t left = when.nanoseconds() - local;
    if (left > kFar) return kNever;
    // May fall short by a rounding.
    Time at = now + left * 1'000'000 / (1'000'000 + ppm_) + 1;
    while (boot_ + Scaled(at - since_) < when.nanoseconds()) ++at;
    return at;
  }

 private:
  static constexpr int64_t kAtBoot = 20'000'000'000;
  static constexpr Time kAnchorAfter = 3'600'000'000'000;
  static constexpr int64_t kFar = 5'000'000'000'000;

  int64_t Scaled(Time d) const {
    return d + d / 1'000'000 * ppm_ + d % 1'000'000 * ppm_ / 1'000'000;
  }
  void Anchor(Time now) {
    boot_ += Scaled(now - since_);
    raw_ += now - since_;
    since_ = now;
  }

  int64_t ppm_ = 0;
  int64_t boot_ = kAtBoot;
  int64_t raw_ = kAtBoot;
  Time since_ = 0;
};

}  // namespace hb::sim

#endif  // HB_TESTS_SIM_HOST_CLOCK_H_
