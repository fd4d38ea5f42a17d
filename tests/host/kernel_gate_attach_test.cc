// Where the gate stands, what it does about those who take it away or put themselves before it, and
// what of others it leaves alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "executor/host/gate_filter.h"
#include "tests/host/foreign_program.h"
#include "tests/host/raw_frames.h"

namespace hb::executor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kVip[] = "192.168.77.111";

class GateAttachTest : public GateTest {
 protected:
  static std::string Filters(const std::string& interface, const std::string& direction) {
    int status = 0;
    return Sh(absl::StrCat("tc filter show dev ", interface, " ", direction), &status);
  }
  static bool Stands(const std::string& interface) {
    return absl::StrContains(Filters(interface, "ingress"), "hb_gate_in direct-action") &&
           absl::StrContains(Filters(interface, "egress"), "hb_gate_out direct-action");
  }
  static bool Absent(const std::string& interface) {
    return !absl::StrContains(Filters(interface, "ingress"), "hb_gate") &&
           !absl::StrContains(Filters(interface, "egress"), "hb_gate");
  }
  // A program of others in the chain of eth0.
  void AddForeign(const std::string& direction, int preference, int verdict) {
    const std::string pin = bpffs_.path() + "/foreign" + std::to_string(++pins_);
    PinForeignProgram(verdict, pin);
    Sh(absl::StrCat("tc filter add dev eth0 ", direction, " pref ", preference,
                    " bpf direct-action object-pinned ", pin));
  }
  int pins_ = 0;
};

TEST_F(GateAttachTest, StandsEverywhereButOnLoopback) {
  EXPECT_TRUE(Stands("eth0"));
  EXPECT_THAT(Filters("eth0", "ingress"), HasSubstr("pref 1 "));
  EXPECT_TRUE(Absent("lo"));
}

TEST_F(GateAttachTest, ANewInterfaceGetsItUpOrDown) {
  Sh("ip link add eth1 type veth peer name eth2; ip link set eth1 up");
  EXPECT_TRUE(Eventually([&] { return changes_ > 0; })) << "the executor is told to look";
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Stands("eth1"));
  EXPECT_TRUE(Stands("eth2"));
}

TEST_F(GateAttachTest, AnInterfaceMadeAnewGetsItAnew) {
  Sh("ip link del eth0; ip link add eth0 type veth peer name other0");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Stands("eth0"));
}

TEST_F(GateAttachTest, WithoutInterfacesThereIsNoObstacle) {
  Sh("ip link del eth0");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
}

TEST_F(GateAttachTest, WhatSomebodyRemovesIsNoticedAndRestored) {
  CloseGate(kVip);
  AddAddress(std::string(kVip) + "/24");
  for (const char* command :
       {"tc qdisc del dev eth0 clsact", "tc filter del dev eth0 ingress pref 1",
        "tc filter del dev eth0 egress"}) {
    SCOPED_TRACE(command);
    Wait(absl::Milliseconds(20));
    changes_ = 0;
    Sh(command);
    EXPECT_FALSE(Stands("eth0"));
    EXPECT_TRUE(Eventually([&] { return changes_ > 0; }));
    EXPECT_THAT(host_->CheckGate(), IsEmpty());
    EXPECT_TRUE(Stands("eth0"));
    EXPECT_FALSE(Pings(kVip)) << "entries are as before";
  }
}

TEST_F(GateAttachTest, ItsOwnDoingIsNoChange) {
  Sh("tc qdisc del dev eth0 clsact");
  Wait(absl::Milliseconds(20));
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  changes_ = 0;
  Wait(absl::Milliseconds(50));
  EXPECT_EQ(changes_, 0);
}

TEST_F(GateAttachTest, FiltersOfOthersAreKeptAndGoOnWorking) {
  AddForeign("ingress", 49, TC_ACT_SHOT);
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_FALSE(Pings("192.168.77.1")) << "the other filter drops everything";
  EXPECT_TRUE(Stands("eth0"));
  Sh("tc filter del dev eth0 ingress pref 49");
  EXPECT_TRUE(Eventually([&] { return Pings("192.168.77.1"); }));
}

TEST_F(GateAttachTest, AClsactOfOthersIsUsed) {
  Sh("tc qdisc del dev eth0 clsact; tc qdisc add dev eth0 clsact");
  AddForeign("ingress", 5, TC_ACT_OK);
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Stands("eth0"));
  EXPECT_THAT(Filters("eth0", "ingress"), HasSubstr("pref 5 "));
}

TEST_F(GateAttachTest, APlainIngressQdiscIsAnObstacle) {
  Sh("tc qdisc del dev eth0 clsact; tc qdisc add dev eth0 ingress");
  EXPECT_THAT(host_->CheckGate(),
              ElementsAre(AllOf(HasSubstr("the gate does not stand on eth0 (incoming): a plain "
                                          "ingress qdisc is there"),
                                HasSubstr("tc qdisc del dev eth0 ingress")),
                          HasSubstr("the gate does not stand on eth0 (outgoing)")));
  EXPECT_THAT(Sh("tc qdisc show dev eth0"), HasSubstr("ingress")) << "it is not ours to remove";
  Sh("tc qdisc del dev eth0 ingress");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Stands("eth0"));
}

TEST_F(GateAttachTest, AnotherKindOfFilterBeforeItIsAnObstacle) {
  Sh("tc qdisc del dev eth0 clsact; tc qdisc add dev eth0 clsact;"
     "tc filter add dev eth0 ingress pref 1 protocol ip u32 match u32 0 0 flowid 1:1");
  EXPECT_THAT(host_->CheckGate(),
              ElementsAre(AllOf(HasSubstr("the gate is not first on eth0 (incoming): the filter "
                                          "u32 with pref 1 stands before it"),
                                HasSubstr("tc filter show dev eth0 ingress"))));
  EXPECT_TRUE(Stands("eth0")) << "behind the other";
  Sh("tc filter del dev eth0 ingress pref 1");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
}

TEST_F(GateAttachTest, AProgramThatPutsItselfBeforeItIsAnObstacle) {
  AddForeign("egress", 1, TC_ACT_OK);
  EXPECT_THAT(host_->CheckGate(),
              ElementsAre(HasSubstr("the gate is not first on eth0 (outgoing): the filter ")));
}

TEST_F(GateAttachTest, ATcxProgramBeforeItIsAnObstacle) {
  const UniqueFd program = LoadForeignProgram(TC_ACT_UNSPEC);
  for (const GateHook* hook : {&kGateIncoming, &kGateOutgoing}) {
    UniqueFd link(bpf_link_create(program.get(), host_->Link("eth0").index,
                                  static_cast<bpf_attach_type>(hook->tcx_attach_type), nullptr));
    if (!link.valid() && errno == EINVAL)
      return;  // before Linux 6.6 there is nothing to stand before it
    ASSERT_TRUE(link.valid()) << std::strerror(errno);
    // Nobody tells of it; the look at everything, once a second, finds it.
    EXPECT_TRUE(Eventually([&] { return !host_->CheckGate().empty(); }));
    EXPECT_THAT(host_->CheckGate(),
                ElementsAre(AllOf(HasSubstr(hook->direction),
                                  HasSubstr(absl::StrCat("the tcx program ",
                                                         ProgramId(program.get()), " stands")),
                                  HasSubstr("bpftool net detach"))));
    link.Close();
    EXPECT_TRUE(Eventually([&] { return host_->CheckGate().empty(); }));
  }
}

TEST_F(GateAttachTest, ABridgeHasItAndItsPortsDoNot) {
  Sh("ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Stands("br0"));
  EXPECT_TRUE(Absent("eth0"));
  Sh("ip link set eth0 nomaster");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Stands("eth0"));
}

TEST_F(GateAttachTest, TheGateOfABridgeWorksForItsAddress) {
  Sh("ip link add br0 type bridge; ip link set eth0 master br0; ip link set br0 up;"
     "ip addr flush dev eth0; ip addr add 192.168.77.1/24 dev br0;"
     "ip addr add 192.168.77.111/24 dev br0");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  EXPECT_TRUE(Eventually([&] { return Pings(kVip); }));
  CloseGate(kVip);
  EXPECT_FALSE(Pings(kVip));
  EXPECT_TRUE(Pings("192.168.77.1"));
}

TEST_F(GateAttachTest, AFilterOfAnEarlierBuildIsReplacedInItsPlace) {
  absl::StatusOr<std::unique_ptr<NetlinkRequester>> requester = NetlinkRequester::Create();
  ASSERT_TRUE(requester.ok());
  const UniqueFd earlier = LoadForeignProgram(TC_ACT_OK);
  const uint32_t id = ProgramId(earlier.get());
  GateFilters filters(requester->get());
  const auto standing =
      filters.Ensure(host_->Link("eth0").index, "eth0", kGateIncoming, earlier.get(), id);
  EXPECT_TRUE(standing.attached);
  EXPECT_EQ(standing.obstacle, "");
  EXPECT_THAT(Filters("eth0", "ingress"), HasSubstr(absl::StrCat(" id ", id, " ")));
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  const std::string after = Filters("eth0", "ingress");
  EXPECT_THAT(after, Not(HasSubstr(absl::StrCat(" id ", id, " "))));
  EXPECT_EQ(after.find("hb_gate_in"), after.rfind("hb_gate_in direct-action")) << after;
}

}  // namespace
}  // namespace hb::executor
