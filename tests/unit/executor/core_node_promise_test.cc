// Promises between nodes (L6): the executor's core while its controller is silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kMs = absl::Milliseconds(1);

Spec SpecWithPeers(int peers = 1, OnExpiry on_expiry = OnExpiry::kRelease) {
  Spec spec = MakeSpec(kWeb, kRevision, on_expiry);
  spec.peers = {{"slave", "192.168.0.2:7401"}, {"third", "192.168.0.3:7401"}};
  spec.peers.resize(static_cast<size_t>(peers));
  return spec;
}

PromiseReply Yes(uint64_t epoch = 7) {
  PromiseReply reply;
  reply.given = true;
  reply.epoch = epoch;
  reply.d = absl::Seconds(1);
  reply.highest_epoch = epoch;
  return reply;
}

MonoTime GateOf(World& w) { return w.gates.at(MakeVip().address.address).until; }

// ---- the holder ----

TEST(NodePromiseTest, NobodyIsAskedWhileTheControllerRenews) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.RunRenewed(5000 * kMs);
  EXPECT_THAT(w.LogOf("ask"), IsEmpty());
}

TEST(NodePromiseTest, HalfALeaseUnrenewedAndThePeersAreAskedFourTimesATtl) {
  World w;
  w.TakeOver(7, SpecWithPeers(2));
  w.Disconnect();
  w.Run(999 * kMs);
  EXPECT_THAT(w.LogOf("ask"), ElementsAre("500 ask slave epoch 7", "500 ask third epoch 7",
                                          "750 ask slave epoch 7", "750 ask third epoch 7"));
}

TEST(NodePromiseTest, TheLeaseGoesOnWhileEveryPromiseRuns) {
  World w;
  w.TakeOver(7, SpecWithPeers(2));
  w.Disconnect();
  w.peers_answer = Yes();
  w.Run(60'000 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_TRUE(w.Has());
  EXPECT_GT(GateOf(w), w.now);
  // The last was asked for at some instant of the last quarter of a ttl: it ends a ttl later.
  w.peers_answer.reset();
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
}

TEST(NodePromiseTest, OnePromiseMissingAndItEnds) {
  World w;
  w.TakeOver(7, SpecWithPeers(2));
  w.Disconnect();
  const MonoTime asked = w.now;
  w.Run(900 * kMs);
  w.PromiseAnswers("slave", Yes(), asked + 800 * kMs);
  EXPECT_EQ(GateOf(w), asked + 1000 * kMs);
  w.Run(100 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, APromiseCountsFromItsAskingHoweverLateItComes) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.Disconnect();
  const MonoTime begin = w.now;
  w.Run(900 * kMs);
  w.PromiseAnswers("slave", Yes(), begin + 500 * kMs);
  EXPECT_EQ(GateOf(w), begin + 1500 * kMs);
  w.PromiseAnswers("slave", Yes(), begin + 400 * kMs);
  EXPECT_EQ(GateOf(w), begin + 1500 * kMs) << "an older one shortens nothing";
}

TEST(NodePromiseTest, APromiseRevivesNothing) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.Disconnect();
  const MonoTime begin = w.now;
  w.Freeze(1001 * kMs);
  w.PromiseAnswers("slave", Yes(), begin + 900 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
}

TEST(NodePromiseTest, APromiseToAnotherEpochIsNone) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.Disconnect();
  w.Run(900 * kMs);
  w.PromiseAnswers("slave", Yes(6), w.now);
  w.Run(100 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, AHolderWhoseServiceIsDownAsksNobodyAndLetsGo) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.Disconnect();
  w.peers_answer = Yes();
  w.Run(3000 * kMs);
  ASSERT_TRUE(w.node.Holds(kWeb, w.now));
  w.Log();
  w.SetService(State::kFailed);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.Run(2000 * kMs);
  EXPECT_THAT(w.LogOf("ask"), IsEmpty());
}

TEST(NodePromiseTest, NorDoesItAskWhileItsLeaseStillRuns) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.Disconnect();
  w.Run(400 * kMs);
  w.SetService(State::kFailed);
  w.peers_answer = Yes();
  w.Run(599 * kMs);
  EXPECT_THAT(w.LogOf("ask"), IsEmpty());
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  w.Run(kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

// It promised for the addresses of then.
TEST(NodePromiseTest, WhatWasPromisedUnderAnotherSpecCountsNoMore) {
  World w;
  w.TakeOver(7, SpecWithPeers(2));
  PromiseReply reply = Yes();
  reply.d = absl::Seconds(10);
  w.Run(kMs);
  w.PromiseAnswers("slave", reply, w.now);
  Spec wider = SpecWithPeers(2);
  wider.revision = 12;
  wider.vips.push_back(MakeVip("192.168.0.112/24"));
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {wider});
  w.Disconnect();
  w.Run(kMs);
  w.PromiseAnswers("third", reply, w.now);
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << "the slave has not promised anew";
}

// Not even when it is the last of all and runs on: the lease ends with what was granted.
TEST(NodePromiseTest, WhatAllHadPromisedUnderAnotherSpecCountsNoMore) {
  World w;
  w.TakeOver(7, SpecWithPeers(1));
  PromiseReply reply = Yes();
  reply.d = absl::Seconds(10);
  w.Run(kMs);
  w.PromiseAnswers("slave", reply, w.now);
  Spec wider = SpecWithPeers(1);
  wider.revision = 12;
  wider.vips.push_back(MakeVip("192.168.0.112/24"));
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {wider});
  w.Disconnect();
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, ANewMemberHasNotPromised) {
  World w;
  w.TakeOver(7, SpecWithPeers(1));
  PromiseReply reply = Yes();
  reply.d = absl::Seconds(10);
  w.Run(kMs);
  w.PromiseAnswers("slave", reply, w.now);
  Spec wider = SpecWithPeers(2);
  wider.revision = 12;
  w.Send({}, {wider});
  w.Disconnect();
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, WhatWasPromisedToTheEpochBeforeCountsNoMore) {
  World w;
  w.TakeOver(7, SpecWithPeers(2));
  PromiseReply reply = Yes();
  reply.d = absl::Seconds(10);
  w.Run(kMs);
  w.PromiseAnswers("slave", reply, w.now);
  w.Send({Active(8)});
  ASSERT_EQ(w.node.epoch(kWeb), 8U);
  w.Disconnect();
  reply.epoch = 8;
  w.PromiseAnswers("third", reply, w.now);
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << "the slave has promised epoch 7 only";
}

TEST(NodePromiseTest, WhatWasPromisedToAnEarlierLeaseCountsNoMore) {
  World w;
  w.TakeOver(7, SpecWithPeers(2));
  PromiseReply reply = Yes();
  reply.d = absl::Seconds(10);
  w.Run(kMs);
  w.PromiseAnswers("slave", reply, w.now);
  w.Send({Standby(7)});
  Order again = Active(7);
  again.start_attempt = 2;
  w.Send({again});
  ASSERT_TRUE(w.node.Holds(kWeb, w.now));
  ASSERT_EQ(w.services[kSite], State::kRunning);
  w.Disconnect();
  w.PromiseAnswers("third", reply, w.now);
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, WhatWasAskedUnderAnotherSpecIsAnsweredInVain) {
  for (const bool wider : {true, false}) {
    World w;
    w.TakeOver(7, SpecWithPeers());
    w.Run(500 * kMs);
    const MonoTime asked = w.now;
    w.Run(10 * kMs);
    Spec changed = SpecWithPeers();
    changed.revision = 12;
    if (wider) changed.vips.push_back(MakeVip("192.168.0.112/24"));
    w.Send({}, {changed});
    w.PromiseAnswers("slave", Yes(), asked);
    EXPECT_EQ(GateOf(w) >= asked + absl::Seconds(1), !wider);
  }
}

TEST(NodePromiseTest, ASpecOfTheSameAddressesAndPeersLeavesPromisesAsTheyAre) {
  World w;
  w.TakeOver(7, SpecWithPeers());
  w.Disconnect();
  w.peers_answer = Yes();
  w.Run(5000 * kMs);
  w.Connect();
  Spec changed = SpecWithPeers();
  changed.revision = 12;
  changed.firewall.emplace();
  w.Send({}, {changed});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_GT(GateOf(w), w.now);
  EXPECT_THAT(w.LogOf("remove"), IsEmpty());
}

TEST(NodePromiseTest, WithoutPeersThereIsNobodyToAsk) {
  World w;
  w.TakeOver(7, SpecWithPeers(0));
  w.Disconnect();
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, OfTwoThatGoOnByHoldTheLowerEpochGivesUp) {
  World w;
  w.TakeOver(7, SpecWithPeers(1, OnExpiry::kHold));
  w.Disconnect();
  w.Run(1500 * kMs);
  PromiseReply reply;
  reply.epoch = 7;
  reply.highest_epoch = 8;
  w.PromiseAnswers("slave", reply, w.now);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now)) << "who holds nothing is in nobody's way";
  reply.holding = true;
  reply.highest_epoch = 6;
  w.PromiseAnswers("slave", reply, w.now);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  reply.highest_epoch = 8;
  w.PromiseAnswers("slave", reply, w.now);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
}

TEST(NodePromiseTest, AndWhenTheHigherAsksItGivesUpAndPromises) {
  World w;
  w.TakeOver(7, SpecWithPeers(1, OnExpiry::kHold));
  w.Disconnect();
  w.Run(900 * kMs);
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(8)).given) << "a grant runs still";
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  w.Run(600 * kMs);
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(7)).given) << "that is its own epoch";
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_TRUE(w.promise_answers.at(w.AskedToPromise(8)).given);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
}

// ---- the one that is asked ----

TEST(NodePromiseTest, AnIdleNodePromisesOnceItIsOnDisk) {
  World w;
  w.disk_answers = false;
  const uint64_t asked = w.AskedToPromise(7);
  EXPECT_FALSE(w.promise_answers.contains(asked));
  Record record;
  record.epoch = 7;
  record.longest_promise = absl::Seconds(1);
  w.Do(w.node.Stored(kWeb, record, w.now));
  EXPECT_TRUE(w.promise_answers.at(asked).given);
  // What is known to be on disk is not written again.
  w.Log();
  EXPECT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  EXPECT_TRUE(w.promise_answers.at(w.AskedToPromise(7, absl::Milliseconds(500))).given);
  EXPECT_THAT(w.LogOf("persist"), IsEmpty());
  const uint64_t higher = w.AskedToPromise(8);
  EXPECT_FALSE(w.promise_answers.contains(higher));
  EXPECT_THAT(w.LogOf("persist"), ElementsAre("0 persist web 8"));
  record.epoch = 8;
  w.Do(w.node.Stored(kWeb, record, w.now));
  EXPECT_TRUE(w.promise_answers.at(higher).given);
  const uint64_t longer = w.AskedToPromise(8, absl::Seconds(2));
  EXPECT_FALSE(w.promise_answers.contains(longer));
  EXPECT_THAT(w.LogOf("persist"), ElementsAre("0 persist web 8"));
}

TEST(NodePromiseTest, OnlySoManyRequestsWaitForTheDisk) {
  World w;
  w.disk_answers = false;
  for (size_t i = 0; i < Node::kMaxPendingPromises; ++i) {
    EXPECT_FALSE(w.promise_answers.contains(w.AskedToPromise(7)));
  }
  const uint64_t one_more = w.AskedToPromise(7);
  ASSERT_TRUE(w.promise_answers.contains(one_more));
  EXPECT_FALSE(w.promise_answers[one_more].given);
}

TEST(NodePromiseTest, ARefusedRequestRaisesNoEpoch) {
  World w;
  w.TakeOver(7);
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(9)).given);
  EXPECT_EQ(w.told_disk[kWeb].epoch, 7u);
  w.Run(100 * kMs);
  w.Renew();
  EXPECT_EQ(w.Reported().refusal, "");
}

TEST(NodePromiseTest, WhoHasPromisedBecomesActiveOnlyAfterwards) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  EXPECT_TRUE(w.Reported().bound);
  EXPECT_EQ(w.Reported().promises, 1u);
  w.Send({Active(8)});
  w.RunRenewed(1099 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.Reported().refusal, "") << "it waits, it does not refuse";
  w.RunRenewed(2 * kMs);
  w.Renew();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Reported().bound);
}

TEST(NodePromiseTest, TheBondIsCountedOnTheClockOfWhoeverWaits) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  w.wait_offset = MonoTime() + absl::Milliseconds(80);  // it loses 80 ms from now on
  w.Send({Active(8)});
  w.RunRenewed(1150 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.RunRenewed(50 * kMs);
  w.Renew();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, AnOperatorMayForceABoundNodeOnce) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.AskedToPromise(7);
  Order order = Active(8);
  order.force = true;
  w.Send({order});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, ThatForceIsForOneLeaseAlone) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.AskedToPromise(7, absl::Seconds(10));
  Order order = Active(8);
  order.force = true;
  w.Send({order});
  ASSERT_TRUE(w.node.Holds(kWeb, w.now));
  w.Run(1100 * kMs);
  w.Renew();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << "the order stands, the promise binds again";
}

TEST(NodePromiseTest, AShorterPromiseDoesNotShortenTheBond) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.AskedToPromise(7, absl::Seconds(10));
  w.AskedToPromise(7, absl::Seconds(1));
  w.Send({Active(8)});
  w.RunRenewed(10'900 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.RunRenewed(200 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, WhyAPromiseIsRefused) {
  struct Case {
    const char* name;
    std::function<void(World&)> before;
    uint64_t epoch;
    Duration d;
    const char* refusal;
    bool holding;
  };
  const auto standby = [](World& w) {
    w.Connect();
    w.Send({Standby(7)}, {MakeSpec()});
  };
  const Case cases[] = {
      {"stale epoch", standby, 6, absl::Seconds(1), "epoch 6 is stale: epoch 7", false},
      {"it holds", [](World& w) { w.TakeOver(7); }, 7, absl::Seconds(1), "ordered to be active",
       true},
      {"it holds, the controller gone",
       [](World& w) {
         w.TakeOver(7);
         w.Disconnect();
       },
       7, absl::Seconds(1), "holds a lease of the cluster", true},
      {"it is about to hold",
       [](World& w) {
         w.disk_answers = false;
         w.Connect();
         w.Send({Active(7)}, {MakeSpec()});
       },
       7, absl::Seconds(1), "ordered to be active", false},
      {"it holds the address for another cluster",
       [](World& w) { w.TakeOver(7, MakeSpec("old-name")); }, 7, absl::Seconds(1),
       "holds 192.168.0.111/24 for cluster old-name", false},
      {"too long", standby, 7, absl::Seconds(61), "out of range", false},
      {"no length", standby, 7, absl::ZeroDuration(), "out of range", false},
      {"no epoch", standby, 0, absl::Seconds(1), "out of range", false},
      {"no epoch above it", standby, kMaxEpoch + 1, absl::Seconds(1), "out of range", false},
  };
  for (const Case& c : cases) {
    World w;
    c.before(w);
    const uint64_t asked = w.AskedToPromise(c.epoch, c.d);
    ASSERT_TRUE(w.promise_answers.contains(asked)) << c.name;
    EXPECT_FALSE(w.promise_answers[asked].given) << c.name;
    EXPECT_THAT(w.promise_answers[asked].refusal, HasSubstr(c.refusal)) << c.name;
    EXPECT_EQ(w.promise_answers[asked].holding, c.holding) << c.name;
  }
}

TEST(NodePromiseTest, ThePromiseThatWaitsForTheDiskIsNotGivenByWhoIsOrderedActiveMeanwhile) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.disk_answers = false;
  const uint64_t asked = w.AskedToPromise(7);
  w.disk_answers = true;
  w.Send({Active(7)});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  w.disk_answers = true;
  Record record = w.told_disk[kWeb];
  w.Do(w.node.Stored(kWeb, record, w.now));
  ASSERT_TRUE(w.promise_answers.contains(asked));
  EXPECT_FALSE(w.promise_answers[asked].given);
}

TEST(NodePromiseTest, TheNewEpochEndsTheRenewalOfOlderPromises) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  w.Send({Standby(8)});
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(7)).given);
}

TEST(NodePromiseTest, ARestartedNodeIsBoundByTheLongestPromiseOnItsDisk) {
  Record record;
  record.epoch = 7;
  record.longest_promise = absl::Seconds(2);
  record.controller = kController;
  Spec other = MakeSpec(kWeb, 10);
  other.vips = {MakeVip("192.168.0.112/24")};
  for (const auto& spec :
       {std::optional<Spec>(), std::optional(MakeSpec()), std::optional(other)}) {
    record.spec = spec;
    const std::map<std::string, Record> records = {{kWeb, record}};
    World w(records, 2);
    w.Connect();
    w.Send({Active(8)}, {MakeSpec()});
    w.RunRenewed(2190 * kMs);
    EXPECT_FALSE(w.node.Holds(kWeb, w.now));
    w.RunRenewed(20 * kMs);
    w.Renew();
    EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  }
}

TEST(NodePromiseTest, APromiseStaysOnDiskWhileItRunsWhateverBecomesOfTheSpec) {
  for (const bool forgets : {true, false}) {
    World w;
    w.Connect();
    w.Send({Standby(7)}, {MakeSpec()});
    ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
    Orders message;
    message.answers = w.Newest();
    if (forgets) {
      message.forget = {kWeb};
    } else {
      message.specs = {MakeSpec(kWeb, 12)};
      message.specs[0].vips = {MakeVip("192.168.0.112/24")};
    }
    w.SendMessage(message);
    w.Run(1090 * kMs);
    EXPECT_EQ(w.disk[kWeb].longest_promise, absl::Seconds(1)) << forgets;
    w.Run(20 * kMs);
    EXPECT_EQ(w.disk[kWeb].longest_promise, absl::ZeroDuration()) << forgets;
  }
}

TEST(NodePromiseTest, AForgottenClustersOldPromiseIsStillBeingForgotten) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  w.disk_answers = false;
  w.Run(1200 * kMs);
  Orders message;
  message.answers = w.Newest();
  message.forget = {kWeb};
  w.SendMessage(message);
  EXPECT_FALSE(w.promise_answers.contains(w.AskedToPromise(7))) << "the disk is about to forget it";
}

TEST(NodePromiseTest, ABondThatHasEndedBindsNoRestartAndTheNextPromiseWaitsForTheDiskAgain) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  EXPECT_EQ(w.disk[kWeb].longest_promise, absl::Seconds(1));
  w.disk_answers = false;
  w.RunRenewed(1200 * kMs);
  EXPECT_EQ(w.told_disk[kWeb].longest_promise, absl::ZeroDuration());
  // That write is under way: what it is about to erase counts for nothing.
  const uint64_t asked = w.AskedToPromise(7);
  EXPECT_FALSE(w.promise_answers.contains(asked));
  EXPECT_EQ(w.told_disk[kWeb].longest_promise, absl::ZeroDuration()) << "it stays the newest";
  w.Do(w.node.Stored(kWeb, w.disk[kWeb], w.now));  // a write from before that one
  EXPECT_FALSE(w.promise_answers.contains(asked));
  Record none = w.told_disk[kWeb];
  none.longest_promise = absl::ZeroDuration();
  w.Do(w.node.Stored(kWeb, none, w.now));
  EXPECT_FALSE(w.promise_answers.contains(asked));
  w.Do(w.node.Stored(kWeb, w.told_disk[kWeb], w.now));
  EXPECT_TRUE(w.promise_answers.at(asked).given);
}

TEST(NodePromiseTest, AHolderTakesNoAddressOnThatItHasPromisedToStayAwayFrom) {
  World w;
  w.TakeOver(7);
  const Vip promised = MakeVip("192.168.0.112/24");
  PromiseRequest request;
  request.id = 99;
  request.cluster = "api";
  request.from = "slave";
  request.epoch = 3;
  request.vips = {promised.address.address};
  request.d = absl::Seconds(1);
  w.Do(w.node.PromiseAsked(request, w.now));
  ASSERT_TRUE(w.promise_answers.at(99).given);
  Spec wider = MakeSpec(kWeb, 12);
  wider.vips.push_back(promised);
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {wider});
  w.RunRenewed(1050 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has(promised));
  w.RunRenewed(150 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_TRUE(w.Has(promised));
}

TEST(NodePromiseTest, ABoundHolderKeepsTheAddressesThatItHas) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  Order order = Active(8);
  order.force = true;
  w.Send({order});
  ASSERT_TRUE(w.node.Holds(kWeb, w.now));
  Spec changed = MakeSpec(kWeb, 12);
  changed.firewall.emplace();
  w.Send({}, {changed});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, ABondOutlivesTheClustersName) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.AskedToPromise(7);
  Orders message;
  message.answers = w.Newest();
  message.forget = {kWeb};
  message.specs = {MakeSpec("renamed")};
  message.orders = {Active(1, "renamed")};
  w.SendMessage(message);
  EXPECT_FALSE(w.node.Holds("renamed", w.now));
  w.RunRenewed(1150 * kMs);
  EXPECT_TRUE(w.node.Holds("renamed", w.now));
}

}  // namespace
}  // namespace hb::executor
