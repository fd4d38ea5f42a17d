// Which status codes count as good, as the config writes them, and every form that is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/probe/http.h"

namespace hb {
namespace {

TEST(HttpStatusSetTest, TakesSuccessAndRedirectsUnlessTold) {
  const HttpStatusSet set;
  EXPECT_EQ(set.ToString(), "200-399");
  EXPECT_FALSE(set.Contains(199));
  EXPECT_TRUE(set.Contains(200));
  EXPECT_TRUE(set.Contains(399));
  EXPECT_FALSE(set.Contains(400));
}

TEST(HttpStatusSetTest, ReadsCodesAndRanges) {
  const struct {
    const char* text;
    const char* written;
    std::vector<long> good;
    std::vector<long> bad;
  } cases[] = {
      {"200", "200", {200}, {199, 201, 0, -200}},
      {"200-399", "200-399", {200, 301, 399}, {199, 400}},
      {"200,301-302", "200,301-302", {200, 301, 302}, {201, 300, 303}},
      {"100-599", "100-599", {100, 599}, {99, 600}},
      {"404-404", "404", {404}, {403, 405}},
      {"503,200", "503,200", {200, 503}, {201, 502}},
  };
  for (const auto& c : cases) {
    const absl::StatusOr<HttpStatusSet> set = HttpStatusSet::Parse(c.text);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->ToString(), c.written);
    for (const long status : c.good) EXPECT_TRUE(set->Contains(status)) << c.text << " " << status;
    for (const long status : c.bad) EXPECT_FALSE(set->Contains(status)) << c.text << " " << status;
  }
}

TEST(HttpStatusSetTest, RefusesAnythingElse) {
  for (const char* text : {"",     ",",           "200,",    ",200", "200,,201", "20",       "2000",
                           "099",  "600",         "2xx",     "200 ", " 200",     "200, 301", "200-",
                           "-200", "200-300-400", "300-200", "+20",  "200;301",  "200-39x"}) {
    const absl::StatusOr<HttpStatusSet> set = HttpStatusSet::Parse(text);
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(set.status().message()), ::testing::HasSubstr("100 to 599")) << text;
  }
}

}  // namespace
}  // namespace hb
