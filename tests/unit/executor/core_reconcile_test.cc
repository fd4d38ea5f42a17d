// What is done next, for every combination of what is wanted and what is seen of a cluster with two
// VIPs: nothing is sampled. Then the same steps carried out in an obliging world, which must come
// to rest.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "executor/core/reconcile.h"

namespace hb::executor {

void PrintTo(const Step& step, std::ostream* out) {
  static constexpr const char* kNames[] = {"remove", "add", "start", "stop"};
  *out << kNames[static_cast<int>(step.kind)] << " " << step.vip;
}

namespace {

using State = ServiceStatus::State;

constexpr State kStates[] = {State::kStopped, State::kStarting, State::kRunning,
                             State::kFailing, State::kStopping, State::kFailed};
constexpr uint64_t kAttempt = 5;

std::string Text(const Wanted& wanted, const Observation& seen) {
  return absl::StrCat(
      "hold=", wanted.hold, " taken_over=", wanted.taken_over,
      " wants service=", wanted.service_running, " may stop=", wanted.may_stop_service,
      " service=", ToString(seen.service.state), " attempted=", seen.start_attempted,
      " present=", seen.vip_present[0] ? 1 : 0, seen.vip_present[1] ? 1 : 0,
      " link=", seen.link_usable[0] ? 1 : 0, seen.link_usable[1] ? 1 : 0);
}

int ForEverySituation(const std::function<void(const Wanted&, const Observation&)>& visit) {
  int count = 0;
  for (int bits = 0; bits < 256; ++bits) {
    const auto bit = [bits](int n) { return ((bits >> n) & 1) != 0; };
    for (const State state : kStates) {
      for (const uint64_t attempted : {kAttempt - 1, kAttempt, kAttempt + 1}) {
        const Wanted wanted{.hold = bit(0),
                            .taken_over = bit(1),
                            .service_running = bit(2),
                            .may_stop_service = bit(3),
                            .start_attempt = kAttempt};
        Observation seen;
        seen.vip_present = {bit(4), bit(5)};
        seen.link_usable = {bit(6), bit(7)};
        seen.service.state = state;
        seen.start_attempted = attempted;
        SCOPED_TRACE(Text(wanted, seen));
        visit(wanted, seen);
        ++count;
      }
    }
  }
  return count;
}

bool Has(const std::vector<Step>& steps, const Step& step) {
  return std::find(steps.begin(), steps.end(), step) != steps.end();
}

// The hands at their best: what is asked for happens at once.
void Perform(const std::vector<Step>& steps, const Wanted& wanted, Observation& seen) {
  for (const Step& step : steps) {
    switch (step.kind) {
      case StepKind::kRemoveVip:
        seen.vip_present[step.vip] = false;
        break;
      case StepKind::kAddVip:
        seen.vip_present[step.vip] = true;
        break;
      case StepKind::kStartService:
        seen.service.state = State::kRunning;
        seen.start_attempted = wanted.start_attempt;
        break;
      case StepKind::kStopService:
        seen.service.state = State::kStopped;
        break;
    }
  }
}

TEST(ReconcileTest, NoVipIsAddedWithoutTheLeaseOrBeforeTheService) {
  const int count = ForEverySituation([](const Wanted& wanted, const Observation& seen) {
    const std::vector<Step> steps = Reconcile(wanted, seen);
    for (size_t i = 0; i < 2; ++i) {
      const bool due = wanted.hold && !seen.vip_present[i] && seen.link_usable[i] &&
                       (wanted.taken_over || seen.service.state == State::kRunning);
      EXPECT_EQ(Has(steps, {StepKind::kAddVip, i}), due) << "VIP " << i;
    }
  });
  EXPECT_EQ(count, 256 * 6 * 3);
}

TEST(ReconcileTest, WithoutTheLeaseEveryPresentVipIsRemovedAndFirst) {
  ForEverySituation([](const Wanted& wanted, const Observation& seen) {
    const std::vector<Step> steps = Reconcile(wanted, seen);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(Has(steps, {StepKind::kRemoveVip, i}), !wanted.hold && seen.vip_present[i]);
    }
    EXPECT_TRUE(std::is_partitioned(steps.begin(), steps.end(), [](const Step& step) {
      return step.kind == StepKind::kRemoveVip;
    }));
  });
}

TEST(ReconcileTest, ServiceIsStoppedOnlyOnStandbyWithNoVipLeft) {
  ForEverySituation([](const Wanted& wanted, const Observation& seen) {
    const bool down =
        seen.service.state == State::kStopped || seen.service.state == State::kStopping;
    const bool due = !wanted.service_running && !wanted.hold && wanted.may_stop_service &&
                     !seen.vip_present[0] && !seen.vip_present[1] && !down;
    EXPECT_EQ(Has(Reconcile(wanted, seen), {StepKind::kStopService}), due);
  });
}

TEST(ReconcileTest, ServiceIsStartedOnceForEachAttempt) {
  ForEverySituation([](const Wanted& wanted, const Observation& seen) {
    EXPECT_EQ(Has(Reconcile(wanted, seen), {StepKind::kStartService}),
              wanted.service_running && seen.start_attempted < kAttempt);
  });
}

TEST(ReconcileTest, NoStepIsNamedTwiceAndNoTwoContradict) {
  ForEverySituation([](const Wanted& wanted, const Observation& seen) {
    const std::vector<Step> steps = Reconcile(wanted, seen);
    EXPECT_EQ(Reconcile(wanted, seen), steps);
    for (const Step& step : steps) EXPECT_EQ(std::count(steps.begin(), steps.end(), step), 1);
    EXPECT_FALSE(Has(steps, {StepKind::kStartService}) && Has(steps, {StepKind::kStopService}));
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_FALSE(Has(steps, {StepKind::kAddVip, i}) && Has(steps, {StepKind::kRemoveVip, i}));
    }
  });
}

TEST(ReconcileTest, ComesToRestWhereItWasMeantTo) {
  ForEverySituation([](const Wanted& wanted, const Observation& start) {
    Observation seen = start;
    int rounds = 0;
    for (; rounds < 4; ++rounds) {
      const std::vector<Step> steps = Reconcile(wanted, seen);
      if (steps.empty()) break;
      Perform(steps, wanted, seen);
    }
    // At most: the VIPs go, then the service; or the service comes, then the VIPs.
    EXPECT_LE(rounds, 2);
    EXPECT_TRUE(Reconcile(wanted, seen).empty());
    if (!wanted.hold) {
      EXPECT_FALSE(seen.AnyVipPresent());
    }
    if (wanted.hold && (wanted.taken_over || seen.service.state == State::kRunning)) {
      for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(seen.vip_present[i] || !seen.link_usable[i]);
    }
    if (!wanted.hold && !wanted.service_running && wanted.may_stop_service) {
      EXPECT_TRUE(seen.service.state == State::kStopped || seen.service.state == State::kStopping);
    }
  });
}

TEST(ReconcileTest, TakingOverStartsTheServiceAndThenAddsTheVip) {
  Wanted wanted{.hold = true, .service_running = true, .start_attempt = 1};
  Observation seen;
  seen.vip_present = {false};
  seen.link_usable = {true};
  EXPECT_EQ(Reconcile(wanted, seen), (std::vector<Step>{{StepKind::kStartService}}));
  seen.start_attempted = 1;
  seen.service.state = State::kStarting;
  EXPECT_EQ(Reconcile(wanted, seen), std::vector<Step>{});
  seen.service.state = State::kFailing;
  EXPECT_EQ(Reconcile(wanted, seen), std::vector<Step>{});
  seen.service.state = State::kRunning;
  EXPECT_EQ(Reconcile(wanted, seen), (std::vector<Step>{{StepKind::kAddVip, 0}}));
  seen.vip_present = {true};
  wanted.taken_over = true;
  EXPECT_EQ(Reconcile(wanted, seen), std::vector<Step>{});
}

TEST(ReconcileTest, GivingUpRemovesTheVipsAndThenStopsTheService) {
  const Wanted wanted;
  Observation seen;
  seen.vip_present = {true, true};
  seen.link_usable = {true, false};
  seen.service.state = State::kRunning;
  EXPECT_EQ(Reconcile(wanted, seen),
            (std::vector<Step>{{StepKind::kRemoveVip, 0}, {StepKind::kRemoveVip, 1}}));
  seen.vip_present = {false, true};
  EXPECT_EQ(Reconcile(wanted, seen), (std::vector<Step>{{StepKind::kRemoveVip, 1}}));
  seen.vip_present = {false, false};
  EXPECT_EQ(Reconcile(wanted, seen), (std::vector<Step>{{StepKind::kStopService}}));
  seen.service.state = State::kStopping;
  EXPECT_EQ(Reconcile(wanted, seen), std::vector<Step>{});
}

TEST(ReconcileTest, AttemptIsUsedUpByAServiceThatRunsAlready) {
  const Wanted wanted{
      .hold = true, .taken_over = true, .service_running = true, .start_attempt = 1};
  Observation seen;
  seen.vip_present = {true};
  seen.link_usable = {true};
  seen.service.state = State::kRunning;
  EXPECT_EQ(Reconcile(wanted, seen), (std::vector<Step>{{StepKind::kStartService}}));
  // It dies later: whether it is started again is not decided here.
  seen.start_attempted = 1;
  seen.service.state = State::kFailed;
  EXPECT_EQ(Reconcile(wanted, seen), std::vector<Step>{});
}

TEST(ReconcileTest, NoVipsMeansNonePresentAndAllPresent) {
  const Observation seen;
  EXPECT_FALSE(seen.AnyVipPresent());
  EXPECT_TRUE(seen.AllVipsPresent());
}

}  // namespace
}  // namespace hb::executor
