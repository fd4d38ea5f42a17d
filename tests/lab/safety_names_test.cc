// Clusters get other names and VIPs go from one to another while a holder can't be told (L3): no
// second node gets an address before the one that may still have it has been heard, or is over.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/lab/safety_fixture.h"

namespace hb::lab {
namespace {

constexpr char kClusters[] = "clusters:\n";
constexpr char kMailVip[] = "      - {address: 192.168.0.112/24, interface: eth0}\n";
constexpr char kWebVip[] = "      - {address: 192.168.0.111/24, interface: eth0}\n";
constexpr char kNoOnesVip[] = "      - {address: 192.168.0.113/24, interface: eth0}\n";

constexpr char kSameNodes[] =
    "      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: 100}\n"
    "      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401, priority: 50}\n";
constexpr char kWatchAndSlave[] =
    "      - {name: watch, address: 192.168.0.3, executor: 192.168.0.3:7401, priority: 100}\n"
    "      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401, priority: 50}\n";

class SafetyNamesTest : public SafetyTest {
 protected:
  // Another cluster, mail, of the same nodes and service; the first of the two.
  std::string Mail(const std::string& nodes = kSameNodes) const {
    const int64_t ttl_ms = absl::ToInt64Milliseconds(ttl());
    return absl::StrCat(
        "  - name: mail\n    vips:\n", kMailVip, "    nodes:\n", nodes,
        "    service: {name: website, label: apache service}\n"
        "    heartbeat: ",
        ttl_ms / 5, "ms\n    lease: {ttl: ", ttl_ms, "ms, on_expiry: ", policy(), "}\n",
        policy() == "witness" ? "    witness: {address: gateway, interval: 200ms}\n" : "");
  }
  absl::Status UpWithMail() {
    if (absl::Status up = Up(); !up.ok()) return up;
    if (absl::Status s = ChangeConfig({{kClusters, absl::StrCat(kClusters, Mail())}}); !s.ok()) {
      return s;
    }
    return AwaitStatus(R"((.clusters | length == 2) and ([.clusters[].serving] | all))");
  }
  // How often the text has been said.
  int Said(const std::string& what) const {
    int times = 0;
    const std::string text = AllText();
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++times;
    return times;
  }
  // Changes the config and sees what becomes of it.
  void ExpectSaid(const Changes& changes, const std::string& what) {
    const int before = Said(what);
    ASSERT_OK(ChangeConfig(changes));
    for (int i = 0; i < 200 && Said(what) == before; ++i) Pause(absl::Milliseconds(50));
    EXPECT_EQ(Said(what), before + 1) << Everything();
  }
  void ExpectTaken(const Changes& changes) { ExpectSaid(changes, "reloaded config="); }
  // Because of a holder; the file is as before afterwards.
  void ExpectRefused(const Changes& changes, const std::string& why) {
    ExpectSaid(changes, why);
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
      ASSERT_OK(EditConfig(change->second, change->first));
    }
  }
};

TEST_P(SafetyNamesTest, AVipIsMovedInTwoSteps) {
  ASSERT_OK(UpWithMail());
  const Changes take_out = {{kWebVip, kNoOnesVip}};
  const Changes put_in = {{kMailVip, absl::StrCat(kMailVip, kWebVip)}};
  const std::string why = "master@192.168.0.1:7401 may still hold 192.168.0.111 for cluster web";
  ExpectRefused({take_out[0], put_in[0]}, why);

  const MonoTime mark = meter_->Mark();
  ASSERT_OK(CutOffFromAllButClient("master"));
  ExpectTaken(take_out);
  ExpectRefused(put_in, why);
  // The slave has taken web over, without that address.
  ASSERT_OK(AwaitStatus(R"(.clusters[1].active == "slave" and .clusters[1].serving)"));
  Pause(ttl());
  ExpectTaken(put_in);
  ASSERT_OK(AwaitServedBy("slave"));
  ExpectNeverTwo(Measure(mark, "VIP moved while its holder is cut off"));
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitServedBy("master"));
  ExpectNeverTwo(Measure(mark, "VIP moved and healed"));
}

TEST_P(SafetyNamesTest, ARemovedClustersVipIsFreeWhenItsHolderHasForgottenIt) {
  ASSERT_OK(UpWithMail());
  const Changes remove = {{absl::StrCat(kClusters, Mail()), kClusters}};
  const Changes put_in = {{kWebVip, absl::StrCat(kWebVip, kMailVip)}};
  const std::string why = "master@192.168.0.1:7401 may still hold 192.168.0.112 for cluster mail";
  ASSERT_OK(CutOffFromAllButClient("master"));
  ExpectTaken(remove);
  ExpectRefused(put_in, why);
  // A restart forgets nothing of it.
  ASSERT_OK(RestartController());
  ASSERT_OK(AwaitStatus(".clusters | length == 1"));
  ExpectRefused(put_in, why);
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitStatus(kAllHealthy));
  Pause(ttl());
  ExpectTaken(put_in);
  ASSERT_OK(AwaitStatus(".clusters[0].serving and (.clusters[0].vips | length == 2)"));
}

// Its holder is in no other cluster, and hears of it all the same.
TEST_P(SafetyNamesTest, ARemovedClustersHolderIsToldThoughItIsInNoOther) {
  ASSERT_OK(Up({.watch_host = true}));
  ASSERT_OK(StartThirdNode());
  const std::string mail = Mail(kWatchAndSlave);
  ExpectTaken({{kClusters, absl::StrCat(kClusters, mail)}});
  ASSERT_OK(AwaitStatus(R"(.clusters[0].active == "watch" and .clusters[0].serving)"));
  ExpectTaken({{absl::StrCat(kClusters, mail), kClusters}});
  ASSERT_OK(AwaitText("no longer a member of the cluster"));
  Pause(ttl());
  ExpectTaken({{kWebVip, absl::StrCat(kWebVip, kMailVip)}});
  ASSERT_OK(AwaitStatus(".clusters[0].serving and (.clusters[0].vips | length == 2)"));
}

class SafetyNamesPromiseTest : public SafetyNamesTest {};

// A node that is no member any more goes on promising the holder that has not heard of that.
TEST_P(SafetyNamesPromiseTest, AHolderLivesOnByANodeThatWasTakenOut) {
  ASSERT_OK(Up());
  ASSERT_OK(StartThirdNode());
  ExpectTaken({{kClusters, absl::StrCat(kClusters, Mail(kWatchAndSlave))}});
  ASSERT_OK(AwaitStatus("[.clusters[].serving] | all"));
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->Cut("master", "watch"));
  Pause(2 * ttl());
  ExpectTaken(
      {{"name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401, priority: 50}\n\n",
        "name: watch, address: 192.168.0.3, executor: 192.168.0.3:7401, priority: 50}\n\n"}});
  Pause(5 * ttl());
  ExpectNothingLost(Measure(mark, "standby taken out, holder on promises"));
  // It hears of a peer that has promised it nothing yet: it gives up and is granted anew.
  const MonoTime healed = meter_->Mark();
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitStatus(R"(.clusters[1].active == "master" and ([.clusters[].serving] | all))"));
  ExpectOutageWithin(Measure(healed, "healed"), absl::Seconds(1) + kSlack);
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyNamesPromiseTest,
                         ::testing::Values(Place{.third_host = true, .on_expiry = "release"}),
                         PlaceName);

// What an operator has said, and who held, is known under the new name, and under the old one
// again.
TEST_P(SafetyNamesTest, OverridesAndHolderOutliveAnotherName) {
  ASSERT_OK(Up());
  ASSERT_OK(Ctl({"switchover", "web", "--to", "slave"}));
  ASSERT_OK(Ctl({"pause", "web"}));
  for (const Changes& change :
       {Changes{{"name: web\n", "name: site\n"}}, {{"name: site\n", "name: web\n"}}}) {
    const MonoTime mark = meter_->Mark();
    ExpectTaken(change);
    Pause(2 * ttl());
    ASSERT_OK(AwaitStatus(R"(.clusters[0].paused and .clusters[0].active == "slave")"));
    ASSERT_OK(AwaitServedBy("slave"));
    const MeterReport report = Measure(mark, "renamed while paused");
    ExpectOutageWithin(report, TakeoverBound());
    EXPECT_EQ(report.http.answered_by.count("master"), 0U) << Everything();
  }
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyNamesTest,
                         ::testing::ValuesIn(Places(PlacesInCi(), StrictPlaces())), PlaceName);

}  // namespace
}  // namespace hb::lab
