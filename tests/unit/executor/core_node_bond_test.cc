// Who has promised to stay away (L6): what it answers, what binds it and for how long, and what its
// disk keeps of that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kMs = absl::Milliseconds(1);

TEST(NodeBondTest, AnIdleNodePromisesOnceItIsOnDisk) {
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

TEST(NodeBondTest, OnlySoManyRequestsWaitForTheDisk) {
  World w;
  w.disk_answers = false;
  for (size_t i = 0; i < Node::kMaxPendingPromises; ++i) {
    EXPECT_FALSE(w.promise_answers.contains(w.AskedToPromise(7)));
  }
  const uint64_t one_more = w.AskedToPromise(7);
  ASSERT_TRUE(w.promise_answers.contains(one_more));
  EXPECT_FALSE(w.promise_answers[one_more].given);
}

TEST(NodeBondTest, ARefusedRequestRaisesNoEpoch) {
  World w;
  w.TakeOver(7);
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(9)).given);
  EXPECT_EQ(w.told_disk[kWeb].epoch, 7u);
  w.Run(100 * kMs);
  w.Renew();
  EXPECT_EQ(w.Reported().refusal, "");
}

TEST(NodeBondTest, WhoHasPromisedBecomesActiveOnlyAfterwards) {
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

TEST(NodeBondTest, TheBondIsCountedOnTheClockOfWhoeverWaits) {
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

TEST(NodeBondTest, AnOperatorMayForceABoundNodeOnce) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.AskedToPromise(7);
  Order order = Active(8);
  order.force = true;
  w.Send({order});
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeBondTest, ThatForceIsForOneLeaseAlone) {
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

TEST(NodeBondTest, AShorterPromiseDoesNotShortenTheBond) {
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

// Nor where the addresses were promised for a cluster that is not known here.
TEST(NodeBondTest, NorDoesOneForAnUnknownCluster) {
  World w;
  for (const Duration d : {absl::Seconds(10), absl::Seconds(1)}) {
    ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(3, d, "api")).given);
  }
  w.Connect();
  w.Send({Active(8)}, {MakeSpec()});
  w.RunRenewed(10'900 * kMs);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.RunRenewed(200 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeBondTest, WhyAPromiseIsRefused) {
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

TEST(NodeBondTest, ThePromiseThatWaitsForTheDiskIsNotGivenByWhoIsOrderedActiveMeanwhile) {
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

TEST(NodeBondTest, TheNewEpochEndsTheRenewalOfOlderPromises) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  w.Send({Standby(8)});
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(7)).given);
}

TEST(NodeBondTest, ARestartedNodeIsBoundByTheLongestPromiseOnItsDisk) {
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

// Whatever was promised for a name that is forgotten binds the one that the node knows.
TEST(NodeBondTest, ARestartedNodeIsBoundUnderTheNewNameToo) {
  Record forgotten;
  forgotten.epoch = 7;
  forgotten.longest_promise = absl::Seconds(2);
  forgotten.controller = kController;
  Record renamed;
  renamed.controller = kController;
  renamed.spec = MakeSpec("renamed");
  const std::map<std::string, Record> records = {{kWeb, forgotten}, {"renamed", renamed}};
  World w(records, 2);
  w.Connect();
  w.Send({Active(8, "renamed")}, {MakeSpec("renamed")});
  w.RunRenewed(2190 * kMs);
  EXPECT_FALSE(w.node.Holds("renamed", w.now));
  w.RunRenewed(120 * kMs);
  EXPECT_TRUE(w.node.Holds("renamed", w.now));
}

TEST(NodeBondTest, APromiseStaysOnDiskWhileItRunsWhateverBecomesOfTheSpec) {
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

TEST(NodeBondTest, AForgottenClustersOldPromiseIsStillBeingForgotten) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  w.disk_answers = false;
  w.Run(1200 * kMs);
  w.SendForgetting();
  w.Send({}, {MakeSpec()});
  EXPECT_FALSE(w.promise_answers.contains(w.AskedToPromise(7))) << "the disk is about to forget it";
}

// Whoever holds by its spec ends with its lease: its controller counts on that (L3).
TEST(NodeBondTest, AForgottenClusterIsPromisedNothingMore) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.SendForgetting();
  EXPECT_FALSE(w.promise_answers.at(w.AskedToPromise(7)).given);
  w.Send({}, {MakeSpec()});
  EXPECT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  // Who was never told of it knows no better.
  World fresh;
  EXPECT_TRUE(fresh.promise_answers.at(fresh.AskedToPromise(7)).given);
}

TEST(NodeBondTest, ABondThatHasEndedBindsNoRestartAndTheNextPromiseWaitsForTheDiskAgain) {
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

TEST(NodeBondTest, AHolderTakesNoAddressOnThatItHasPromisedToStayAwayFrom) {
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

TEST(NodeBondTest, ABoundHolderKeepsTheAddressesThatItHas) {
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

// The holder may have the address still that is the cluster's no more.
TEST(NodeBondTest, ABondOutlivesTheClustersAddress) {
  for (const bool renamed : {false, true}) {
    World w;
    w.Connect();
    w.Send({Standby(7)}, {MakeSpec()});
    ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
    const std::string name = renamed ? "renamed" : kWeb;
    if (renamed) {
      w.SendForgetting({MakeSpec(name)});
    }
    Spec other = MakeSpec(name, 12);
    other.vips = {MakeVip("192.168.0.112/24")};
    Order order = Active(8, name);
    order.spec_revision = 12;
    w.Send({order}, {other});
    w.RunRenewed(1050 * kMs);
    EXPECT_FALSE(w.node.Holds(name, w.now)) << name;
    w.RunRenewed(100 * kMs);
    EXPECT_TRUE(w.node.Holds(name, w.now)) << name;
  }
}

// And by another name with no address in common.
TEST(NodeBondTest, ABondOutlivesNameAndAddress) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  ASSERT_TRUE(w.promise_answers.at(w.AskedToPromise(7)).given);
  Spec renamed = MakeSpec("renamed");
  renamed.vips = {MakeVip("192.168.0.112/24")};
  w.SendForgetting({renamed}, {Active(1, "renamed")});
  w.RunRenewed(1050 * kMs);
  EXPECT_FALSE(w.node.Holds("renamed", w.now));
  w.RunRenewed(100 * kMs);
  EXPECT_TRUE(w.node.Holds("renamed", w.now));
}

TEST(NodeBondTest, ABondOutlivesTheClustersName) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.AskedToPromise(7);
  w.SendForgetting({MakeSpec("renamed")}, {Active(1, "renamed")});
  EXPECT_FALSE(w.node.Holds("renamed", w.now));
  w.RunRenewed(1150 * kMs);
  EXPECT_TRUE(w.node.Holds("renamed", w.now));
}

}  // namespace
}  // namespace hb::executor
