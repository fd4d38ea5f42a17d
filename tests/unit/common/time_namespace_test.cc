// What /proc/self/timens_offsets may say. The daemons' own refusal: tests/host and tests/lab.
#include "common/time_namespace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hb {
namespace {

using ::testing::HasSubstr;

TEST(TimeNamespaceTest, RefusesOffsetsOfTheTwoClocks) {
  const struct {
    const char* name;
    const char* text;
    const char* refusal;  // empty: none
  } kCases[] = {
      {"no offsets", "monotonic           0         0\nboottime            0         0\n", ""},
      {"empty", "", ""},
      {"blank lines", "\n \n", ""},
      {"boot clock ahead", "monotonic           0         0\nboottime         3600         0\n",
       "shifts its boottime clock by 3600 s 0 ns"},
      {"monotonic clock behind", "monotonic          -1 999999999\nboottime            0         0",
       "shifts its monotonic clock by -1 s 999999999 ns"},
      {"nanoseconds alone", "boottime 0 1\n", "shifts its boottime clock by 0 s 1 ns"},
      {"clocks by number", "1 0 0\n7 60 0\n", "shifts its boottime clock by 60 s 0 ns"},
      {"another clock", "realtime 5 0\nboottime 0 0\n", ""},
      {"no number", "boottime soon 0\n", "'boottime soon 0' is no offset"},
      {"too large a number", "boottime 99999999999999999999 0\n", "is no offset"},
      {"cut short", "monotonic 0 0\nboottime 0\n", "'boottime 0' is no offset"},
      {"one word too many", "boottime 0 0 0\n", "is no offset"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = CheckTimeOffsets(c.text);
    if (std::string(c.refusal).empty()) {
      EXPECT_TRUE(status.ok()) << c.name << ": " << status;
      continue;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << c.name << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.refusal)) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the host's own boot clock")) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("run it in the host's time namespace"))
        << c.name;
  }
}

TEST(TimeNamespaceTest, AcceptsTheHostThatTheTestsRunOn) {
  EXPECT_TRUE(CheckTimeNamespace().ok()) << CheckTimeNamespace();
}

}  // namespace
}  // namespace hb
