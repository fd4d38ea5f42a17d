// Failover: what moves the service and what does not, and what is waited for (rules L2, L3, L7).
#include <gtest/gtest.h>

#include "tests/unit/controller/core_world.h"

namespace hb::controller {
namespace {

constexpr char kServiceDown[] = "Master apache service is down";

TEST(DecisionFailoverTest, AServiceThatDiesMovesByAProvedRelease) {
  World world;
  world.Serve();
  const uint64_t before = world.nodes[kMaster].epoch;
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_GT(world.nodes[kSlave].epoch, before);
  EXPECT_EQ(world.nodes[kMaster].service, ServiceState::kStopped);
  EXPECT_EQ(world.Reason("service_down"), kServiceDown);
  EXPECT_EQ(world.Reason("failover"), kServiceDown);
  // First the release and the other's preparation, both under the old epoch; then ACTIVE.
  ASSERT_GE(world.sent.size(), 3U);
  const auto& [at0, first, release] = world.sent[0];
  const auto& [at1, second, prepare] = world.sent[1];
  EXPECT_EQ(first, kMaster);
  EXPECT_FALSE(release.active);
  EXPECT_FALSE(release.service_running);
  EXPECT_EQ(release.epoch, before);
  EXPECT_EQ(second, kSlave);
  EXPECT_FALSE(prepare.active);
  EXPECT_TRUE(prepare.service_running);
  EXPECT_EQ(prepare.epoch, before);
}

TEST(DecisionFailoverTest, NotHoldingIsNoProofWithoutAVoidBefore) {
  World world;
  world.Serve();
  world.nodes[kMaster].obeys = false;
  world.nodes[kMaster].taken = false;  // "I hold nothing", but what was granted may be on its way
  world.ServiceDies(kMaster);
  const MonoTime died = world.now;
  while (!world.OrderedActive(kSlave) && world.now < died + absl::Seconds(5)) {
    world.Run(absl::Milliseconds(10));
  }
  ASSERT_TRUE(world.OrderedActive(kSlave));
  EXPECT_GT(world.now - died, absl::Milliseconds(1000));
  EXPECT_LT(world.now - died, absl::Milliseconds(1200));
}

TEST(DecisionFailoverTest, AHolderThatSaysItHoldsIsWaitedForWithoutEnd) {
  World world;
  world.Serve();
  world.nodes[kMaster].obeys = false;
  world.nodes[kMaster].lease_end = MonoTime::Infinite();
  world.ServiceDies(kMaster);
  world.Run(absl::Seconds(30));
  EXPECT_FALSE(world.OrderedActive(kSlave));
  EXPECT_FALSE(world.OrderedActive(kMaster));
}

TEST(DecisionFailoverTest, APageThatIsGoneMovesTheService) {
  World world;
  world.Serve();
  world.nodes[kMaster].page = false;
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(4)));
  EXPECT_EQ(world.Reason("failover"), kServiceDown);
  EXPECT_EQ(world.events.front().detail, "connection refused");
}

// Returns how long after the host was cut off the other was ordered ACTIVE.
Duration TakeoverTime(World& world) {
  const MonoTime cut = world.now;
  world.Cut(kMaster);
  while (!world.OrderedActive(kSlave) && world.now < cut + absl::Seconds(10)) {
    world.Run(absl::Milliseconds(10));
  }
  return world.now - cut;
}

TEST(DecisionFailoverTest, ADeadHostsLeaseIsWaitedFor) {
  World world;
  world.Serve();
  const Duration took = TakeoverTime(world);
  EXPECT_GT(took, absl::Milliseconds(850));  // the newest grant is up to a heartbeat old
  EXPECT_LT(took, absl::Milliseconds(1150));
  EXPECT_EQ(world.Reason("failover"), "Master host or its network is down");
  EXPECT_TRUE(world.RunUntilServes(kSlave));
}

TEST(DecisionFailoverTest, TheLeaseOfALongerTtlIsWaitedForToo) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(5);
  World world(model);
  world.Serve();
  const Duration took = TakeoverTime(world);
  EXPECT_GT(took, absl::Milliseconds(5250));
  EXPECT_LT(took, absl::Milliseconds(5550));
}

TEST(DecisionFailoverTest, WithAWitnessOneIntervalMoreIsWaited) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  World world(model);
  world.Serve();
  const Duration took = TakeoverTime(world);
  EXPECT_GT(took, absl::Milliseconds(1050));
  EXPECT_LT(took, absl::Milliseconds(1350));
}

TEST(DecisionFailoverTest, WithAWitnessTheLastAnsweredPingIsASignOfLifeToo) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  World world(model);
  world.Serve();
  world.nodes[kMaster].reachable = false;
  world.Run(absl::Milliseconds(800));
  world.nodes[kMaster].pingable = false;
  world.Run(absl::Milliseconds(1050));
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kNodeDown);
  EXPECT_FALSE(world.OrderedActive(kSlave));
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
}

TEST(DecisionFailoverTest, AHolderThatSpeaksIsMovedFromWithoutTheWitness) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  World world(model);
  world.Serve();
  world.witness = false;
  world.SetWitness(false);
  world.ServiceDies(kMaster);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2)));
}

TEST(DecisionFailoverTest, SilenceMovesNothingWhileTheWitnessDoesNotAnswer) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  // Lost before the host is, or only while its lease is waited for.
  for (const bool late : {false, true}) {
    World world(model);
    world.Serve();
    if (!late) world.SetWitness(false);
    world.Cut(kMaster);
    world.Run(absl::Milliseconds(900));
    world.SetWitness(false);
    world.Run(absl::Seconds(10));
    EXPECT_FALSE(world.OrderedActive(kSlave)) << late;
    EXPECT_EQ(world.Said("stuck"), late ? 0U : 1U);
    world.SetWitness(true);
    // Its silence counts from here on.
    world.Run(absl::Milliseconds(2000));
    EXPECT_FALSE(world.OrderedActive(kSlave)) << late;
    EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2))) << late;
  }
}

// The witness, too, may have fallen silent with the holder; its question is still under way.
TEST(DecisionFailoverTest, WhatTheWitnessAnsweredBeforeTheSilenceProvesNothing) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  World world(model);
  world.Serve();
  world.SetWitness(true);
  world.probing = false;
  world.Run(absl::Milliseconds(250));  // a report after that answer
  world.PowerOff(kMaster);
  for (int i = 0; i < 3; ++i) world.Step(ProbeSeen{kMaster, ProbeKind::kIcmp, false, "timed out"});
  world.Run(absl::Seconds(10));
  ASSERT_EQ(world.VerdictOf(kMaster), Verdict::kNodeDown);
  EXPECT_FALSE(world.OrderedActive(kSlave));
  world.Step(WitnessSeen{true, world.now});
  EXPECT_TRUE(world.OrderedActive(kSlave)) << world.decision.Summary();
}

// Not only because something else happens to wake it.
TEST(DecisionFailoverTest, WakesWhenTheLastHoldersLeaseHasRunOut) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(3);
  World world(model);
  world.Serve();
  world.PowerOff(kMaster);
  ASSERT_TRUE(world.RunUntil([&] { return world.decision.moving(); }, absl::Seconds(2)));
  const MonoTime end = world.decision.View(kMaster).lease_until;
  // The slave's reports keep other deadlines further off than this.
  world.Run(end - world.now - absl::Milliseconds(150));
  EXPECT_EQ(world.decision.NextDeadline(), end);
}

TEST(DecisionFailoverTest, AControllerThatWasCutOffItselfHearsFirst) {
  for (const bool by_witness : {true, false}) {
    ClusterModel model = MakeModel();
    model.on_expiry = by_witness ? OnExpiry::kWitness : OnExpiry::kHold;
    World world(model);
    world.Serve();
    // The slave, on which the controller sits, has its cable pulled.
    if (by_witness) world.SetWitness(false);
    world.nodes[kSlave].obstacles = {"eth0 has no carrier: check the cable"};
    world.Tell(kSlave);
    world.Cut(kMaster);
    world.Run(absl::Seconds(10));
    world.nodes[kSlave].obstacles.clear();
    world.Tell(kSlave);
    if (by_witness) world.SetWitness(true);
    EXPECT_FALSE(world.OrderedActive(kSlave));
    // Its pings are answered before it is dialled again.
    world.nodes[kMaster].pingable = true;
    world.Run(absl::Milliseconds(1800));
    EXPECT_EQ(world.Said("failover"), 0U) << by_witness;
    world.Heal(kMaster);
    world.Run(absl::Seconds(20));
    EXPECT_EQ(world.decision.active(), kMaster) << by_witness;
    EXPECT_EQ(world.Said("failover"), 0U) << by_witness;
  }
}

TEST(DecisionFailoverTest, AHolderThatComesBackBeforeItsLeaseEndsStays) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(5);
  World world(model);
  world.Serve();
  world.Cut(kMaster);
  world.Run(absl::Seconds(3));
  ASSERT_EQ(world.VerdictOf(kMaster), Verdict::kNodeDown);
  world.Heal(kMaster);
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.Reason("move_abandoned"),
            "The failover to slave is given up: master came back before its lease ran out");
  EXPECT_EQ(world.nodes[kSlave].service, ServiceState::kStopped);
}

TEST(DecisionFailoverTest, AnExecutorThatIsGoneIsWaitedForUntilItsLeaseEnds) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(3);
  World world(model);
  world.Serve();
  world.Disconnect(kMaster, "connection reset");
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kAgentDown);
  EXPECT_EQ(world.events.front().detail, "connection reset");
  world.Run(absl::Seconds(3));
  EXPECT_EQ(world.Said("failover"), 0U);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_EQ(world.Reason("failover"), "Master executor does not answer, its host does");
}

TEST(DecisionFailoverTest, AnExecutorThatIsBackInTimeKeepsTheService) {
  World world;
  world.Serve();
  world.Disconnect(kMaster);
  world.Run(absl::Milliseconds(500));
  world.Connect(kMaster);
  world.Run(absl::Seconds(3));
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.Said("failover"), 0U);
}

TEST(DecisionFailoverTest, HoldsStillWhenOnlyItsOwnPathIsBad) {
  World world;
  world.Serve();
  world.nodes[kMaster].pingable = false;  // and so no page, but the stream goes on
  world.Run(absl::Minutes(1));
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kPathDown);
  EXPECT_EQ(world.Said("failover"), 0U);
  EXPECT_GE(world.Said("path_down"), 1U);
}

TEST(DecisionFailoverTest, ANodeThatCouldNotHoldIsLeft) {
  for (const bool pingable : {true, false}) {
    World world;
    world.Serve();
    world.nodes[kMaster].pingable = pingable;
    world.nodes[kMaster].obstacles = {"the gate is not first on eth0"};
    world.nodes[kMaster].changed = true;
    ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2))) << pingable;
    EXPECT_EQ(world.Reason("failover"),
              "Master could not hold the floating address: the gate is not first on eth0");
  }
}

std::vector<int> StartsOf(const World& world, NodeIndex node, MonoTime since) {
  std::vector<int> at;
  for (const World::Start& start : world.starts) {
    if (start.node == node) at.push_back(static_cast<int>((start.at - since) / absl::Seconds(1)));
  }
  return at;
}

TEST(DecisionFailoverTest, StaysPutAndRestartsInPlaceWhenNothingIsHealthier) {
  for (const Duration takes : {absl::ZeroDuration(), absl::Milliseconds(300)}) {
    World world;
    world.Serve();
    world.Disconnect(kSlave);
    world.Run(absl::Seconds(20));
    world.Forget();
    world.nodes[kMaster].starts = false;
    world.nodes[kMaster].start_takes = takes;
    const MonoTime died = world.now;
    world.ServiceDies(kMaster);
    world.Run(absl::Seconds(50));
    EXPECT_EQ(StartsOf(world, kMaster, died), (std::vector<int>{0, 1, 3, 7, 15, 30, 45})) << takes;
    EXPECT_EQ(world.Said("service_down"), 1U);
    EXPECT_EQ(world.Said("stuck"), 1U);
    EXPECT_EQ(world.Reason("stuck"),
              "Master apache service is down, and no other node is healthier: staying put");
    EXPECT_TRUE(world.Holds(kMaster));
    world.nodes[kMaster].starts = true;
    EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(20)));
  }
}

TEST(DecisionFailoverTest, AServiceThatDiesRightAfterItsStartIsRestartedEverMoreSlowly) {
  World world;
  world.Serve();
  world.Disconnect(kSlave);
  world.Run(absl::Seconds(20));
  world.Forget();
  world.nodes[kMaster].stays_up = false;
  world.ServiceDies(kMaster);
  world.Run(absl::Seconds(50));
  EXPECT_EQ(world.starts.size(), 7U);
  world.nodes[kMaster].stays_up = true;
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(20)));
  // Once it has run for a while, the next death finds it restarted at once.
  world.Run(absl::Seconds(15));
  world.Forget();
  const MonoTime died = world.now;
  world.ServiceDies(kMaster);
  world.Run(absl::Milliseconds(100));
  EXPECT_EQ(StartsOf(world, kMaster, died), std::vector<int>{0});
}

TEST(DecisionFailoverTest, WhoeverGetsItsServiceToRunGetsIt) {
  World world;
  world.Serve();
  for (FakeNode& node : world.nodes) {
    node.starts = false;
    node.start_takes = absl::Milliseconds(300);
  }
  world.ServiceDies(kMaster);
  world.Run(absl::Seconds(30));
  ASSERT_EQ(world.decision.active(), kSlave);
  EXPECT_GE(StartsOf(world, kMaster, world.now).size(), 2U);  // both are tried
  EXPECT_GE(StartsOf(world, kSlave, world.now).size(), 2U);
  world.nodes[kMaster].starts = true;
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(40)));
}

TEST(DecisionFailoverTest, ATargetThatFailsIsFollowedByTheNext) {
  World world(MakeModel(3));
  world.Serve();
  world.nodes[kSlave].starts = false;
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kThird, absl::Seconds(3)));
  EXPECT_EQ(world.Reason("failover"), "Slave apache service is down");
}

TEST(DecisionFailoverTest, PriorityChoosesAmongEquals) {
  ClusterModel model = MakeModel(3);
  model.nodes[kThird].priority = 70;
  World world(model);
  world.Serve();
  world.ServiceDies(kMaster);
  EXPECT_TRUE(world.RunUntilServes(kThird, absl::Seconds(3)));
}

TEST(DecisionFailoverTest, AProvenStandbyComesBeforeAPresumedOne) {
  ClusterModel model = MakeModel(3);
  model.standby_runs_service = true;
  World world(model);
  world.nodes[kSlave].page = false;
  world.Serve();
  ASSERT_EQ(world.nodes[kThird].service, ServiceState::kRunning);
  world.ServiceDies(kMaster);
  EXPECT_TRUE(world.RunUntilServes(kThird, absl::Seconds(3)));
}

TEST(DecisionFailoverTest, TiltThrowsTheEvidenceAway) {
  World world;
  world.Serve();
  world.probing = false;
  for (int i = 0; i < 2; ++i) world.Step(ProbeSeen{kMaster, ProbeKind::kIcmp, false, "timed out"});
  world.Step(LoopLate{absl::Seconds(2)});
  world.Step(ProbeSeen{kMaster, ProbeKind::kIcmp, false, "timed out"});
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kHealthy);
  EXPECT_EQ(world.Said("tilt"), 1U);
  EXPECT_EQ(world.Reason("tilt"),
            "The controller itself was late by 2 s: the evidence of that time is thrown away");
}

TEST(DecisionFailoverTest, TiltThrowsAwayPagesThatDidNotComeToo) {
  World world;
  world.Serve();
  world.probing = false;
  const ProbeSeen no_page{kMaster, ProbeKind::kHttp, false, "timed out"};
  world.Step(no_page);
  world.Step(LoopLate{absl::Seconds(2)});
  world.Step(no_page);
  EXPECT_EQ(world.Said("service_down"), 0U);
  world.Step(no_page);
  EXPECT_EQ(world.Said("service_down"), 1U);
}

TEST(DecisionFailoverTest, AfterAStallNobodyIsSilentYetButWhoWasBefore) {
  World world(MakeModel(3));
  world.Serve();
  world.Cut(kThird);
  world.Run(absl::Seconds(1));
  ASSERT_EQ(world.VerdictOf(kThird), Verdict::kNodeDown);
  world.now = world.now + absl::Milliseconds(900);  // nothing ran
  world.Step(LoopLate{absl::Milliseconds(900)});
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kHealthy);
  EXPECT_EQ(world.VerdictOf(kThird), Verdict::kNodeDown);
}

// The leases that it had granted are over for its book; the holder lives by promises, and says so
// as soon as it is connected again.
TEST(DecisionFailoverTest, AControllerThatStoodStillWaitsForTheStreamsThatItLost) {
  World world;
  world.Serve();
  world.nodes[kMaster].lease_end = MonoTime::Infinite();
  const MonoTime due = world.decision.NextDeadline();
  world.now = world.now + absl::Seconds(10);  // nothing ran
  world.Step(LoopLate{world.now - due});
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kHealthy) << "its silence was not seen in time";
  for (const NodeIndex i : {kMaster, kSlave}) world.Disconnect(i, "silent for 1 s");
  world.Run(absl::Milliseconds(1500));
  world.ConnectAll();
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.Said("failover"), 0U);
}

TEST(DecisionFailoverTest, TheOldHolderStandsByWhenItIsBack) {
  ClusterModel model = MakeModel();
  model.auto_failback = false;
  World world(model);
  world.Serve();
  world.PowerOff(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
  world.Boot(kMaster, true);
  world.Connect(kMaster);
  world.Run(absl::Seconds(20));
  EXPECT_TRUE(world.Serves(kSlave));
  EXPECT_EQ(world.nodes[kMaster].service, ServiceState::kStopped);
}

// ---- another node's eyes ----

// The slave's executor probes the master, as long as it is heard.
void RunWithVantage(World& world, Duration d, ProbeKind kind) {
  const MonoTime until = world.now + d;
  while (world.now < until) {
    world.Step(VantageSeen{kSlave, kMaster, kind, true});
    world.Run(absl::Milliseconds(100));
  }
}

TEST(DecisionFailoverTest, NoPageHereMovesNothingWhileAnotherNodeHasIt) {
  World world;
  world.Serve();
  world.nodes[kMaster].page = false;
  RunWithVantage(world, absl::Seconds(30), ProbeKind::kHttp);
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kPathDown);
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.Said("failover"), 0u);
  // Its last answer does not count for ever.
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(10)));
  EXPECT_EQ(world.Reason("failover"), "Master apache service is down");
}

TEST(DecisionFailoverTest, AHostThatAnotherNodeSeesIsWaitedForUntilItsLeaseIsOver) {
  World world;
  world.Serve();
  world.nodes[kMaster].pingable = false;
  world.Cut(kMaster);
  RunWithVantage(world, absl::Seconds(30), ProbeKind::kIcmp);
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kAgentDown);
  EXPECT_TRUE(world.Serves(kSlave)) << "a live host without an executor serves nothing";
}

TEST(DecisionFailoverTest, WhatAnotherNodeSawBeforeTheFaultProvesNothing) {
  World world;
  world.Serve();
  world.Step(VantageSeen{kSlave, kMaster, ProbeKind::kHttp, true});
  world.nodes[kMaster].page = false;
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(10)));
}

TEST(DecisionFailoverTest, APingThatWasAnsweredElsewhereBeforeTheFaultProvesNothing) {
  World world;
  world.Serve();
  world.Step(VantageSeen{kSlave, kMaster, ProbeKind::kIcmp, true});
  world.Cut(kMaster);
  world.Run(absl::Milliseconds(850));
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kNodeDown);
}

TEST(DecisionFailoverTest, TheEyesOfANodeThatIsOutOfReachAreClosed) {
  World world(MakeModel(3));
  world.Serve();
  world.Cut(kMaster);
  world.Run(absl::Milliseconds(400));
  world.Step(VantageSeen{kThird, kMaster, ProbeKind::kIcmp, true});
  world.Disconnect(kThird);
  world.Run(absl::Milliseconds(450));
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kNodeDown);
}

}  // namespace
}  // namespace hb::controller
