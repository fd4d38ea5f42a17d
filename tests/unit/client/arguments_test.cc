// What people type: every accepted form and every refusal.
#include "client/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hb::client {
namespace {

using ::testing::HasSubstr;

TEST(ArgumentsTest, ReadsServerAddresses) {
  const auto unix_server = ParseServer("unix:///run/hb/controller.sock");
  ASSERT_TRUE(unix_server.ok()) << unix_server.status();
  EXPECT_EQ(unix_server->unix_path, "/run/hb/controller.sock");
  EXPECT_EQ(unix_server->text, "unix:///run/hb/controller.sock");

  const auto v4 = ParseServer("192.168.0.2:7400");
  ASSERT_TRUE(v4.ok()) << v4.status();
  EXPECT_EQ(v4->unix_path, "");
  EXPECT_EQ(v4->address.ToString(), "192.168.0.2");
  EXPECT_EQ(v4->port, 7400);

  const auto v6 = ParseServer("[fd00::2]:65535");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_EQ(v6->address.ToString(), "fd00::2");
  EXPECT_EQ(v6->port, 65535);

  EXPECT_TRUE(ParseServer(kDefaultServer).ok());
}

TEST(ArgumentsTest, RefusesOtherServers) {
  const struct {
    std::string text;
    const char* want;
  } kCases[] = {
      {"", "neither unix:///path nor ADDRESS:PORT"},
      {"192.168.0.2", "neither unix:///path nor ADDRESS:PORT"},
      {"localhost:7400", "neither unix:///path nor ADDRESS:PORT"},
      {"fd00::2:7400", "neither unix:///path nor ADDRESS:PORT"},
      {"[192.168.0.2]:7400", "neither unix:///path nor ADDRESS:PORT"},
      {"[]:7400", "neither unix:///path nor ADDRESS:PORT"},
      {"/run/hb/controller.sock", "neither unix:///path nor ADDRESS:PORT"},
      {"http://192.168.0.2:7400", "neither unix:///path nor ADDRESS:PORT"},
      {"192.168.0.2:", "the port must be 1 to 65535"},
      {"192.168.0.2:0", "the port must be 1 to 65535"},
      {"192.168.0.2:65536", "the port must be 1 to 65535"},
      {"192.168.0.2:-1", "the port must be 1 to 65535"},
      {"192.168.0.2: 80", "the port must be 1 to 65535"},
      {"192.168.0.2:80x", "the port must be 1 to 65535"},
      {"unix://run/hb.sock", "absolute path"},
      {"unix:///", "absolute path"},
      {"unix://", "absolute path"},
      {"unix:///run/hb/", "absolute path"},
      {"unix:///" + std::string(107, 'a'), "at most 107 bytes"},
  };
  for (const auto& c : kCases) {
    const auto server = ParseServer(c.text);
    ASSERT_FALSE(server.ok()) << c.text;
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(c.want)) << c.text;
  }
  EXPECT_TRUE(ParseServer("unix:///" + std::string(106, 'a')).ok());
}

TEST(ArgumentsTest, ReadsSpans) {
  EXPECT_EQ(*ParseSpan("10m"), absl::Minutes(10));
  EXPECT_EQ(*ParseSpan("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseSpan("1.5s"), absl::Milliseconds(1500));
  EXPECT_EQ(*ParseSpan("300ms"), absl::Milliseconds(300));
  EXPECT_EQ(*ParseSpan("2d"), absl::Hours(48));
  for (const char* bad : {"", "10", "0s", "-5m", "0d", "-1d", "d", "1d2h", "ten minutes", "inf",
                          "40000d", "9999999999999999d"}) {
    EXPECT_EQ(ParseSpan(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(ArgumentsTest, ReadsSince) {
  const absl::Time now = absl::FromUnixSeconds(1795394606);  // 2026-11-23T00:43:26Z
  const absl::TimeZone berlin = absl::FixedTimeZone(3600);
  EXPECT_EQ(*ParseSince("10m", now, berlin), now - absl::Minutes(10));
  EXPECT_EQ(*ParseSince("1d", now, berlin), now - absl::Hours(24));
  EXPECT_EQ(*ParseSince("2026-11-23T00:43:26Z", now, berlin), now);
  EXPECT_EQ(*ParseSince("2026-11-23T02:43:26.250+02:00", now, berlin),
            now + absl::Milliseconds(250));
  EXPECT_EQ(*ParseSince("2026-11-23 01:43:26", now, berlin), now);
  EXPECT_EQ(*ParseSince("2026-11-23 01:43:26.123", now, berlin), now + absl::Milliseconds(123));
  EXPECT_EQ(*ParseSince("2026-11-23 01:43", now, berlin), now - absl::Seconds(26));
  for (const char* bad :
       {"", "yesterday", "2026-11-23", "2026-13-23T00:43:26Z", "infinite-past", "infinite-future",
        "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-11-23T00:43:26", "-10m"}) {
    const auto since = ParseSince(bad, now, berlin);
    ASSERT_FALSE(since.ok()) << bad;
    EXPECT_THAT(std::string(since.status().message()), HasSubstr("2026-11-23T00:43:26Z")) << bad;
  }
}

}  // namespace
}  // namespace hb::client
