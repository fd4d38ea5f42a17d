// The text that iptables-restore gets: who is let in, where the jump goes, what removal leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "executor/host/firewall.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpPrefix Prefix(const char* text) { return *IpPrefix::Parse(text); }
IpAddress Address(const char* text) { return *IpAddress::Parse(text); }

FirewallRules MasterRules() {
  FirewallRules rules;
  FirewallRules::Protected& own = rules.own_addresses[Address("192.168.0.1")];
  own.restrict_icmp_echo = true;
  own.icmp_echo_sources = {Prefix("192.168.0.2"), Prefix("192.168.0.3")};
  own.tcp_sources[80] = {Prefix("192.168.0.2")};
  return rules;
}

TEST(FirewallChainTest, AllowedSourcesComeBeforeTheDrop) {
  EXPECT_THAT(
      FirewallChain(MasterRules(), IpFamily::kIpv4),
      ElementsAre("-A HB-INPUT -i lo -j RETURN",
                  "-A HB-INPUT -s 192.168.0.2/32 -d 192.168.0.1/32 -p icmp -m icmp --icmp-type 8 "
                  "-j ACCEPT",
                  "-A HB-INPUT -s 192.168.0.3/32 -d 192.168.0.1/32 -p icmp -m icmp --icmp-type 8 "
                  "-j ACCEPT",
                  "-A HB-INPUT -d 192.168.0.1/32 -p icmp -m icmp --icmp-type 8 -j DROP",
                  "-A HB-INPUT -s 192.168.0.2/32 -d 192.168.0.1/32 -p tcp -m tcp --dport 80 "
                  "-j ACCEPT",
                  "-A HB-INPUT -d 192.168.0.1/32 -p tcp -m tcp --dport 80 -j DROP"));
}

TEST(FirewallChainTest, OnlyEchoRequestsOfIpv6AreJudged) {
  FirewallRules rules;
  FirewallRules::Protected& own = rules.own_addresses[Address("fd00::1")];
  own.restrict_icmp_echo = true;
  own.icmp_echo_sources = {Prefix("fd00:1::/64")};
  EXPECT_THAT(
      FirewallChain(rules, IpFamily::kIpv6),
      ElementsAre(
          "-A HB-INPUT -i lo -j RETURN",
          "-A HB-INPUT -s fd00:1::/64 -d fd00::1/128 -p ipv6-icmp -m icmp6 --icmpv6-type 128 "
          "-j ACCEPT",
          "-A HB-INPUT -d fd00::1/128 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP"));
}

TEST(FirewallChainTest, FamilyWithoutProtectedAddressHasNoChain) {
  EXPECT_THAT(FirewallChain(MasterRules(), IpFamily::kIpv6), IsEmpty());
}

TEST(FirewallChainTest, NothingProtectedMeansNoChain) {
  FirewallRules rules;
  rules.own_addresses[Address("192.168.0.1")];
  EXPECT_THAT(FirewallChain(rules, IpFamily::kIpv4), IsEmpty());
}

TEST(FirewallChainTest, PingStaysOpenWhereOnlyAPortIsProtected) {
  FirewallRules rules;
  FirewallRules::Protected& own = rules.own_addresses[Address("192.168.0.1")];
  own.icmp_echo_sources = {Prefix("192.168.0.2")};  // named, but not restricted
  own.tcp_sources[443] = {};
  EXPECT_THAT(FirewallChain(rules, IpFamily::kIpv4),
              ElementsAre("-A HB-INPUT -i lo -j RETURN",
                          "-A HB-INPUT -d 192.168.0.1/32 -p tcp -m tcp --dport 443 -j DROP"));
}

TEST(FirewallChainTest, SourceOfTheOtherFamilyIsLeftOut) {
  FirewallRules rules;
  FirewallRules::Protected& own = rules.own_addresses[Address("192.168.0.1")];
  own.restrict_icmp_echo = true;
  own.icmp_echo_sources = {Prefix("fd00::2"), Prefix("192.168.0.2")};
  EXPECT_THAT(
      FirewallChain(rules, IpFamily::kIpv4),
      ElementsAre("-A HB-INPUT -i lo -j RETURN",
                  "-A HB-INPUT -s 192.168.0.2/32 -d 192.168.0.1/32 -p icmp -m icmp --icmp-type 8 "
                  "-j ACCEPT",
                  "-A HB-INPUT -d 192.168.0.1/32 -p icmp -m icmp --icmp-type 8 -j DROP"));
}

TEST(FirewallJumpsTest, AreCountedAndPlaced) {
  struct Case {
    const char* name;
    const char* listing;
    FirewallJumps jumps;
  };
  const std::vector<Case> cases = {
      {"empty output", "", {0, false}},
      {"no rules", "-P INPUT ACCEPT\n", {0, false}},
      {"first", "-P INPUT DROP\n-A INPUT -j HB-INPUT\n-A INPUT -p tcp -j ACCEPT\n", {1, true}},
      {"behind another rule",
       "-P INPUT DROP\n-A INPUT -p tcp -j ACCEPT\n-A INPUT -j HB-INPUT\n",
       {1, false}},
      {"twice", "-A INPUT -j HB-INPUT\n-A INPUT -j HB-INPUT\n", {2, true}},
      {"another chain",
       "-A INPUT -j HB-INPUT-OLD\n-A INPUT -s 10.0.0.1/32 -j HB-INPUT\n",
       {0, false}},
  };
  for (const Case& c : cases) EXPECT_EQ(ParseFirewallJumps(c.listing), c.jumps) << c.name;
}

TEST(FirewallRestoreTextTest, MakesChainAndJumpInOneTransaction) {
  EXPECT_EQ(
      FirewallRestoreText({"-A HB-INPUT -i lo -j RETURN"}, {0, false}),
      "*filter\n:HB-INPUT - [0:0]\n-I INPUT 1 -j HB-INPUT\n-A HB-INPUT -i lo -j RETURN\nCOMMIT\n");
}

TEST(FirewallRestoreTextTest, LeavesAJumpThatStandsRight) {
  EXPECT_EQ(FirewallRestoreText({"-A HB-INPUT -i lo -j RETURN"}, {1, true}),
            "*filter\n:HB-INPUT - [0:0]\n-A HB-INPUT -i lo -j RETURN\nCOMMIT\n");
}

TEST(FirewallRestoreTextTest, MovesAJumpThatIsNotFirst) {
  EXPECT_EQ(FirewallRestoreText({"-A HB-INPUT -i lo -j RETURN"}, {1, false}),
            "*filter\n:HB-INPUT - [0:0]\n-D INPUT -j HB-INPUT\n-I INPUT 1 -j HB-INPUT\n"
            "-A HB-INPUT -i lo -j RETURN\nCOMMIT\n");
}

TEST(FirewallRestoreTextTest, KeepsOneOfSeveralJumps) {
  EXPECT_EQ(FirewallRestoreText({"-A HB-INPUT -i lo -j RETURN"}, {2, true}),
            "*filter\n:HB-INPUT - [0:0]\n-D INPUT -j HB-INPUT\n-D INPUT -j HB-INPUT\n"
            "-I INPUT 1 -j HB-INPUT\n-A HB-INPUT -i lo -j RETURN\nCOMMIT\n");
}

TEST(FirewallRestoreTextTest, RemovalTakesJumpAndChain) {
  EXPECT_EQ(FirewallRestoreText({}, {1, true}),
            "*filter\n:HB-INPUT - [0:0]\n-D INPUT -j HB-INPUT\n-X HB-INPUT\nCOMMIT\n");
  EXPECT_EQ(FirewallRestoreText({}, {0, false}),
            "*filter\n:HB-INPUT - [0:0]\n-X HB-INPUT\nCOMMIT\n");
}

}  // namespace
}  // namespace hb::executor
