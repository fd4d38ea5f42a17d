// Wall clocks that step (L4, L7's waits): leases are counted on the boot clock, so that nothing
// happens; an epoch made of a wall clock that went back is still higher than the last.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/lab/safety_fixture.h"

namespace hb::lab {
namespace {

class SafetyClockTest : public SafetyTest {};

TEST_P(SafetyClockTest, AWallClockThatStepsCostsNothingAndFailoverWorksAfterwards) {
  ASSERT_OK(Up({.fake_clocks = true}));
  for (const char* daemon : {"hb-controller", "master", "slave"}) {
    for (const int hours : {1, -1}) {
      const MonoTime mark = meter_->Mark();
      ASSERT_OK(hb_->StepClock(daemon, absl::Hours(hours)));
      Pause(1.2 * ttl());
      ExpectNothingLost(Measure(mark, absl::StrCat(daemon, " at ", hours, " h")));
      if (HasFailure()) return;
    }
  }
  // All are an hour behind what they began with, the controller is restarted so, and a failover
  // needs a new epoch.
  MonoTime mark = meter_->Mark();
  ASSERT_OK(RestartController());
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectNothingLost(Measure(mark, "controller restarted in the past"));
  for (const int hours : {-1, 1}) {
    mark = meter_->Mark();
    ASSERT_OK(hb_->StepClock("hb-controller", absl::Hours(hours)));
    ASSERT_OK(lab_->PullCable("master"));
    ASSERT_OK(hb_->StepClock("slave", absl::Hours(-hours)));
    ASSERT_OK(AwaitServedBy("slave"));
    ExpectOutageWithin(Measure(mark, absl::StrCat("failover at ", hours, " h")), TakeoverBound());
    ASSERT_OK(lab_->PlugCable("master"));
    ASSERT_OK(AwaitServedBy("master"));
    ASSERT_OK(AwaitStatus(kAllHealthy));
  }
  ExpectNeverTwo(meter_->Since(MonoTime()));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyClockTest,
                         ::testing::ValuesIn(Places(PlacesInCi(), StrictPlaces())), PlaceName);

}  // namespace
}  // namespace hb::lab
