// What the node says, and when; and the specs that it works by: unknown, changed, repeated,
// forgotten. The controller's proof that an address is free is a report, so a report must never say
// too much.
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
using ::testing::Not;

constexpr Duration kMs = absl::Milliseconds(1);
constexpr Duration kNano = absl::Nanoseconds(1);

// Whether the lease ends at exactly `end`, unless somebody renews it.
bool EndsAt(const World& w, MonoTime end) {
  return w.node.Holds(kWeb, end - kNano) && !w.node.Holds(kWeb, end);
}

TEST(NodeSpecTest, OrderForAnUnknownSpecIsRefusedAndSaid) {
  World w;
  w.Connect();
  w.Send({Active(7)});
  EXPECT_THAT(w.Reported().refusal, HasSubstr("spec that is not known"));
  EXPECT_THAT(w.Log(), IsEmpty());
  Order order = Active(7);
  order.spec_revision = 99;
  w.Send({order}, {MakeSpec()});
  EXPECT_THAT(w.Reported().refusal, HasSubstr("spec that is not known"));
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodeSpecTest, RefusedActiveLeavesTheHolderInPlaceUnderTheShorterTtl) {
  World w;
  w.TakeOver();
  w.node.Refuse(kWeb, "10.0.0.1/24 is not within allow.vips");
  w.ReportIfDue();
  Order order = Active(7);
  order.spec_revision = 99;  // which the allow list kept out
  order.ttl = 600 * kMs;
  w.Run(200 * kMs);
  w.Send({order});
  EXPECT_EQ(w.Reported().refusal, "10.0.0.1/24 is not within allow.vips");
  EXPECT_TRUE(EndsAt(w, w.now + 600 * kMs));
  w.RunRenewed(2000 * kMs);
  EXPECT_TRUE(w.Has());
  EXPECT_EQ(w.Reported().refusal, "10.0.0.1/24 is not within allow.vips") << "till one is obeyed";
  w.Send({Active(7)});
  EXPECT_EQ(w.Reported().refusal, "");
}

TEST(NodeSpecTest, StandbyGivesUpWhateverItsSpec) {
  World w;
  w.TakeOver();
  Order order = Standby(7);
  order.spec_revision = 99;
  w.Send({order});
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.111", "0 remove 192.168.0.111/24 on eth0"));
  EXPECT_FALSE(w.Reported().holding);
  EXPECT_THAT(w.Reported().refusal, HasSubstr("spec that is not known"));
  w.Renew();
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
}

TEST(NodeSpecTest, ChangeRemovesOnlyDroppedVipsAndAddsNewOnes) {
  World w;
  Spec before = MakeSpec();
  before.vips.push_back(MakeVip("192.168.0.112/24"));
  w.TakeOver(7, before);
  Spec after = MakeSpec(kWeb, 12);
  after.vips.push_back(MakeVip("192.168.0.113/24"));
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {after});
  const std::vector<std::string> log = w.Log();
  EXPECT_THAT(log, Contains("0 remove 192.168.0.112/24 on eth0"));
  EXPECT_THAT(log, Contains("0 add 192.168.0.113/24 on eth0 for 2s"));
  EXPECT_THAT(log, Not(Contains("0 remove 192.168.0.111/24 on eth0")));
  EXPECT_THAT(log, Not(Contains("0 add 192.168.0.111/24 on eth0 for 2s")));
  EXPECT_EQ(w.vips.size(), 2u);
  EXPECT_EQ(w.gates[MakeVip("192.168.0.112/24").address.address], GateLease()) << "closed first";
  EXPECT_EQ(w.gates[MakeVip("192.168.0.113/24").address.address],
            w.gates[MakeVip().address.address]);
  EXPECT_EQ(w.Reported().spec_revision, 12u);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeSpecTest, IsSaidToBeStoredOnceThePresentOneIs) {
  World w;
  w.TakeOver();
  EXPECT_TRUE(w.Reported().spec_stored);
  w.disk_answers = false;
  Order order = Active(7);
  order.spec_revision = 12;
  w.Send({order}, {MakeSpec(kWeb, 12)});
  EXPECT_EQ(w.Reported().spec_revision, 12u);
  EXPECT_FALSE(w.Reported().spec_stored) << "the one before is";
  w.RunRenewed(3000 * kMs);
  EXPECT_TRUE(w.node.Holds(kWeb, w.now)) << "a holder goes on without its disk";
  w.Do(w.node.Stored(kWeb, w.told_disk[kWeb], w.now));
  w.ReportIfDue();
  EXPECT_TRUE(w.Reported().spec_stored);
}

TEST(NodeSpecTest, ThatANewClusterWasGrantedNothingIsSaid) {
  World w(std::map<std::string, Record>(), 3);
  w.Connect();
  w.Send({}, {MakeSpec()});
  EXPECT_EQ(w.Reported().void_before, (ReportId{3, 1}));
}

TEST(NodeSpecTest, NothingIsReportedOfAChangeThatHasNotBeenLookedAt) {
  World w;
  w.TakeOver();
  Spec changed = MakeSpec(kWeb, 12);
  changed.vips = {MakeVip("192.168.0.112/24")};
  Orders orders;
  orders.answers = w.Newest();
  orders.specs = {changed};
  (void)w.node.Obey(orders, w.now);
  EXPECT_THAT(w.node.Compose(w.now).clusters, IsEmpty());
}

TEST(NodeSpecTest, SameRevisionAgainMovesNothing) {
  World w;
  w.TakeOver();
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_THAT(w.Log(), IsEmpty());
}

TEST(NodeSpecTest, NothingIsReportedOfASpecThatHasNotBeenLookedAt) {
  Node node(1, {});
  const MonoTime now = MonoTime() + absl::Seconds(5);
  node.StreamOpened("c");
  Orders orders;
  orders.answers = {1, node.Compose(now).number};
  orders.specs = {MakeSpec()};
  (void)node.Obey(orders, now);
  EXPECT_THAT(node.Compose(now).clusters, IsEmpty()) << "the VIP may be up for all it knows";
  (void)node.Observe(kWeb, {{true}, {true}, {false}, true, {}, 0, {}}, now);
  EXPECT_TRUE(node.ReportDue(now));
  const Report report = node.Compose(now);
  ASSERT_EQ(report.clusters.size(), 1u);
  EXPECT_TRUE(report.clusters[0].holding);
}

TEST(NodeSpecTest, ObservationOfAnotherSpecIsIgnored) {
  World w;
  w.TakeOver();
  EXPECT_TRUE(
      w.node.Observe(kWeb, {{false, false}, {true, true}, {true, true}, true, {}, 0, {}}, w.now)
          .empty());
  EXPECT_TRUE(w.node.Observe("nobody", {}, w.now).empty());
  w.Run(kMs);
  EXPECT_THAT(w.LogOf("add"), IsEmpty());
}

TEST(NodeSpecTest, ForgettingGivesUpRemovesAndVoids) {
  World w;
  w.TakeOver();
  const ReportId answered = w.Newest();
  Orders forget;
  forget.answers = answered;
  forget.forget = {kWeb, "nobody"};
  w.SendMessage(forget);
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.111", "0 remove 192.168.0.111/24 on eth0",
                                   "0 persist web 7"));
  EXPECT_EQ(w.node.spec(kWeb), nullptr);
  EXPECT_THAT(w.node.clusters(), IsEmpty());
  EXPECT_FALSE(w.Reported().holding);
  EXPECT_EQ(w.Reported().spec_revision, 0u);
  EXPECT_GT(w.Reported().void_before, answered);
  w.SendAnswering(answered, {Active(7)}, {MakeSpec()});
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.Renew();
  EXPECT_TRUE(w.node.Holds(kWeb, w.now));
}

TEST(NodeReportTest, FirstOfAStreamHasAllAndLaterOnesOnlyChanges) {
  World w;
  w.Connect();
  Spec other = MakeSpec("api");
  other.vips = {MakeVip("192.168.0.112/24")};
  other.service = "api";
  Order order = Standby(7, "api");
  order.service_running = true;
  w.Send({Standby(7), order}, {MakeSpec(), other});
  w.Run(600 * kMs);
  EXPECT_THAT(w.reports.back().clusters, IsEmpty());
  const size_t before = w.reports.size();
  w.services["api"] = State::kRunning;
  w.Do(w.node.Observe("api", {{false}, {true}, {true}, true, {State::kRunning, ""}, 0, {}}, w.now));
  w.ReportIfDue();
  ASSERT_EQ(w.reports.size(), before + 1) << "at once, not with the heartbeat";
  ASSERT_EQ(w.reports.back().clusters.size(), 1u);
  EXPECT_EQ(w.reports.back().clusters[0].cluster, "api");
  const uint64_t number = w.reports.back().number;
  w.Connect();
  ASSERT_EQ(w.reports.size(), 1u);
  EXPECT_EQ(w.reports.back().clusters.size(), 2u);
  EXPECT_EQ(w.reports.back().number, number + 1) << "numbers do not restart with a stream";
}

TEST(NodeReportTest, ComesWithEveryHeartbeatAndOnlyToAStream) {
  World w;
  w.Connect();
  w.Run(1000 * kMs);
  EXPECT_EQ(w.reports.size(), 6u) << "every 200 ms at first";
  const struct {
    Duration ordered;
    size_t reports_a_second;
  } kCases[] = {{50 * kMs, 20}, {10 * kMs, 100}, {absl::ZeroDuration(), 100}, {-kMs, 100}};
  for (const auto& c : kCases) {
    Orders orders;
    orders.answers = w.Newest();
    orders.heartbeat = c.ordered;
    w.SendMessage(orders);
    w.Run(absl::Seconds(1));  // the report that is due by the heartbeat before
    const size_t before = w.reports.size();
    w.Run(absl::Seconds(1));
    EXPECT_EQ(w.reports.size() - before, c.reports_a_second) << c.ordered;
  }
  w.Disconnect();
  EXPECT_FALSE(w.node.ReportDue(w.now + absl::Hours(1)));
}

TEST(NodeReportTest, RefusalFromOutsideIsShownUntilAnOrderIsObeyed) {
  World w;
  w.Connect();
  w.node.Refuse(kWeb, "no service is called website here");
  w.ReportIfDue();
  EXPECT_EQ(w.Reported().refusal, "no service is called website here");
  w.Send({Standby(7)});
  EXPECT_EQ(w.Reported().refusal, "no service is called website here");
  w.Send({Standby(7)}, {MakeSpec()});
  EXPECT_EQ(w.Reported().refusal, "");
}

TEST(NodeReportTest, RefusesALeaseOutsideItsBoundsAndSaysSo) {
  for (const Duration ttl : {absl::ZeroDuration(), -kMs, kMaxTtl + kNano}) {
    World w;
    w.Connect();
    Order order = Active(7);
    order.ttl = ttl;
    w.Send({order}, {MakeSpec()});
    EXPECT_FALSE(w.node.Holds(kWeb, w.now));
    EXPECT_THAT(w.Reported().refusal, HasSubstr("is not within"));
    w.Send({Standby(7)});
    EXPECT_EQ(w.Reported().refusal, "");
  }
}

TEST(NodeReportTest, SaysWhichOfTheStreamsReportsItHasHeardAnswered) {
  World w;
  w.Connect();
  EXPECT_EQ(w.reports.back().answered, 0U);
  const uint64_t answered = w.Newest().number;
  w.Send({Standby(7)}, {MakeSpec()});
  w.Run(300 * kMs);
  EXPECT_EQ(w.reports.back().answered, answered);
  w.SendAnswering({1, 99}, {});  // no report of this stream
  w.Run(300 * kMs);
  EXPECT_EQ(w.reports.back().answered, answered);
  w.Disconnect();
  w.Connect();
  EXPECT_EQ(w.reports.back().answered, 0U) << "of the stream before";
}

}  // namespace
}  // namespace hb::executor
