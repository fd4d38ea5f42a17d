// The controller's config: the defaults, the forms that consumers get, and all errors at once. Its
// refusals are in config_controller_refusals_test.cc and config_controller_timing_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/config/controller_config.h"
#include "config_test_util.h"

namespace hb {
namespace {

TEST(ControllerConfigTest, FillsInEveryDefault) {
  const absl::StatusOr<hb::v1::ControllerConfig> config = ParseControllerConfig(
      R"(insecure: true
clusters:
  - name: web
    vips: [{address: 192.168.0.111, interface: eth0}]
    nodes:
      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}
      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401, priority: 0}
    service: {name: website}
    probes: {http: {url: "http://{address}/"}}
)",
      "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->DebugString(), R"(listen: "unix:///run/hb/controller.sock"
insecure: true
store: "sqlite:///var/lib/hb/controller.db"
clusters {
  name: "web"
  vips {
    address: "192.168.0.111/32"
    interface: "eth0"
  }
  nodes {
    name: "master"
    address: "192.168.0.1"
    executor: "192.168.0.1:7401"
    priority: 100
  }
  nodes {
    name: "slave"
    address: "192.168.0.2"
    executor: "192.168.0.2:7401"
    priority: 0
  }
  service {
    name: "website"
    label: "website"
    standby: STANDBY_SERVICE_STOPPED
  }
  heartbeat {
    nanos: 200000000
  }
  lease {
    ttl {
      seconds: 1
    }
    on_expiry: ON_EXPIRY_WITNESS
  }
  witness {
    address: "gateway"
    interval {
      nanos: 200000000
    }
  }
  probes {
    icmp {
      interval {
        nanos: 200000000
      }
      timeout {
        nanos: 200000000
      }
      fall: 3
      rise: 3
    }
    http {
      url: "http://{address}/"
      interval {
        seconds: 1
      }
      timeout {
        seconds: 1
      }
      fall: 2
      rise: 2
      expect {
        status: "200-399"
      }
      tls {
        verify: true
      }
      redirects: 0
    }
  }
  failback {
    mode: FAILBACK_MODE_AUTO
    after {
      seconds: 5
    }
  }
  flap {
    max: 4
    window {
      seconds: 600
    }
  }
}
)");
}

TEST(ControllerConfigTest, FitsDefaultsToWhatTheyDependOn) {
  const auto parse = [](std::string_view line) {
    const std::string service = "    service: {name: website}\n";
    return ParseControllerConfig(
        Edit(kSoundController, service, absl::StrCat(service, std::string(line))), "c.yaml");
  };
  const auto short_lease = parse("    heartbeat: 10ms\n    lease: {ttl: 30ms}\n");
  ASSERT_TRUE(short_lease.ok()) << short_lease.status().message();
  EXPECT_EQ(short_lease->clusters(0).witness().interval().nanos(), 15'000'000);

  const auto no_witness = parse("    lease: {on_expiry: release}\n");
  ASSERT_TRUE(no_witness.ok()) << no_witness.status().message();
  EXPECT_FALSE(no_witness->clusters(0).has_witness());

  const auto pace = parse(
      "    probes: {icmp: {interval: 3s}, http: {url: 'http://{address}/', interval: 300ms}}\n");
  ASSERT_TRUE(pace.ok()) << pace.status().message();
  EXPECT_EQ(pace->clusters(0).probes().icmp().timeout().seconds(), 3);
  EXPECT_EQ(pace->clusters(0).probes().http().timeout().nanos(), 300'000'000);

  const auto slow = parse("    probes: {http: {url: 'http://{address}/', interval: 10s}}\n");
  ASSERT_TRUE(slow.ok()) << slow.status().message();
  EXPECT_EQ(slow->clusters(0).probes().http().timeout().seconds(), 1);

  const auto no_http = parse("    probes: {}\n");
  ASSERT_TRUE(no_http.ok()) << no_http.status().message();
  EXPECT_TRUE(no_http->clusters(0).probes().has_icmp());
  EXPECT_FALSE(no_http->clusters(0).probes().has_http());
  EXPECT_FALSE(no_http->clusters(0).has_firewall());
  EXPECT_FALSE(no_http->has_event_log());
}

TEST(ControllerConfigTest, GivesAddressesInTheirCanonicalForm) {
  const auto config = ParseControllerConfig(R"(insecure: true
listen: ["[FD00:0:0::2]:7400", "0.0.0.0:7400"]
clusters:
  - name: web
    vips: [{address: "FD00:0::0111/64", interface: eth0}]
    nodes:
      - {name: a, address: "fd00:0:0:0::1", executor: "[fd00:0::1]:7401"}
      - {name: b, address: 192.168.0.2, executor: 192.168.0.2:07401}
    service: {name: website}
    witness: {address: "FD00::0001:1"}
)",
                                            "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_THAT(config->listen(), testing::ElementsAre("[fd00::2]:7400", "0.0.0.0:7400"));
  const hb::v1::ClusterConfig& web = config->clusters(0);
  EXPECT_EQ(web.vips(0).address(), "fd00::111/64");
  EXPECT_EQ(web.nodes(0).address(), "fd00::1");
  EXPECT_EQ(web.nodes(0).executor(), "[fd00::1]:7401");
  EXPECT_EQ(web.nodes(1).executor(), "192.168.0.2:7401");
  EXPECT_EQ(web.witness().address(), "fd00::1:1");
}

TEST(ControllerConfigTest, TakesTheBoundsOfEveryRange) {
  const std::string service = "    service: {name: website}\n";
  for (const char* line : {
           "    heartbeat: 10ms\n    lease: {ttl: 30ms}\n",
           "    heartbeat: 10s\n    lease: {ttl: 60s}\n    witness: {interval: 10s}\n",
           "    lease: {ttl: 600ms}\n    witness: {interval: 300ms}\n",
           "    probes: {icmp: {interval: 60s, timeout: 10ms, fall: 1, rise: 100}}\n",
           "    failback: {mode: manual, after: 0s}\n    flap: {max: 1, window: 1s}\n",
           "    failback: {after: 24h}\n    flap: {max: 1000, window: 24h}\n",
           "    firewall: {icmp: peers, tcp: {1: peers, 65535: peers}}\n",
           "    probes: {http: {url: 'https://{address}:65535/a?b=c#d', redirects: 10}}\n",
           "    probes: {http: {url: 'http://{address}', host: '[fd00::1]:80', tls: {ca: /c}}}\n",
           "    probes: {http: {url: 'http://{address}', expect: {status: '100,200-399,599'}}}\n",
       }) {
    const auto config = ParseControllerConfig(
        Edit(kSoundController, service, absl::StrCat(service, line)), "c.yaml");
    EXPECT_TRUE(config.ok()) << line << config.status().message();
  }
}

TEST(ControllerConfigTest, TellsAllErrorsAtOnceInTheFilesOrder) {
  const absl::Status status = ParseControllerConfig(R"(insecure: false
stroe: sqlite:///var/lib/hb/controller.db
clusters:
  - name: web
    vips: [{address: 192.168.0.2/24, interface: eth0}]
    nodes:
      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}
      - {name: slave, address: 192.168.0.2, executor: slave:7401}
    lease:
      ttl: 300ms
    flap: {max: many}
)",
                                                    "/etc/hb/controller.yaml")
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()),
            R"(/etc/hb/controller.yaml:1:11: insecure: must be true: tls is not supported yet
/etc/hb/controller.yaml:2:1: stroe: unknown key; did you mean 'store'?
/etc/hb/controller.yaml:4:5: clusters[0].service: is required; write service: {name: ...}
/etc/hb/controller.yaml:5:22: clusters[0].vips[0].address: 192.168.0.2 is node slave's own address (clusters[0].nodes[1].address, line 8); a VIP must be an address that no node owns
/etc/hb/controller.yaml:8:55: clusters[0].nodes[1].executor: 'slave:7401' is not ADDRESS:PORT (like 192.168.0.1:7401 or [fd00::1]:7401; names are not resolved)
/etc/hb/controller.yaml:10:12: clusters[0].lease.ttl: 300ms is below 3 × heartbeat (3 × 200ms); raise ttl or lower heartbeat
/etc/hb/controller.yaml:11:17: clusters[0].flap.max: expects a whole number, not 'many')");
}

TEST(ControllerConfigTest, TakesManyClustersWithinItsLimit) {
  const auto with_clusters = [](int count) {
    std::string text = "insecure: true\nclusters:\n";
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&text, "- {name: c", i, ", vips: [{address: 10.1.", i / 100, ".", i % 100 + 1,
                      ", interface: eth0}], nodes: *n, service: {name: s}}\n");
    }
    return Edit(text, "*n, service: {name: s}}\n- {name: c1,",
                "&n [{name: a, address: 10.0.0.1, executor: 10.0.0.1:1},"
                " {name: b, address: 10.0.0.2, executor: 10.0.0.2:1}], service: {name: s}}\n"
                "- {name: c1,");
  };
  const auto most = ParseControllerConfig(with_clusters(256), "c.yaml");
  ASSERT_TRUE(most.ok()) << most.status().message();
  EXPECT_EQ(most->clusters(255).nodes(1).name(), "b");
  EXPECT_EQ(std::string(ParseControllerConfig(with_clusters(257), "c.yaml").status().message()),
            "c.yaml:3:1: clusters: has 257 items; at most 256 are supported");
}

// A field that can't be read makes no second error by what would hold for its default.
TEST(ControllerConfigTest, BuildsNoErrorOnAnother) {
  const std::string service = "    service: {name: website}\n";
  const auto check = [&](const char* lines, const char* error) {
    const auto config = ParseControllerConfig(
        Edit(kSoundController, service, absl::StrCat(service, lines)), "c.yaml");
    EXPECT_EQ(std::string(config.status().message()), error);
  };
  check(
      "    heartbeat: 5s\n    lease: {ttl: 20}\n",
      "c.yaml:10:18: clusters[0].lease.ttl: '20' has no unit; write it with one, like 200ms or 1s");
  check("    heartbeat: 5s\n    lease: 20s\n",
        "c.yaml:10:12: clusters[0].lease: expects a mapping (key: value), not '20s'");
  check("    lease: {on_expiry: relase}\n    witness: {address: gateway}\n",
        "c.yaml:9:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not"
        " 'relase'");
}

}  // namespace
}  // namespace hb
