// Seeded random walks: nodes are cut off, die, boot, lose their services; messages take their time;
// operators command. After every step the world asserts one holder at most, one ACTIVE order at
// most, epochs that never fall. Each walk ends with all healed: then somebody must serve.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/controller/core_world.h"

namespace hb::controller {
namespace {

class DecisionWalkTest : public testing::TestWithParam<int> {};

struct Walk {
  explicit Walk(int seed) : random(seed), world(Model(seed), Persistent(), absl::Seconds(2)) {
    world.latency = [this] { return absl::Milliseconds(Below(80)); };
  }
  static ClusterModel Model(int seed) {
    ClusterModel model = MakeModel(seed % 2 == 0 ? 2 : 3);
    model.standby_runs_service = seed % 3 == 0;
    model.failback_after = absl::Seconds(1);
    model.flap_max = 1000;
    return model;
  }
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); }

  void Disturb() {
    const auto i = static_cast<NodeIndex>(Below(static_cast<int>(world.nodes.size())));
    FakeNode& node = world.nodes[i];
    switch (Below(14)) {
      case 0:
        return world.Cut(i);
      case 1:
      case 2:
        world.Heal(i);
        if (node.connected) world.Disconnect(i, "reset");
        return world.Connect(i);
      case 3:
        return world.PowerOff(i);
      case 4:
        if (node.reachable) return;
        world.Boot(i, Below(2) == 0);
        return world.Connect(i);
      case 5:
      case 6:
        if (node.service == ServiceState::kRunning) world.ServiceDies(i);
        return;
      case 7:
        node.starts = !node.starts;
        return;
      case 8:
        node.page = !node.page;
        return;
      case 9:
        node.obstacles.assign(node.obstacles.empty() ? 1 : 0, "no eth0");
        node.changed = true;
        return;
      case 10:
        world.Ask(Below(2) == 0 ? Command::Kind::kSwitchover : Command::Kind::kFailback);
        return;
      case 11:
        world.Ask(world.decision.persistent().paused || Below(2) == 0 ? Command::Kind::kResume
                                                                      : Command::Kind::kPause);
        return;
      case 12:
        return world.Step(LoopLate{absl::Milliseconds(300)});
      default:
        world.disk_answers = !world.disk_answers;
        if (world.disk_answers) world.AnswerDisk();
        return;
    }
  }

  void HealAll() {
    world.disk_answers = true;
    world.AnswerDisk();
    for (NodeIndex i = 0; i < world.nodes.size(); ++i) {
      FakeNode& node = world.nodes[i];
      node.starts = node.page = true;
      node.obstacles.clear();
      node.changed = true;
      if (node.service == ServiceState::kUnknown) world.Boot(i);
      world.Heal(i);
      if (node.connected) world.Disconnect(i, "reset");
      world.Connect(i);
    }
    world.Ask(Command::Kind::kResume);
  }

  std::mt19937 random;
  World world;
};

TEST_P(DecisionWalkTest, OneHolderAtMostAndServiceReturns) {
  Walk walk(GetParam());
  World& world = walk.world;
  world.ConnectAll();
  size_t moves = 0;
  std::optional<NodeIndex> last;
  for (int step = 0; step < 200 && !HasFailure(); ++step) {
    // Bad luck does not last: what is broken for good tries nothing any more.
    if (step % 40 == 39) walk.HealAll();
    walk.Disturb();
    const bool paused = world.decision.persistent().paused && !world.decision.moving();
    const std::optional<NodeIndex> active = world.decision.active();
    world.Run(absl::Milliseconds(20 + walk.Below(900)));
    EXPECT_TRUE(!paused || !active || world.decision.active() == active) << "moved while paused";
    if (world.decision.active() && world.decision.active() != last) ++moves;
    last = world.decision.active();
  }
  EXPECT_GE(moves, 2U) << "the walk tried nothing: " << world.decision.Summary();
  walk.HealAll();
  EXPECT_TRUE(world.RunUntil([&] {
    return world.decision.active() && world.Serves(*world.decision.active());
  })) << world.decision.Summary();
  EXPECT_FALSE(HasFailure()) << "repeat: controller_core_test --gtest_filter=*OneHolder*/"
                             << GetParam() - 1;
}

INSTANTIATE_TEST_SUITE_P(Seeds, DecisionWalkTest, testing::Range(1, 17));

}  // namespace
}  // namespace hb::controller
