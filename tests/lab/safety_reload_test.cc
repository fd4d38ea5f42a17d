// The config changes while the holder can't be told (L3, L7): what it was promised last is what
// counts, not what the new file says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/lab/safety_fixture.h"

namespace hb::lab {
namespace {

using ::testing::HasSubstr;

constexpr char kSlaveLine[] = "priority: 50}\n";
constexpr char kThirdNode[] =
    "priority: 50}\n      - {name: watch, address: 192.168.0.3, executor: 192.168.0.3:7401, "
    "priority: 150}\n";

class SafetyReloadTest : public SafetyTest {
 protected:
  absl::Status ToRelease(const std::string& old) {
    Changes changes = {{absl::StrCat("on_expiry: ", old, "}"), "on_expiry: release}"}};
    if (old == "witness")
      changes.emplace_back("    witness: {address: gateway, interval: 200ms}\n", "");
    return ChangeConfig(changes);
  }
  // Cuts the holder off, changes the config at once, and heals when another has served for a while.
  // `last`: who serves in the end.
  void ExpectSafe(const std::string& what, const Changes& changes, const std::string& last) {
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(CutOffFromAllButClient("master"));
    ASSERT_OK(ChangeConfig(changes));
    ASSERT_OK(meter_->WaitFor(
        [](const MeterReport& report) {
          return !report.http.now.empty() && report.http.now != "master";
        },
        kLong));
    Pause(ttl());
    ExpectOutageWithin(Measure(mark, what), TakeoverBound());
    EXPECT_THAT(AllText(), ::testing::Not(HasSubstr("reload refused")));
    const MonoTime healed = meter_->Mark();
    ASSERT_OK(lab_->HealAll());
    ASSERT_OK(AwaitServedBy(last));
    ExpectOutageWithin(Measure(healed, what + " healed"), absl::Seconds(1) + kSlack);
    ExpectNeverTwo(meter_->Since(mark));
  }
};

TEST_P(SafetyReloadTest, AShorterTtl) {
  ASSERT_OK(Up({.ttl = absl::Seconds(2)}));
  ExpectSafe("shorter ttl",
             {{"ttl: 2000ms", "ttl: 600ms"}, {"heartbeat: 400ms", "heartbeat: 100ms"}}, "master");
}

TEST_P(SafetyReloadTest, AnotherName) {
  ASSERT_OK(Up());
  ExpectSafe("another name", {{"name: web\n", "name: site\n"}}, "master");
}

TEST_P(SafetyReloadTest, AnotherNameWhileAllRuns) {
  ASSERT_OK(Up());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(ChangeConfig({{"name: web\n", "name: site\n"}}));
  Pause(2 * ttl());
  ASSERT_OK(AwaitServedBy("master"));
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectOutageWithin(Measure(mark, "renamed while all runs"), TakeoverBound());
}

TEST_P(SafetyReloadTest, AThirdNodeThatIsPreferred) {
  ASSERT_OK(Up({.watch_host = true}));
  ASSERT_OK(StartThirdNode());
  ExpectSafe("third node", {{kSlaveLine, kThirdNode}}, "watch");
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyReloadTest,
                         ::testing::ValuesIn(Places(PlacesInCi(), StrictPlaces())), PlaceName);

// By a policy under which time alone proves nothing.
class SafetyReloadLooseTest : public SafetyReloadTest {};

// Nobody could ask it to release any more.
TEST_P(SafetyReloadLooseTest, TheHolderIsNotTakenOut) {
  ASSERT_OK(Up({.watch_host = true}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(ChangeConfig({{"name: master, address: 192.168.0.1, executor: 192.168.0.1:7401",
                           "name: watch, address: 192.168.0.3, executor: 192.168.0.3:7401"}}));
  Pause(2 * ttl());
  EXPECT_THAT(AllText(), HasSubstr("master@192.168.0.1:7401 held last and can't be taken out"));
  const MeterReport report = Measure(mark, "holder taken out");
  EXPECT_EQ(report.http.failed, 0) << Everything();
  EXPECT_EQ(report.http.now, "master");
}

// The same name elsewhere is another host.
TEST_P(SafetyReloadLooseTest, NorDoesAnotherHostGetItsName) {
  ASSERT_OK(Up({.watch_host = true}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(ChangeConfig({{"executor: 192.168.0.1:7401", "executor: 192.168.0.3:7401"}}));
  Pause(2 * ttl());
  EXPECT_THAT(AllText(), HasSubstr("nor get another executor address"));
  const MeterReport report = Measure(mark, "holder elsewhere");
  EXPECT_EQ(report.http.failed, 0) << Everything();
  EXPECT_EQ(report.http.now, "master");
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyReloadLooseTest,
                         ::testing::ValuesIn(Places({{.third_host = false, .on_expiry = "witness"}},
                                                    {{.third_host = false, .on_expiry = "witness"},
                                                     {.third_host = true, .on_expiry = "witness"},
                                                     {.third_host = false, .on_expiry = "hold"},
                                                     {.third_host = true, .on_expiry = "hold"}})),
                         PlaceName);

class SafetyReloadWitnessTest : public SafetyReloadTest {};

TEST_P(SafetyReloadWitnessTest, FromWitnessToRelease) {
  ASSERT_OK(Up());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(CutOffFromAllButClient("master"));
  ASSERT_OK(ToRelease("witness"));
  ASSERT_OK(AwaitServedBy("slave"));
  // One witness interval more than the lease, see TakeoverBound's slack.
  ExpectOutageWithin(Measure(mark, "witness to release"), TakeoverBound());
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitServedBy("master"));
  ExpectNeverTwo(Measure(mark, "witness to release and healed"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyReloadWitnessTest,
                         ::testing::Values(Place{.third_host = false, .on_expiry = "witness"},
                                           Place{.third_host = true, .on_expiry = "witness"}),
                         PlaceName);

class SafetyReloadHoldTest : public SafetyReloadTest {};

// The holder holds on by the policy it knows: two may answer. Once it has heard, one goes on.
TEST_P(SafetyReloadHoldTest, FromHoldToRelease) {
  ASSERT_OK(Up({.auto_failback = false}));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(CutOffFromAllButClient("master"));
  ASSERT_OK(ToRelease("hold"));
  Pause(5 * ttl());
  Measure(mark, "hold to release");
  const MonoTime healed = meter_->Mark();
  ASSERT_OK(lab_->HealAll());
  Pause(absl::Seconds(5));
  Measure(healed, "until one goes on");
  ASSERT_OK(AwaitStatus(kAllHealthy));
  const MonoTime settled = meter_->Mark();
  Pause(2 * ttl());
  const MeterReport report = Measure(settled, "one goes on");
  ExpectNothingLost(report);
  // From here on the new policy holds: never two.
  const std::string holder = report.http.now;
  const std::string other = holder == "master" ? "slave" : "master";
  if (other == "slave" || third_host()) {
    const MonoTime cut = meter_->Mark();
    ASSERT_OK(CutOffFromAllButClient(holder));
    ASSERT_OK(AwaitServedBy(other));
    ExpectOutageWithin(Measure(cut, "cut off under release"), TakeoverBound());
  }
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyReloadHoldTest,
                         ::testing::Values(Place{.third_host = false, .on_expiry = "hold"},
                                           Place{.third_host = true, .on_expiry = "hold"}),
                         PlaceName);

class SafetyReloadPromiseTest : public SafetyReloadTest {};

// The holder goes on by the promise of the one peer that it knows. The new node has promised
// nothing, so it must not be made active on the mere silence of the holder, however healthy it is.
TEST_P(SafetyReloadPromiseTest, AThirdNodeWhileTheHolderRunsOnPromises) {
  ASSERT_OK(Up());
  ASSERT_OK(StartThirdNode());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->Cut("master", "watch"));
  Pause(2 * ttl());
  ASSERT_OK(ChangeConfig({{kSlaveLine, kThirdNode}}));
  Pause(5 * ttl());
  ExpectNothingLost(Measure(mark, "third node, holder on promises"));
  const MonoTime healed = meter_->Mark();
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitServedBy("watch"));
  ExpectOutageWithin(Measure(healed, "healed"), absl::Seconds(1) + kSlack);
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyReloadPromiseTest,
                         ::testing::Values(Place{.third_host = true, .on_expiry = "release"},
                                           Place{.third_host = true, .on_expiry = "witness"}),
                         PlaceName);

}  // namespace
}  // namespace hb::lab
