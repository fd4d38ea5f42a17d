// The gate's deadline (L8): when the executor's core opens it, and until when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using ::testing::ElementsAre;

constexpr Duration kMs = absl::Milliseconds(1);

MonoTime GateOf(World& w) { return w.gates.at(MakeVip().address.address).until; }

TEST(NodeGateTest, TheEntryPrecedesTheAddressAndOpensWithTheServiceForTheLeaseAlone) {
  World w;
  w.starts_at_once = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  const MonoTime stamp = w.now;
  EXPECT_EQ(GateOf(w), MonoTime()) << "there, and closed";
  w.Run(100 * kMs);
  w.vips.insert(MakeVip());  // by a hand
  w.Do({});
  EXPECT_EQ(GateOf(w), MonoTime()) << "no service has been seen behind it";
  w.SetService(State::kRunning);
  EXPECT_EQ(GateOf(w), stamp + absl::Seconds(1));
  EXPECT_EQ(w.gates.at(MakeVip().address.address).epoch, 7u);
  EXPECT_EQ(w.gates.at(MakeVip().address.address).ttl, absl::Seconds(1));
}

TEST(NodeGateTest, EachRenewalMovesTheDeadline) {
  World w;
  w.TakeOver();
  w.Run(200 * kMs);
  const MonoTime stamp = w.stamps.at(w.last_number);
  w.Renew();
  EXPECT_EQ(GateOf(w), stamp + absl::Seconds(1));
}

TEST(NodeGateTest, ALeaseWithoutAnEndIsGivenToTheGateATtlAtATime) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kHold));
  w.Disconnect();
  for (int i = 0; i < 100; ++i) {
    w.Run(100 * kMs);
    EXPECT_GT(GateOf(w), w.now + 700 * kMs);
    EXPECT_LE(GateOf(w), w.now + 1000 * kMs);
  }
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeGateTest, AProcessThatStoodStillReopensNothing) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kHold));
  w.Freeze(1100 * kMs);
  w.Run(absl::ZeroDuration());
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_LE(GateOf(w), w.now);
  EXPECT_FALSE(w.Has());
}

TEST(NodeGateTest, GivingUpClosesBeforeAnythingElse) {
  World w;
  w.TakeOver();
  w.Send({Standby(7)});
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.111", "0 remove 192.168.0.111/24 on eth0",
                                   "0 stop website"));
  EXPECT_EQ(GateOf(w), MonoTime());
}

TEST(NodeGateTest, AGateThatDoesNotCloseIsNoRelease) {
  World w;
  w.TakeOver();
  w.gate_fails = true;
  w.removing_fails = true;
  w.Send({Standby(7)});
  EXPECT_TRUE(w.Reported().holding);
  w.removing_fails = false;
  w.Run(300 * kMs);
  EXPECT_FALSE(w.Reported().holding) << "the address is gone";
}

TEST(NodeGateTest, WithoutAStandingGateNoLeaseBegins) {
  World w;
  w.gate_stands = false;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.Send({Active(8)});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.Reported().refusal, "the gate does not stand here");
  w.gate_stands = true;
  w.Do({});
  w.Renew();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

}  // namespace
}  // namespace hb::executor
