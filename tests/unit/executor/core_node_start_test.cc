// How a node begins and ends: the lease that an earlier process left (L5), whom it follows (L11),
// what it does when it is told to stop; and others' claims (L9).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kMs = absl::Milliseconds(1);

Spec SpecWithPeers(OnExpiry on_expiry = OnExpiry::kRelease) {
  Spec spec = MakeSpec(kWeb, kRevision, on_expiry);
  spec.peers = {{"slave", "192.168.0.2:7401"}};
  return spec;
}

PromiseReply Yes() {
  PromiseReply reply;
  reply.given = true;
  reply.epoch = 7;
  reply.d = absl::Seconds(1);
  reply.highest_epoch = 7;
  return reply;
}

MonoTime GateOf(World& w) { return w.gates.at(MakeVip().address.address).until; }

// ---- a restart within the lease ----

class NodeAdoptionTest : public ::testing::Test {
 protected:
  static std::map<std::string, Record> Records(OnExpiry on_expiry = OnExpiry::kRelease) {
    Record record;
    record.epoch = 7;
    record.controller = kController;
    record.spec = SpecWithPeers(on_expiry);
    return {{kWeb, record}};
  }
  static MonoTime Start() { return MonoTime() + absl::Seconds(1000); }
  static std::map<IpAddress, GateLease> Gate(Duration left, uint64_t epoch = 7) {
    return {{MakeVip().address.address, {Start() + left, epoch, absl::Seconds(1)}}};
  }
};

TEST_F(NodeAdoptionTest, TheLeaseInTheGateIsTakenUpAndRenewedByTheNextOrder) {
  World w(Records(), 2, Gate(600 * kMs));
  w.vips.insert(MakeVip());
  w.services[kSite] = State::kRunning;
  w.Do({});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.node.epoch(kWeb), 7u);
  EXPECT_EQ(GateOf(w), Start() + 600 * kMs);
  w.Run(100 * kMs);
  w.Connect();
  EXPECT_TRUE(w.Reported().holding);
  EXPECT_EQ(w.Reported().epoch, 7u);
  w.Send({Active(7)}, {SpecWithPeers()});
  EXPECT_EQ(GateOf(w), w.now + absl::Seconds(1));
  EXPECT_THAT(w.LogOf("remove"), IsEmpty());
  EXPECT_THAT(w.LogOf("close"), IsEmpty());
}

TEST_F(NodeAdoptionTest, ItEndsWhenTheGateDoesOrGoesOnByPromises) {
  for (const bool promised : {false, true}) {
    World w(Records(), 2, Gate(600 * kMs));
    w.vips.insert(MakeVip());
    w.services[kSite] = State::kRunning;
    w.Do({});
    if (promised) w.peers_answer = Yes();
    w.Run(600 * kMs);
    EXPECT_EQ(w.node.Holds(kWeb, w.now), promised);
    EXPECT_EQ(w.Has(), promised);
  }
}

TEST_F(NodeAdoptionTest, ByHoldItGoesOnWithoutAnEnd) {
  World w(Records(OnExpiry::kHold), 2, Gate(600 * kMs));
  w.vips.insert(MakeVip());
  w.services[kSite] = State::kRunning;
  w.Do({});
  w.Run(5000 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_GT(GateOf(w), w.now);
}

TEST_F(NodeAdoptionTest, ByWitnessItIsAskedAtOnceAndKeepsTheLease) {
  for (const bool answers : {false, true}) {
    World w(Records(OnExpiry::kWitness), 2, Gate(600 * kMs));
    w.vips.insert(MakeVip());
    w.services[kSite] = State::kRunning;
    w.witness_answers = answers;
    w.Do({});
    w.Run(5000 * kMs);
    EXPECT_EQ(w.node.Holds(kWeb, w.now), answers);
  }
}

TEST_F(NodeAdoptionTest, TheFirewallIsThereBeforeAnyController) {
  auto records = Records();
  FirewallSpec firewall;
  firewall.own_address = IpAddress::Parse("192.168.0.1").value();
  firewall.restrict_icmp_echo = true;
  records[kWeb].spec->firewall = firewall;
  World w(records, 2);
  EXPECT_TRUE(w.rules.own_addresses.contains(firewall.own_address));
}

TEST_F(NodeAdoptionTest, WhatHasRunOutOrIsNotWholeIsClosedAndRemoved) {
  struct Case {
    const char* name;
    std::map<IpAddress, GateLease> gate;
  };
  const Case cases[] = {{"run out", Gate(-1 * kMs)},
                        {"closed", Gate(-1000 * absl::Seconds(1))},
                        {"no epoch", Gate(500 * kMs, 0)},
                        {"not there", {}}};
  for (const Case& c : cases) {
    World w(Records(), 2, c.gate);
    w.vips.insert(MakeVip());
    w.Do({});
    EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << c.name;
    EXPECT_EQ(GateOf(w), MonoTime()) << c.name;
    EXPECT_FALSE(w.Has()) << c.name;
  }
}

TEST_F(NodeAdoptionTest, OfSeveralGatesTheFirstToCloseEndsTheLease) {
  const Vip second = MakeVip("192.168.0.112/24");
  const std::pair<Duration, uint64_t> seconds[] = {
      {300 * kMs, 7}, {900 * kMs, 7}, {-1 * kMs, 7}, {600 * kMs, 6}};
  for (const auto& [left, epoch] : seconds) {
    auto records = Records();
    records[kWeb].spec->vips.push_back(second);
    auto gates = Gate(600 * kMs);
    gates[second.address.address] = {Start() + left, epoch, absl::Seconds(1)};
    Node node(2, records);
    const Acts acts = node.Start(gates, Start());
    if (left > absl::ZeroDuration() && epoch == 7) {
      EXPECT_TRUE(node.Holds(kWeb, Start() + std::min(left, 600 * kMs) - kMs)) << left;
      EXPECT_FALSE(node.Holds(kWeb, Start() + std::min(left, 600 * kMs))) << left;
      // The one that would stay open for longer closes with it, whatever becomes of this process.
      std::vector<std::pair<IpAddress, MonoTime>> set;
      for (const Act& act : acts) {
        const auto* gate = std::get_if<SetGate>(&act);
        if (gate != nullptr) set.emplace_back(gate->vip, gate->lease.until);
      }
      const IpAddress longer =
          left > 600 * kMs ? second.address.address : MakeVip().address.address;
      EXPECT_THAT(set, ElementsAre(std::pair(longer, Start() + std::min(left, 600 * kMs))));
      continue;
    }
    // What is not whole, or of two leases, is closed before anything else happens.
    EXPECT_FALSE(node.Holds(kWeb, Start()));
    size_t closed = 0;
    for (const Act& act : acts) {
      const auto* gate = std::get_if<SetGate>(&act);
      if (gate != nullptr && gate->lease == GateLease()) ++closed;
    }
    EXPECT_EQ(closed, 2u);
  }
}

TEST_F(NodeAdoptionTest, WhatTheEarlierProcessWasGrantedIsSaidToBeVoid) {
  World w(Records(), 2);
  w.Connect();
  w.Send({Standby(7)}, {SpecWithPeers()});
  EXPECT_GE(w.Reported().void_before, (ReportId{2, 1}));
  // Nor does it need an order to say so.
  World silent(Records(), 2);
  silent.Connect();
  EXPECT_EQ(silent.Reported().void_before, (ReportId{2, 1}));
}

TEST_F(NodeAdoptionTest, TakingUpIsNotBecomingActiveAndNeedsNoBondToEnd) {
  auto records = Records();
  records[kWeb].longest_promise = absl::Seconds(5);
  World w(records, 2, Gate(600 * kMs));
  w.vips.insert(MakeVip());
  w.services[kSite] = State::kRunning;
  w.Do({});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  w.Connect();
  w.Send({Active(7)}, {SpecWithPeers()});
  w.RunRenewed(2000 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

// ---- whom to follow (L11) ----

TEST(NodeFollowTest, AnotherControllerWaitsForTheLastWordAndTheLastGrantOfTheFirst) {
  World w;
  w.TakeOver(7);
  const MonoTime heard = w.now;
  EXPECT_TRUE(w.node.CheckController(kController, heard, w.now).ok());
  const absl::Status refused = w.node.CheckController("another", heard, w.now);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("holds a lease of controller controller-1"));
  w.Disconnect();
  w.Run(1001 * kMs);
  EXPECT_TRUE(w.node.CheckController("another", heard, w.now).ok());
  EXPECT_THAT(std::string(w.node.CheckController("another", w.now - 500 * kMs, w.now).message()),
              HasSubstr("was heard less than 1 s ago"));
}

TEST(NodeFollowTest, HowLongItFollowsIsOnDiskBeforeItIsSaidAndKeptByTheNextProcess) {
  World w;
  w.Connect();
  EXPECT_EQ(w.reports.back().followed_for, absl::ZeroDuration());
  w.Send({Standby(7)}, {MakeSpec()});
  w.Run(300 * kMs);
  EXPECT_EQ(w.reports.back().followed_for, absl::Seconds(1));

  w.disk_answers = false;
  Orders slower;
  slower.answers = w.Newest();
  slower.specs = {MakeSpec()};
  slower.heartbeat = absl::Seconds(2);
  w.SendMessage(slower);
  w.Run(absl::Seconds(5));
  EXPECT_EQ(w.reports.back().followed_for, absl::Seconds(1));
  w.DiskHas(7);
  w.Run(absl::Seconds(2));
  EXPECT_EQ(w.reports.back().followed_for, absl::Seconds(10));

  World next(w.disk, 2);
  const MonoTime heard = next.now;
  next.now = next.now + absl::Seconds(9);
  EXPECT_FALSE(next.node.CheckController("another", heard, next.now).ok());
  next.now = next.now + absl::Seconds(1);
  EXPECT_TRUE(next.node.CheckController("another", heard, next.now).ok());

  next.Connect("another");
  EXPECT_EQ(next.reports.back().followed_for, absl::ZeroDuration()) << "it is not followed yet";
  next.Send({Standby(7)}, {MakeSpec()});
  next.Run(300 * kMs);
  EXPECT_EQ(next.reports.back().followed_for, absl::Seconds(1)) << "that is its own";
}

TEST(NodeFollowTest, ThatItHasFollowedAnotherIsSaidUntilItFollowsThisOne) {
  Record record;
  record.epoch = 7;
  record.controller = "another";
  World w(std::map<std::string, Record>{{kWeb, record}}, 2);
  w.Connect();
  EXPECT_TRUE(w.Reported().followed_other);
  w.Send({}, {MakeSpec()});
  EXPECT_FALSE(w.Reported().followed_other);
}

// ---- told to stop ----

TEST(NodeLeaveTest, WhatItIsToDoThenItDoesNotBefore) {
  World w;
  w.TakeOver(7);
  Order order = Active(7);
  order.on_leave = OnLeave::kRelease;
  w.Send({order});
  w.RunRenewed(3000 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.node.MayExit(w.now));
}

TEST(NodeLeaveTest, WhatAHolderDoesIsTheControllersToSay) {
  struct Case {
    const char* name;
    OnLeave on_leave;
    bool exits_at_once;
    bool holds;
  };
  const Case cases[] = {{"keep", OnLeave::kKeep, true, true},
                        {"wait", OnLeave::kWait, false, true},
                        {"release", OnLeave::kRelease, true, false}};
  for (const Case& c : cases) {
    World w;
    w.TakeOver(7);
    Order order = Active(7);
    order.on_leave = c.on_leave;
    w.Send({order});
    w.Log();
    w.Do(w.node.Leave(w.now));
    w.ReportIfDue();
    EXPECT_TRUE(w.Reported().leaving) << c.name;
    EXPECT_EQ(w.node.MayExit(w.now), c.exits_at_once) << c.name;
    EXPECT_EQ(w.node.Holds(kWeb, w.now), c.holds) << c.name;
    EXPECT_EQ(w.Has(), c.holds) << c.name;
    EXPECT_EQ(w.services[kSite], State::kRunning) << c.name << ": the service is left alone";
    if (c.exits_at_once) continue;
    w.RunRenewed(2000 * kMs);
    EXPECT_FALSE(w.node.MayExit(w.now));
    w.Send({Standby(7)});
    EXPECT_TRUE(w.node.MayExit(w.now));
    EXPECT_FALSE(w.Has());
    EXPECT_EQ(w.services[kSite], State::kRunning) << c.name << ": also once it has handed over";
  }
}

TEST(NodeLeaveTest, AHandoverThatDoesNotComeIsWaitedForSoLongAndNoLonger) {
  World w;
  w.TakeOver(7);
  Order order = Active(7);
  order.on_leave = OnLeave::kWait;
  w.Send({order});
  w.Do(w.node.Leave(w.now));
  w.RunRenewed(Node::kLeaveLimit - 10 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  w.RunRenewed(60 * kMs);
  EXPECT_TRUE(w.node.MayExit(w.now));
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodeLeaveTest, WithoutAControllerAllStaysAsItIs) {
  World w;
  w.TakeOver(7);
  w.Disconnect();
  w.Do(w.node.Leave(w.now));
  EXPECT_TRUE(w.node.MayExit(w.now));
  EXPECT_TRUE(w.Has());
  EXPECT_GT(GateOf(w), w.now);
}

TEST(NodeLeaveTest, NoLeaseBeginsAnyMore) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.Do(w.node.Leave(w.now));
  EXPECT_TRUE(w.node.MayExit(w.now));
  w.Send({Active(8)});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

// ---- others' claims ----

TEST(NodeConflictTest, AHolderReportsAndAnnouncesItselfAgainOnceASecond) {
  World w;
  w.TakeOver(7);
  w.RunRenewed(10'000 * kMs);
  w.Log();
  const Conflict conflict{MakeVip(), "02:00:00:00:00:09"};
  for (int i = 0; i < 5; ++i) w.Do(w.node.ConflictSeen(conflict, w.now));
  w.ReportIfDue();
  EXPECT_EQ(w.Reported().conflicts, 1u);
  EXPECT_EQ(w.Reported().conflict, "02:00:00:00:00:09 claims 192.168.0.111");
  EXPECT_THAT(w.LogOf("announce"), ElementsAre("10000 announce 192.168.0.111/24 on eth0"));
  w.RunRenewed(1000 * kMs);
  w.Do(w.node.ConflictSeen(conflict, w.now));
  w.ReportIfDue();
  EXPECT_EQ(w.Reported().conflicts, 2u);
}

TEST(NodeConflictTest, ToAStandbyItIsAnothersGoodRight) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.Do(w.node.ConflictSeen({MakeVip(), "02:00:00:00:00:09"}, w.now));
  w.ReportIfDue();
  EXPECT_EQ(w.Reported().conflicts, 0u);
  EXPECT_THAT(w.LogOf("announce"), IsEmpty());
}

}  // namespace
}  // namespace hb::executor
