// How the decision takes stock after a start (rule L5): whom it adopts, when it waits, what it
// orders first.
#include <gtest/gtest.h>

#include "tests/unit/controller/core_world.h"

namespace hb::controller {
namespace {

TEST(DecisionStartTest, ActivatesThePreferredNodeOnceAllAreSeenToHoldNothing) {
  World world(MakeModel(), {}, absl::Seconds(60));
  world.Connect(kSlave);
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.sent.empty());
  world.Connect(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(2)));
  EXPECT_EQ(world.nodes[kMaster].epoch, 100U);  // the wall clock's seconds
  EXPECT_EQ(world.nodes[kSlave].service, ServiceState::kStopped);
  EXPECT_EQ(world.Reason("start"), "No node is active");
  EXPECT_EQ(world.Reason("serving"), "web serves from master");
}

TEST(DecisionStartTest, OrdersNothingBeforeTheEpochIsOnDisk) {
  World world;
  world.disk_answers = false;
  world.ConnectAll();
  world.Run(absl::Seconds(2));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_EQ(world.disk_epoch, 100U);
  world.AnswerDisk();
  EXPECT_TRUE(world.OrderedActive(kMaster));
}

TEST(DecisionStartTest, TheEpochLiesAboveWhatWasStoredAndReported) {
  World stored(MakeModel(), {.epoch = 5000});
  stored.ConnectAll();
  ASSERT_TRUE(stored.RunUntilServes(kMaster));
  EXPECT_EQ(stored.nodes[kMaster].epoch, 5001U);

  World reported(MakeModel(), {.epoch = 5000}, absl::Seconds(60));
  reported.nodes[kSlave].highest_epoch = 7000;
  reported.ConnectAll();
  ASSERT_TRUE(reported.RunUntilServes(kMaster));
  EXPECT_GE(reported.nodes[kMaster].epoch, 7002U);  // 7001 was put on disk before any order
  EXPECT_EQ(reported.Reason("epoch_behind"),
            "slave has seen epoch 7000, the store's is 5000: taking stock of the nodes again");
}

TEST(DecisionStartTest, AdoptsAHolderOfTheStoredEpochAtOnceAndUndisturbed) {
  World world(MakeModel(), {.epoch = 7}, absl::Seconds(60));
  world.MakeHolder(kSlave, 7);
  world.Connect(kSlave);
  EXPECT_TRUE(world.OrderedActive(kSlave));
  world.nodes[kMaster].reachable = world.nodes[kMaster].pingable = false;
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_EQ(world.nodes[kSlave].epoch, 7U);
  EXPECT_EQ(world.disk_epoch, 7U);  // none was reserved
  EXPECT_TRUE(world.starts.empty());
  EXPECT_EQ(world.Reason("adopted"), "slave holds already and goes on");
}

// A failover soon after the start waits for nothing that the others have said they don't hold.
TEST(DecisionStartTest, WhoIsSeenAfterTheAdoptionCountsToo) {
  World world(MakeModel(3), {.epoch = 7}, absl::Seconds(60));
  world.MakeHolder(kMaster, 7);
  world.Connect(kMaster);
  ASSERT_TRUE(world.OrderedActive(kMaster));
  world.ConnectAll();
  world.Run(absl::Seconds(1));
  world.ServiceDies(kMaster);
  world.nodes[kMaster].starts = false;
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
}

TEST(DecisionStartTest, AndWhoIsNotIsWaitedFor) {
  World world(MakeModel(3), {.epoch = 7}, absl::Seconds(60));
  world.MakeHolder(kMaster, 7);
  world.Connect(kMaster);
  world.Connect(kSlave);
  world.Run(absl::Seconds(1));
  world.ServiceDies(kMaster);
  world.nodes[kMaster].starts = false;
  world.Run(absl::Seconds(50));
  EXPECT_FALSE(world.OrderedActive(kSlave)) << "the third may hold what an earlier run granted";
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(20)));
}

TEST(DecisionStartTest, AHolderOfALowerEpochIsAdoptedOnlyWhenAllWereSeen) {
  World world(MakeModel(), {.epoch = 9}, absl::Seconds(60));
  world.MakeHolder(kSlave, 7, absl::Seconds(5));
  world.Connect(kSlave);
  world.Run(absl::Seconds(1));
  EXPECT_TRUE(world.sent.empty());
  world.Connect(kMaster);
  EXPECT_TRUE(world.OrderedActive(kSlave));
  EXPECT_FALSE(world.OrderedActive(kMaster));
}

TEST(DecisionStartTest, AHolderOfALowerEpochIsAdoptedWhenTheWaitIsOver) {
  World world(MakeModel(), {.epoch = 9}, absl::Seconds(2));
  world.MakeHolder(kSlave, 7, absl::Seconds(5));
  world.Connect(kSlave);
  world.Run(absl::Milliseconds(1900));
  EXPECT_TRUE(world.sent.empty());
  world.Run(absl::Milliseconds(150));
  EXPECT_TRUE(world.OrderedActive(kSlave));
}

TEST(DecisionStartTest, WaitsForAMissingNodeUntilEarlierGrantsHaveRunOut) {
  World world(MakeModel(), {.epoch = 9}, absl::Seconds(3));
  world.nodes[kSlave].pingable = false;
  world.Connect(kMaster);
  world.Run(absl::Milliseconds(2950));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_NE(world.decision.Summary().find("waiting for every node's report"), std::string::npos);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(1)));
}

TEST(DecisionStartTest, ANodeThatDoesNotKnowTheSpecIsNotSeen) {
  World world(MakeModel(), {.epoch = 9}, absl::Seconds(60));
  world.nodes[kSlave].knows_spec = false;
  world.ConnectAll();
  world.Run(absl::Seconds(2));
  EXPECT_TRUE(world.sent.empty());
}

TEST(DecisionStartTest, OfTwoHoldersTheHigherEpochIsAdoptedAndTheOtherStoodDown) {
  // Two holders is what hb never makes; somebody else may have. The decision is driven by hand.
  const MonoTime now = MonoTime() + absl::Seconds(1000);
  Decision decision(MakeModel(), {.epoch = 9, .established = true}, now + absl::Seconds(60), now);
  NodeReport report;
  report.knows_spec = report.holding = report.vips_present = true;
  report.service = ServiceState::kRunning;
  Actions actions;
  for (const auto& [node, epoch] : {std::pair{kMaster, 7U}, std::pair{kSlave, 8U}}) {
    report.epoch = report.highest_epoch = epoch;
    decision.Step(StreamOpened{node}, now);
    actions = decision.Step(ReportSeen{node, {1, 1}, report}, now);
  }
  EXPECT_EQ(decision.active(), kSlave);
  ASSERT_TRUE(decision.standing(kSlave) && decision.standing(kMaster));
  EXPECT_TRUE(decision.standing(kSlave)->active);
  EXPECT_FALSE(decision.standing(kMaster)->active);
  EXPECT_FALSE(decision.standing(kMaster)->service_running);
}

TEST(DecisionStartTest, AHolderThatShowsUpAfterTheWaitIsAdoptedToo) {
  World world(MakeModel(), {.epoch = 9, .paused = true}, absl::Seconds(1));
  world.Connect(kMaster);
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.Reason("stuck"), "No node is active, and the cluster is paused");
  world.MakeHolder(kSlave, 9);
  world.Connect(kSlave);
  EXPECT_TRUE(world.OrderedActive(kSlave));
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_EQ(world.disk_epoch, 9U);
}

TEST(DecisionStartTest, AHolderThatShowsUpDuringTheStartIsAdopted) {
  World world(MakeModel(), {.epoch = 9}, absl::Seconds(1));
  world.disk_answers = false;
  world.Connect(kMaster);
  world.Run(absl::Seconds(2));
  world.MakeHolder(kSlave, 9);
  world.Connect(kSlave);
  world.AnswerDisk();
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_EQ(world.Reason("move_abandoned"), "The start to master is given up: slave holds already");
}

TEST(DecisionStartTest, NoSilentNodeIsPassedOverWhileTheWitnessDoesNotAnswer) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  World world(model, {.epoch = 9}, absl::Seconds(1));
  world.SetWitness(false);
  world.Connect(kMaster);
  world.Run(absl::Seconds(5));
  EXPECT_FALSE(world.OrderedActive(kMaster));
  world.SetWitness(true);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(4)));
}

TEST(DecisionStartTest, StartsAnewAboveAHigherEpochThatShowsUpLater) {
  World world(MakeModel(3));
  world.nodes[kThird].reachable = false;
  world.Connect(kMaster);
  world.Connect(kSlave);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(3)));
  world.nodes[kThird].reachable = true;
  world.nodes[kThird].highest_epoch = 5000;
  world.Connect(kThird);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(3)));
  EXPECT_EQ(world.Said("epoch_behind"), 1U);
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
  EXPECT_EQ(world.nodes[kSlave].epoch, 5002U);
}

// Its own epoch may be known to another node's tenure, too: it is ordered only above it, once that
// is on disk.
TEST(DecisionStartTest, AHolderAboveTheStoresEpochGoesOnUnderAHigherOne) {
  World world(MakeModel(), {.epoch = 5000}, absl::Seconds(60));
  world.MakeHolder(kSlave, 7000);
  world.ConnectAll();
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_EQ(world.nodes[kSlave].epoch, 7001U);
  EXPECT_EQ(world.disk_epoch, 7001U);
  EXPECT_TRUE(world.starts.empty());
}

TEST(DecisionStartTest, TheHolderIsOnDiskBeforeItIsOrdered) {
  World world;
  world.ConnectAll();
  ASSERT_TRUE(world.RunUntilServes(kMaster));
  ASSERT_FALSE(world.saves.empty());
  EXPECT_EQ(world.saves.back().holder, "master");
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
  EXPECT_EQ(world.saves.back().holder, "slave");

  World adopting(MakeModel(), {.epoch = 7, .holder = "master"}, absl::Seconds(60));
  adopting.MakeHolder(kSlave, 7);
  adopting.Connect(kSlave);
  ASSERT_TRUE(adopting.OrderedActive(kSlave));
  ASSERT_FALSE(adopting.saves.empty());
  EXPECT_EQ(adopting.saves.back().holder, "slave");
}

// Who granted under it may have made the master active for as long as the longest ttl.
TEST(DecisionStartTest, WhatWasGrantedUnderAHigherEpochIsWaitedFor) {
  World world(MakeModel(3));
  world.nodes[kMaster].reachable = world.nodes[kMaster].pingable = false;
  world.Connect(kSlave);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
  world.nodes[kThird].highest_epoch = 5000;
  world.Connect(kThird);
  world.PowerOff(kSlave);
  world.Run(absl::Seconds(60));
  EXPECT_FALSE(world.OrderedActive(kThird));
  EXPECT_TRUE(world.RunUntilServes(kThird, absl::Seconds(10)));
}

TEST(DecisionStartTest, UntilThatHigherOneIsOnDiskNobodyIsOrderedAnything) {
  World world;
  world.Serve();
  world.disk_answers = false;
  world.nodes[kMaster].epoch = world.nodes[kMaster].highest_epoch = 7000;
  world.Tell(kMaster);
  world.ServiceDies(kMaster);
  world.Run(absl::Milliseconds(500));
  EXPECT_TRUE(world.sent.empty());
  world.disk_answers = true;
  world.AnswerDisk();
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  EXPECT_GT(world.nodes[kSlave].epoch, 7001U);
}

// The disk answers in the order in which it was asked: first what nobody waits for any more.
TEST(DecisionStartTest, AnEpochThatAnEarlierMoveAskedForIsNotTakenForTheHigherOne) {
  World world;
  world.Serve();
  world.disk_answers = false;
  world.ServiceDies(kMaster);
  ASSERT_TRUE(world.decision.moving());
  world.nodes[kMaster].epoch = world.nodes[kMaster].highest_epoch = 7000;
  world.Tell(kMaster);
  world.Forget();
  world.disk_answers = true;
  world.AnswerDisk();
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  ASSERT_FALSE(world.sent.empty());
  for (const World::Sent& sent : world.sent) EXPECT_GT(sent.order.epoch, 7000U);
}

// "Nobody holds" while the first ACTIVE order is under way does not free the others.
TEST(DecisionStartTest, TakingStockAgainForgetsNoGrantUnderWay) {
  World world(MakeModel(3), {}, absl::Milliseconds(1));
  world.Run(absl::Milliseconds(5));
  world.Connect(kSlave);
  world.nodes[kSlave].obeys = false;  // under way
  world.Run(absl::Milliseconds(100));
  ASSERT_TRUE(world.OrderedActive(kSlave));
  world.nodes[kThird].highest_epoch = 5000;
  world.Connect(kThird);
  world.Connect(kMaster);
  world.Run(absl::Milliseconds(800));
  EXPECT_FALSE(world.OrderedActive(kMaster));
  EXPECT_FALSE(world.OrderedActive(kThird));
}

TEST(DecisionStartTest, ABootedStandbysServiceIsStoppedAndSaid) {
  World world;
  world.Serve();
  world.Boot(kSlave, true);
  world.Connect(kSlave);
  world.Run(absl::Seconds(1));
  EXPECT_EQ(world.nodes[kSlave].service, ServiceState::kStopped);
  EXPECT_EQ(world.Reason("standby_service_stopped"),
            "apache service was running on standby slave and is stopped there (standby: stopped)");
  EXPECT_TRUE(world.Serves(kMaster));
}

TEST(DecisionStartTest, NobodyFitIsSaidOnce) {
  World world;
  for (FakeNode& node : world.nodes) node.obstacles = {"eth0: no such interface"};
  world.ConnectAll();
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_EQ(world.Said("stuck"), 1U);
  EXPECT_EQ(world.Reason("stuck"), "No node is active, and none is fit to be");
  EXPECT_EQ(world.Reason("node_unable"),
            "Slave could not hold the floating address: eth0: no such interface");
}

// What a node says of whom it follows counts from the sending of an answer that it is known to have
// heard, for as long as it then follows nobody else.
TEST(DecisionFollowTest, ANodeIsKnownToFollowOnlyByWhatItHasHeard) {
  World world(MakeModel(), {}, absl::ZeroDuration(), /*established=*/false);
  world.nodes[kSlave].obeys = false;  // it speaks, and hears nothing
  world.ConnectAll();
  world.Run(absl::Seconds(10));
  EXPECT_FALSE(world.OrderedActive(kMaster));
  world.nodes[kSlave].obeys = true;
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(3)));
}

TEST(DecisionFollowTest, WhatItHasHeardCountsFromTheSendingAndNotForLong) {
  const MonoTime start = MonoTime() + absl::Seconds(1000);
  Decision decision(MakeModel(), {}, start, start);
  NodeReport report;
  report.knows_spec = report.follows = true;
  const auto says = [&](NodeIndex node, uint64_t number, uint64_t answered, Duration after) {
    decision.Step(ReportSeen{node, {1, number}, report, answered, absl::Seconds(1)}, start + after);
  };
  for (const NodeIndex node : {kMaster, kSlave}) {
    decision.Step(StreamOpened{node}, start);
    says(node, 1, 0, absl::ZeroDuration());
  }
  says(kMaster, 2, 1, absl::Milliseconds(100));
  // The slave's report was a second on its way: it may follow another by now.
  says(kSlave, 2, 1, absl::Milliseconds(950));
  EXPECT_FALSE(decision.persistent().established);
  says(kMaster, 3, 2, absl::Milliseconds(960));
  // What was before a suspend is older than this clock says.
  decision.Step(LoopLate{absl::Seconds(10)}, start + absl::Milliseconds(965));
  says(kSlave, 3, 2, absl::Milliseconds(970));
  says(kSlave, 4, 3, absl::Milliseconds(975));
  says(kMaster, 4, 3, absl::Milliseconds(980));
  EXPECT_FALSE(decision.persistent().established);
  says(kMaster, 5, 4, absl::Milliseconds(985));
  EXPECT_TRUE(decision.persistent().established);
}

}  // namespace
}  // namespace hb::controller
