// Failback and flapping: the way home, prepared first, and when it is not taken.
#include <gtest/gtest.h>

#include "tests/unit/controller/core_world.h"

namespace hb::controller {
namespace {

// The slave serves because the master's service died; the master could serve again.
void FailOver(World& world) {
  world.Serve();
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2)));
}

TEST(DecisionFailbackTest, GoesHomeAfterTheStatedTimeOfGoodHealth) {
  World world;
  FailOver(world);
  world.Run(absl::Milliseconds(4500));
  EXPECT_TRUE(world.Serves(kSlave));
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(4)));
  EXPECT_EQ(world.Reason("failback"), "Master is well and preferred");
  EXPECT_EQ(world.nodes[kSlave].service, ServiceState::kStopped);
}

TEST(DecisionFailbackTest, TakesNothingAwayBeforeTheServiceIsUpAndThePageSeen) {
  World world;
  FailOver(world);
  world.nodes[kMaster].start_takes = absl::Seconds(3);
  world.nodes[kMaster].page = false;
  ASSERT_TRUE(world.RunUntil([&] { return world.decision.moving(); }));
  world.nodes[kMaster].service_detail.clear();
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.nodes[kMaster].service, ServiceState::kStarting);
  EXPECT_TRUE(world.OrderedActive(kSlave));
  world.Run(absl::Milliseconds(1200));
  EXPECT_EQ(world.nodes[kMaster].service, ServiceState::kRunning);
  EXPECT_TRUE(world.OrderedActive(kSlave));  // the page was not seen
  world.nodes[kMaster].page = true;
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(4)));
}

TEST(DecisionFailbackTest, IsGivenUpWhenTheServiceDoesNotStartAndTriedEverMoreSlowly) {
  World world;
  FailOver(world);
  world.nodes[kMaster].starts = false;
  world.Forget();
  world.Run(absl::Minutes(2));
  EXPECT_TRUE(world.Serves(kSlave));
  EXPECT_EQ(world.Reason("move_abandoned"),
            "The failback to master is given up: Master apache service is down: exited with "
            "status 1");
  // Each lasted a moment; between them lie 5 s of health or the back-off, in the end 15 s.
  EXPECT_GE(world.Said("failback"), 8U);
  EXPECT_LE(world.Said("failback"), 11U);
  for (const World::Sent& sent : world.sent) {
    EXPECT_FALSE(sent.node == kSlave && !sent.order.active) << "the slave was told to release";
  }
  world.nodes[kMaster].starts = true;
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(30)));
}

TEST(DecisionFailbackTest, ManualNeverGoesHomeByItself) {
  ClusterModel model = MakeModel();
  model.auto_failback = false;
  World world(model);
  FailOver(world);
  world.Run(absl::Minutes(5));
  EXPECT_TRUE(world.Serves(kSlave));
  const uint64_t id = world.Ask(Command::Kind::kFailback);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5)));
  EXPECT_EQ(world.Outcome(id), "ok web serves from master");
}

TEST(DecisionFailbackTest, EqualPrioritiesPreferNobody) {
  ClusterModel model = MakeModel();
  model.nodes[kSlave].priority = 100;
  World world(model);
  FailOver(world);
  world.Run(absl::Minutes(1));
  EXPECT_TRUE(world.Serves(kSlave));
  EXPECT_EQ(world.Outcome(world.Ask(Command::Kind::kFailback)),
            "refused no node is preferred: priorities are equal");
}

TEST(DecisionFailbackTest, FlappingStopsItUntilAcknowledged) {
  ClusterModel model = MakeModel();
  model.flap_max = 2;
  World world(model);
  FailOver(world);                                                // 1
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(10)));  // 2
  EXPECT_EQ(world.Said("flapping"), 0U);
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));  // 3
  EXPECT_EQ(
      world.Reason("flapping"),
      "3 moves within 10 min: no automatic failback until it is acknowledged (hbctl ack web)");
  EXPECT_TRUE(world.saves.back().flapping);
  world.Run(absl::Minutes(20));
  EXPECT_TRUE(world.Serves(kSlave));
  EXPECT_EQ(world.Outcome(world.Ask(Command::Kind::kAck)), "ok acknowledged");
  EXPECT_FALSE(world.saves.back().flapping);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(10)));
}

TEST(DecisionFailbackTest, MovesLongAgoAreNoFlapping) {
  ClusterModel model = MakeModel();
  model.flap_max = 2;
  model.flap_window = absl::Seconds(20);
  World world(model);
  for (int i = 0; i < 3; ++i) {
    if (i == 0) world.Serve();
    world.ServiceDies(kMaster);
    ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
    ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(10)));
    world.Run(absl::Seconds(20));
  }
  EXPECT_EQ(world.Said("flapping"), 0U);
}

TEST(DecisionFailbackTest, ATargetThatVanishesLeavesTheServiceWhereItIs) {
  World world;
  FailOver(world);
  world.nodes[kMaster].start_takes = absl::Seconds(30);
  ASSERT_TRUE(world.RunUntil([&] { return world.decision.moving(); }));
  world.Disconnect(kMaster);
  world.Run(absl::Seconds(1));
  EXPECT_TRUE(world.Serves(kSlave));
  EXPECT_EQ(world.Said("move_abandoned"), 1U);
}

TEST(DecisionFailbackTest, AHolderThatFailsWhileItIsPreparedIsAFailover) {
  World world;
  FailOver(world);
  world.nodes[kMaster].start_takes = absl::Seconds(5);
  ASSERT_TRUE(world.RunUntil([&] { return world.decision.moving(); }));
  world.Cut(kSlave);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(10)));
  EXPECT_EQ(world.Reason("failover"), "Slave host or its network is down");
}

TEST(DecisionFailbackTest, AHolderWhoseExecutorDiesWhileItIsPreparedIsAFailover) {
  World world;
  FailOver(world);
  world.nodes[kMaster].page = false;
  world.nodes[kMaster].start_takes = absl::Seconds(20);
  ASSERT_TRUE(world.RunUntil([&] { return world.decision.moving(); }));
  world.Disconnect(kSlave);
  world.Run(absl::Seconds(3));
  EXPECT_EQ(world.Reason("failover"), "Slave executor does not answer, its host does");
  EXPECT_EQ(world.decision.active(), kMaster);
}

}  // namespace
}  // namespace hb::controller
