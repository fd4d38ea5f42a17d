// What keeps two nodes from holding when the controller does not see all: promises between the
// executors (L6), a store that nobody follows yet (L11), an order that waits for nobody (L10), a
// holder that works by an older configuration (L3, L7), an executor that is told to stop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/core_world.h"

namespace hb::controller {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Duration kMs = absl::Milliseconds(1);

// The holder is cut off from the controller alone: the slave tells of its promises.
void RunPromised(World& world, Duration d) {
  for (Duration gone; gone < d; gone += 250 * kMs) {
    world.Promises(kSlave);
    world.Run(250 * kMs);
  }
}

TEST(DecisionPromiseTest, AHolderThatItsPeersHearIsLeftAlone) {
  World world;
  world.Serve();
  world.Cut(kMaster);
  world.Run(500 * kMs);
  RunPromised(world, absl::Seconds(30));
  EXPECT_EQ(world.decision.active(), kMaster);
  EXPECT_EQ(world.VerdictOf(kMaster), Verdict::kPathDown);
  EXPECT_EQ(world.Said("failover"), 0U);
  EXPECT_THAT(world.decision.View(kMaster).reason, HasSubstr("the other nodes hear it"));
  EXPECT_EQ(world.nodes[kSlave].highest_epoch, world.disk_epoch) << "and nobody was told more";
}

TEST(DecisionPromiseTest, WhenThePromisesCeaseTheNewEpochGoesAheadAndTheBondIsWaitedFor) {
  World world;
  world.Serve();
  world.Cut(kMaster);
  world.Run(500 * kMs);
  RunPromised(world, absl::Seconds(5));
  const uint64_t before = world.nodes[kSlave].highest_epoch;
  ASSERT_TRUE(
      world.RunUntil([&] { return world.nodes[kSlave].highest_epoch > before; }, absl::Seconds(3)));
  EXPECT_FALSE(world.OrderedActive(kSlave)) << "a standby's order, to end the promises";
  world.Run(absl::Seconds(5));
  EXPECT_FALSE(world.OrderedActive(kSlave)) << "bound still";
  world.Unbind(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
}

TEST(DecisionPromiseTest, AHolderThatComesBackAfterThatGoesOnUnderTheHigherEpoch) {
  World world;
  world.Serve();
  world.Cut(kMaster);
  world.Run(500 * kMs);
  RunPromised(world, absl::Seconds(5));
  const uint64_t before = world.nodes[kSlave].highest_epoch;
  ASSERT_TRUE(
      world.RunUntil([&] { return world.nodes[kSlave].highest_epoch > before; }, absl::Seconds(3)));
  world.Heal(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5)));
  EXPECT_EQ(world.nodes[kMaster].epoch, world.nodes[kSlave].highest_epoch);
  EXPECT_EQ(world.Said("epoch_behind"), 0U);
}

TEST(DecisionPromiseTest, AnUnknownHolderThatLivesByPromisesIsNotReplaced) {
  World world(MakeModel(), {.epoch = 9, .holder = "master"}, absl::Seconds(1));
  world.nodes[kMaster].reachable = false;
  world.nodes[kMaster].pingable = false;
  world.Connect(kSlave);
  RunPromised(world, absl::Seconds(20));
  EXPECT_FALSE(world.decision.active());
  EXPECT_THAT(world.decision.Summary(), HasSubstr("goes on by slave's promise"));
  world.Unbind(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
}

TEST(DecisionPromiseTest, UnderReleaseEveryStandbyHasToVouch) {
  World world(MakeModel(3));
  world.Serve();
  world.Cut(kMaster);
  world.Run(500 * kMs);
  for (int i = 0; i < 40; ++i) {
    world.Promises(kSlave);  // the third hears nothing of the master
    world.Run(250 * kMs);
  }
  EXPECT_NE(world.decision.active(), kMaster);
  EXPECT_GE(world.Said("failover"), 1U);
}

// ---- whom the nodes follow ----

TEST(DecisionFollowTest, AStoreThatNotEveryNodeFollowsGrantsNothing) {
  World world(MakeModel(), {}, Duration(), false);
  world.nodes[kSlave].follows = false;
  world.ConnectAll();
  world.Run(absl::Seconds(100));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_EQ(world.Said("not_followed"), 1U);
  EXPECT_THAT(world.decision.Summary(), HasSubstr("slave does not"));
  world.nodes[kSlave].follows = true;
  world.Tell(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(2)));
  ASSERT_FALSE(world.saves.empty());
  EXPECT_TRUE(world.saves.back().established);
}

TEST(DecisionFollowTest, ThatAllFollowIsOnDiskAlsoWhenNothingElseChanges) {
  World world(MakeModel(), {.epoch = 9, .holder = "master"}, Duration(), false);
  world.MakeHolder(kMaster, 9);
  world.ConnectAll();
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(2)));
  ASSERT_EQ(world.saves.size(), 1U);
  EXPECT_TRUE(world.saves.back().established);
}

TEST(DecisionFollowTest, AHolderIsNotEvenRenewedBeforeThat) {
  World world(MakeModel(), {}, Duration(), false);
  world.MakeHolder(kMaster, 9);
  world.Connect(kMaster);
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_FALSE(world.Holds(kMaster));
}

TEST(DecisionFollowTest, OnceFollowedByAllItMayGoOnWithoutThem) {
  World world(MakeModel(), {}, Duration(), true);
  world.Connect(kMaster);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(2)));
}

TEST(DecisionFollowTest, ANodeThatFollowedAnotherEndsThatUnlessTheHolderIsOurs) {
  for (const bool holds : {true, false}) {
    World world;
    world.Serve();
    if (!holds) world.PowerOff(kMaster);
    world.Disconnect(kSlave);
    world.nodes[kSlave].followed_other = true;
    world.Run(absl::Milliseconds(holds ? 100 : 700));
    world.Connect(kSlave);
    world.Run(absl::Seconds(200));
    EXPECT_EQ(world.decision.persistent().established, holds);
    EXPECT_EQ(world.OrderedActive(kSlave), false) << holds;
    EXPECT_EQ(world.Serves(kMaster), holds);
  }
}

TEST(DecisionFollowTest, ANodeThatRefusesThisControllerForAnotherEndsItToo) {
  for (const bool holds : {true, false}) {
    World world;
    world.Serve();
    if (!holds) world.PowerOff(kMaster);
    world.Run(absl::Milliseconds(700));
    world.Disconnect(kSlave);
    world.Step(StreamClosed{kSlave, "it follows another controller", true});
    EXPECT_EQ(world.decision.persistent().established, holds);
  }
}

TEST(DecisionFollowTest, ThatOneFollowedAnotherIsOnDiskBeforeItMayForgetThat) {
  World world;
  world.Serve();
  world.PowerOff(kMaster);
  world.Disconnect(kSlave);
  world.nodes[kSlave].followed_other = true;
  world.Run(absl::Milliseconds(700));
  world.disk_answers = false;
  world.sent.clear();
  world.Connect(kSlave);
  EXPECT_FALSE(world.saves.back().established);
  world.Run(absl::Seconds(5));
  EXPECT_FALSE(world.decision.MayIntroduce());
  EXPECT_TRUE(world.sent.empty());
  world.Step(Saved{world.saves.size() - 1});  // the one before
  EXPECT_FALSE(world.decision.MayIntroduce());
  world.AnswerDisk();
  EXPECT_TRUE(world.decision.MayIntroduce());
}

// ---- an operator who waits for nobody ----

TEST(DecisionForceTest, TheLeaseOfWhoIsOutOfReachIsNotWaitedFor) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(60);
  World world(model);
  world.Serve();
  world.PowerOff(kMaster);
  world.Run(absl::Seconds(1));
  const uint64_t id = world.Ask(Command::Kind::kSwitchover, kSlave, true);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(1)));
  EXPECT_THAT(world.Outcome(id), StartsWith("ok"));
  EXPECT_THAT(world.Reason("switchover"), HasSubstr("forced by the tester"));
  size_t forced = 0;
  for (const World::Sent& sent : world.sent) forced += sent.order.force ? 1 : 0;
  EXPECT_EQ(forced, 1U);
  world.Disconnect(kSlave);
  world.Connect(kSlave);
  world.Run(absl::Seconds(1));
  for (const World::Sent& sent : world.sent) forced -= sent.order.force ? 1 : 0;
  EXPECT_EQ(forced, 0U) << "never sent again";
}

TEST(DecisionForceTest, WhoeverIsInReachStillReleasesFirst) {
  World world;
  world.Serve();
  world.Ask(Command::Kind::kSwitchover, kSlave, true);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2)));
  EXPECT_FALSE(world.Holds(kMaster));
}

TEST(DecisionForceTest, WhoeverIsInReachAndGoesOnHoldingIsWaitedFor) {
  World world;
  world.Serve();
  world.nodes[kMaster].obeys = false;  // the release gets nowhere
  world.Ask(Command::Kind::kSwitchover, kSlave, true);
  world.Run(absl::Milliseconds(500));
  ASSERT_TRUE(world.Holds(kMaster));
  EXPECT_FALSE(world.OrderedActive(kSlave));
  EXPECT_TRUE(world.RunUntil([&] { return world.OrderedActive(kSlave); }, absl::Seconds(1)))
      << "its lease has run out, and it says so";
}

TEST(DecisionForceTest, AThirdNodeThatIsSilentIsNotWaitedForEither) {
  World world(MakeModel(3), {.epoch = 9, .holder = "master"}, absl::Seconds(60));
  world.MakeHolder(kMaster, 9);
  world.Connect(kMaster);
  world.Connect(kSlave);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(3)));
  world.Ask(Command::Kind::kSwitchover, kSlave, true);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
}

TEST(DecisionForceTest, ItOverridesThatNotAllFollow) {
  World world(MakeModel(), {}, absl::Seconds(60), false);
  world.Connect(kMaster);
  world.Run(absl::Seconds(1));
  world.Ask(Command::Kind::kSwitchover, kMaster, true);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(2)));
}

// ---- an older configuration ----

TEST(DecisionTermsTest, ANodeThatTheHoldersSpecDoesNotNameWaitsForItsRelease) {
  Persistent stored{.epoch = 9, .holder = "master"};
  stored.terms_members = {"master", "slave"};
  World world(MakeModel(3), stored, absl::Seconds(1));
  world.nodes[kMaster].reachable = world.nodes[kMaster].pingable = false;
  world.Connect(kThird);
  world.Run(absl::Seconds(200));
  EXPECT_FALSE(world.OrderedActive(kThird)) << "time proves nothing to it";
  world.Connect(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(100))) << "the named one may";
}

TEST(DecisionTermsTest, TheHolderConfirmsTheNewOnes) {
  Persistent stored{.epoch = 9, .holder = "master"};
  stored.terms_members = {"master", "slave"};
  stored.terms_policy = OnExpiry::kHold;
  World world(MakeModel(3), stored, absl::Seconds(1));
  world.MakeHolder(kMaster, 9);
  world.nodes[kMaster].knows_spec = false;
  world.ConnectAll();
  world.Run(absl::Seconds(1));
  EXPECT_EQ(world.decision.persistent().terms_policy, OnExpiry::kHold);
  EXPECT_THAT(world.decision.Summary(), HasSubstr("has not confirmed the new on_expiry yet"));
  world.nodes[kMaster].knows_spec = true;
  world.Tell(kMaster);
  world.Run(absl::Seconds(1));
  EXPECT_EQ(world.decision.persistent().terms_policy, OnExpiry::kRelease);
  EXPECT_THAT(world.decision.persistent().terms_members,
              testing::ElementsAre("master", "slave", "third"));
  EXPECT_EQ(world.saves.back().terms_policy, OnExpiry::kRelease);
}

TEST(DecisionTermsTest, UntilThenTheLooserPolicyIsWaitedFor) {
  Persistent stored{.epoch = 9, .holder = "master"};
  stored.terms_members = {"master", "slave"};
  stored.terms_policy = OnExpiry::kWitness;
  World world(MakeModel(), stored, absl::Seconds(1));
  world.nodes[kMaster].spec_stored = false;
  world.MakeHolder(kMaster, 9);
  world.ConnectAll();
  world.Run(absl::Seconds(2));
  ASSERT_TRUE(world.Serves(kMaster));
  world.SetWitness(false);
  world.PowerOff(kMaster);
  world.Run(absl::Seconds(20));
  EXPECT_FALSE(world.OrderedActive(kSlave)) << "by witness the master may go on for all it knows";
  world.SetWitness(true);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
}

TEST(DecisionTermsTest, AHolderThatIsNoMemberAnyMoreIsWaitedFor) {
  Persistent stored{.epoch = 9, .holder = "gone"};
  stored.terms_members = {"gone", "master"};
  World world(MakeModel(), stored, absl::Seconds(60));
  world.ConnectAll();
  world.Run(absl::Seconds(59));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_EQ(world.decision.persistent().terms_members.front(), "gone") << "nothing is confirmed";
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5))) << "it had promised the holder";
}

// What it was granted is over, and it goes on by on_expiry all the same.
TEST(DecisionTermsTest, AHolderThatIsNoMemberAnyMoreAndNeedsNoGrantIsNotReplaced) {
  for (const OnExpiry policy : {OnExpiry::kWitness, OnExpiry::kHold}) {
    Persistent stored{.epoch = 9, .holder = "gone"};
    stored.terms_members = {"gone", "master"};
    stored.terms_policy = policy;
    ClusterModel model = MakeModel();
    model.on_expiry = policy;
    World world(model, stored, absl::Seconds(60));
    world.ConnectAll();
    world.Run(absl::Minutes(10));
    EXPECT_FALSE(world.OrderedActive(kMaster) || world.OrderedActive(kSlave));
    EXPECT_THAT(world.decision.Summary(), HasSubstr("gone, is no node of the cluster any more"));
    world.Ask(Command::Kind::kSwitchover, kMaster, true);
    EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5)));
  }
}

TEST(DecisionTermsTest, NorDoesItsAbsenceConfirmAnything) {
  Persistent stored{.epoch = 9, .paused = true, .holder = "gone"};
  stored.terms_members = {"gone", "master"};
  World world(MakeModel(), stored, absl::Seconds(1));
  world.ConnectAll();
  world.Run(absl::Seconds(5));
  ASSERT_FALSE(world.decision.active()) << "paused, and the last holder is gone";
  EXPECT_EQ(world.decision.persistent().terms_members.front(), "gone");
}

// It could wait for ever for one that is silent, and while it did nobody could take over.
TEST(DecisionTermsTest, NothingIsPlannedForANodeThatMayNotTakeOver) {
  ClusterModel model = MakeModel(3);
  model.nodes[kThird].priority = 200;
  Persistent stored{.epoch = 9, .holder = "master"};
  stored.terms_members = {"master", "slave"};
  World world(model, stored, absl::Seconds(1));
  world.nodes[kMaster].spec_stored = false;
  world.MakeHolder(kMaster, 9);
  world.nodes[kSlave].reachable = world.nodes[kSlave].pingable = false;
  world.Connect(kMaster);
  world.Connect(kThird);
  world.Run(absl::Seconds(30));
  ASSERT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.Said("failback"), 0U);
  const uint64_t command = world.Ask(Command::Kind::kSwitchover, kThird);
  EXPECT_EQ(world.Outcome(command),
            "refused the configuration that names third is not confirmed yet, and a node that is "
            "silent may hold by an older one");
  world.nodes[kMaster].spec_stored = true;
  world.Tell(kMaster);
  EXPECT_TRUE(world.RunUntilServes(kThird, absl::Seconds(10)));
}

// What is planned is given up when its end is not in sight, and takes nothing away.
TEST(DecisionTermsTest, AMoveThatGetsNoEpochIsGivenUp) {
  World world;
  world.Serve();
  world.disk_answers = false;
  const uint64_t command = world.Ask(Command::Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(80));
  EXPECT_EQ(world.Outcome(command), "");
  world.Run(absl::Seconds(20));
  EXPECT_EQ(world.Outcome(command), "refused the new epoch could not be stored");
  EXPECT_TRUE(world.Serves(kMaster));
}

TEST(DecisionTermsTest, WhereNobodyIsActiveEveryNodeHasToKnowThem) {
  Persistent stored{.epoch = 9, .paused = true, .holder = "third"};
  stored.terms_members = {"master", "slave", "third"};
  stored.terms_policy = OnExpiry::kHold;
  World world(MakeModel(3), stored, absl::Seconds(1));
  world.nodes[kThird].obstacles = {"no interface"};
  world.nodes[kThird].knows_spec = false;
  world.ConnectAll();
  world.Run(absl::Seconds(5));
  ASSERT_FALSE(world.decision.active());
  EXPECT_EQ(world.decision.persistent().terms_policy, OnExpiry::kHold);
  world.nodes[kThird].knows_spec = true;
  world.Tell(kThird);
  world.Run(absl::Seconds(1));
  EXPECT_EQ(world.decision.persistent().terms_policy, OnExpiry::kRelease);
}

TEST(DecisionTermsTest, AfterThatReleaseItMayTakeOver) {
  Persistent stored{.epoch = 9, .holder = "master"};
  stored.terms_members = {"master", "slave"};
  World world(MakeModel(3), stored, absl::Seconds(60));
  world.nodes[kMaster].spec_stored = false;  // it goes on by the configuration before
  world.MakeHolder(kMaster, 9);
  for (const NodeIndex i : {kSlave, kThird, kMaster}) world.Connect(i);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(3)));
  ASSERT_EQ(world.decision.persistent().terms_members.size(), 2U);
  world.Ask(Command::Kind::kSwitchover, kThird);
  EXPECT_TRUE(world.RunUntilServes(kThird, absl::Seconds(3)));
}

TEST(DecisionTermsTest, ASpecThatIsNotOnTheHoldersDiskIsNotConfirmed) {
  Persistent stored{.epoch = 9, .holder = "master"};
  stored.terms_members = {"master", "slave"};
  stored.terms_policy = OnExpiry::kWitness;
  World world(MakeModel(3), stored, absl::Seconds(1));
  world.nodes[kMaster].spec_stored = false;
  world.MakeHolder(kMaster, 9);
  world.ConnectAll();
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.decision.persistent().terms_policy, OnExpiry::kWitness);
  world.nodes[kMaster].spec_stored = true;
  world.Tell(kMaster);
  EXPECT_EQ(world.decision.persistent().terms_policy, OnExpiry::kRelease);
}

TEST(DecisionMoveTest, AHolderThatServesIsReleasedOnlyWhenTheEpochIsOnDisk) {
  World world;
  world.Serve();
  world.disk_answers = false;
  world.Ask(Command::Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(30));
  EXPECT_TRUE(world.Holds(kMaster)) << world.decision.Summary();
  EXPECT_TRUE(world.OrderedActive(kMaster));
  world.disk_answers = true;
  world.AnswerDisk();
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2)));
}

TEST(DecisionMoveTest, NothingIsTakenAwayForATargetThatIsBound) {
  World world;
  world.Serve();
  world.Promises(kSlave);
  world.Ask(Command::Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.Holds(kMaster)) << world.decision.Summary();
  EXPECT_TRUE(world.OrderedActive(kMaster));
  world.Unbind(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(2)));
}

TEST(DecisionMoveTest, IsDoneOnceTheAddressesAreUpAndGivenUpWhenTheyNeverAre) {
  World world;
  world.Serve();
  world.nodes[kSlave].announces_vips = false;
  const uint64_t id = world.Ask(Command::Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(60));
  ASSERT_TRUE(world.Holds(kSlave));
  EXPECT_EQ(world.Outcome(id), "");
  world.Run(absl::Seconds(40));
  EXPECT_THAT(world.Outcome(id), StartsWith("refused slave does not serve"));
}

TEST(DecisionMoveTest, NothingIsTakenFromAHolderWhileAThirdNodeMayHaveBeenGranted) {
  World world(MakeModel(3), {.epoch = 9, .holder = "master"}, absl::Seconds(60));
  world.PowerOff(kThird);
  world.MakeHolder(kMaster, 9);
  world.Connect(kMaster);
  world.Connect(kSlave);
  world.Ask(Command::Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(55));
  EXPECT_TRUE(world.Holds(kMaster)) << "until nothing of an earlier run can be out";
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(10)));
}

TEST(DecisionMoveTest, AnActivationThatIsGivenUpGoesToTheNextNode) {
  ClusterModel model = MakeModel();
  model.auto_failback = false;
  World world(model);
  world.nodes[kMaster].start_takes = absl::Hours(1);  // alive, and its check never passes
  world.ConnectAll();
  world.Run(absl::Seconds(89));
  ASSERT_TRUE(world.OrderedActive(kMaster));
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  EXPECT_EQ(world.Reason("failover"), "Master apache service is down");
}

// A holder that goes on by witness can't be reached because it follows another controller: it
// lives.
TEST(DecisionFollowTest, ANodeThatRefusesThisControllerForAnotherEndsItsGrants) {
  ClusterModel model = MakeModel();
  model.on_expiry = OnExpiry::kWitness;
  World world(model);
  world.Serve();
  world.Disconnect(kMaster);
  world.Step(StreamClosed{kMaster, "cluster web follows controller 7", true});
  world.Run(absl::Minutes(10));
  EXPECT_EQ(world.Said("followed_other"), 1U);
  EXPECT_FALSE(world.OrderedActive(kSlave));
  EXPECT_THAT(world.decision.Summary(), HasSubstr("before every node follows this controller"));
}

TEST(DecisionForceTest, ItOverridesThePromisesThatKeepTheHolder) {
  World world;
  world.Serve();
  world.Cut(kMaster);
  world.Run(500 * kMs);
  RunPromised(world, absl::Seconds(5));
  world.Ask(Command::Kind::kSwitchover, kSlave, true);
  EXPECT_TRUE(world.RunUntil([&] { return world.OrderedActive(kSlave); }, absl::Seconds(1)));
}

// ---- told to stop ----

TEST(DecisionLeaveTest, AnExecutorThatStopsHandsOverToAPreparedStandby) {
  World world;
  world.Serve();
  EXPECT_EQ(world.decision.standing(kMaster)->on_leave, OnLeave::kWait);
  world.nodes[kMaster].leaving = true;
  world.Tell(kMaster);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
  EXPECT_THAT(world.Reason("handover"), HasSubstr("master executor is stopping"));
  world.Run(absl::Seconds(20));
  EXPECT_TRUE(world.Serves(kSlave)) << "no failback to who leaves";
  world.nodes[kMaster].leaving = false;
  world.Tell(kMaster);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(20)));
}

TEST(DecisionLeaveTest, WhatToDoIsAlwaysInTheOrder) {
  World world;
  world.Serve();
  world.Cut(kSlave);
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.decision.standing(kMaster)->on_leave, OnLeave::kRelease) << "nobody to take over";
  world.Heal(kSlave);
  world.Connect(kSlave);
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.decision.standing(kMaster)->on_leave, OnLeave::kWait);
  world.Ask(Command::Kind::kPause);
  EXPECT_EQ(world.decision.standing(kMaster)->on_leave, OnLeave::kKeep);
  world.nodes[kMaster].leaving = true;
  world.Tell(kMaster);
  world.Run(absl::Seconds(20));
  EXPECT_TRUE(world.Serves(kMaster)) << "paused: nothing moves";
}

TEST(DecisionLeaveTest, PausedTheLastHolderAloneIsGrantedAgain) {
  World world(MakeModel(), {.epoch = 9, .paused = true, .holder = "slave"}, absl::Seconds(1));
  world.Connect(kMaster);
  world.Run(absl::Seconds(100));
  EXPECT_FALSE(world.OrderedActive(kMaster));
  world.Connect(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
}

// ---- others' claims ----

TEST(DecisionConflictTest, AClaimOnAHeldAddressIsAnEvent) {
  World world;
  world.Serve();
  world.nodes[kMaster].conflicts = 1;
  world.nodes[kMaster].conflict = "02:00:00:00:00:09 claims 192.168.0.111";
  world.Tell(kMaster);
  EXPECT_THAT(world.Reason("conflict"),
              HasSubstr("02:00:00:00:00:09 claims 192.168.0.111, which master holds"));
  world.Tell(kMaster);
  EXPECT_EQ(world.Said("conflict"), 1U);
}

}  // namespace
}  // namespace hb::controller
