// MonoTime's arithmetic at its ends, and durations as people read them. The boot clock itself is
// not asked.
#include "common/time.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>

namespace hb {
namespace {

MonoTime At(int64_t ns) { return MonoTime::FromNanoseconds(ns); }

TEST(MonoTimeTest, OrdersAsTheClockDoes) {
  EXPECT_LT(MonoTime(), At(1));
  EXPECT_LT(At(1), At(2));
  EXPECT_LT(At(INT64_MAX - 1), MonoTime::Infinite());
  EXPECT_EQ(At(5), At(5));
}

TEST(MonoTimeTest, AddsAndSubtractsDurations) {
  EXPECT_EQ(At(1'000'000) + absl::Microseconds(3), At(1'003'000));
  EXPECT_EQ(At(1'000'000) - absl::Microseconds(3), At(997'000));
  EXPECT_EQ(At(5'000) - At(2'000), absl::Nanoseconds(3'000));
  EXPECT_EQ(At(2'000) - At(5'000), absl::Nanoseconds(-3'000));
}

TEST(MonoTimeTest, SaturatesAtBothEnds) {
  EXPECT_EQ(At(1) + absl::InfiniteDuration(), MonoTime::Infinite());
  EXPECT_EQ(At(INT64_MAX - 1) + absl::Seconds(1), MonoTime::Infinite());
  EXPECT_EQ(At(1) - absl::InfiniteDuration(), At(INT64_MIN));
  EXPECT_EQ(At(INT64_MIN + 1) - absl::Seconds(1), At(INT64_MIN));
}

TEST(MonoTimeTest, InfiniteStaysInfinite) {
  EXPECT_EQ(MonoTime::Infinite() + absl::Seconds(1), MonoTime::Infinite());
  EXPECT_EQ(MonoTime::Infinite() - absl::Hours(1), MonoTime::Infinite());
  EXPECT_EQ(MonoTime::Infinite() - absl::InfiniteDuration(), MonoTime::Infinite());
}

TEST(MonoTimeTest, PrintsSecondsSinceBoot) {
  EXPECT_EQ(ToString(At(12'345'000'000)), "12.345000s");
  EXPECT_EQ(ToString(MonoTime()), "0.000000s");
  EXPECT_EQ(ToString(MonoTime::Infinite()), "never");
  std::ostringstream out;
  out << At(1'500'000'000);
  EXPECT_EQ(out.str(), "1.500000s");
}

TEST(HumanDurationTest, ReadsAsPeopleWriteIt) {
  const struct {
    Duration duration;
    const char* text;
  } cases[] = {
      {absl::ZeroDuration(), "0 ms"},
      {absl::Microseconds(400), "0 ms"},
      {absl::Microseconds(500), "1 ms"},
      {absl::Milliseconds(240), "240 ms"},
      {absl::Microseconds(999'499), "999 ms"},
      {absl::Microseconds(999'500), "1 s"},
      {absl::Seconds(1), "1 s"},
      {absl::Milliseconds(1050), "1.05 s"},
      {absl::Milliseconds(1500), "1.5 s"},
      {absl::Milliseconds(1234), "1.234 s"},
      {absl::Microseconds(9'999'400), "9.999 s"},
      {absl::Microseconds(9'999'600), "10 s"},
      {absl::Milliseconds(10'900), "10 s"},
      {absl::Seconds(59), "59 s"},
      {absl::Seconds(60), "1 min"},
      {absl::Seconds(200), "3 min 20 s"},
      {absl::Hours(1), "1 h 0 min"},
      {absl::Minutes(61), "1 h 1 min"},
      {absl::Hours(25), "1 d 1 h"},
      {absl::Milliseconds(-240), "-240 ms"},
      {absl::InfiniteDuration(), "for ever"},
  };
  for (const auto& c : cases) EXPECT_EQ(HumanDuration(c.duration), c.text);
}

}  // namespace
}  // namespace hb
