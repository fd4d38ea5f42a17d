// MonoTime's arithmetic, which saturates, and how instants and durations are written for people. No
// clock is read here.
#include "common/time.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hb {

MonoTime operator+(MonoTime t, Duration d) {
  if (t == MonoTime::Infinite()) return t;
  return MonoTime::FromNanoseconds(
      absl::ToInt64Nanoseconds(absl::Nanoseconds(t.nanoseconds()) + d));
}

std::string ToString(MonoTime t) {
  if (t == MonoTime::Infinite()) return "never";
  return absl::StrFormat("%.6fs", static_cast<double>(t.nanoseconds()) / 1e9);
}

std::ostream& operator<<(std::ostream& out, MonoTime t) { return out << ToString(t); }

std::string HumanDuration(Duration d) {
  if (d == absl::InfiniteDuration()) return "for ever";
  if (d < absl::ZeroDuration()) return absl::StrCat("-", HumanDuration(-d));
  if (d < absl::Seconds(10)) {
    const int64_t ms = absl::ToInt64Milliseconds(d + absl::Microseconds(500));
    if (ms < 1000) return absl::StrCat(ms, " ms");
    std::string seconds = absl::StrFormat("%d.%03d", ms / 1000, ms % 1000);
    seconds.erase(seconds.find_last_not_of('0') + 1);
    if (seconds.back() == '.') seconds.pop_back();
    return absl::StrCat(seconds, " s");
  }
  const int64_t s = absl::ToInt64Seconds(d);
  if (s < 60) return absl::StrCat(s, " s");
  if (s < 3600) {
    return s % 60 ? absl::StrCat(s / 60, " min ", s % 60, " s") : absl::StrCat(s / 60, " min");
  }
  if (s < 86400) return absl::StrCat(s / 3600, " h ", s % 3600 / 60, " min");
  return absl::StrCat(s / 86400, " d ", s % 86400 / 3600, " h");
}

}  // namespace hb
