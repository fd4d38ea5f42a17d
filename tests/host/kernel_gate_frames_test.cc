// What the gate makes of frames that no ordinary tool sends: announcements, neighbour discovery by
// target, VLAN tags, extension headers, fragments, truncated and non-linear ones, and interfaces
// without an Ethernet header. Each drop stands beside a control of the same form that passes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <cstring>
#include <functional>
#include <string>

#include "tests/host/raw_frames.h"

namespace hb::executor {
namespace {

constexpr char kVip[] = "192.168.77.111";
constexpr char kVip6[] = "fd77::6f";
constexpr char kNode[] = "192.168.77.1";
constexpr char kNode6[] = "fd77::1";
constexpr char kPeer[] = "192.168.77.2";
constexpr char kPeer6[] = "fd77::2";
constexpr char kAllNodes[] = "ff02::1";
constexpr char kNobody[] = "::";
constexpr uint16_t kVlan = 0x8100;
constexpr uint16_t kServiceVlan = 0x88a8;

class GateFrameTest : public GateTest {
 protected:
  void SetUp() override {
    GateTest::SetUp();
    CloseGate(kVip);
    CloseGate(kVip6);
  }
};

Bytes ArpFrame(uint16_t operation, const std::string& from, const std::string& to) {
  return Ethernet(ETHERTYPE_ARP, Arp(operation, MakeMac(9), from, to));
}
Bytes Ip4Frame(const std::string& from, const std::string& to, uint16_t fragment = 0) {
  return Ethernet(ETHERTYPE_IP, Ip4(from, to, fragment));
}
Bytes Ip6Frame(const std::string& from, const std::string& to, uint8_t next, const Bytes& rest) {
  return Ethernet(ETHERTYPE_IPV6, Ip6(from, to, next, rest));
}
Bytes Discovery(const std::string& from, const std::string& to, const Bytes& message) {
  return Ip6Frame(from, to, IPPROTO_ICMPV6, message);
}

TEST_F(GateFrameTest, ArpComesInByItsTarget) {
  const Bytes control = ArpFrame(1, kPeer, kNode);
  EXPECT_FALSE(ComesIn(ArpFrame(1, kPeer, kVip), control));
  EXPECT_FALSE(ComesIn(ArpFrame(1, "0.0.0.0", kVip), control)) << "a probe";
  EXPECT_FALSE(ComesIn(ArpFrame(2, kPeer, kVip), control));
  EXPECT_TRUE(ComesIn(ArpFrame(2, kVip, kNode), control)) << "the new holder's answer";
  EXPECT_TRUE(ComesIn(ArpFrame(1, kVip, kVip), control)) << "the new holder's announcement";
  EXPECT_TRUE(ComesIn(ArpFrame(2, kVip, kVip), control)) << "the new holder's announcement";
  Open(kVip);
  EXPECT_TRUE(ComesIn(ArpFrame(1, kPeer, kVip), control));
}

TEST_F(GateFrameTest, ArpGoesOutByItsSender) {
  const Bytes control = ArpFrame(1, kNode, kPeer);
  EXPECT_FALSE(GoesOut(ArpFrame(2, kVip, kPeer), control));
  EXPECT_FALSE(GoesOut(ArpFrame(1, kVip, kVip), control));
  EXPECT_TRUE(GoesOut(ArpFrame(1, kNode, kVip), control)) << "asking where the holder is";
  Open(kVip);
  EXPECT_TRUE(GoesOut(ArpFrame(2, kVip, kPeer), control));
}

TEST_F(GateFrameTest, PacketsByTheirAddress) {
  EXPECT_FALSE(ComesIn(Ip4Frame(kPeer, kVip), Ip4Frame(kPeer, kNode)));
  EXPECT_TRUE(ComesIn(Ip4Frame(kVip, kNode), Ip4Frame(kPeer, kNode))) << "from the holder";
  EXPECT_FALSE(GoesOut(Ip4Frame(kVip, kPeer), Ip4Frame(kNode, kPeer)));
  EXPECT_TRUE(GoesOut(Ip4Frame(kNode, kVip), Ip4Frame(kNode, kPeer))) << "to the holder";
  const Bytes udp(8, 0);
  const Bytes control_in = Ip6Frame(kPeer6, kNode6, IPPROTO_UDP, udp);
  const Bytes control_out = Ip6Frame(kNode6, kPeer6, IPPROTO_UDP, udp);
  EXPECT_FALSE(ComesIn(Ip6Frame(kPeer6, kVip6, IPPROTO_UDP, udp), control_in));
  EXPECT_TRUE(ComesIn(Ip6Frame(kVip6, kNode6, IPPROTO_UDP, udp), control_in));
  EXPECT_FALSE(GoesOut(Ip6Frame(kVip6, kPeer6, IPPROTO_UDP, udp), control_out));
  EXPECT_TRUE(GoesOut(Ip6Frame(kNode6, kVip6, IPPROTO_UDP, udp), control_out));
}

TEST_F(GateFrameTest, LaterFragmentsToo) {
  EXPECT_FALSE(ComesIn(Ip4Frame(kPeer, kVip, 0x2000), Ip4Frame(kPeer, kNode, 0x2000)));
  EXPECT_FALSE(ComesIn(Ip4Frame(kPeer, kVip, 0x0010), Ip4Frame(kPeer, kNode, 0x0010)));
  EXPECT_FALSE(GoesOut(Ip4Frame(kVip, kPeer, 0x0010), Ip4Frame(kNode, kPeer, 0x0010)));
  const Bytes fragment = FragmentHeader(IPPROTO_UDP, 2, false) + Bytes(16, 0);
  EXPECT_FALSE(ComesIn(Ip6Frame(kPeer6, kVip6, IPPROTO_FRAGMENT, fragment),
                       Ip6Frame(kPeer6, kNode6, IPPROTO_FRAGMENT, fragment)));
}

TEST_F(GateFrameTest, NeighbourDiscoveryByItsTarget) {
  const Bytes control_in = Discovery(kPeer6, kAllNodes, Solicitation(kNode6));
  EXPECT_FALSE(ComesIn(Discovery(kPeer6, kAllNodes, Solicitation(kVip6)), control_in));
  EXPECT_FALSE(ComesIn(Discovery(kNobody, kAllNodes, Solicitation(kVip6)), control_in));
  EXPECT_TRUE(ComesIn(Discovery(kVip6, kAllNodes, Advertisement(kVip6)), control_in))
      << "the new holder's announcement";
  const Bytes control_out = Discovery(kNode6, kAllNodes, Advertisement(kNode6));
  EXPECT_FALSE(GoesOut(Discovery(kNode6, kAllNodes, Advertisement(kVip6)), control_out));
  EXPECT_FALSE(GoesOut(Discovery(kVip6, kAllNodes, Advertisement(kVip6)), control_out));
  EXPECT_TRUE(GoesOut(Discovery(kNode6, kAllNodes, Solicitation(kVip6)), control_out))
      << "asking where the holder is";
  Open(kVip6);
  EXPECT_TRUE(ComesIn(Discovery(kPeer6, kAllNodes, Solicitation(kVip6)), control_in));
  EXPECT_TRUE(GoesOut(Discovery(kNode6, kAllNodes, Advertisement(kVip6)), control_out));
}

TEST_F(GateFrameTest, NeighbourDiscoveryBehindOtherHeaders) {
  struct Row {
    const char* name;
    uint8_t first;
    Bytes before;  // between the IPv6 header and the message
  };
  const Row rows[] = {
      {"hop by hop", IPPROTO_HOPOPTS, Extension(IPPROTO_ICMPV6)},
      {"two of them", IPPROTO_HOPOPTS, Extension(IPPROTO_DSTOPTS) + Extension(IPPROTO_ICMPV6)},
      {"first fragment", IPPROTO_FRAGMENT, FragmentHeader(IPPROTO_ICMPV6, 0, true)},
      {"options, fragment", IPPROTO_HOPOPTS,
       Extension(IPPROTO_FRAGMENT) + FragmentHeader(IPPROTO_ICMPV6, 0, true)},
      {"routing", IPPROTO_ROUTING, Bytes{IPPROTO_ICMPV6, 0, 2, 0, 0, 0, 0, 0}},
      // Its length counts units of 4 bytes, less 2.
      {"authentication", IPPROTO_AH, Bytes{IPPROTO_ICMPV6, 1, 0, 0} + Bytes(8, 0)},
      {"long options", IPPROTO_DSTOPTS, Bytes{IPPROTO_ICMPV6, 1, 1, 12} + Bytes(12, 0)},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const auto frame = [&row](const char* from, const Bytes& message) {
      return Ip6Frame(from, kAllNodes, row.first, row.before + message);
    };
    EXPECT_FALSE(
        GoesOut(frame(kNode6, Advertisement(kVip6)), frame(kNode6, Advertisement(kNode6))));
    EXPECT_FALSE(ComesIn(frame(kPeer6, Solicitation(kVip6)), frame(kPeer6, Solicitation(kNode6))));
  }
}

TEST_F(GateFrameTest, ADeepChainOfHeadersIsNotReadAndDropped) {
  const auto chain = [](int count) {
    Bytes headers;
    for (int i = 1; i < count; ++i) headers = headers + Extension(IPPROTO_DSTOPTS);
    return headers + Extension(IPPROTO_ICMPV6) + Advertisement(kNode6);
  };
  EXPECT_FALSE(GoesOut(Ip6Frame(kNode6, kAllNodes, IPPROTO_HOPOPTS, chain(9)),
                       Ip6Frame(kNode6, kAllNodes, IPPROTO_HOPOPTS, chain(8))));
}

TEST_F(GateFrameTest, WhatIsCutOffIsDropped) {
  const Bytes arp_control = ArpFrame(1, kPeer, kNode);
  for (const size_t bytes : {4, 10, 17, 27}) {
    SCOPED_TRACE(bytes);
    EXPECT_FALSE(ComesIn(First(arp_control, ETH_HLEN + bytes), arp_control));
    EXPECT_FALSE(
        GoesOut(First(ArpFrame(1, kNode, kPeer), ETH_HLEN + bytes), ArpFrame(1, kNode, kPeer)));
  }
  const Bytes ip_control = Ip4Frame(kPeer, kNode);
  EXPECT_FALSE(ComesIn(First(ip_control, ETH_HLEN + 19), ip_control));
  const Bytes ip6_control = Discovery(kPeer6, kAllNodes, Solicitation(kNode6));
  EXPECT_FALSE(ComesIn(First(ip6_control, ETH_HLEN + 39), ip6_control));
  EXPECT_FALSE(ComesIn(First(ip6_control, ETH_HLEN + 40), ip6_control)) << "no type";
  EXPECT_FALSE(ComesIn(First(ip6_control, ETH_HLEN + 63), ip6_control)) << "half a target";
  const Bytes advertisement = Discovery(kNode6, kAllNodes, Advertisement(kNode6));
  EXPECT_FALSE(GoesOut(First(advertisement, ETH_HLEN + 63), advertisement)) << "half a target";
  const Bytes tiny =
      Ip6Frame(kNode6, kAllNodes, IPPROTO_FRAGMENT,
               FragmentHeader(IPPROTO_ICMPV6, 0, true) + First(Advertisement(kVip6), 8));
  EXPECT_FALSE(GoesOut(tiny, advertisement)) << "the target is in the next fragment";
}

TEST_F(GateFrameTest, WhatIsNoneOfItsBusinessPasses) {
  const Bytes control = ArpFrame(1, kPeer, kNode);
  EXPECT_TRUE(GoesOut(Ethernet(0x88cc, Bytes(20, 1)), ArpFrame(1, kNode, kPeer))) << "LLDP";
  Bytes other_protocol = Arp(1, MakeMac(9), kPeer, kVip);
  other_protocol[5] = 6;
  EXPECT_TRUE(ComesIn(Ethernet(ETHERTYPE_ARP, other_protocol + Bytes(8, 0)), control))
      << "ARP for addresses of 6 bytes";
  EXPECT_TRUE(ComesIn(Ip6Frame(kPeer6, kNode6, IPPROTO_NONE, {}),
                      Discovery(kPeer6, kAllNodes, Solicitation(kNode6))));
}

TEST_F(GateFrameTest, WithinVlanTags) {
  const std::vector<std::vector<uint16_t>> stacks = {
      {kVlan}, {kServiceVlan, kVlan}, {kVlan, kVlan, kVlan}};
  for (const std::vector<uint16_t>& tags : stacks) {
    SCOPED_TRACE(tags.size());
    const auto arp = [&tags](const char* from, const char* to) {
      return Tagged(tags, ETHERTYPE_ARP, Arp(2, MakeMac(9), from, to));
    };
    EXPECT_FALSE(GoesOut(arp(kVip, kPeer), arp(kNode, kPeer)));
    EXPECT_FALSE(GoesOut(Tagged(tags, ETHERTYPE_IP, Ip4(kVip, kPeer)),
                         Tagged(tags, ETHERTYPE_IP, Ip4(kNode, kPeer))));
    const auto advertisement = [&tags](const char* target) {
      return Tagged(tags, ETHERTYPE_IPV6,
                    Ip6(kNode6, kAllNodes, IPPROTO_ICMPV6, Advertisement(target)));
    };
    EXPECT_FALSE(GoesOut(advertisement(kVip6), advertisement(kNode6)));
  }
  // The kernel takes the outermost tag off what comes in, and a socket sees the type behind it.
  EXPECT_FALSE(ComesIn(Tagged({kVlan}, ETHERTYPE_IP, Ip4(kPeer, kVip)),
                       Tagged({kVlan}, ETHERTYPE_IP, Ip4(kPeer, kNode))));
}

TEST_F(GateFrameTest, OutsideTheLinearPart) {
  EXPECT_FALSE(ComesIn(ArpFrame(1, kPeer, kVip), ArpFrame(1, kPeer, kNode), true));
  EXPECT_FALSE(ComesIn(Ip4Frame(kPeer, kVip), Ip4Frame(kPeer, kNode), true));
  EXPECT_FALSE(ComesIn(Discovery(kPeer6, kAllNodes, Solicitation(kVip6)),
                       Discovery(kPeer6, kAllNodes, Solicitation(kNode6)), true));
}

// A tunnel of the kernel's that this test holds the other end of: packets begin with IP.
class TunTest : public GateTest {
 protected:
  void SetUp() override {
    GateTest::SetUp();
    tun_ = UniqueFd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    ASSERT_TRUE(tun_.valid());
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    std::strcpy(request.ifr_name, "tun0");
    ASSERT_EQ(ioctl(tun_.get(), TUNSETIFF, &request), 0);
    Sh("ip link set tun0 up; ip addr add 10.9.0.1/24 dev tun0; ip addr add 10.9.0.111/24 dev tun0;"
       "ip addr add fd99::1/64 dev tun0 nodad; ip addr add fd99::6f/64 dev tun0 nodad");
    ASSERT_TRUE(Eventually([this] { return host_->Link("tun0").exists; }));
    EXPECT_EQ(host_->CheckGate(), std::vector<std::string>{});
    // What the kernel said on its own while the interface came up.
    Wait(absl::Milliseconds(20));
    while (NextPacket()) {
    }
  }

  // Whether anything but the kernel's own multicast waits to leave.
  bool NextPacket() {
    Bytes packet(2048);
    while (true) {
      const ssize_t size = read(tun_.get(), packet.data(), packet.size());
      if (size <= 0) return false;
      if ((packet[0] >> 4) == 6 && packet[24] == 0xff) continue;
      return true;
    }
  }
  // UDP to a port where nobody listens is answered by ICMP.
  bool Answers(const Bytes& packet) {
    EXPECT_EQ(write(tun_.get(), packet.data(), packet.size()), static_cast<ssize_t>(packet.size()));
    for (int i = 0; i < 20; ++i) {
      if (NextPacket()) return true;
      usleep(2000);
    }
    return false;
  }
  static Bytes Echo4(const std::string& to) {
    Bytes packet = Ip4("10.9.0.2", to);
    packet[9] = IPPROTO_ICMP;
    packet[20] = 8;
    Checksum(&packet, 0, 20, 10);
    Checksum(&packet, 20, 28, 22);
    return packet;
  }
  static void Checksum(Bytes* bytes, size_t begin, size_t end, size_t at) {
    uint32_t sum = 0;
    for (size_t i = begin; i < end; i += 2) sum += uint32_t{(*bytes)[i]} << 8 | (*bytes)[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    (*bytes)[at] = static_cast<uint8_t>(~sum >> 8);
    (*bytes)[at + 1] = static_cast<uint8_t>(~sum);
  }

  UniqueFd tun_;
};

TEST_F(TunTest, AnInterfaceWithoutEthernetHeaderHasIt) {
  EXPECT_TRUE(Answers(Echo4("10.9.0.111")));
  CloseGate("10.9.0.111");
  EXPECT_FALSE(Answers(Echo4("10.9.0.111")));
  EXPECT_TRUE(Answers(Echo4("10.9.0.1")));
}

TEST_F(TunTest, OutgoingPacketsAreJudgedToo) {
  int status = 0;
  const std::function<bool(const char*)> leaves = [&](const char* from) {
    Sh(std::string("ping -c 1 -W 0.1 -I ") + from +
           (std::strchr(from, ':') != nullptr ? " fd99::2" : " 10.9.0.2"),
       &status);
    bool left = false;
    while (NextPacket()) left = true;
    return left;
  };
  CloseGate("10.9.0.111");
  CloseGate("fd99::6f");
  EXPECT_FALSE(leaves("10.9.0.111"));
  EXPECT_TRUE(leaves("10.9.0.1"));
  EXPECT_FALSE(leaves("fd99::6f"));
  EXPECT_TRUE(leaves("fd99::1"));
}

}  // namespace
}  // namespace hb::executor
