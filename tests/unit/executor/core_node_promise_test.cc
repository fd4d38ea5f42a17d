// Promises between nodes (L6): the executor's core while its controller is silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration kMs = absl::Milliseconds(1);

Spec SpecWithPeers(int peers = 1, OnExpiry on_expiry = OnExpiry::kRelease) {
  Spec spec = MakeSpec(kWeb, kRevision, on_expiry);
  spec.peers = {{"slave", "192.168.0.2:7401"}, {"third", "192.168.0.3:7401"}};
  spec.peers.resize(static_cast<size_t>(peers));
  return spec;
}

PromiseReply Yes(uint64_t epoch = 7, Duration d = absl::Seconds(1)) {
  PromiseReply reply;
  reply.given = true;
  reply.epoch = epoch;
  reply.d = d;
  reply.highest_epoch = epoch;
  return reply;
}

// Of so many peers the slave has promised, for long.
void TakeOverPromised(World& w, int peers) {
  w.TakeOver(7, SpecWithPeers(peers));
  w.Run(kMs);
  w.PromiseAnswers("slave", Yes(7, absl::Seconds(10)), w.now);
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
  TakeOverPromised(w, 2);
  Spec wider = SpecWithPeers(2);
  wider.revision = 12;
  wider.vips.push_back(MakeVip("192.168.0.112/24"));
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {wider});
  w.Disconnect();
  w.Run(kMs);
  w.PromiseAnswers("third", Yes(7, absl::Seconds(10)), w.now);
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << "the slave has not promised anew";
}

// Not even when it is the last of all and runs on: the lease ends with what was granted.
TEST(NodePromiseTest, WhatAllHadPromisedUnderAnotherSpecCountsNoMore) {
  World w;
  TakeOverPromised(w, 1);
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
  TakeOverPromised(w, 1);
  Spec wider = SpecWithPeers(2);
  wider.revision = 12;
  w.Send({}, {wider});
  w.Disconnect();
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodePromiseTest, WhatWasPromisedToTheEpochBeforeCountsNoMore) {
  World w;
  TakeOverPromised(w, 2);
  w.Send({Active(8)});
  ASSERT_EQ(w.node.epoch(kWeb), 8U);
  w.Disconnect();
  PromiseReply reply = Yes(7, absl::Seconds(10));
  reply.epoch = 8;
  w.PromiseAnswers("third", reply, w.now);
  w.Run(1000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << "the slave has promised epoch 7 only";
}

TEST(NodePromiseTest, WhatWasPromisedToAnEarlierLeaseCountsNoMore) {
  World w;
  TakeOverPromised(w, 2);
  w.Send({Standby(7)});
  Order again = Active(7);
  again.start_attempt = 2;
  w.Send({again});
  ASSERT_TRUE(w.node.Holds(kWeb, w.now));
  ASSERT_EQ(w.services[kSite], State::kRunning);
  w.Disconnect();
  w.PromiseAnswers("third", Yes(7, absl::Seconds(10)), w.now);
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

}  // namespace
}  // namespace hb::executor
