// The executor's config: a row for each refusal, with everything that is said; the defaults; the
// forms that consumers get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/executor_config.h"
#include "config_test_util.h"

namespace hb {
namespace {

constexpr std::string_view kSound = R"(node: master
listen: 192.168.0.1:7401
insecure: true
allow: {interfaces: [eth0], vips: [192.168.0.0/24]}
services:
  website:
    systemd: apache2.service
)";

void CheckRefusals(const std::vector<Refusal>& refusals) {
  hb::CheckRefusals(kSound, ParseExecutorConfig, refusals);
}

TEST(ExecutorConfigTest, RefusesByFile) {
  CheckRefusals({
      {"node absent", "node: master\n", "", "?"},
      {"node bad", "node: master\n", "node: -master\n", "?"},
      {"listen absent", "listen: 192.168.0.1:7401\n", "", "?"},
      {"listen a socket", "listen: 192.168.0.1:7401\n", "listen: unix:///run/hb/executor.sock\n",
       "?"},
      {"listen a list", "listen: 192.168.0.1:7401\n", "listen: ['192.168.0.1:7401']\n", "?"},
      {"listen port", "listen: 192.168.0.1:7401\n", "listen: 192.168.0.1:0\n", "?"},
      {"tls", "insecure: true\n", "tls: {ca: /a, cert: /b, key: /c}\n", "?"},
      {"insecure absent", "insecure: true\n", "", "?"},
      {"insecure false", "insecure: true\n", "insecure: false\n", "?"},
      {"state relative", "insecure: true\n", "insecure: true\nstate: hb\n", "?"},
      {"state empty", "insecure: true\n", "insecure: true\nstate: ''\n", "?"},
      {"unknown key", "insecure: true\n", "insecure: true\nservice: {}\n", "?"},
  });
}

TEST(ExecutorConfigTest, RefusesByAllow) {
  CheckRefusals({
      {"absent", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n", "", "?"},
      {"interfaces absent", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {vips: [192.168.0.0/24]}\n", "?"},
      {"interfaces empty", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [], vips: [192.168.0.0/24]}\n", "?"},
      {"interfaces a scalar", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: eth0, vips: [192.168.0.0/24]}\n", "?"},
      {"interface too long", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0, sixteen-letters0], vips: [192.168.0.0/24]}\n", "?"},
      {"interface with a slash", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth/0], vips: [192.168.0.0/24]}\n", "?"},
      {"interface twice", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0, eth1, eth0], vips: [192.168.0.0/24]}\n", "?"},
      {"interfaces too many", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15, "
       "e16, e17, e18, e19, e20, e21, e22, e23, e24, e25, e26, e27, e28, e29, e30, e31, e32, e33, "
       "e34, e35, e36, e37, e38, e39, e40, e41, e42, e43, e44, e45, e46, e47, e48, e49, e50, e51, "
       "e52, e53, e54, e55, e56, e57, e58, e59, e60, e61, e62, e63, e64], vips: "
       "[192.168.0.0/24]}\n",
       "?"},
      {"vips absent", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0]}\n", "?"},
      {"vip no prefix", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [lan]}\n", "?"},
      {"vip length", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/40]}\n", "?"},
      {"vip bits beyond the length", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.111/24]}\n", "?"},
      {"vip IPv6 bits beyond the length", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: ['fd00:0:0:1::1/63']}\n", "?"},
      {"vip twice", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.1, 192.168.0.1/32]}\n", "?"},
      {"port zero", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [0]}\n", "?"},
      {"port too large", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [80, 65536]}\n", "?"},
      {"port twice", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [80, 80]}\n", "?"},
      {"port a word", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [http]}\n", "?"},
      {"ports too many", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [1, 2, 3, 4, 5, 6, 7, 8, "
       "9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, "
       "32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, "
       "54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65]}\n",
       "?"},
  });
}

TEST(ExecutorConfigTest, RefusesByService) {
  CheckRefusals({
      {"name bad", "  website:\n", "  web site:\n", "?"},
      {"services a list", "services:\n  website:\n    systemd: apache2.service\n",
       "services: [website]\n", "?"},
      {"service a scalar", "  website:\n    systemd: apache2.service\n",
       "  website: apache2.service\n", "?"},
      {"service without a value", "  website:\n    systemd: apache2.service\n", "  website:\n",
       "?"},
      {"service named twice", "  website:\n    systemd: apache2.service\n",
       "  website: {systemd: a.service}\n  website: {systemd: b.service}\n", "?"},
      {"neither unit nor process", "    systemd: apache2.service\n", "    start_timeout: 1s\n",
       "?"},
      {"both unit and process", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    process: {argv: [/bin/true]}\n", "?"},
      {"unit without suffix", "    systemd: apache2.service\n", "    systemd: apache2\n", "?"},
      {"unit with a space", "    systemd: apache2.service\n", "    systemd: apache 2.service\n",
       "?"},
      {"unit a suffix alone", "    systemd: apache2.service\n", "    systemd: .service\n", "?"},
      {"unit a template", "    systemd: apache2.service\n", "    systemd: apache2@.service\n", "?"},
      {"unit too long", "    systemd: apache2.service\n",
       absl::StrCat("    systemd: ", Repeat("u", 248), ".service\n"), "?"},
      {"argv absent", "    systemd: apache2.service\n", "    process: {output: /var/log/x.log}\n",
       "?"},
      {"argv empty", "    systemd: apache2.service\n", "    process: {argv: []}\n", "?"},
      {"argv a scalar", "    systemd: apache2.service\n",
       "    process: {argv: /usr/sbin/apache2 -DFOREGROUND}\n", "?"},
      {"argv relative", "    systemd: apache2.service\n",
       "    process: {argv: [apache2, -DFOREGROUND]}\n", "?"},
      {"argv item a list", "    systemd: apache2.service\n",
       "    process: {argv: [/usr/sbin/apache2, [-D]]}\n", "?"},
      {"argv too many", "    systemd: apache2.service\n",
       absl::StrCat("    process: {argv: [/bin/true", Repeat(", x", 256), "]}\n"), "?"},
      {"environment name", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], environment: {1A: b, LANG: C}}\n", "?"},
      {"environment name with a sign", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], environment: {A=B: c}}\n", "?"},
      {"environment value a list", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], environment: {A: [b]}}\n", "?"},
      {"output relative", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], output: log}\n", "?"},
      {"signal unknown", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], stop_signal: TERM}\n", "?"},
      {"signal that asks nothing", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], stop_signal: SIGKILL}\n", "?"},
      {"control character", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true, \"a\\0b\"]}\n", "?"},
      {"start timeout too short", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    start_timeout: 99ms\n", "?"},
      {"start timeout too long", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    start_timeout: 11m\n", "?"},
      {"stop timeout too short", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    stop_timeout: 0s\n", "?"},
      {"stop timeout too long", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    stop_timeout: 601s\n", "?"},
      {"check url absent", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{fall: 1}]\n", "?"},
      {"check url with a placeholder", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://{address}/\"}]\n", "?"},
      {"check url with a brace", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/{x}\"}]\n", "?"},
      {"check url scheme", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: 127.0.0.1}]\n", "?"},
      {"check url host", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://::1/\"}]\n", "?"},
      {"check interval", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://[::1]/\", interval: 1ms}]\n",
       "?"},
      {"check timeout", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\", timeout: 0s}]\n",
       "?"},
      {"check timeout longer than the interval", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\", interval: 200ms, "
       "timeout: 300ms}]\n",
       "?"},
      {"check fall", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\", fall: 0}]\n", "?"},
      {"checks a mapping", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: {http: \"http://127.0.0.1/\"}\n", "?"},
      {"check a scalar", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [\"http://127.0.0.1/\"]\n", "?"},
      {"checks too many", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, "
       "{http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, "
       "{http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, "
       "{http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}]\n",
       "?"},
  });
}

TEST(ExecutorConfigTest, FillsInEveryDefault) {
  const auto config = ParseExecutorConfig(R"(node: master
listen: "[FD00:0::1]:7401"
insecure: true
allow: {interfaces: [eth0], vips: [192.168.0.0/24, "FD00:0::111"]}
services:
  website:
    process: {argv: [/usr/sbin/apache2, -DFOREGROUND]}
    checks: [{http: "http://127.0.0.1/"}, {http: "https://[::1]:8443/a", interval: 300ms}]
)",
                                          "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->DebugString(), R"(node: "master"
listen: "[fd00::1]:7401"
insecure: true
allow {
  interfaces: "eth0"
  vips: "192.168.0.0/24"
  vips: "fd00::111/128"
}
services {
  key: "website"
  value {
    process {
      argv: "/usr/sbin/apache2"
      argv: "-DFOREGROUND"
      stop_signal: "SIGTERM"
    }
    checks {
      http: "http://127.0.0.1/"
      interval {
        seconds: 1
      }
      timeout {
        seconds: 1
      }
      fall: 2
    }
    checks {
      http: "https://[::1]:8443/a"
      interval {
        nanos: 300000000
      }
      timeout {
        nanos: 300000000
      }
      fall: 2
    }
    start_timeout {
      seconds: 30
    }
    stop_timeout {
      seconds: 10
    }
  }
}
state: "/var/lib/hb/executor"
)");
}

TEST(ExecutorConfigTest, TakesWhatIsAllowed) {
  const std::string unit = "    systemd: apache2.service\n";
  for (const char* lines : {
           "    systemd: apache2@web.service\n",
           "    systemd: dev-disk-by\\x2dlabel-data.mount\n",
           "    systemd: site.target\n    start_timeout: 100ms\n    stop_timeout: 10m\n",
           "    process: {argv: [/bin/sh, -c, \"a\\nb\"], environment: {_A1: '', B: x=y}}\n",
           "    process: {argv: [/bin/a], stop_signal: SIGWINCH, output: /var/log/a.log}\n",
       }) {
    const auto config = ParseExecutorConfig(Edit(kSound, unit, lines), "c.yaml");
    EXPECT_TRUE(config.ok()) << lines << config.status().message();
  }
  const std::string services = "services:\n  website:\n    systemd: apache2.service\n";
  const auto none = ParseExecutorConfig(Edit(kSound, services, ""), "c.yaml");
  EXPECT_TRUE(none.ok()) << none.status().message();
  const auto dotted = ParseExecutorConfig(Edit(kSound, "website", "www.example.org"), "c.yaml");
  ASSERT_TRUE(dotted.ok()) << dotted.status().message();
  EXPECT_TRUE(dotted->services().contains("www.example.org"));
}

TEST(ExecutorConfigTest, TellsAllErrorsAtOnceInTheFilesOrder) {
  const absl::Status status = ParseExecutorConfig(R"(insecure: true
listen: 192.168.0.1
allow:
  interfaces: [eth0]
services:
  a.b:
    systemd: apache2
  website:
    systemd: apache2.service
    checks:
      - http: 127.0.0.1
        fall: 0
)",
                                                  "/etc/hb/executor.yaml")
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), R"(?)");
}

}  // namespace
}  // namespace hb
