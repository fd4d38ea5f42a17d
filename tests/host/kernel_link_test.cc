// Links as the node sees them: switched off, unplugged, removed, made anew; and the default
// gateway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

using ::testing::HasSubstr;

using LinkTest = HostTest;
using GatewayTest = HostTest;

std::string Colons(const std::vector<uint8_t>& mac) {
  std::string text;
  for (const uint8_t byte : mac) {
    absl::StrAppend(&text, text.empty() ? "" : ":", absl::Hex(byte, absl::kZeroPad2));
  }
  return text;
}

TEST_F(LinkTest, ShowsMacAndIndexAsTheKernelHasThem) {
  const LinkState link = host_->Link("eth0");
  EXPECT_TRUE(link.usable());
  EXPECT_THAT(Sh("ip -o link show eth0"), HasSubstr(Colons(link.mac)));
  EXPECT_THAT(Sh("ip -o link show eth0"), HasSubstr(absl::StrCat(link.index, ": eth0")));
  EXPECT_TRUE(host_->Link("lo").exists);
  EXPECT_TRUE(host_->Link("lo").mac.empty());
}

TEST_F(LinkTest, SwitchedOffIsSeenAndItsIpv6AddressesGo) {
  ASSERT_TRUE(host_->AddVip(MakeVip("fd77::6f/64"), absl::Seconds(30)).ok());
  Sh("ip link set eth0 down");
  EXPECT_TRUE(Eventually([&] { return changes_ > 0 && !host_->Link("eth0").admin_up; }));
  EXPECT_TRUE(host_->Link("eth0").exists);
  EXPECT_FALSE(host_->Link("eth0").usable());
  EXPECT_FALSE(host_->HasVip(MakeVip("fd77::6f/64")));
  Sh("ip link set eth0 up");
  EXPECT_TRUE(Eventually([&] { return host_->Link("eth0").usable(); }));
}

TEST_F(LinkTest, PulledCableIsSeen) {
  RunOnPeer("ip link set eth0 down");
  EXPECT_TRUE(Eventually([&] { return changes_ > 0 && !host_->Link("eth0").carrier; }));
  EXPECT_TRUE(host_->Link("eth0").admin_up);
  RunOnPeer("ip link set eth0 up");
  EXPECT_TRUE(Eventually([&] { return host_->Link("eth0").usable(); }));
}

TEST_F(LinkTest, RemovedAndMadeAnewIsAnotherLinkOfThatName) {
  const Vip vip = MakeVip("192.168.77.111/24");
  ASSERT_TRUE(host_->AddVip(vip, absl::Seconds(30)).ok());
  const int index = host_->Link("eth0").index;
  Sh("ip link del eth0");
  EXPECT_TRUE(Eventually([&] { return changes_ > 0 && !host_->Link("eth0").exists; }));
  EXPECT_FALSE(host_->HasVip(vip));
  EXPECT_TRUE(absl::IsNotFound(host_->AddVip(vip, absl::Seconds(30))));
  EXPECT_TRUE(host_->RemoveVip(vip).ok());
  Sh("ip link add eth0 type veth peer name other0; ip link set other0 up; ip link set eth0 up");
  EXPECT_TRUE(Eventually([&] { return host_->Link("eth0").usable(); }));
  EXPECT_NE(host_->Link("eth0").index, index);
  EXPECT_FALSE(host_->HasVip(vip));
  EXPECT_TRUE(host_->AddVip(vip, absl::Seconds(30)).ok());
  EXPECT_TRUE(host_->HasVip(vip));
}

TEST_F(LinkTest, RenamedIsFoundUnderItsNewName) {
  Sh("ip link set eth0 down; ip link set eth0 name lan0; ip link set lan0 up");
  EXPECT_TRUE(Eventually([&] { return host_->Link("lan0").usable(); }));
  EXPECT_FALSE(host_->Link("eth0").exists);
  EXPECT_TRUE(host_->HasVip(MakeVip("192.168.77.1/24", "lan0")));
}

TEST_F(LinkTest, LeavingABridgeDoesNotMakeItGone) {
  Sh("ip link add br0 type bridge; ip link set eth0 master br0; ip link set eth0 nomaster");
  ASSERT_TRUE(Eventually([&] { return host_->Link("br0").exists; }));
  Wait(absl::Milliseconds(50));
  EXPECT_TRUE(host_->Link("eth0").exists);
  EXPECT_TRUE(host_->HasVip(MakeVip("192.168.77.1/24")));
}

TEST_F(GatewayTest, WithoutADefaultRouteIsNotFound) {
  Sh("ip route add 10.0.0.0/8 via 192.168.77.2; ip route add default via 192.168.77.2 table 77");
  const absl::StatusOr<IpAddress> gateway = host_->DefaultGateway();
  EXPECT_TRUE(absl::IsNotFound(gateway.status())) << gateway.status();
}

TEST_F(GatewayTest, PointToPointDefaultHasNone) {
  Sh("ip route add default dev eth0");
  EXPECT_TRUE(absl::IsNotFound(host_->DefaultGateway().status()));
}

TEST_F(GatewayTest, LowestMetricWins) {
  Sh("ip route add default via 192.168.77.3 metric 200; ip route add default via 192.168.77.2 "
     "metric 100;"
     "ip route add default via 192.168.77.4 metric 300");
  const absl::StatusOr<IpAddress> gateway = host_->DefaultGateway();
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_EQ(gateway->ToString(), "192.168.77.2");
}

TEST_F(GatewayTest, Ipv4ComesFirstAndIpv6IsTakenWithoutIt) {
  Sh("ip -6 route add default via fd77::2");
  absl::StatusOr<IpAddress> gateway = host_->DefaultGateway();
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_EQ(gateway->ToString(), "fd77::2");
  Sh("ip route add default via 192.168.77.2 metric 5000");
  gateway = host_->DefaultGateway();
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_EQ(gateway->ToString(), "192.168.77.2");
}

TEST_F(GatewayTest, RouteOverSeveralHopsGivesItsFirst) {
  Sh("ip route add default nexthop via 192.168.77.3 dev eth0 nexthop via 192.168.77.2 dev eth0");
  const absl::StatusOr<IpAddress> gateway = host_->DefaultGateway();
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  EXPECT_EQ(gateway->ToString(), "192.168.77.3");
}

}  // namespace
}  // namespace hb::executor
