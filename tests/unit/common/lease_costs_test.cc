// What settings cost, reckoned by hand from the design's rules, and when a config that is valid is
// warned of.
#include "common/config/lease_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/controller_config.h"
#include "config_test_util.h"

namespace hb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As the reader completes it. `settings`: further lines of the one cluster.
v1::ControllerConfig Config(const std::string& settings, const std::string& listen = "") {
  const std::string text =
      absl::StrCat("insecure: true\n", listen,
                   "clusters:\n"
                   "  - name: web\n"
                   "    vips: [{address: 192.168.0.111/24, interface: eth0}]\n"
                   "    nodes:\n"
                   "      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}\n"
                   "      - {name: slave, address: 192.168.0.2, executor: 10.0.0.2:7401}\n",
                   settings);
  absl::StatusOr<v1::ControllerConfig> config = ParseControllerConfig(text, "c.yaml");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : v1::ControllerConfig();
}

std::map<std::string, FaultCost> CostsOf(const std::string& settings) {
  std::map<std::string, FaultCost> costs;
  const v1::ControllerConfig config = Config(settings);
  if (config.clusters_size() != 1) return costs;
  for (const FaultCost& cost : Costs(config.clusters(0))) costs[cost.fault] = cost;
  return costs;
}

constexpr char kService[] = "    service: {name: website}\n";

std::string Lease(const std::string& ttl, const std::string& on_expiry) {
  return absl::StrCat(kService, "    lease: {ttl: ", ttl, ", on_expiry: ", on_expiry, "}\n");
}

TEST(LeaseCostsTest, ReckonsWithEverySetting) {
  const struct {
    const char* name;
    std::string settings;
    const char* fault;
    int64_t typical_ms;
    int64_t worst_ms;
  } kCases[] = {
      // 1.1 × 1 s, less half a heartbeat of 200 ms on average.
      {"release, dead host", Lease("1s", "release"), "host_dead", 1000, 1100},
      {"hold, dead host", Lease("1s", "hold"), "host_dead", 1200, 1300},
      {"release, dead executor", Lease("1s", "release"), "executor_dead", 1000, 1100},
      // ... and the longer of heartbeat and witness interval, both 200 ms.
      {"witness, dead host", Lease("1s", "witness"), "host_dead", 1200, 1300},
      {"witness asked seldom",
       Lease("1s", "witness") + "    witness: {address: 10.9.9.9, interval: 400ms}\n", "host_dead",
       1400, 1500},
      {"witness asked more often than nodes report",
       Lease("1s", "witness") + "    witness: {address: 10.9.9.9, interval: 50ms}\n", "host_dead",
       1200, 1300},
      {"a long lease", Lease("10s", "release"), "host_dead", 10'900, 11'000},
      {"a fast heartbeat", Lease("300ms", "release") + "    heartbeat: 100ms\n", "executor_dead",
       280, 330},
      // 5 pings of 1 s and the timeout of the last: more than the lease.
      {"pings slower than the lease",
       Lease("1s", "release") +
           "    probes: {icmp: {interval: 1s, timeout: 300ms, fall: 5, rise: 1}}\n",
       "host_dead", 4800, 5300},
      {"reported", Lease("1s", "release"), "service_dies", 0, 1100},
      {"reported, under witness", Lease("1s", "witness"), "service_dies", 0, 1300},
      // 2 × 1 s, refused on average in the middle of an interval, at worst hanging for 1 s.
      {"page, by default",
       std::string(kService) + "    probes: {http: {url: \"http://{address}/\"}}\n", "page_stops",
       1500, 3000},
      {"page, fast",
       std::string(kService) + "    probes: {http: {url: \"http://{address}/\", interval: 200ms,"
                               " timeout: 100ms, fall: 3}}\n",
       "page_stops", 500, 700},
  };
  for (const auto& c : kCases) {
    const FaultCost cost = CostsOf(c.settings)[c.fault];
    EXPECT_EQ(cost.typical, absl::Milliseconds(c.typical_ms)) << c.name;
    EXPECT_EQ(cost.worst, absl::Milliseconds(c.worst_ms)) << c.name;
    EXPECT_TRUE(cost.plus_start) << c.name;
  }
}

TEST(LeaseCostsTest, KeepsTheOrderOfFaults) {
  std::vector<std::string> faults;
  for (const FaultCost& cost : Costs(Config(kService).clusters(0))) {
    faults.push_back(cost.fault);
    EXPECT_FALSE(cost.what.empty()) << cost.fault;
    EXPECT_FALSE(cost.then.empty()) << cost.fault;
    EXPECT_EQ(cost.typical.has_value(), cost.worst.has_value()) << cost.fault;
    EXPECT_LE(cost.typical, cost.worst) << cost.fault;
  }
  EXPECT_THAT(faults, ElementsAre("service_dies", "page_stops", "host_dead", "executor_dead",
                                  "controller_lost", "controller_host_lost"));
}

TEST(LeaseCostsTest, CountsNoStartWhereTheServiceRunsAlready) {
  const auto costs = CostsOf("    service: {name: website, standby: running}\n");
  for (const auto& [fault, cost] : costs) EXPECT_FALSE(cost.plus_start) << fault;
  const auto stopped = CostsOf(kService);
  EXPECT_FALSE(stopped.at("controller_lost").plus_start) << "nothing moves";
}

TEST(LeaseCostsTest, SaysWhatMovesNothing) {
  const FaultCost page = CostsOf(kService)["page_stops"];
  EXPECT_FALSE(page.worst.has_value());
  EXPECT_THAT(page.then, HasSubstr("Add probes.http"));
  EXPECT_FALSE(CostsOf(kService)["controller_lost"].worst.has_value());
}

TEST(LeaseCostsTest, SaysWhatEachPolicyCosts) {
  const struct {
    const char* policy;
    const char* controller_host_lost;
    bool never_two;
    const char* split_brain;
  } kCases[] = {
      {"release",
       "If the controller runs on a node: its loss makes the holder give the VIP up after at most "
       "ttl (1 s); use a third host, or on_expiry: witness.",
       true, "never two holders, whatever fails"},
      {"witness", "No outage while the witness answers the holder", false,
       "both still see the witness"},
      {"hold", "the holder goes on regardless", false, "always possible"},
  };
  for (const auto& c : kCases) {
    const std::string settings = Lease("1s", c.policy);
    EXPECT_THAT(CostsOf(settings)["controller_host_lost"].then, HasSubstr(c.controller_host_lost))
        << c.policy;
    const SplitBrain split = SplitBrainOf(Config(settings).clusters(0));
    EXPECT_EQ(split.longest, c.never_two ? absl::ZeroDuration() : absl::InfiniteDuration())
        << c.policy;
    EXPECT_THAT(split.when, HasSubstr(c.split_brain)) << c.policy;
  }
  EXPECT_THAT(CostsOf(Lease("1s", "hold"))["executor_dead"].then,
              HasSubstr("until the kernel ends its lease"));
  EXPECT_THAT(CostsOf(Lease("2s", "witness"))["executor_dead"].then,
              HasSubstr("until the kernel ends its lease, at most 2 s"));
}

TEST(LeaseCostsTest, WarnsOfReleaseWithTheControllerOnANode) {
  const IpAddress slave = *IpAddress::Parse("192.168.0.2");
  const IpAddress elsewhere = *IpAddress::Parse("192.168.0.3");
  const IpAddress slaves_executor = *IpAddress::Parse("10.0.0.2");
  const std::string on_slave = "listen: [unix:///run/hb/a.sock, 192.168.0.2:7400]\n";
  const struct {
    const char* name;
    const char* policy;
    std::string listen;
    std::set<IpAddress> local;
    bool warned;
  } kCases[] = {
      {"listens on a node", "release", on_slave, {}, true},
      {"listens on a node, another policy", "witness", on_slave, {}, false},
      {"listens on a node, hold", "hold", on_slave, {}, false},
      {"runs on a node", "release", "", {elsewhere, slave}, true},
      {"runs where a node's executor listens", "release", "", {slaves_executor}, true},
      {"runs on a third host", "release", "", {elsewhere}, false},
      {"listens on a third host", "release", "listen: [192.168.0.3:7400]\n", {}, false},
      {"listens everywhere, not known where", "release", "listen: [0.0.0.0:7400]\n", {}, false},
      {"listens everywhere, on a node", "release", "listen: [0.0.0.0:7400]\n", {slave}, true},
  };
  for (const auto& c : kCases) {
    const std::vector<std::string> warnings =
        Warnings(Config(Lease("1s", c.policy), c.listen), c.local);
    if (!c.warned) {
      EXPECT_THAT(warnings, IsEmpty()) << c.name;
      continue;
    }
    EXPECT_THAT(warnings,
                ElementsAre(AllOf(
                    HasSubstr("cluster web has on_expiry: release"), HasSubstr("its node slave"),
                    HasSubstr("give the VIP up after at most ttl (1 s); use a third host"))))
        << c.name;
  }
}

TEST(LeaseCostsTest, WarnsOncePerCluster) {
  const std::string text =
      Edit(Edit(kSoundController, "service: {name: website}",
                "service: {name: website}\n    lease: {on_expiry: release}"),
           "service: {name: postfix}", "service: {name: postfix}\n    lease: {on_expiry: release}");
  const auto config = ParseControllerConfig(text, "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(
      Warnings(*config, {*IpAddress::Parse("192.168.0.1"), *IpAddress::Parse("192.168.0.2")}),
      ElementsAre(HasSubstr("cluster web"), HasSubstr("cluster mail")));
}

}  // namespace
}  // namespace hb
