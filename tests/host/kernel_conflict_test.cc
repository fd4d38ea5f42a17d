// Claims by foreign MACs as the conflict watch tells them: which frames are claims, which are not,
// how often they are told, and that neither a closed gate nor a new interface hides them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "common/boot_clock.h"
#include "executor/host/claim.h"
#include "tests/host/raw_frames.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kVip[] = "192.168.77.111";
constexpr char kVip6[] = "fd77::6f";
constexpr char kForeign[] = "02:00:00:00:00:09";

Bytes From(const MacAddress& source, Bytes frame) {
  std::copy(source.begin(), source.end(), frame.begin() + ETH_ALEN);
  return frame;
}
Bytes ArpClaim(const MacAddress& mac, const std::string& sender = kVip,
               const std::string& target = kVip) {
  return From(mac, Ethernet(ETHERTYPE_ARP, Arp(1, mac, sender, target)));
}
Bytes Discovery(const MacAddress& mac, const std::string& from, const Bytes& message) {
  return From(mac, Ethernet(ETHERTYPE_IPV6, Ip6(from, "ff02::1", IPPROTO_ICMPV6, message)));
}
Bytes TargetOption(const MacAddress& mac) {
  return Bytes{2, 1, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]};
}

class ConflictTest : public GateTest {
 protected:
  void SetUp() override {
    GateTest::SetUp();
    WatchBoth();
  }
  void WatchBoth() {
    host_->WatchConflicts({MakeVip("192.168.77.111/24"), MakeVip("fd77::6f/64")},
                          [this](const Conflict& conflict) { seen_.push_back(conflict); });
  }
  void SendFromPeer(const Bytes& frame) {
    const Namespace::Inside inside(peer_);
    FrameSocket(ETH_P_LOOPBACK).Send(frame);
  }
  // What is told of this frame; a claim that must be told follows it.
  std::vector<std::string> Told(const Bytes& frame) {
    static uint8_t last = 0x20;
    const MacAddress end = MakeMac(++last);
    seen_.clear();
    SendFromPeer(frame);
    SendFromPeer(ArpClaim(end));
    const auto is_end = [&](const Conflict& c) { return c.mac == ToString(end); };
    EXPECT_TRUE(Eventually([&] { return std::any_of(seen_.begin(), seen_.end(), is_end); }));
    std::vector<std::string> told;
    for (const Conflict& conflict : seen_) {
      if (!is_end(conflict)) told.push_back(conflict.vip.ToString() + " " + conflict.mac);
    }
    return told;
  }
  MacAddress NodeMac() {
    MacAddress mac{};
    std::copy_n(host_->Link("eth0").mac.begin(), mac.size(), mac.begin());
    return mac;
  }

  std::vector<Conflict> seen_;
  const std::string vip_told_ = std::string("192.168.77.111/24 on eth0 ") + kForeign;
  const std::string vip6_told_ = std::string("fd77::6f/64 on eth0 ") + kForeign;
};

TEST_F(ConflictTest, ArpClaimsAreTold) {
  EXPECT_THAT(Told(ArpClaim(MakeMac(9))), ElementsAre(vip_told_)) << "an announcement";
  Wait(absl::Milliseconds(110));
  EXPECT_THAT(Told(ArpClaim(MakeMac(9), kVip, "192.168.77.2")), ElementsAre(vip_told_))
      << "it asks for another";
}

TEST_F(ConflictTest, AForeignSourceWithOurMacInTheMessageIsTold) {
  const Bytes frame =
      From(MakeMac(9), Ethernet(ETHERTYPE_ARP, Arp(2, NodeMac(), kVip, "192.168.77.2")));
  EXPECT_THAT(Told(frame), ElementsAre(vip_told_));
}

TEST_F(ConflictTest, WhatClaimsNothingIsNotTold) {
  EXPECT_THAT(Told(ArpClaim(MakeMac(9), "0.0.0.0", kVip)), IsEmpty()) << "a probe";
  EXPECT_THAT(Told(ArpClaim(MakeMac(9), "192.168.77.2", kVip)), IsEmpty()) << "a question";
  EXPECT_THAT(Told(ArpClaim(MakeMac(9), "192.168.77.112")), IsEmpty()) << "another address";
  EXPECT_THAT(Told(ArpClaim(NodeMac())), IsEmpty()) << "our own, come back";
  EXPECT_THAT(Told(First(ArpClaim(MakeMac(9)), ETH_HLEN + 27)), IsEmpty()) << "cut off";
  EXPECT_THAT(
      Told(From(MakeMac(9), Tagged({0x8100}, ETHERTYPE_ARP, Arp(1, MakeMac(9), kVip, kVip)))),
      IsEmpty())
      << "on another LAN";
  EXPECT_THAT(Told(Discovery(MakeMac(9), "fd77::2", Solicitation(kVip6))), IsEmpty())
      << "a question";
  Bytes routed = Discovery(MakeMac(9), kVip6, Advertisement(kVip6));
  routed[ETH_HLEN + 7] = 64;
  EXPECT_THAT(Told(routed), IsEmpty()) << "a router has passed it on";
}

TEST_F(ConflictTest, NeighbourDiscoveryClaimsAreTold) {
  EXPECT_THAT(Told(Discovery(MakeMac(9), kVip6, Advertisement(kVip6))), ElementsAre(vip6_told_));
  Wait(absl::Milliseconds(110));
  EXPECT_THAT(Told(Discovery(MakeMac(9), "::", Solicitation(kVip6))), ElementsAre(vip6_told_))
      << "duplicate address detection";
  Wait(absl::Milliseconds(110));
  EXPECT_THAT(
      Told(Discovery(MakeMac(8), "fd77::2", Advertisement(kVip6) + TargetOption(MakeMac(9)))),
      ElementsAre(vip6_told_))
      << "by the option, before the source";
  EXPECT_THAT(Told(Discovery(NodeMac(), kVip6, Advertisement(kVip6) + TargetOption(NodeMac()))),
              IsEmpty())
      << "our own, come back";
}

TEST_F(ConflictTest, AClosedGateHidesNothing) {
  CloseGate(kVip);
  CloseGate(kVip6);
  EXPECT_THAT(Told(ArpClaim(MakeMac(9), kVip, kVip)), ElementsAre(vip_told_));
  EXPECT_THAT(Told(Discovery(MakeMac(9), "::", Solicitation(kVip6))), ElementsAre(vip6_told_));
}

TEST_F(ConflictTest, WhatTheNodeSendsItselfIsNoConflict) {
  ASSERT_TRUE(host_->AddVip(MakeVip("192.168.77.111/24"), absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->Announce(MakeVip("192.168.77.111/24")).ok());
  FrameSocket(ETH_P_LOOPBACK).Send(ArpClaim(MakeMac(9)));
  Wait(absl::Milliseconds(50));
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(ConflictTest, APairIsToldOnceInATenthOfASecond) {
  const MonoTime start = BootNow();
  int sent = 0;
  while (BootNow() - start < absl::Milliseconds(350)) {
    SendFromPeer(ArpClaim(MakeMac(9)));
    ++sent;
    Wait(absl::Milliseconds(2));
  }
  const int64_t most = (BootNow() - start) / absl::Milliseconds(100) + 1;
  EXPECT_GT(sent, 10);
  EXPECT_GE(seen_.size(), 2U);
  EXPECT_LE(static_cast<int64_t>(seen_.size()), most);
  EXPECT_THAT(Told(ArpClaim(MakeMac(10))),
              ElementsAre("192.168.77.111/24 on eth0 02:00:00:00:00:0a"))
      << "another MAC is another pair";
}

TEST_F(ConflictTest, OnlyWhatIsWatchedIsTold) {
  host_->WatchConflicts({}, [this](const Conflict& conflict) { seen_.push_back(conflict); });
  SendFromPeer(ArpClaim(MakeMac(9)));
  Wait(absl::Milliseconds(30));
  EXPECT_THAT(seen_, IsEmpty());
  WatchBoth();
  EXPECT_THAT(Told(ArpClaim(MakeMac(9))), ElementsAre(vip_told_));
}

TEST_F(ConflictTest, TheReceiverMayEndTheWatch) {
  int told = 0;
  host_->WatchConflicts({MakeVip("192.168.77.111/24")}, [&](const Conflict&) {
    ++told;
    host_->WatchConflicts({}, nullptr);
  });
  SendFromPeer(ArpClaim(MakeMac(9)));
  EXPECT_TRUE(Eventually([&] { return told > 0; }));
  SendFromPeer(ArpClaim(MakeMac(10)));
  Wait(absl::Milliseconds(30));
  EXPECT_EQ(told, 1);
}

TEST_F(ConflictTest, AnInterfaceThatComesBackIsWatchedAgain) {
  Sh("ip link set eth0 down; ip link set eth0 up");
  ASSERT_TRUE(Eventually([this] { return host_->Link("eth0").usable(); }));
  EXPECT_THAT(Told(ArpClaim(MakeMac(9))), ElementsAre(vip_told_)) << "down and up";
  Sh("ip link del eth0");
  ASSERT_TRUE(Eventually([this] { return !host_->Link("eth0").exists; }));
  Sh("ip link add eth0 type veth peer name eth0 netns /proc/" + std::to_string(getpid()) + "/fd/" +
     std::to_string(peer_.fd()) + "; ip link set eth0 up");
  RunOnPeer("ip link set eth0 up");
  ASSERT_TRUE(Eventually([this] { return host_->Link("eth0").usable(); }));
  Wait(absl::Milliseconds(110));
  EXPECT_THAT(Told(ArpClaim(MakeMac(9))), ElementsAre(vip_told_)) << "made anew";
}

TEST(ReadClaimTest, ReadsNothingBeyondTheFrame) {
  const std::vector<Bytes> frames = {
      ArpClaim(MakeMac(9)), Discovery(MakeMac(9), kVip6, Advertisement(kVip6)),
      Discovery(MakeMac(9), kVip6, Advertisement(kVip6) + TargetOption(MakeMac(9))),
      Discovery(MakeMac(9), "::", Solicitation(kVip6))};
  for (const Bytes& frame : frames) {
    ASSERT_TRUE(ReadClaim(frame.data(), frame.size()).has_value());
    for (size_t size = 0; size < frame.size(); ++size) {
      const Bytes cut = First(frame, size);  // a buffer of its own, for AddressSanitizer
      const std::optional<Claim> claim = ReadClaim(cut.data(), cut.size());
      EXPECT_EQ(claim.value_or(Claim{{}, {}, MakeMac(9)}).source, MakeMac(9));
    }
  }
  Bytes endless =
      Discovery(MakeMac(9), kVip6, Advertisement(kVip6) + Bytes{14, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(ReadClaim(endless.data(), endless.size())->named, MakeMac(9))
      << "an option of length 0";
}

}  // namespace
}  // namespace hb::executor
