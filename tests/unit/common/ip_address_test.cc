// Addresses and prefixes as text, as bytes and as socket addresses, and every form that is refused.
#include "common/ip_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

#include "absl/hash/hash_testing.h"

namespace hb {
namespace {

using ::testing::HasSubstr;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
IpPrefix Prefix(std::string_view text) { return IpPrefix::Parse(text).value(); }

TEST(IpAddressTest, ReadsAndWritesBothFamilies) {
  const struct {
    const char* text;
    const char* written;
    int family;
  } cases[] = {
      {"192.168.0.1", "192.168.0.1", AF_INET},
      {"0.0.0.0", "0.0.0.0", AF_INET},
      {"255.255.255.255", "255.255.255.255", AF_INET},
      {"fd00::1", "fd00::1", AF_INET6},
      {"FD00:0:0:0:0:0:0:1", "fd00::1", AF_INET6},
      {"::", "::", AF_INET6},
      {"::ffff:192.168.0.1", "::ffff:192.168.0.1", AF_INET6},
  };
  for (const auto& c : cases) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(c.text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), c.written);
    EXPECT_EQ(address->family(), c.family);
    EXPECT_EQ(address->is_v4(), c.family == AF_INET);
    EXPECT_EQ(address->is_v6(), c.family == AF_INET6);
    EXPECT_EQ(address->size() * 8, static_cast<size_t>(address->bits()));
  }
}

TEST(IpAddressTest, RefusesAnythingElse) {
  const std::string_view cases[] = {"",
                                    "localhost",
                                    "192.168.0",
                                    "192.168.0.256",
                                    "192.168.0.1 ",
                                    " 192.168.0.1",
                                    "1.2.3.4:5",
                                    "1.2.3.4/24",
                                    "fe80::1%eth0",
                                    "[fd00::1]",
                                    "fd00::1/64",
                                    "fd00:::1",
                                    "01.2.3.4",
                                    "1.2.3.4\n",
                                    "1.2.3.4.5",
                                    "0x7f.0.0.1",
                                    "2130706433",
                                    std::string_view("1.2.3.4\0", 8),
                                    std::string_view("fd00::1\0junk", 12)};
  for (const std::string_view text : cases) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("is not an IPv4 or IPv6"));
  }
}

TEST(IpAddressTest, TurnsIntoASocketAddressAndBack) {
  sockaddr_storage storage{};
  EXPECT_EQ(Ip("192.168.0.1").ToSockaddr(80, &storage), sizeof(sockaddr_in));
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof v4);
  EXPECT_EQ(v4.sin_family, AF_INET);
  EXPECT_EQ(ntohs(v4.sin_port), 80);
  EXPECT_EQ(IpAddress::V4(v4.sin_addr), Ip("192.168.0.1"));

  EXPECT_EQ(Ip("fd00::1").ToSockaddr(7401, &storage), sizeof(sockaddr_in6));
  sockaddr_in6 v6{};
  std::memcpy(&v6, &storage, sizeof v6);
  EXPECT_EQ(v6.sin6_family, AF_INET6);
  EXPECT_EQ(ntohs(v6.sin6_port), 7401);
  EXPECT_EQ(v6.sin6_scope_id, 0U);
  EXPECT_EQ(IpAddress::V6(v6.sin6_addr), Ip("fd00::1"));
}

TEST(IpAddressTest, WritesItselfIntoUrls) {
  EXPECT_EQ(Ip("192.168.0.1").ToUrlHost(), "192.168.0.1");
  EXPECT_EQ(Ip("fd00::1").ToUrlHost(), "[fd00::1]");
  EXPECT_EQ(Ip("192.168.0.1").ToStringWithPort(80), "192.168.0.1:80");
  EXPECT_EQ(Ip("fd00::1").ToStringWithPort(80), "[fd00::1]:80");
}

TEST(IpAddressTest, ComparesByFamilyAndBytes) {
  EXPECT_EQ(IpAddress(), Ip("0.0.0.0"));
  EXPECT_NE(Ip("0.0.0.0"), Ip("::"));
  EXPECT_LT(Ip("9.255.255.255"), Ip("10.0.0.0"));
  EXPECT_LT(Ip("255.255.255.255"), Ip("::"));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {IpAddress(), Ip("::"), Ip("10.0.0.1"), Ip("10.0.0.2"), Ip("a00:1::"), Ip("fd00::1")}));
}

TEST(IpPrefixTest, ReadsTheLengthOrTakesTheWholeAddress) {
  EXPECT_EQ(Prefix("192.168.0.111/24"), (IpPrefix{Ip("192.168.0.111"), 24}));
  EXPECT_EQ(Prefix("192.168.0.111"), (IpPrefix{Ip("192.168.0.111"), 32}));
  EXPECT_EQ(Prefix("fd00::1"), (IpPrefix{Ip("fd00::1"), 128}));
  EXPECT_EQ(Prefix("fd00::1/0"), (IpPrefix{Ip("fd00::1"), 0}));
  EXPECT_EQ(Prefix("192.168.0.111/24").ToString(), "192.168.0.111/24");
}

TEST(IpPrefixTest, RefusesAnythingElse) {
  for (const char* text :
       {"", "/24", "192.168.0.1/", "192.168.0.1/33", "192.168.0.1/-1", "192.168.0.1/24/8",
        "192.168.0.1/ 24", "192.168.0.1/24 ", "192.168.0.1/+24", "192.168.0.1/024", "fd00::1/129",
        "192.168.0.1/x", "192.168.0.1/4294967320", "host/24"}) {
    EXPECT_EQ(IpPrefix::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(IpPrefixTest, ContainsWhatSharesItsBits) {
  const struct {
    const char* prefix;
    const char* address;
    bool contained;
  } cases[] = {
      {"192.168.0.111/24", "192.168.0.1", true},
      {"192.168.0.111/24", "192.168.1.1", false},
      {"10.0.0.0/9", "10.127.255.255", true},
      {"10.0.0.0/9", "10.128.0.0", false},
      {"10.0.0.1/32", "10.0.0.1", true},
      {"10.0.0.1/32", "10.0.0.0", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "fd00::1", false},
      {"fd00::/7", "fc00::1", true},
      {"fd00::/8", "fc00::1", false},
      {"::/0", "fd00::1", true},
      {"::/0", "10.0.0.1", false},
      {"fd00::1/127", "fd00::", true},
      {"fd00::1/127", "fd00::2", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Prefix(c.prefix).Contains(Ip(c.address)), c.contained)
        << c.prefix << " " << c.address;
  }
}

}  // namespace
}  // namespace hb
