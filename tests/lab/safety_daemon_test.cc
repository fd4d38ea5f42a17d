// Daemons that die, stand still, end and come back (L5, L6, L8): what the client sees of it. Nobody
// restarts a daemon in the lab but the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/lab/safety_fixture.h"

namespace hb::lab {
namespace {

// A planned move: prepared beforehand.
constexpr Duration kPlanned = absl::Seconds(1);

class SafetyDaemonTest : public SafetyTest {
 protected:
  // The slave takes over from a master whose cable is pulled: that nothing is stuck.
  void ExpectFailoverStillWorks() {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(lab_->PullCable("master"));
    ASSERT_OK(AwaitServedBy("slave"));
    ExpectOutageWithin(Measure(mark, "failover afterwards"), TakeoverBound());
  }
  bool HasVip(Host& host) const {
    const absl::StatusOr<RunResult> addresses = host.Run({"ip", "-o", "address", "show"});
    EXPECT_TRUE(addresses.ok()) << addresses.status();
    return addresses.ok() && absl::StrContains(addresses->output, absl::StrCat(kVip, "/"));
  }
};

class SafetyDaemonPolicyTest : public SafetyDaemonTest {};

TEST_P(SafetyDaemonPolicyTest, ControllerIsGoneForTenLeases) {
  ASSERT_OK(Up({.ttl = absl::Milliseconds(600)}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(KillController());
  Pause(10 * ttl());
  ExpectNothingLost(Measure(mark, "controller gone"));
  const MonoTime back = meter_->Mark();
  ASSERT_OK(hb_->StartController());
  Pause(3 * ttl());
  ExpectNothingLost(Measure(back, "controller back"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyDaemonPolicyTest, ::testing::ValuesIn(EveryPlace()),
                         PlaceName);

class SafetyDeadExecutorTest : public SafetyDaemonTest {};

TEST_P(SafetyDeadExecutorTest, ExecutorOfTheHolderDiesForGood) {
  ASSERT_OK(Up());
  EXPECT_TRUE(ServesStaleNeighbour("master")) << Everything();
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(KillExecutor("master"));
  ASSERT_OK(AwaitServedBy("slave"));
  EXPECT_FALSE(ServesStaleNeighbour("master")) << Everything();
  ExpectOutageWithin(Measure(mark, "executor killed"), TakeoverBound());
  const MonoTime back = meter_->Mark();
  ASSERT_OK(hb_->StartExecutor("master"));
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(back, "failback to it"), kPlanned + kSlack);
  ExpectNeverTwo(meter_->Since(mark));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyDeadExecutorTest, ::testing::ValuesIn(EveryPlace()),
                         PlaceName);

class SafetyStoppedControllerTest : public SafetyDaemonTest {};

TEST_P(SafetyStoppedControllerTest, ControllerStandsStill) {
  ASSERT_OK(Up());
  const absl::StatusOr<Process*> controller = Controller();
  ASSERT_OK(controller.status());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK((*controller)->Stop());
  Pause(absl::Seconds(10));
  ExpectNothingLost(Measure(mark, "controller stopped"));
  const MonoTime back = meter_->Mark();
  ASSERT_OK((*controller)->Continue());
  Pause(2 * ttl());
  ExpectNothingLost(Measure(back, "controller continued"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyStoppedControllerTest,
                         ::testing::ValuesIn(Places({{.third_host = false, .on_expiry = "release"},
                                                     {.third_host = true, .on_expiry = "witness"},
                                                     {.third_host = true, .on_expiry = "hold"}},
                                                    EveryPlace())),
                         PlaceName);

class SafetyStoppedExecutorTest : public SafetyDaemonTest {};

TEST_P(SafetyStoppedExecutorTest, HolderStandsStillAndGoesOn) {
  // The slave keeps it: so that what the master does after SIGCONT is seen against a holder at
  // rest.
  ASSERT_OK(Up({.auto_failback = false}));
  const absl::StatusOr<Process*> executor = Executor("master");
  ASSERT_OK(executor.status());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK((*executor)->Stop());
  ASSERT_OK(AwaitServedBy("slave"));
  EXPECT_FALSE(ServesStaleNeighbour("master")) << Everything();
  Pause(mark + absl::Seconds(10) - meter_->Mark());
  ExpectOutageWithin(Measure(mark, "executor stopped"), TakeoverBound());
  const MonoTime back = meter_->Mark();
  ASSERT_OK((*executor)->Continue());
  Pause(3 * ttl());
  const MeterReport report = Measure(back, "executor continued");
  ExpectNothingLost(report);
  EXPECT_EQ(report.http.now, "slave") << Everything();
  EXPECT_EQ(report.arp.now, "slave") << Everything();
  EXPECT_FALSE(ServesStaleNeighbour("master")) << Everything();
  const MonoTime moved = meter_->Mark();
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ASSERT_OK(Ctl({"failback", "web"}));
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(moved, "failback to it"), kPlanned + kSlack);
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyStoppedExecutorTest,
                         ::testing::ValuesIn(Places({{.third_host = false, .on_expiry = "release"},
                                                     {.third_host = true, .on_expiry = "witness"},
                                                     {.third_host = true, .on_expiry = "hold"}},
                                                    EveryPlace())),
                         PlaceName);

TEST_P(SafetyDaemonTest, ExecutorsKilledAndRestartedWithinTheLeaseCostNothing) {
  ASSERT_OK(Up());
  const MonoTime begin = meter_->Mark();
  constexpr const char* kKilled[] = {"master", "master", "slave", "master", "slave", "master"};
  for (const char* node : kKilled) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(RestartExecutor(node));
    Pause(1.5 * ttl());
    ExpectNothingLost(Measure(mark, absl::StrCat("executor of ", node, " restarted")));
    if (HasFailure()) return;
  }
  ExpectNothingLost(Measure(begin, "all restarts"));
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectFailoverStillWorks();
}

TEST_P(SafetyDaemonTest, ControllerKilledAndRestartedCostsNothing) {
  ASSERT_OK(Up());
  const MonoTime begin = meter_->Mark();
  for (int i = 0; i < 4; ++i) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(RestartController());
    // The second and fourth time it is killed while it still finds out who holds.
    Pause(i % 2 == 0 ? 1.5 * ttl() : 0.2 * ttl());
    ExpectNothingLost(Measure(mark, "controller restarted"));
    if (HasFailure()) return;
  }
  Pause(2 * ttl());
  ExpectNothingLost(Measure(begin, "all restarts"));
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectFailoverStillWorks();
}

// Two processes take their time to start, under a sanitizer most of a second.
TEST_P(SafetyDaemonTest, BothExecutorsKilledAtOnceAndRestarted) {
  ASSERT_OK(Up({.ttl = absl::Seconds(2)}));
  for (int i = 0; i < 2; ++i) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(KillExecutor("slave"));
    ASSERT_OK(KillExecutor("master"));
    ASSERT_OK(hb_->StartExecutor("master"));
    ASSERT_OK(hb_->StartExecutor("slave"));
    Pause(2 * ttl());
    ExpectNothingLost(Measure(mark, "both executors restarted"));
    if (HasFailure()) return;
  }
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectFailoverStillWorks();
}

TEST_P(SafetyDaemonTest, ExecutorAndControllerKilledAtOnceAndRestarted) {
  ASSERT_OK(Up({.ttl = absl::Seconds(2)}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(KillController());
  ASSERT_OK(KillExecutor("master"));
  ASSERT_OK(hb_->StartExecutor("master"));
  ASSERT_OK(hb_->StartController());
  Pause(2 * ttl());
  ExpectNothingLost(Measure(mark, "executor and controller restarted"));
}

TEST_P(SafetyDaemonTest, ExecutorsThatAreToldToEndHandOver) {
  ASSERT_OK(Up());
  MonoTime mark = meter_->Mark();
  ASSERT_OK(TermExecutor("master"));
  ASSERT_OK(AwaitServedBy("slave"));
  MeterReport report = Measure(mark, "holder ended");
  ExpectOutageWithin(report, kPlanned);
  EXPECT_FALSE(HasVip(lab_->master()));
  mark = meter_->Mark();
  ASSERT_OK(hb_->StartExecutor("master"));
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(mark, "failback to it"), kPlanned);
  mark = meter_->Mark();
  ASSERT_OK(TermExecutor("slave"));
  Pause(3 * ttl());
  ExpectNothingLost(Measure(mark, "standby ended"));
  // Nobody is left to hand over to: the gate closes, the service stays.
  mark = meter_->Mark();
  ASSERT_OK(TermExecutor("master"));
  Pause(2 * ttl());
  report = Measure(mark, "last executor ended");
  EXPECT_TRUE(report.http.now.empty()) << Everything();
  EXPECT_TRUE(report.arp.now.empty()) << Everything();
  EXPECT_FALSE(HasVip(lab_->master()));
  EXPECT_THAT(lab_->master().ProcessesNamed("apache2"), ::testing::Not(::testing::IsEmpty()));
  ExpectNeverTwo(report);
  mark = meter_->Mark();
  ASSERT_OK(hb_->StartExecutor("master"));
  ASSERT_OK(hb_->StartExecutor("slave"));
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(mark, "both back"), TakeoverBound());
}

// Under a sanitizer, with the machine busy, an executor takes most of a second to end and to start
// again.
TEST_P(SafetyDaemonTest, ExecutorToldToEndUnderPauseLeavesTheVipToTheNextOne) {
  ASSERT_OK(Up({.ttl = absl::Seconds(2)}));
  ASSERT_OK(Ctl({"pause", "web"}));
  for (int i = 0; i < 2; ++i) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(TermExecutor("master"));
    ASSERT_OK(hb_->StartExecutor("master"));
    Pause(2 * ttl());
    ExpectNothingLost(Measure(mark, "restarted under pause"));
    if (HasFailure()) return;
  }
  ASSERT_OK(Ctl({"resume", "web"}));
  Pause(ttl());
  ExpectFailoverStillWorks();
}

TEST_P(SafetyDaemonTest, ExecutorToldToEndWithNoControllerToAskLeavesTheVipToTheNextOne) {
  ASSERT_OK(Up({.ttl = absl::Seconds(2)}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(KillController());
  Pause(2 * ttl());
  ASSERT_OK(TermExecutor("master"));
  ASSERT_OK(hb_->StartExecutor("master"));
  Pause(2 * ttl());
  ASSERT_OK(hb_->StartController());
  Pause(2 * ttl());
  ExpectNothingLost(Measure(mark, "restarted without a controller"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyDaemonTest,
                         ::testing::ValuesIn(Places(PlacesInCi(), EveryPlace())), PlaceName);

}  // namespace
}  // namespace hb::lab
