// The wait clock's arithmetic over made-up readings, and that the process's own instance does what
// it promises beside the boot clock.
#include "common/wait_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "common/boot_clock.h"

namespace hb {
namespace {

MonoTime At(int64_t ms) { return MonoTime::FromNanoseconds(ms * 1'000'000); }

TEST(WaitClockTest, FollowsTheSlowerClockIntervalByInterval) {
  using Readings = std::vector<std::pair<int64_t, int64_t>>;  // boot, raw, in milliseconds
  const struct {
    const char* name;
    Readings readings;
    std::vector<int64_t> want;
  } kCases[] = {
      {"starts at the boot clock's reading", {{5000, 70}}, {5000}},
      {"equal advances", {{5000, 70}, {5100, 170}, {5350, 420}}, {5000, 5100, 5350}},
      {"suspend: only the boot clock jumps",
       {{5000, 70}, {5100, 170}, {3605200, 270}, {3605300, 370}},
       {5000, 5100, 5200, 5300}},
      {"boot clock slewed fast", {{5000, 0}, {6083, 1000}, {7166, 2000}}, {5000, 6000, 7000}},
      {"boot clock slewed slow", {{5000, 0}, {5917, 1000}, {6834, 2000}}, {5000, 5917, 6834}},
      {"slewed fast, then slow: neither makes up for the other",
       {{5000, 0}, {6083, 1000}, {7000, 2000}},
       {5000, 6000, 6917}},
      {"no time passed", {{5000, 70}, {5000, 70}, {5000, 70}}, {5000, 5000, 5000}},
      {"one clock stands still", {{5000, 70}, {5000, 170}, {5100, 170}}, {5000, 5000, 5000}},
      {"boot clock backwards, then on from there: counted once past its highest",
       {{5000, 70}, {5100, 170}, {4000, 270}, {5050, 370}, {5150, 470}},
       {5000, 5100, 5100, 5100, 5150}},
      {"raw clock backwards",
       {{5000, 100}, {5100, 200}, {5200, 50}, {5300, 210}},
       {5000, 5100, 5100, 5110}},
      {"both backwards", {{5000, 100}, {4000, 50}, {5010, 110}}, {5000, 5000, 5010}},
  };
  for (const auto& c : kCases) {
    WaitClock clock;
    for (size_t i = 0; i < c.readings.size(); ++i) {
      EXPECT_EQ(clock.Advance(At(c.readings[i].first), At(c.readings[i].second)), At(c.want[i]))
          << c.name << ", call " << i;
    }
  }
}

TEST(WaitClockTest, BetweenAnyTwoCallsItAdvancesByNoMoreThanEitherClock) {
  std::mt19937_64 random(20'261'123);  // NOLINT(cert-msc51-cpp,cert-msc32-c): the same every time
  const auto below = [&random](int64_t bound) { return static_cast<int64_t>(random() % bound); };
  struct Call {
    MonoTime boot;
    MonoTime raw;
    MonoTime wait;
  };
  WaitClock clock;
  std::vector<Call> calls;
  MonoTime boot = At(5000);
  MonoTime raw = At(70);
  for (int i = 0; i < 500; ++i) {
    boot = boot + absl::Microseconds(below(1000));
    raw = raw + absl::Microseconds(below(1000));
    if (below(50) == 0) boot = boot + absl::Seconds(below(3600));
    calls.push_back({boot, raw, clock.Advance(boot, raw)});
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    for (size_t j = i + 1; j < calls.size(); ++j) {
      const Duration waited = calls[j].wait - calls[i].wait;
      EXPECT_GE(waited, absl::ZeroDuration());
      EXPECT_LE(waited, std::min(calls[j].boot - calls[i].boot, calls[j].raw - calls[i].raw));
    }
  }
}

TEST(WaitClockTest, TheProcesssOwnNeverDecreasesAndKeepsUpWithTheBootClock) {
  // The boot clock is read before the first and after the last call, so it saw more time pass.
  const MonoTime boot_before = BootNow();
  const MonoTime before = WaitNow();
  const auto ask = [] {
    MonoTime last = WaitNow();
    for (int i = 0; i < 20'000; ++i) {
      const MonoTime now = WaitNow();
      ASSERT_GE(now, last);
      last = now;
    }
  };
  std::thread other(ask);
  ask();
  other.join();
  const Duration waited = WaitNow() - before;
  const Duration passed = BootNow() - boot_before;
  EXPECT_LE(waited, passed);
  // 40,000 calls in a row have not lost much to readings that are not of one instant.
  EXPECT_GE(waited, passed / 2);
}

}  // namespace
}  // namespace hb
