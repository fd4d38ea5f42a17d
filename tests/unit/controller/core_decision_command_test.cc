// What the operator asks for: switchover, failback, pause, and why it is refused.
#include <gtest/gtest.h>

#include "tests/unit/controller/core_world.h"

namespace hb::controller {
namespace {

using Kind = Command::Kind;

TEST(DecisionCommandTest, ASwitchoverPreparesThenMovesAndTellsItsSteps) {
  World world;
  world.Serve();
  const uint64_t before = world.nodes[kMaster].epoch;
  const uint64_t id = world.Ask(Kind::kSwitchover);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  EXPECT_GT(world.nodes[kSlave].epoch, before);
  EXPECT_EQ(world.Outcome(id), "ok web serves from slave");
  std::vector<std::string> steps;
  for (const Progress& p : world.progress) steps.push_back(p.text);
  EXPECT_EQ(steps,
            (std::vector<std::string>{
                "preparing slave: apache service",
                "slave is ready: its apache service serves the page on its own address",
                "releasing master", "activating slave under epoch 101", "web serves from slave"}));
  EXPECT_EQ(world.Reason("switchover"), "Switchover by the operator");
}

TEST(DecisionCommandTest, ThePlaceTheOperatorChoseStaysUntilFailback) {
  World world;
  world.Serve();
  world.Ask(Kind::kSwitchover, kSlave);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  EXPECT_TRUE(world.saves.back().placed);
  world.Run(absl::Minutes(5));
  EXPECT_TRUE(world.Serves(kSlave));
  const uint64_t id = world.Ask(Kind::kFailback);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5)));
  EXPECT_EQ(world.Outcome(id), "ok web serves from master");
  EXPECT_FALSE(world.saves.back().placed);
}

TEST(DecisionCommandTest, ThePlaceTheOperatorChoseStaysAlsoWhenTheBestAreEqual) {
  ClusterModel model = MakeModel(3);
  model.nodes[kSlave].priority = 100;
  World world(model);
  world.Serve();
  world.Ask(Kind::kSwitchover, kThird);
  ASSERT_TRUE(world.RunUntilServes(kThird, absl::Seconds(5)));
  world.Run(absl::Minutes(1));
  EXPECT_TRUE(world.Serves(kThird));
}

TEST(DecisionCommandTest, AFailoverEndsThePlaceTheOperatorChose) {
  World world;
  world.Serve();
  world.Ask(Kind::kSwitchover, kSlave);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  world.ServiceDies(kSlave);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5)));
  EXPECT_FALSE(world.saves.back().placed);
}

TEST(DecisionCommandTest, AFailoverThatWasGivenUpDoesNot) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(5);
  World world(model);
  world.Serve();
  world.Ask(Kind::kSwitchover, kSlave);
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  world.Cut(kSlave);
  world.Run(absl::Seconds(2));
  world.Heal(kSlave);
  world.Run(absl::Minutes(1));
  ASSERT_EQ(world.Said("move_abandoned"), 1U);
  EXPECT_TRUE(world.Serves(kSlave));
}

TEST(DecisionCommandTest, Refusals) {
  World world(MakeModel(3), {}, absl::Seconds(1));
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kSwitchover)), "refused no node is active yet");
  world.Serve();
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kSwitchover, kMaster)),
            "refused master is active already");
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kFailback)), "refused master is active already");
  world.nodes[kThird].obstacles = {"no eth0"};
  world.nodes[kThird].changed = true;
  world.Run(absl::Milliseconds(300));
  EXPECT_EQ(
      world.Outcome(world.Ask(Kind::kSwitchover, kThird)),
      "refused third could not take over: Third could not hold the floating address: no eth0");
  world.nodes[kSlave].start_takes = absl::Seconds(5);
  const uint64_t first = world.Ask(Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(1));
  EXPECT_EQ(world.Outcome(first), "");
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kFailback)),
            "refused a switchover to slave is under way");
  world.Disconnect(kSlave, "connection reset");
  EXPECT_EQ(world.Outcome(first).substr(0, 8), "refused ");
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kSwitchover)),
            "refused no standby could take over; see hbctl status");
  world.Ask(Kind::kPause);
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kSwitchover, kSlave)),
            "refused the cluster is paused; resume it first");
}

TEST(DecisionCommandTest, ASwitchoverToANodeWhoseServiceDoesNotStartIsGivenUp) {
  World world;
  world.Serve();
  world.nodes[kSlave].starts = false;
  const uint64_t id = world.Ask(Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(3));
  EXPECT_EQ(world.Outcome(id), "refused Slave apache service is down: exited with status 1");
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_TRUE(world.OrderedActive(kMaster));
}

TEST(DecisionCommandTest, ASwitchoverToANodeThatServesNoPageIsGivenUpInTheEnd) {
  World world;
  world.Serve();
  world.nodes[kSlave].start_takes = absl::Seconds(100);
  const uint64_t id = world.Ask(Kind::kSwitchover, kSlave);
  world.Run(absl::Seconds(91));
  EXPECT_EQ(world.Outcome(id), "refused apache service did not answer on slave within 1 min 30 s");
  EXPECT_TRUE(world.Serves(kMaster));
}

TEST(DecisionCommandTest, PausedNothingMovesOrRestartsButRenewalsGoOn) {
  World world;
  world.Serve();
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kPause)), "ok paused");
  EXPECT_TRUE(world.saves.back().paused);
  world.Run(absl::Seconds(10));
  EXPECT_TRUE(world.Serves(kMaster));
  world.ServiceDies(kMaster);
  world.Run(absl::Seconds(30));
  EXPECT_TRUE(world.Holds(kMaster));
  EXPECT_TRUE(world.starts.empty());
  EXPECT_EQ(world.Said("failover"), 0U);
  EXPECT_EQ(world.Reason("stuck"), "Master apache service is down, but the cluster is paused");
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kResume)), "ok resumed");
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(3)));
}

TEST(DecisionCommandTest, PausedTheLastHolderIsGrantedAgain) {
  World world;
  world.Serve();
  world.Ask(Kind::kPause);
  world.Cut(kMaster);
  world.Run(absl::Seconds(10));
  EXPECT_FALSE(world.Holds(kMaster));
  EXPECT_FALSE(world.OrderedActive(kSlave));
  world.Heal(kMaster);
  world.Run(absl::Seconds(5));
  EXPECT_TRUE(world.Serves(kMaster));
}

TEST(DecisionCommandTest, PauseStopsAFailoverThatStillWaits) {
  ClusterModel model = MakeModel();
  model.ttl = absl::Seconds(5);
  World world(model);
  world.Serve();
  world.Cut(kMaster);
  world.Run(absl::Seconds(2));
  ASSERT_TRUE(world.decision.moving());
  world.Ask(Kind::kPause);
  world.Run(absl::Seconds(20));
  EXPECT_FALSE(world.OrderedActive(kSlave));
  EXPECT_EQ(world.Reason("move_abandoned"), "The failover to slave is given up: paused");
}

TEST(DecisionCommandTest, PauseStopsASwitchoverBeingPrepared) {
  World world;
  world.Serve();
  world.nodes[kSlave].start_takes = absl::Seconds(5);
  const uint64_t id = world.Ask(Kind::kSwitchover);
  world.Run(absl::Seconds(1));
  world.Ask(Kind::kPause);
  EXPECT_EQ(world.Outcome(id), "refused paused");
  world.Run(absl::Seconds(10));
  EXPECT_TRUE(world.Serves(kMaster));
}

TEST(DecisionCommandTest, PauseAndResumeAreSavedAtOnce) {
  World world;
  world.Serve();
  world.Ask(Kind::kPause);
  ASSERT_EQ(world.saves.size(), 1U);
  EXPECT_TRUE(world.saves.back().paused);
  world.Ask(Kind::kResume);
  ASSERT_EQ(world.saves.size(), 2U);
  EXPECT_FALSE(world.saves.back().paused);
}

TEST(DecisionCommandTest, PauseSurvivesARestart) {
  World world(MakeModel(), {.epoch = 9, .paused = true});
  world.ConnectAll();
  world.Run(absl::Seconds(10));
  EXPECT_FALSE(world.decision.active().has_value());
  world.Ask(Kind::kResume);
  EXPECT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(3)));
}

TEST(DecisionCommandTest, ADrainedHolderHandsOverAndGetsNothingBack) {
  World world;
  world.Serve();
  const uint64_t id = world.Ask(Kind::kDrain, kMaster);
  EXPECT_EQ(world.Outcome(id), "ok drained");
  ASSERT_EQ(world.saves.size(), 1U) << "before anything follows from it";
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(5)));
  EXPECT_EQ(world.Reason("handover"), "master is drained");
  EXPECT_EQ(world.saves.back().drained, std::vector<std::string>{"master"});
  world.Run(absl::Minutes(5));
  EXPECT_TRUE(world.Serves(kSlave)) << "no failback";
  EXPECT_EQ(world.nodes[kMaster].service, ServiceState::kStopped);
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kSwitchover, kMaster)),
            "refused master could not take over: it is drained");
  world.ServiceDies(kSlave);
  world.Run(absl::Minutes(1));
  EXPECT_FALSE(world.Serves(kMaster)) << "no failover";
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kUndrain, kMaster)), "ok undrained");
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(30)));
  EXPECT_TRUE(world.saves.back().drained.empty());
}

TEST(DecisionCommandTest, ADrainedHolderThatNobodyCanReplaceGoesOn) {
  World world;
  world.Serve();
  world.PowerOff(kSlave);
  world.Run(absl::Seconds(3));
  world.Ask(Kind::kDrain, kMaster);
  world.Run(absl::Minutes(1));
  EXPECT_TRUE(world.Serves(kMaster));
  EXPECT_EQ(world.decision.Summary(),
            "master is drained, and no other node could take over: staying put");
  world.Boot(kSlave);
  world.Connect(kSlave);
  EXPECT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(10)));
}

TEST(DecisionCommandTest, ADrainedStandbyRunsNoService) {
  ClusterModel model = MakeModel();
  model.standby_runs_service = true;
  World world(model);
  world.Serve();
  world.Run(absl::Seconds(2));
  ASSERT_EQ(world.nodes[kSlave].service, ServiceState::kRunning);
  world.Ask(Kind::kDrain, kSlave);
  world.Run(absl::Seconds(2));
  EXPECT_EQ(world.nodes[kSlave].service, ServiceState::kStopped);
  EXPECT_TRUE(world.Serves(kMaster));
}

TEST(DecisionCommandTest, APinnedNodeIsPreferredWhateverThePriorities) {
  ClusterModel model = MakeModel();
  model.auto_failback = false;
  World world(model);
  world.Serve();
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kPin, kSlave)), "ok pinned");
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Seconds(15)));
  EXPECT_EQ(world.saves.back().pinned, "slave");
  // It is a preference, no chain: a failure moves the service, and it comes back.
  world.nodes[kSlave].starts = false;
  world.ServiceDies(kSlave);
  ASSERT_TRUE(world.RunUntilServes(kMaster, absl::Seconds(5)));
  world.nodes[kSlave].starts = true;
  ASSERT_TRUE(world.RunUntilServes(kSlave, absl::Minutes(3)));
  EXPECT_EQ(world.Outcome(world.Ask(Kind::kUnpin)), "ok unpinned");
  world.Run(absl::Minutes(1));
  EXPECT_TRUE(world.Serves(kSlave)) << "failback: manual";
}

TEST(DecisionCommandTest, WithoutANodeDrainAndPinAreRefused) {
  World world;
  world.Serve();
  for (const Kind kind : {Kind::kDrain, Kind::kUndrain, Kind::kPin}) {
    EXPECT_EQ(world.Outcome(world.Ask(kind)), "refused no node is named");
  }
}

}  // namespace
}  // namespace hb::controller
