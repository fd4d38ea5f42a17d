// What the node obeys, what it refuses and says so, and when its leases end: streams, epochs,
// policies. Each refusal here is half of "never two holders". Specs and reports are in
// core_node_report_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "executor/core/node.h"
#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kMs = absl::Milliseconds(1);
constexpr Duration kTtl = absl::Seconds(1);  // of Active()
constexpr Duration kNano = absl::Nanoseconds(1);

// Whether the lease ends at exactly `end`, unless somebody renews it.
bool EndsAt(const World& w, MonoTime end) {
  return w.node.Holds(kWeb, end - kNano) && !w.node.Holds(kWeb, end);
}

TEST(NodeLeaseTest, RunsFromTheStampOfTheAnsweredReport) {
  World w;
  w.Connect();
  const MonoTime stamp = w.now;
  w.Freeze(300 * kMs);
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_TRUE(EndsAt(w, stamp + kTtl));
}

TEST(NodeLeaseTest, EveryOrdersMessageRenewsAStandingActive) {
  World w;
  w.TakeOver();
  w.Run(200 * kMs);
  const MonoTime stamp = w.now;
  w.Freeze(30 * kMs);
  w.Renew();
  EXPECT_TRUE(EndsAt(w, stamp + kTtl));
}

TEST(NodeLeaseTest, RunsOnWithoutAStreamAndEndsOnTime) {
  World w;
  w.TakeOver();
  const MonoTime began = w.now;
  w.Disconnect();
  w.Run(999 * kMs);
  EXPECT_TRUE(w.Has());
  w.Log();
  w.Run(5000 * kMs);
  EXPECT_THAT(w.Log(), ElementsAre("1000 remove 192.168.0.111/24 on eth0"))
      << "and the service is left as it was ordered last";
  EXPECT_FALSE(w.node.Holds(kWeb, began + kTtl));
  EXPECT_EQ(w.node.NextDeadline(), MonoTime::Infinite());
}

TEST(NodeLeaseTest, WhatAnswersAnEarlierStreamIsRefused) {
  World w;
  w.TakeOver();
  const MonoTime end = w.now + kTtl;
  const ReportId old = w.Newest();
  w.Run(100 * kMs);
  w.Connect();
  w.SendAnswering(old, {Active(7)});
  EXPECT_EQ(w.Reported().refusal, "") << "a holder has its lease still";
  EXPECT_TRUE(EndsAt(w, end));
  w.Renew();
  EXPECT_EQ(w.Reported().refusal, "");
  EXPECT_TRUE(EndsAt(w, w.now + kTtl));
}

TEST(NodeLeaseTest, WhatAnswersAnEarlierIncarnationIsRefused) {
  World w({{kWeb, 7}}, 2);
  w.Connect();
  w.SendAnswering({1, w.Newest().number}, {Active(7)}, {MakeSpec()});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_NE(w.Reported().refusal, "");
  EXPECT_EQ(w.Reported().void_before, (ReportId{2, 1}));
}

TEST(NodeLeaseTest, WhatAnswersAReportThatWasNeverSentIsRefused) {
  World w;
  w.Connect();
  w.SendAnswering({1, 99}, {Active(7)}, {MakeSpec()});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.SendAnswering({}, {});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodeLeaseTest, StandingOrdersDieWithTheirStream) {
  World w;
  w.TakeOver();
  const MonoTime end = w.now + kTtl;
  w.Run(200 * kMs);
  w.Connect();
  w.Renew();
  EXPECT_TRUE(EndsAt(w, end)) << "the new stream has ordered nothing yet";
}

TEST(NodeLeaseTest, NothingIsObeyedWithoutAStream) {
  World w;
  w.TakeOver();
  const MonoTime end = w.now + kTtl;
  w.Run(200 * kMs);
  w.Disconnect();
  w.Send({Active(7)});
  w.Send({Standby(7)});
  w.Connect();
  w.Renew();
  EXPECT_TRUE(EndsAt(w, end));
  EXPECT_TRUE(w.Has());
}

TEST(NodeLeaseTest, GrantThatWasOnItsWayWhenItGaveUpIsVoid) {
  World w;
  w.TakeOver();
  w.Run(200 * kMs);
  const ReportId before = w.Newest();
  w.Send({Standby(7)});
  w.SendAnswering(before, {Active(7)});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.Reported().refusal, "") << "it is nobody's fault";
  w.Renew();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now)) << "the order stands and answers a later report now";
}

TEST(NodeLeaseTest, OrderThatComesAfterTheEndRevivesNothing) {
  World w;
  w.TakeOver();
  w.Run(900 * kMs);
  const ReportId newest = w.Newest();
  w.Log();
  w.Freeze(100 * kMs);  // stopped across the end; the order waits in the socket
  w.SendAnswering(newest, {});
  EXPECT_THAT(w.Log(), Contains("1000 remove 192.168.0.111/24 on eth0"));
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_GT(w.Reported().void_before, newest);
}

TEST(NodeLeaseTest, NewPolicyDoesNotReviveALeaseThatRanOut) {
  World w;
  w.TakeOver();
  w.Freeze(1000 * kMs);
  w.Send({}, {MakeSpec(kWeb, 12, OnExpiry::kHold)});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
}

TEST(NodeLeaseTest, StricterPolicyEndsWhatWentOnBeyondTheLease) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kHold));
  w.Run(3000 * kMs);
  ASSERT_TRUE(w.Has());
  w.Log();
  w.SendAnswering({}, {}, {MakeSpec(kWeb, 12, OnExpiry::kRelease)});
  EXPECT_THAT(w.LogOf("add"), IsEmpty());
  EXPECT_FALSE(w.Has());
  EXPECT_FALSE(w.Reported().holding);
}

TEST(NodeLeaseTest, WitnessKeepsItUntilTtlBeyondTheLastAnsweredQuestion) {
  World w;
  w.witness_answers = true;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kWitness));
  w.Disconnect();
  w.Run(10000 * kMs);
  EXPECT_TRUE(w.Has());
  w.Connect();
  EXPECT_TRUE(w.Reported().beyond_lease);
  EXPECT_TRUE(w.Reported().holding);
  w.Disconnect();
  w.witness_answers = false;  // the last question that was answered is that of 10000 ms
  w.Log();
  w.Run(5000 * kMs);
  EXPECT_THAT(w.LogOf("remove"), ElementsAre("11000 remove 192.168.0.111/24 on eth0"));
}

TEST(NodeLeaseTest, WitnessIsAskedAtOnceAndThenEveryInterval) {
  World w;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec(kWeb, kRevision, OnExpiry::kWitness)});
  w.Run(500 * kMs);
  EXPECT_THAT(w.LogOf("witness"),
              ElementsAre("0 witness 192.168.0.254", "200 witness 192.168.0.254",
                          "400 witness 192.168.0.254"));
  w.Send({Standby(7)});
  w.Run(500 * kMs);
  EXPECT_THAT(w.LogOf("witness"), IsEmpty());
}

TEST(NodeLeaseTest, WitnessAnswerAfterTheEndRevivesNothing) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kWitness));
  w.Disconnect();
  const MonoTime asked = w.now + 900 * kMs;
  w.Freeze(1000 * kMs);
  w.WitnessAnswers(asked);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
}

TEST(NodeLeaseTest, WitnessAnswerThatCameJustInTimeCountsFromItsQuestion) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kWitness));
  w.Disconnect();
  const MonoTime asked = w.now + 900 * kMs;
  w.Freeze(999 * kMs);
  w.WitnessAnswers(asked);
  EXPECT_TRUE(EndsAt(w, asked + kTtl));
}

TEST(NodeLeaseTest, TheWitnesssAnswerReachesTheGate) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kWitness));
  w.Disconnect();
  const MonoTime asked = w.now + 900 * kMs;
  w.Run(950 * kMs);
  w.WitnessAnswers(asked);
  EXPECT_EQ(w.gates.at(MakeVip().address.address).until, asked + kTtl);
}

TEST(NodeLeaseTest, AHolderWhosePolicyBecomesWitnessAsksItAtOnce) {
  World w;
  w.TakeOver();
  w.witness_answers = true;
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {MakeSpec(kWeb, 12, OnExpiry::kWitness)});
  w.Disconnect();
  w.Run(5000 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

// Not only because the next question to the witness happens to wake it.
TEST(NodeLeaseTest, EndsOnTimeBeyondTheGrantToo) {
  World w;
  Spec spec = MakeSpec(kWeb, kRevision, OnExpiry::kWitness);
  spec.witness_interval = 300 * kMs;
  w.witness_answers = true;
  w.TakeOver(7, spec);
  w.Disconnect();
  w.Run(1000 * kMs);
  w.witness_answers = false;
  w.Run(2000 * kMs);
  EXPECT_THAT(w.LogOf("remove"), ElementsAre("1900 remove 192.168.0.111/24 on eth0"));
}

TEST(NodeLeaseTest, RenewalEndsWhatWentBeyond) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kHold));
  w.Run(1500 * kMs);
  EXPECT_TRUE(w.Reported().beyond_lease);
  EXPECT_THAT(w.Log(true),
              Contains("1000 note warning: lease ran out unrenewed; going on by on_expiry"));
  w.Renew();
  EXPECT_FALSE(w.Reported().beyond_lease);
  EXPECT_TRUE(w.Reported().holding);
}

TEST(NodeLeaseTest, GoesOnBeyondTheLeaseOnlyWhileItsOwnServiceIsWell) {
  for (const State state :
       {State::kStopped, State::kStarting, State::kFailing, State::kStopping, State::kFailed}) {
    SCOPED_TRACE(ToString(state));
    World w;
    w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kHold));
    w.Disconnect();
    w.Run(1500 * kMs);
    ASSERT_TRUE(w.Has());
    w.Log();
    w.SetService(state);
    EXPECT_THAT(w.LogOf("remove"), ElementsAre("1500 remove 192.168.0.111/24 on eth0"));
  }
}

TEST(NodeLeaseTest, ServiceThatWasDownAlreadyEndsItWithTheLease) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kHold));
  w.Disconnect();
  w.Run(500 * kMs);
  w.SetService(State::kFailed);
  ASSERT_TRUE(w.Has());
  w.Log();
  w.Run(2000 * kMs);
  EXPECT_THAT(w.LogOf("remove"), ElementsAre("1000 remove 192.168.0.111/24 on eth0"));
}

TEST(NodeEpochTest, NewEpochIsObeyedOnlyWhenItIsOnDisk) {
  World w;
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_THAT(w.Log(), ElementsAre("0 persist web 7"));
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.Reported().highest_epoch, 0u) << "nothing is said of what a crash would forget";
  w.DiskHas(7);
  w.ReportIfDue();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.Reported().highest_epoch, 7u);
  EXPECT_TRUE(w.Has());
}

TEST(NodeEpochTest, WhatIsOnDiskNeedsNoDisk) {
  const std::map<std::string, Record> records = {
      {kWeb, {.epoch = 7, .longest_promise = {}, .controller = kController, .spec = MakeSpec()}}};
  World w(records, 2);
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeEpochTest, AnotherControllersGrantWaitsUntilItIsFollowedOnDisk) {
  const std::map<std::string, Record> records = {
      {kWeb, {.epoch = 7, .longest_promise = {}, .controller = "another", .spec = MakeSpec()}}};
  World w(records, 2);
  w.disk_answers = false;
  w.Connect();
  EXPECT_FALSE(w.Reported().follows);
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Reported().follows);
  w.DiskHas(7);
  w.ReportIfDue();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_TRUE(w.Reported().follows);
}

TEST(NodeEpochTest, WhatAnOlderWriteMayStillReplaceIsNotOnDisk) {
  Record record;
  record.epoch = 7;
  record.controller = kController;
  record.spec = MakeSpec();
  World w(std::map<std::string, Record>{{kWeb, record}}, 2);
  w.disk_answers = false;
  w.Connect();
  Record between = record;
  between.spec = MakeSpec(kWeb, 12);
  between.followed_for = absl::Seconds(1);
  w.Send({}, {*between.spec});
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Reported().spec_stored);
  w.Do(w.node.Stored(kWeb, between, w.now));
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.DiskHas(7);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

// Or a restarted executor would not know what it finds in the gate.
TEST(NodeEpochTest, NoLeaseBeginsBeforeItsSpecIsOnDisk) {
  Record record;
  record.epoch = 7;
  record.controller = kController;
  for (const bool older : {false, true}) {
    if (older) record.spec = MakeSpec(kWeb, 10);
    World w(std::map<std::string, Record>{{kWeb, record}}, 2);
    w.disk_answers = false;
    w.Connect();
    w.Send({Active(7)}, {MakeSpec()});
    EXPECT_FALSE(w.node.Holds(kWeb, w.now)) << older;
    w.Do(w.node.Stored(kWeb, w.told_disk[kWeb], w.now));
    EXPECT_TRUE(w.node.Holds(kWeb, w.now)) << older;
  }
}

TEST(NodeEpochTest, OrderThatWaitsForItsSpecIsSupersededByAStandby) {
  Record record;
  record.epoch = 7;
  record.controller = kController;
  World w(std::map<std::string, Record>{{kWeb, record}}, 2);
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.Send({Standby(7)});
  w.Do(w.node.Stored(kWeb, w.told_disk[kWeb], w.now));
  w.Renew();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodeEpochTest, RenewalThatWaitedForTheDiskReachesTheGate) {
  World w;
  w.TakeOver(7);
  w.disk_answers = false;
  w.Send({Active(8)});
  w.Do(w.node.Stored(kWeb, w.told_disk[kWeb], w.now));
  EXPECT_EQ(w.node.epoch(kWeb), 8u);
  EXPECT_EQ(w.gates.at(MakeVip().address.address).epoch, 8u);
}

TEST(NodeEpochTest, OrderThatWaitedAnswersTheNewestReportThatWasAnsweredMeanwhile) {
  World w;
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.RunRenewed(2000 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.Renew();
  const MonoTime stamp = w.now;
  w.Freeze(10 * kMs);
  w.DiskHas(7);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.node.Holds(kWeb, stamp + kTtl));
}

TEST(NodeEpochTest, OrderThatWaitedTooLongIsRefused) {
  World w;
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.Run(1000 * kMs);
  w.DiskHas(7);
  w.ReportIfDue();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_THAT(w.Reported().refusal, HasSubstr("too late"));
  w.Renew();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeEpochTest, OrderThatWaitedRevivesNoLeaseThatRanOutMeanwhile) {
  World w;
  w.TakeOver(7);
  w.disk_answers = false;
  w.Run(900 * kMs);
  const ReportId answered = w.Newest();
  w.Send({Active(8)});
  w.Freeze(100 * kMs);
  w.DiskHas(8);
  w.ReportIfDue();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_FALSE(w.Has());
  EXPECT_GT(w.Reported().void_before, answered);
}

TEST(NodeEpochTest, OrderThatWaitsIsSupersededByALaterOne) {
  World w;
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.Send({Standby(7)});
  w.DiskHas(7);
  w.Renew();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_THAT(w.LogOf("start"), IsEmpty());
}

TEST(NodeEpochTest, OrderWaitsForItsOwnEpochNotForALowerOne) {
  World w;
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.Send({Active(9)});
  w.DiskHas(7);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  EXPECT_THAT(w.LogOf("persist"), ElementsAre("0 persist web 7", "0 persist web 9"));
  w.DiskHas(9);
  w.ReportIfDue();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
  EXPECT_EQ(w.Reported().epoch, 9u);
}

TEST(NodeEpochTest, OrderThatWaitedIsDroppedWithItsStreamOrSpec) {
  for (const bool by_stream : {true, false}) {
    World w;
    w.disk_answers = false;
    w.Connect();
    w.Send({Active(7)}, {MakeSpec()});
    if (by_stream) {
      w.Connect();
    } else {
      w.Send({}, {MakeSpec(kWeb, 12)});
    }
    w.DiskHas(7);
    w.ReportIfDue();
    w.Renew();
    EXPECT_FALSE(w.node.Holds(kWeb, w.now));
    EXPECT_EQ(w.Reported().highest_epoch, 7u) << "the epoch has been seen all the same";
  }
}

TEST(NodeEpochTest, LowerEpochIsRefusedAndSaidAndNothingIsRenewedByTheOrderBefore) {
  for (const bool active : {true, false}) {
    World w;
    w.TakeOver(7);
    const MonoTime end = w.now + kTtl;
    w.Run(200 * kMs);
    w.Send({active ? Active(6) : Standby(6)});
    EXPECT_EQ(w.Reported().refusal, "epoch 6 is stale: epoch 7 has been seen here");
    EXPECT_TRUE(w.Reported().holding);
    w.Renew();
    // The sender of the refused order counts no grant of the one before any more (L2).
    EXPECT_TRUE(EndsAt(w, end));
  }
}

TEST(NodeEpochTest, EpochOnItsWayToDiskCountsAsSeen) {
  World w;
  w.disk_answers = false;
  w.Connect();
  w.Send({Active(8)}, {MakeSpec()});
  w.Connect();
  w.Send({Active(7)});
  EXPECT_THAT(w.Reported().refusal, HasSubstr("epoch 7 is stale: epoch 8"));
  w.DiskHas(7);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodeEpochTest, StandbyOfANewEpochGivesUpBeforeTheDiskAnswers) {
  World w;
  w.TakeOver(7);
  const ReportId answered = w.Newest();
  w.disk_answers = false;
  w.Send({Standby(8)});
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.111", "0 remove 192.168.0.111/24 on eth0",
                                   "0 persist web 8"));
  EXPECT_FALSE(w.Reported().holding);
  EXPECT_GT(w.Reported().void_before, answered);
  EXPECT_EQ(w.Reported().highest_epoch, 7u);
  w.Renew();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.DiskHas(8);
  EXPECT_THAT(w.Log(), ElementsAre("0 stop website"));
}

TEST(NodeEpochTest, OrderThatWaitsForTheDiskStopsTheRenewalOfTheOneBefore) {
  World w;
  w.TakeOver(7);
  const MonoTime end = w.now + kTtl;
  w.disk_answers = false;
  w.Run(200 * kMs);
  w.Send({Active(8)});
  w.Renew();
  EXPECT_TRUE(EndsAt(w, end));
  w.DiskHas(8);
  EXPECT_TRUE(EndsAt(w, w.now + kTtl));
}

TEST(NodeEpochTest, EpochsOfForgottenClustersStayKnown) {
  World w;
  w.TakeOver(7);
  Orders forget;
  forget.answers = w.Newest();
  forget.forget = {kWeb};
  w.SendMessage(forget);
  w.Send({Active(6)}, {MakeSpec()});
  EXPECT_THAT(w.Reported().refusal, HasSubstr("stale"));
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  // So does one that is still on its way to disk.
  w.disk_answers = false;
  w.Send({Active(9)});
  w.SendMessage(forget);
  w.Send({Active(8)}, {MakeSpec()});
  EXPECT_THAT(w.Reported().refusal, HasSubstr("epoch 8 is stale: epoch 9"));
}

}  // namespace
}  // namespace hb::executor
