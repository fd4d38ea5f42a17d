// MonoTime: an instant of the boot clock (CLOCK_BOOTTIME), the only clock that leases, timeouts and
// decisions are made of. Pure: nothing here reads a clock (common/boot_clock.h does). Instants
// never cross the wire; durations do. absl::Time is for people only (event log, status).
#ifndef HB_COMMON_TIME_H_
#define HB_COMMON_TIME_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/time/time.h"

namespace hb {

using Duration = absl::Duration;

class MonoTime {
 public:
  constexpr MonoTime() = default;  // the boot itself: before every instant that a clock can show
  static constexpr MonoTime FromNanoseconds(int64_t since_boot) { return MonoTime(since_boot); }
  static constexpr MonoTime Infinite() { return MonoTime(INT64_MAX); }

  constexpr int64_t nanoseconds() const { return nanoseconds_; }

  friend constexpr auto operator<=>(MonoTime, MonoTime) = default;
  // Saturates at both ends; Infinite() plus anything stays Infinite().
  friend MonoTime operator+(MonoTime t, Duration d);
  friend MonoTime operator-(MonoTime t, Duration d) { return t + (-d); }
  friend Duration operator-(MonoTime a, MonoTime b) {
    return absl::Nanoseconds(a.nanoseconds_) - absl::Nanoseconds(b.nanoseconds_);
  }

 private:
  explicit constexpr MonoTime(int64_t ns) : nanoseconds_(ns) {}
  int64_t nanoseconds_ = 0;
};

// "12.345000s" since boot; "never" for Infinite().
std::string ToString(MonoTime t);
std::ostream& operator<<(std::ostream& out, MonoTime t);

// For people: to the millisecond below 10 s ("240 ms", "1.5 s", "3 min 20 s").
std::string HumanDuration(Duration d);

}  // namespace hb

#endif  // HB_COMMON_TIME_H_
