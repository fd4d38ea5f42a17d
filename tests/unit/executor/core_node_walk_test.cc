// Properties of the node over seeded random walks: it holds exactly while a model of L1, L3, L4 and
// L7 says that it may, which is written from the design and shares no code with the lease; and
// waking at NextDeadline is as good as waking at every millisecond. A failure names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "executor/core/node.h"
#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;

constexpr State kStates[] = {State::kStopped, State::kStarting, State::kRunning,
                             State::kFailing, State::kStopping, State::kFailed};

class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  int Upto(int limit) { return static_cast<int>(engine_() % static_cast<uint32_t>(limit + 1)); }
  bool OneIn(int n) { return Upto(n - 1) == 0; }

 private:
  std::mt19937 engine_;
};

// The design's own words, for one cluster.
class Model {
 public:
  Model(const World& world, OnExpiry policy, uint64_t stored)
      : world_(world), policy_(policy), stored_(stored) {}

  void StreamGone() {
    ordered_.reset();
    waiting_.reset();
  }

  // To be called whenever time has moved on, before anything else happens.
  void Pass(MonoTime now) {
    const bool service_is_well = Service() == State::kRunning;
    // What is held without an end ends with the gate, should the process stand still.
    const auto gate = world_.gates.find(MakeVip().address.address);
    const bool closed = policy_ == OnExpiry::kHold && gate != world_.gates.end() &&
                        gate->second.epoch != 0 && now >= gate->second.until;
    if (held_ && (closed || now >= Until() || (now >= end_ && !service_is_well))) {
      ++ran_out;
      GiveUp();
    }
  }

  void Hear(const Orders& message, MonoTime now) {
    Pass(now);
    for (const Order& order : message.orders) Consider(order);
    answered_ = message.answers.number;
    Renew(now);
  }

  void Stored(uint64_t epoch, MonoTime now) {
    Pass(now);
    stored_ = std::max(stored_, epoch);
    if (!waiting_ || waiting_->epoch > epoch) return;
    const Order order = *waiting_;
    waiting_.reset();
    Consider(order);
    Renew(now);
  }

  void WitnessSaw(MonoTime asked) {
    if (held_) witness_ = std::max(witness_.value_or(asked), asked);
  }

  bool Holds(MonoTime now) const { return held_ && now < Until(); }
  bool IsBeyond(MonoTime now) const { return Holds(now) && now >= end_; }

  int begun = 0;
  int ran_out = 0;
  int voided = 0;

 private:
  State Service() const {
    const auto it = world_.services.find(kSite);
    return it == world_.services.end() ? State::kStopped : it->second;
  }

  MonoTime Until() const {
    if (policy_ == OnExpiry::kHold) return MonoTime::Infinite();
    if (policy_ == OnExpiry::kRelease || !witness_) return end_;
    return std::max(end_, *witness_ + ttl_);
  }

  void GiveUp() {
    held_ = false;
    void_before_ = world_.last_number + 1;
  }

  // L4, and: whoever sends an order counts on the one before no longer.
  void Consider(const Order& order) {
    const std::optional<Order> before = ordered_ ? ordered_ : waiting_;
    if (order.epoch < std::max(stored_, asked_to_store_)) {
      Refuse(order, before);
      return;
    }
    if (!order.active) GiveUp();
    if (order.spec_revision != kRevision) {
      Refuse(order, before);
      return;
    }
    StreamGone();
    if (order.epoch > stored_) {
      asked_to_store_ = order.epoch;
      waiting_ = order;
    } else {
      ordered_ = order;
    }
  }

  void Refuse(const Order& order, const std::optional<Order>& before) {
    const bool same = before && before->active && order.active && before->epoch == order.epoch;
    if (!same) {
      StreamGone();
    } else {
      Order& stays = ordered_ ? *ordered_ : *waiting_;
      stays.ttl = std::min(stays.ttl, order.ttl);
    }
  }

  void Renew(MonoTime now) {
    if (!ordered_ || !ordered_->active || ordered_->epoch < stored_) return;
    const auto stamp = world_.stamps.find(answered_);
    if (stamp == world_.stamps.end()) return;
    if (answered_ < void_before_) ++voided;
    const Duration ttl = ordered_->ttl;
    if (answered_ < void_before_ || answered_ < obeyed_ || ttl <= absl::ZeroDuration() ||
        ttl > absl::Seconds(60) || stamp->second + ttl <= now) {
      return;
    }
    if (!held_) {
      ++begun;
      witness_.reset();
    }
    held_ = true;
    obeyed_ = answered_;
    ttl_ = ttl;
    end_ = stamp->second + ttl;
  }

  const World& world_;
  const OnExpiry policy_;
  std::optional<Order> ordered_;
  std::optional<Order> waiting_;
  uint64_t stored_;
  uint64_t asked_to_store_ = 0;
  uint64_t answered_ = 0;
  uint64_t obeyed_ = 0;
  uint64_t void_before_ = 0;
  bool held_ = false;
  MonoTime end_;
  Duration ttl_;
  std::optional<MonoTime> witness_;
};

// One walk: a world, its model, and what must hold after every step.
class Walk {
 public:
  Walk(uint32_t seed, OnExpiry policy) : dice_(seed), w_({{kWeb, 5}}), model_(w_, policy, 5) {
    w_.on_act = [this](const Act& act) { Check(act); };
    w_.on_stored = [this](const Record& record) { model_.Stored(record.epoch, w_.now); };
    w_.Connect();
    Hear({w_.Newest(), {}, {MakeSpec(kWeb, kRevision, policy)}, {}, {}});
  }

  void Step() {
    Act_();
    model_.Pass(w_.now);
    w_.Run(absl::ZeroDuration());
    ASSERT_EQ(w_.node.Holds(kWeb, w_.now), model_.Holds(w_.now)) << "at " << w_.now;
    if (model_.IsBeyond(w_.now)) ++beyond;
    ASSERT_GT(w_.node.NextDeadline(), w_.now) << "spins";
    CheckReports();
  }

  const Model& model() const { return model_; }
  int beyond = 0;
  int added = 0;

 private:
  void Act_() {
    switch (dice_.Upto(17)) {
      case 0:
        return w_.SetService(kStates[dice_.Upto(5)]);
      case 1:
        return w_.SetService(State::kRunning);
      case 2:
        return w_.DropVip(MakeVip());
      case 3:
        return w_.SetLink("eth0", !dice_.OneIn(3));
      case 4:
        w_.adding_fails = dice_.OneIn(3);
        w_.removing_fails = dice_.OneIn(3);
        return;
      case 5:
        w_.witness_answers = !dice_.OneIn(3);
        return;
      case 6:
        return ChangeStream();
      case 7:
        return StoreOne();
      case 8:
        w_.Freeze(absl::Milliseconds(dice_.Upto(900)));
        return dice_.OneIn(2) ? SendSomething() : w_.Run(absl::ZeroDuration());
      case 9:
      case 10:
        return w_.Run(absl::Milliseconds(dice_.Upto(900)));
      case 11:
      case 12:
        return Hear({w_.Newest(), {}, {}, {}, {}});
      default:
        return SendSomething();
    }
  }

  void ChangeStream() {
    model_.StreamGone();
    if (dice_.OneIn(2)) {
      w_.Disconnect();
      w_.Run(absl::Milliseconds(dice_.Upto(1500)));
    }
    w_.Connect();
  }

  void StoreOne() {
    if (to_store_.empty()) return;
    const uint64_t epoch = to_store_.front();
    to_store_.erase(to_store_.begin());
    model_.Stored(epoch, w_.now);
    w_.DiskHas(epoch);
    w_.ReportIfDue();
  }

  void SendSomething() {
    w_.disk_answers = !dice_.OneIn(4);
    ReportId answers = w_.Newest();
    if (dice_.OneIn(3)) answers.number -= std::min<uint64_t>(answers.number, dice_.Upto(3));
    Orders message{answers, {}, {}, {}, {}};
    if (!dice_.OneIn(3)) {
      if (dice_.OneIn(6)) ++epoch_;
      const bool active = !dice_.OneIn(4);
      Order order = active ? Active(epoch_) : Standby(epoch_);
      if (dice_.OneIn(8)) --order.epoch;
      if (dice_.OneIn(8)) order.spec_revision = 99;
      if (active) order.ttl = absl::Milliseconds(dice_.Upto(12) * 100);
      order.start_attempt = static_cast<uint64_t>(dice_.Upto(5));
      message.orders.push_back(order);
    }
    Hear(message);
  }

  void Hear(const Orders& message) {
    model_.Hear(message, w_.now);
    w_.SendMessage(message);
  }

  void Check(const Act& act) {
    model_.Pass(w_.now);
    if (std::holds_alternative<AddVip>(act)) {
      ++added;
      EXPECT_TRUE(model_.Holds(w_.now)) << "adds a VIP without a lease at " << w_.now;
    } else if (std::holds_alternative<Announce>(act)) {
      EXPECT_TRUE(model_.Holds(w_.now)) << "announces without a lease at " << w_.now;
    } else if (std::holds_alternative<RemoveVip>(act)) {
      EXPECT_FALSE(model_.Holds(w_.now)) << "removes the VIP under a lease at " << w_.now;
    } else if (std::holds_alternative<StopService>(act)) {
      EXPECT_FALSE(w_.Has()) << "stops the service under the VIP at " << w_.now;
    } else if (const auto* start = std::get_if<StartService>(&act)) {
      EXPECT_GT(start->attempt, w_.attempted[kWeb]) << "starts twice by one attempt";
    } else if (std::holds_alternative<AskWitness>(act)) {
      EXPECT_TRUE(model_.Holds(w_.now));
      if (w_.witness_answers) model_.WitnessSaw(w_.now);
    } else if (const auto* persist = std::get_if<PersistRecord>(&act)) {
      if (!w_.disk_answers) to_store_.push_back(persist->record.epoch);
    }
  }

  void CheckReports() {
    const ClusterReport& said = w_.Reported();
    EXPECT_GE(said.highest_epoch, highest_said_);
    EXPECT_GE(said.void_before, void_said_);
    highest_said_ = std::max(highest_said_, said.highest_epoch);
    void_said_ = std::max(void_said_, said.void_before);
    // Reports go out at once, so the last one is true now.
    const MonoTime gate = w_.gates[MakeVip().address.address].until;
    EXPECT_EQ(said.holding, model_.Holds(w_.now) || (w_.Has() && gate > w_.now)) << "at " << w_.now;
    // The gate's point of view is the one that counts.
    EXPECT_LE(gate > w_.now, model_.Holds(w_.now)) << "open without a lease at " << w_.now;
  }

  Dice dice_;
  World w_;
  Model model_;
  uint64_t epoch_ = 5;
  std::vector<uint64_t> to_store_;
  uint64_t highest_said_ = 0;
  ReportId void_said_;
};

class NodeWalkTest : public ::testing::TestWithParam<OnExpiry> {};

TEST_P(NodeWalkTest, HoldsExactlyWhileTheModelSaysSo) {
  int begun = 0;
  int ran_out = 0;
  int voided = 0;
  int beyond = 0;
  int added = 0;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Walk walk(seed, GetParam());
    for (int step = 0; step < 200 && !HasFailure(); ++step) walk.Step();
    if (HasFailure()) return;
    begun += walk.model().begun;
    ran_out += walk.model().ran_out;
    voided += walk.model().voided;
    beyond += walk.beyond;
    added += walk.added;
  }
  // The walks have been where it matters.
  EXPECT_GT(begun, 500);
  EXPECT_GT(ran_out, 100);
  EXPECT_GT(voided, 100);
  EXPECT_GT(added, 500);
  EXPECT_EQ(beyond > 100, GetParam() != OnExpiry::kRelease) << beyond;
}

std::string PolicyName(const ::testing::TestParamInfo<OnExpiry>& policy) {
  static constexpr const char* kNames[] = {"Release", "Witness", "Hold"};
  return kNames[static_cast<int>(policy.param)];
}

INSTANTIATE_TEST_SUITE_P(Policies, NodeWalkTest,
                         ::testing::Values(OnExpiry::kRelease, OnExpiry::kWitness, OnExpiry::kHold),
                         PolicyName);

// A script that does not look at the world, so that two worlds can live through the same.
std::vector<std::function<void(World&)>> MakeScript(uint32_t seed) {
  Dice dice(seed);
  std::vector<std::function<void(World&)>> script;
  for (int i = 0; i < 60; ++i) {
    const std::string cluster = dice.OneIn(2) ? kWeb : "api";
    const int roll = dice.Upto(10);
    const int a = dice.Upto(5);
    const bool flag = dice.OneIn(3);
    const Duration pause = absl::Milliseconds(dice.Upto(700));
    script.emplace_back([=](World& w) {
      if (roll == 0) w.SetService(kStates[a]);
      if (roll == 1) w.DropVip(MakeVip());
      if (roll == 2) w.SetLink("eth0", !flag);
      if (roll == 3) w.adding_fails = flag;
      if (roll == 4) w.removing_fails = flag;
      if (roll == 5) w.witness_answers = !flag;
      if (roll == 6 && flag) w.Disconnect();
      if (roll == 6 && !flag) w.Connect();
      if (roll == 7) w.Send({Standby(7 + static_cast<uint64_t>(a / 3), cluster)});
      if (roll >= 8) {
        Order order = Active(7 + static_cast<uint64_t>(a / 3), cluster);
        order.ttl = absl::Milliseconds(300 * (a + 1));
        order.start_attempt = static_cast<uint64_t>(a);
        w.Send({order});
      }
      if (flag) {
        w.Run(pause);
      } else {
        w.RunRenewed(pause);
      }
    });
  }
  return script;
}

std::vector<std::string> Play(uint32_t seed, bool every_millisecond) {
  World w;
  w.every_millisecond = every_millisecond;
  w.Connect();
  Spec other = MakeSpec("api", kRevision, OnExpiry::kHold);
  other.vips = {MakeVip("192.168.0.112/24"), MakeVip("192.168.0.113/24", "eth1")};
  w.Send({}, {MakeSpec(kWeb, kRevision, OnExpiry::kWitness), other});
  for (const auto& act : MakeScript(seed)) act(w);
  std::vector<std::string> log = w.Log(true);
  log.push_back(absl::StrCat("reports ", w.last_number));
  return log;
}

TEST(NodeDeadlineTest, WakingAtNextDeadlineMissesNothing) {
  size_t lines = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    const std::vector<std::string> lazy = Play(seed, false);
    ASSERT_EQ(lazy, Play(seed, true)) << "seed " << seed;
    lines += lazy.size();
  }
  EXPECT_GT(lines, 20u * 50u) << "the scripts hardly did anything";
}

}  // namespace
}  // namespace hb::executor
