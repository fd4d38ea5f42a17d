// Floating addresses in the real kernel: adding, lifetime, removal, and noticing what others do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/boot_clock.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Vip kVip = MakeVip("192.168.77.111/24");
const Vip kVip6 = MakeVip("fd77::6f/64");

class AddressTest : public HostTest {
 protected:
  // Whether a socket can be bound to the address now; a tentative one refuses.
  static bool CanBind(const IpAddress& address) {
    sockaddr_storage to{};
    const socklen_t size = address.ToSockaddr(0, &to);
    const int fd = socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&to), size) == 0;
    close(fd);
    return bound;
  }
};

TEST_F(AddressTest, AddPutsItThereOnceHoweverOftenItIsCalled) {
  EXPECT_FALSE(host_->HasVip(kVip));
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = host_->AddVip(kVip, absl::Seconds(30));
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(host_->HasVip(kVip));
  }
  const std::string shown = Shown("192.168.77.111");
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 1) << shown;
  EXPECT_THAT(shown, HasSubstr("192.168.77.111/24"));
  EXPECT_THAT(RunOnPeer("arping -c 1 -w 2 -I eth0 192.168.77.111"), HasSubstr("reply from"));
}

TEST_F(AddressTest, LifetimeIsRoundedUpToWholeSeconds) {
  ASSERT_TRUE(host_->AddVip(kVip, absl::Milliseconds(28100)).ok());
  EXPECT_THAT(Shown("192.168.77.111"), HasSubstr("valid_lft 29sec preferred_lft 29sec"));
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Milliseconds(28100)).ok());
  EXPECT_THAT(Shown("fd77::6f"), HasSubstr("valid_lft 29sec"));
  ASSERT_TRUE(host_->AddVip(kVip, absl::ZeroDuration()).ok());
  EXPECT_THAT(Shown("192.168.77.111"), HasSubstr("valid_lft 1sec"));
}

TEST_F(AddressTest, KernelRemovesItByItselfWhenItsTimeIsOver) {
  const MonoTime start = BootNow();
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(1)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(1)).ok());
  changes_ = 0;
  ASSERT_TRUE(Eventually([&] { return !host_->HasVip(kVip) && !host_->HasVip(kVip6); }));
  EXPECT_GT(BootNow() - start, absl::Milliseconds(900));
  EXPECT_TRUE(Eventually([&] { return changes_ > 0; }));
  EXPECT_THAT(Shown("192.168.77.111"), IsEmpty());
  EXPECT_THAT(Shown("fd77::6f"), IsEmpty());
  EXPECT_THAT(Shown("192.168.77.1"), Not(IsEmpty()));
}

TEST_F(AddressTest, ExtendingKeepsItBeyondItsFirstLifetime) {
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(1)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(1)).ok());
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  Wait(absl::Seconds(3));
  EXPECT_TRUE(host_->HasVip(kVip));
  EXPECT_TRUE(host_->HasVip(kVip6));
  EXPECT_THAT(Shown("192.168.77.111"), Not(IsEmpty()));
  EXPECT_THAT(Shown("fd77::6f"), Not(IsEmpty()));
}

TEST_F(AddressTest, AnAddressSomebodyMadePermanentGetsALifetime) {
  Sh("ip addr add 192.168.77.111/24 dev eth0; ip addr add fd77::6f/64 dev eth0 nodad");
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  EXPECT_THAT(Shown("192.168.77.111"), HasSubstr("valid_lft 30sec"));
  EXPECT_THAT(Shown("fd77::6f"), HasSubstr("valid_lft 30sec"));
}

TEST_F(AddressTest, RemoveTakesItAwayAndIsIdempotent) {
  for (const Vip& vip : {kVip, kVip6}) {
    ASSERT_TRUE(host_->AddVip(vip, absl::Seconds(30)).ok());
    EXPECT_TRUE(host_->RemoveVip(vip).ok());
    EXPECT_FALSE(host_->HasVip(vip));
    EXPECT_TRUE(host_->RemoveVip(vip).ok());
    EXPECT_THAT(Shown(vip.address.address.ToString()), IsEmpty());
  }
  EXPECT_THAT(Shown("192.168.77.1"), Not(IsEmpty()));
  EXPECT_THAT(Shown("fd77::1"), Not(IsEmpty()));
}

TEST_F(AddressTest, RemoveTouchesNoOtherAddressAndNoOtherInterface) {
  Sh("ip link add other type bridge; ip link set other up; ip addr add 192.168.77.111/24 dev "
     "other");
  Sh("for n in 11 110 112; do ip addr add 192.168.77.$n/24 dev eth0; done");
  EXPECT_TRUE(host_->RemoveVip(kVip).ok());
  for (const char* last : {"1", "11", "110", "112"}) {
    EXPECT_THAT(Shown(std::string("192.168.77.") + last), Not(IsEmpty())) << last;
  }
  EXPECT_THAT(Sh("ip -o addr show dev other to 192.168.77.111"), Not(IsEmpty()));
  EXPECT_TRUE(host_->HasVip(MakeVip("192.168.77.111/24", "other")));
  EXPECT_FALSE(host_->HasVip(kVip));
}

TEST_F(AddressTest, TheSameAddressWithAnotherPrefixDoesNotOutliveTheLease) {
  Sh("ip addr add 192.168.77.111/32 dev eth0; ip addr add fd77::6f/128 dev eth0 nodad");
  ASSERT_TRUE(Eventually([&] { return host_->HasVip(kVip) && host_->HasVip(kVip6); }));
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  EXPECT_THAT(Shown("192.168.77.111"), Not(HasSubstr("/32")));
  EXPECT_THAT(Shown("192.168.77.111"), HasSubstr("valid_lft 30sec"));
  EXPECT_THAT(Shown("fd77::6f"), Not(HasSubstr("/128")));
  EXPECT_THAT(Shown("fd77::6f"), HasSubstr("valid_lft 30sec"));
  Sh("ip addr add 192.168.77.111/32 dev eth0");
  EXPECT_TRUE(host_->RemoveVip(kVip).ok());
  EXPECT_THAT(Shown("192.168.77.111"), IsEmpty());
}

TEST_F(AddressTest, MissingInterfaceIsNotFoundToAddAndFineToRemove) {
  const Vip vip = MakeVip("192.168.77.111/24", "nothere");
  const absl::Status status = host_->AddVip(vip, absl::Seconds(30));
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("192.168.77.111/24 on nothere"));
  EXPECT_TRUE(host_->RemoveVip(vip).ok());
  EXPECT_FALSE(host_->HasVip(vip));
  EXPECT_FALSE(host_->Link("nothere").exists);
}

TEST_F(AddressTest, KernelsRefusalIsReported) {
  Sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1");
  const absl::Status status = host_->AddVip(kVip6, absl::Seconds(30));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("fd77::6f/64 on eth0"));
  EXPECT_FALSE(host_->HasVip(kVip6));
}

TEST_F(AddressTest, RemovalBySomebodyElseIsNoticed) {
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  Wait(absl::Milliseconds(50));
  changes_ = 0;
  Sh("ip addr del 192.168.77.111/24 dev eth0");
  EXPECT_TRUE(Eventually([&] { return changes_ == 1; }));
  EXPECT_FALSE(host_->HasVip(kVip));
  Sh("ip addr del fd77::6f/64 dev eth0");
  EXPECT_TRUE(Eventually([&] { return changes_ >= 2; }));
  EXPECT_FALSE(host_->HasVip(kVip6));
}

TEST_F(AddressTest, ExtendingIsNoChange) {
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  Wait(absl::Milliseconds(100));
  EXPECT_GT(changes_, 0);
  changes_ = 0;
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(40)).ok());
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(40)).ok());
  Wait(absl::Milliseconds(100));
  EXPECT_EQ(changes_, 0);
}

TEST_F(AddressTest, ChangesThatTheKernelCouldNotTellAreReadAnew) {
  // Far more than the socket holds, while the loop stands still; the one that counts comes last.
  Sh("ip link add many type bridge; ip link set many up;"
     "for a in $(seq 12); do for b in $(seq 250); do echo addr add 10.7.$a.$b/32 dev many; done;"
     "done | ip -batch -");
  Sh("ip addr add 192.168.77.111/24 dev eth0");
  EXPECT_TRUE(host_->HasVip(kVip));
  EXPECT_TRUE(host_->HasVip(MakeVip("10.7.12.250/32", "many")));
  EXPECT_TRUE(Eventually([&] { return changes_ > 0; }));
  Sh("ip link del many; ip addr del 192.168.77.111/24 dev eth0");
  EXPECT_TRUE(Eventually([&] { return !host_->HasVip(kVip); }));
  EXPECT_FALSE(host_->Link("many").exists);
  EXPECT_FALSE(host_->HasVip(MakeVip("10.7.12.250/32", "many")));
}

// What makes IPv4 awkward: the first address of a subnet takes the later ones along when it goes.
TEST_F(AddressTest, OtherAddressesOutliveAPrimaryVipThatIsRemoved) {
  ASSERT_EQ(
      Sh("sysctl -n net.ipv4.conf.all.promote_secondaries net.ipv4.conf.eth0.promote_secondaries"),
      "0\n0\n");
  const Vip primary = MakeVip("10.9.0.111/24");
  ASSERT_TRUE(host_->AddVip(primary, absl::Seconds(30)).ok());
  Sh("ip addr add 10.9.0.50/24 dev eth0");
  ASSERT_THAT(Shown("10.9.0.50"), HasSubstr("secondary"));
  ASSERT_TRUE(host_->RemoveVip(primary).ok());
  EXPECT_THAT(Shown("10.9.0.111"), IsEmpty());
  EXPECT_THAT(Shown("10.9.0.50"), Not(IsEmpty()));
}

TEST_F(AddressTest, OtherAddressesOutliveAPrimaryVipThatExpires) {
  const Vip primary = MakeVip("10.9.0.111/24");
  const Vip second = MakeVip("10.9.0.112/24");
  ASSERT_TRUE(host_->AddVip(primary, absl::Seconds(1)).ok());
  ASSERT_TRUE(host_->AddVip(second, absl::Seconds(30)).ok());
  ASSERT_TRUE(Eventually([&] { return !host_->HasVip(primary); }));
  EXPECT_TRUE(host_->HasVip(second));
  EXPECT_THAT(Shown("10.9.0.112"), HasSubstr("valid_lft"));
}

TEST_F(AddressTest, OtherAddressesOutliveAVipThatWasPrimaryBeforeWeCame) {
  Sh("ip addr add 10.9.0.111/24 dev eth0; ip addr add 10.9.0.50/24 dev eth0");
  ASSERT_TRUE(host_->RemoveVip(MakeVip("10.9.0.111/24")).ok());
  EXPECT_THAT(Shown("10.9.0.111"), IsEmpty());
  EXPECT_THAT(Shown("10.9.0.50"), Not(IsEmpty()));
}

TEST_F(AddressTest, SecondaryVipLeavesThePromotionSettingAlone) {
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  ASSERT_THAT(Shown("192.168.77.111"), HasSubstr("secondary"));
  ASSERT_TRUE(host_->RemoveVip(kVip).ok());
  EXPECT_EQ(Sh("sysctl -n net.ipv4.conf.eth0.promote_secondaries"), "0\n");
}

TEST_F(AddressTest, TheInterfaceOfAVipAnswersArpForItsOwnAddressesOnly) {
  const std::string read = "sysctl -n net.ipv4.conf.eth0.arp_ignore";
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  EXPECT_EQ(Sh(read), "0\n") << "IPv6 has no ARP";
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  EXPECT_EQ(Sh(read), "1\n");
  Sh("sysctl -qw net.ipv4.conf.eth0.arp_ignore=2");
  ASSERT_TRUE(host_->AddVip(kVip, absl::Seconds(30)).ok());
  EXPECT_EQ(Sh(read), "2\n") << "stricter is the administrator's choice";
}

TEST_F(AddressTest, Ipv6IsUsableAtOnce) {
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  EXPECT_TRUE(CanBind(kVip6.address.address));
  EXPECT_THAT(Shown("fd77::6f"), Not(HasSubstr("tentative")));
  EXPECT_THAT(RunOnPeer("ping -6 -c 1 -W 2 fd77::6f"), HasSubstr(" 0% packet loss"));
}

TEST_F(AddressTest, Ipv6AddressHeldBackByDuplicateDetectionIsReplaced) {
  Sh("sysctl -qw net.ipv6.conf.eth0.dad_transmits=1; ip addr add fd77::6f/64 dev eth0");
  ASSERT_THAT(Shown("fd77::6f"), HasSubstr("tentative"));
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  EXPECT_TRUE(CanBind(kVip6.address.address));
  EXPECT_THAT(Shown("fd77::6f"), Not(HasSubstr("tentative")));
}

TEST_F(AddressTest, NodeDoesNotSpeakFromItsIpv6Vip) {
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(30)).ok());
  EXPECT_THAT(Sh("ip -6 route get fd77::2"), HasSubstr("src fd77::1 "));
}

TEST_F(AddressTest, RouteOfTheSubnetOutlivesTheIpv6Vip) {
  // A permanent address, and one as a router's advertisement makes it: its route ends too.
  Sh("ip addr add fd79::1/64 dev eth0 nodad valid_lft 10000 preferred_lft 10000");
  const std::string permanent = Sh("ip -6 route show fd77::/64 dev eth0");
  ASSERT_THAT(permanent, Not(HasSubstr("expires")));
  const Vip other = MakeVip("fd79::6f/64");
  ASSERT_TRUE(host_->AddVip(kVip6, absl::Seconds(1)).ok());
  ASSERT_TRUE(host_->AddVip(other, absl::Seconds(1)).ok());
  EXPECT_EQ(Sh("ip -6 route show fd77::/64 dev eth0"), permanent);
  EXPECT_THAT(Sh("ip -6 route show fd79::/64 dev eth0"), ContainsRegex("expires [0-9]{4}"));
  ASSERT_TRUE(Eventually([&] { return !host_->HasVip(kVip6) && !host_->HasVip(other); }));
  EXPECT_EQ(Sh("ip -6 route show fd77::/64 dev eth0"), permanent);
  EXPECT_THAT(Sh("ip -6 route show fd79::/64 dev eth0"), ContainsRegex("expires [0-9]{4}"));
}

TEST_F(AddressTest, Ipv6VipInASubnetOfItsOwnBringsTheRoute) {
  ASSERT_TRUE(host_->AddVip(MakeVip("fd78::6f/64"), absl::Seconds(30)).ok());
  EXPECT_THAT(Sh("ip -6 route show fd78::/64 dev eth0"), HasSubstr("fd78::/64"));
  // The second of the subnet finds the route, and keeps it when the first goes.
  ASSERT_TRUE(host_->AddVip(MakeVip("fd78::70/64"), absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->AddVip(MakeVip("fd78::6f/64"), absl::Seconds(30)).ok());
  ASSERT_TRUE(host_->RemoveVip(MakeVip("fd78::6f/64")).ok());
  ASSERT_TRUE(host_->AddVip(MakeVip("fd78::70/64"), absl::Seconds(30)).ok());
  EXPECT_THAT(Sh("ip -6 route show fd78::/64 dev eth0"), HasSubstr("fd78::/64"));
}

}  // namespace
}  // namespace hb::executor
