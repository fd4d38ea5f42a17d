// Announcements as the other end of the cable receives them, and what they do to its neighbour
// table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "common/boot_clock.h"
#include "executor/host/announce.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AnnounceTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    const Namespace::Inside inside(peer_);
    capture_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    sockaddr_ll at{};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
    ASSERT_EQ(bind(capture_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  }
  void TearDown() override { close(capture_); }

  MacAddress NodeMac() {
    MacAddress mac{};
    const LinkState link = host_->Link("eth0");
    EXPECT_EQ(link.mac.size(), mac.size());
    std::copy_n(link.mac.begin(), mac.size(), mac.begin());
    return mac;
  }

  // The next `count` frames that came from the node and carry `address`; fewer if none
  // comes within 2 s.
  std::vector<EthernetFrame> Capture(size_t count, const IpAddress& address) {
    std::vector<EthernetFrame> frames;
    const MonoTime end = BootNow() + absl::Seconds(2);
    while (frames.size() < count && BootNow() < end) {
      pollfd ready{.fd = capture_, .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      std::array<uint8_t, 2048> buffer{};
      sockaddr_ll from{};
      socklen_t size = sizeof from;
      const ssize_t got = recvfrom(capture_, buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
      EthernetFrame frame(buffer.begin(), buffer.begin() + got);
      const auto found = std::search(frame.begin(), frame.end(), address.bytes(),
                                     address.bytes() + address.size());
      if (found != frame.end()) frames.push_back(std::move(frame));
    }
    return frames;
  }

  int capture_ = -1;
};

TEST_F(AnnounceTest, PeerReceivesArpRequestAndReply) {
  const Vip vip = MakeVip("192.168.77.111/24");
  ASSERT_TRUE(host_->AddVip(vip, absl::Seconds(30)).ok());
  const absl::Status status = host_->Announce(vip);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Capture(2, vip.address.address),
              ElementsAre(BuildGratuitousArp(ArpKind::kRequest, vip.address.address, NodeMac()),
                          BuildGratuitousArp(ArpKind::kReply, vip.address.address, NodeMac())));
}

TEST_F(AnnounceTest, PeerReceivesUnsolicitedAdvertisement) {
  const Vip vip = MakeVip("fd77::6f/64");
  ASSERT_TRUE(host_->Announce(vip).ok());
  EXPECT_THAT(Capture(1, vip.address.address),
              ElementsAre(BuildUnsolicitedAdvertisement(vip.address.address, NodeMac(), false)));
  Sh("sysctl -qw net.ipv6.conf.eth0.forwarding=1");
  ASSERT_TRUE(host_->Announce(vip).ok());
  EXPECT_THAT(Capture(1, vip.address.address),
              ElementsAre(BuildUnsolicitedAdvertisement(vip.address.address, NodeMac(), true)));
}

TEST_F(AnnounceTest, MovesTheAddressInThePeersNeighbourTable) {
  const std::string mac = Sh("ip -o link show eth0");
  const std::string own = mac.substr(mac.find("link/ether ") + 11, 17);
  for (const char* address : {"192.168.77.111", "fd77::6f"}) {
    const std::string text = address;
    RunOnPeer("ip neigh replace " + text + " lladdr 02:00:00:00:00:99 nud reachable dev eth0");
    ASSERT_THAT(RunOnPeer("ip neigh show " + text), HasSubstr("02:00:00:00:00:99"));
    ASSERT_TRUE(host_->Announce(MakeVip(text)).ok());
    EXPECT_TRUE(Eventually([&] {
      return RunOnPeer("ip neigh show " + text).find(own) != std::string::npos;
    })) << RunOnPeer("ip neigh show " + text);
  }
}

TEST_F(AnnounceTest, FailureNamesTheAddressAndTheLink) {
  const Vip missing = MakeVip("192.168.77.111/24", "nothere");
  EXPECT_TRUE(absl::IsNotFound(host_->Announce(missing)));
  Sh("ip link set eth0 down");
  const absl::Status status = host_->Announce(MakeVip("192.168.77.111/24"));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("192.168.77.111 on eth0"));
}

TEST_F(AnnounceTest, LinkWithoutNeighboursHasNobodyToTell) {
  const absl::Status status = host_->Announce(MakeVip("192.168.77.111/32", "lo"));
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace hb::executor
