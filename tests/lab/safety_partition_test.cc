// Hosts that are lost and networks that are torn (L2, L3, L6, L7), judged by a client who sees both
// nodes all the while wherever that can be: only so is a second holder seen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "tests/lab/safety_fixture.h"

namespace hb::lab {
namespace {

constexpr Duration kPlanned = absl::Seconds(1);
// Until of two holders only one is left, once they see each other.
constexpr Duration kSettled = absl::Seconds(5);

struct Tear {
  std::string name;
  std::function<absl::Status()> make;
};

class SafetyPartitionTest : public SafetyTest {
 protected:
  // `tear` costs the client nothing, while it lasts and when it is mended.
  void ExpectHarmless(const Tear& tear, Duration length) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(tear.make());
    Pause(length);
    ExpectNothingLost(Measure(mark, tear.name));
    const MonoTime healed = meter_->Mark();
    ASSERT_OK(lab_->HealAll());
    ASSERT_OK(AwaitStatus(kAllHealthy));
    Pause(ttl());  // it may have been so all the while
    ExpectNothingLost(Measure(healed, tear.name + " healed"));
  }
  // The slave takes over within the bound, the master has it back afterwards, and never two.
  void ExpectTakeover(const Tear& tear) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(tear.make());
    ASSERT_OK(AwaitServedBy("slave"));
    Pause(ttl());
    ExpectOutageWithin(Measure(mark, tear.name), TakeoverBound());
    const MonoTime healed = meter_->Mark();
    ASSERT_OK(lab_->HealAll());
    ASSERT_OK(AwaitServedBy("master"));
    ExpectOutageWithin(Measure(healed, tear.name + " healed"), kPlanned + kSlack);
    ExpectNeverTwo(meter_->Since(mark));
    ASSERT_OK(AwaitStatus(kAllHealthy));
  }
};

class SafetyThirdHostTest : public SafetyPartitionTest {};

TEST_P(SafetyThirdHostTest, AHostThatDoesNotHoldIsLost) {
  ASSERT_OK(Up({.ttl = absl::Milliseconds(600)}));
  const Tear tears[] = {
      {"controller's cable", [this] { return lab_->PullCable("watch"); }},
      {"standby's cable", [this] { return lab_->PullCable("slave"); }},
  };
  for (const Tear& tear : tears) {
    ExpectHarmless(tear, 8 * ttl());
    if (HasFailure()) return;
  }
}

TEST_P(SafetyThirdHostTest, TheHolderIsCutFromOneOfTwoAlone) {
  ASSERT_OK(Up({.ttl = absl::Milliseconds(600)}));
  std::vector<Tear> tears;
  for (const char* other : {"watch", "slave"}) {
    tears.push_back(
        {absl::StrCat("cut from ", other), [this, other] { return lab_->Cut("master", other); }});
    tears.push_back(
        {absl::StrCat("drop to ", other), [this, other] { return lab_->Drop("master", other); }});
    tears.push_back(
        {absl::StrCat("drop from ", other), [this, other] { return lab_->Drop(other, "master"); }});
    tears.push_back({absl::StrCat("TCP alone from ", other),
                     [this, other] { return lab_->DropTcp(other, "master", 7401); }});
  }
  for (const Tear& tear : tears) {
    ExpectHarmless(tear, 3 * ttl());
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyThirdHostTest,
                         ::testing::ValuesIn(Places({{.third_host = true, .on_expiry = "release"},
                                                     {.third_host = true, .on_expiry = "hold"}},
                                                    ThirdHostPlaces())),
                         PlaceName);

class SafetyStandbyLostTest : public SafetyPartitionTest {};

TEST_P(SafetyStandbyLostTest, WithTheControllerItCostsNothing) {
  ASSERT_OK(Up({.ttl = absl::Milliseconds(600)}));
  ExpectHarmless({"standby's cable", [this] { return lab_->PullCable("slave"); }}, 10 * ttl());
  if (HasFailure()) return;
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->PowerOff("slave"));
  Pause(5 * ttl());
  ExpectNothingLost(Measure(mark, "standby without power"));
  ASSERT_OK(lab_->PowerOn("slave"));
  ASSERT_OK(hb_->StartExecutor("slave"));
  ASSERT_OK(hb_->StartController());
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectNothingLost(Measure(mark, "standby booted"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyStandbyLostTest,
                         ::testing::Values(Place{.third_host = false, .on_expiry = "witness"},
                                           Place{.third_host = false, .on_expiry = "hold"}),
                         PlaceName);

class SafetyStrictStandbyLostTest : public SafetyPartitionTest {};

TEST_P(SafetyStrictStandbyLostTest, WithTheControllerTheHolderGivesUp) {
  ASSERT_OK(Up());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->PullCable("slave"));
  Pause(ttl() + absl::Seconds(2));
  const MeterReport report = Measure(mark, "standby's cable");
  for (const SeriesReport* series : {&report.http, &report.arp}) {
    EXPECT_TRUE(series->outage.ongoing) << Everything();
    EXPECT_LE(series->outage.start - mark, ttl() + absl::Seconds(1)) << Everything();
  }
  ExpectNeverTwo(report);
  const MonoTime healed = meter_->Mark();
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(healed, "standby's cable back"), TakeoverBound());
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyStrictStandbyLostTest,
                         ::testing::Values(Place{.third_host = false, .on_expiry = "release"}),
                         PlaceName);

class SafetyStrictPartitionTest : public SafetyPartitionTest {};

TEST_P(SafetyStrictPartitionTest, TheHolderIsCutFromEveryone) {
  ASSERT_OK(Up());
  std::vector<Tear> tears = {
      {"cut from all but the client", [this] { return CutOffFromAllButClient("master"); }},
      {"drop what it sends", [this] { return DropWhatItSends("master"); }},
      {"drop what it gets", [this] { return DropWhatItGets("master"); }},
  };
  if (policy() == "release") {
    // It sees the gateway; it must not matter.
    tears.push_back({"cut from controller and peer", [this] {
                       return third_host() ? CutFrom("master", {"slave", "watch"})
                                           : CutFrom("master", {"slave"});
                     }});
  } else {
    tears.push_back({"holder's cable", [this] { return lab_->PullCable("master"); }});
  }
  for (const Tear& tear : tears) {
    ExpectTakeover(tear);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyStrictPartitionTest, ::testing::ValuesIn(StrictPlaces()),
                         PlaceName);

class SafetyHalfOpenTest : public SafetyPartitionTest {};

// Linux would keep them for a quarter of an hour; keepalive and TCP_USER_TIMEOUT end them in
// seconds, on both sides. No lease waits for that.
TEST_P(SafetyHalfOpenTest, ConnectionsToWhoIsGoneAreGivenBack) {
  ASSERT_OK(Up());
  const auto connections = [](Host& host, const char* filter) {
    const auto result = host.Run({"/bin/ss", "-Htn", "state", "established", filter});
    return result.ok() ? result->output : "ss failed";
  };
  ASSERT_THAT(connections(lab_->master(), "sport = :7401"), testing::Not(""));
  ASSERT_OK(lab_->Isolate("master"));
  const MonoTime limit = BootNow() + absl::Seconds(30);
  std::string left = "?";
  while (!left.empty() && BootNow() < limit) {
    Pause(absl::Milliseconds(200));
    left = connections(lab_->master(), "sport = :7401");
  }
  EXPECT_EQ(left, "") << Everything();
  EXPECT_EQ(connections(hb_->controller_host(), "dst = 192.168.0.1"), "");
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyHalfOpenTest,
                         ::testing::ValuesIn(Places({{.third_host = true, .on_expiry = "witness"}},
                                                    ThirdHostPlaces())),
                         PlaceName);

class SafetyHealedPartitionTest : public SafetyPartitionTest {};

// What `hold` allows, and `witness` where both sides see the gateway: both answer. Once they see
// each other, one goes on, the one that was made active later; its neighbours hear of it.
TEST_P(SafetyHealedPartitionTest, OfTwoHoldersTheOneOfTheHigherEpochGoesOn) {
  ASSERT_OK(Up({.auto_failback = false}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(third_host() ? CutFrom("master", {"slave", "watch"}) : CutFrom("master", {"slave"}));
  ASSERT_OK(meter_->WaitFor(
      [](const MeterReport& report) { return report.arp.answered_by.contains("slave"); }, kLong));
  Pause(2 * ttl());
  Measure(mark, "both hold");
  const MonoTime healed = meter_->Mark();
  ASSERT_OK(lab_->HealAll());
  Pause(kSettled);
  Measure(healed, "until one goes on");
  const MonoTime settled = meter_->Mark();
  Pause(3 * ttl());
  const MeterReport report = Measure(settled, "one goes on");
  ExpectNothingLost(report);
  EXPECT_EQ(report.http.now, "slave") << Everything();
  EXPECT_EQ(report.arp.now, "slave") << Everything();
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyHealedPartitionTest,
                         ::testing::Values(Place{.third_host = false, .on_expiry = "hold"},
                                           Place{.third_host = true, .on_expiry = "hold"},
                                           Place{.third_host = true, .on_expiry = "witness"}),
                         PlaceName);

}  // namespace
}  // namespace hb::lab
