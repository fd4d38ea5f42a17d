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
      {"node absent", "node: master\n", "",
       "c.yaml:1:1: node: is required; write this node's name in controller.yaml"},
      {"node bad", "node: master\n", "node: -master\n",
       "c.yaml:1:7: node: '-master' is no name; use 1 to 63 letters, digits, '-', '_' and '.', the "
       "first a letter or digit"},
      {"listen absent", "listen: 192.168.0.1:7401\n", "",
       "c.yaml:1:1: listen: is required; write where the controller reaches this node, like "
       "192.168.0.1:7401"},
      {"listen a socket", "listen: 192.168.0.1:7401\n", "listen: unix:///run/hb/executor.sock\n",
       "c.yaml:2:9: listen: 'unix:///run/hb/executor.sock' is not ADDRESS:PORT (like "
       "192.168.0.1:7401 or [fd00::1]:7401; names are not resolved)"},
      {"listen a list", "listen: 192.168.0.1:7401\n", "listen: ['192.168.0.1:7401']\n",
       "c.yaml:2:9: listen: expects text, not a list"},
      {"listen port", "listen: 192.168.0.1:7401\n", "listen: 192.168.0.1:0\n",
       "c.yaml:2:9: listen: '192.168.0.1:0': the port must be 1 to 65535"},
      {"tls", "insecure: true\n", "tls: {ca: /a, cert: /b, key: /c}\n",
       "c.yaml:3:6: tls: tls is not supported yet; remove the block and set insecure: true"},
      {"insecure absent", "insecure: true\n", "",
       "c.yaml:1:1: insecure: is required; there is no tls yet, so set insecure: true to say that "
       "whoever reaches the listener is believed"},
      {"insecure false", "insecure: true\n", "insecure: false\n",
       "c.yaml:3:11: insecure: must be true: tls is not supported yet"},
      {"state relative", "insecure: true\n", "insecure: true\nstate: hb\n",
       "c.yaml:4:8: state: 'hb' is no absolute path; it starts with '/' and does not end with it"},
      {"state empty", "insecure: true\n", "insecure: true\nstate: ''\n",
       "c.yaml:4:8: state: '' is no absolute path; it starts with '/' and does not end with it"},
      {"bpffs relative", "insecure: true\n", "insecure: true\nbpffs: sys/fs/bpf\n",
       "c.yaml:4:8: bpffs: 'sys/fs/bpf' is no absolute path; it starts with '/' and does not end"
       " with it"},
      {"unknown key", "insecure: true\n", "insecure: true\nservice: {}\n",
       "c.yaml:4:1: service: unknown key; did you mean 'services'?"},
  });
}

TEST(ExecutorConfigTest, RefusesByAllow) {
  CheckRefusals({
      {"absent", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n", "",
       "c.yaml:1:1: allow: is required; write what a controller may touch here: interfaces and "
       "vips"},
      {"interfaces absent", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {vips: [192.168.0.0/24]}\n",
       "c.yaml:4:1: allow.interfaces: is required; name at least 1"},
      {"interfaces empty", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [], vips: [192.168.0.0/24]}\n",
       "c.yaml:4:21: allow.interfaces: is an empty list; name at least one item or remove the key"},
      {"interfaces a scalar", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: eth0, vips: [192.168.0.0/24]}\n",
       "c.yaml:4:21: allow.interfaces: expects a list, not 'eth0'; put [ ] around it"},
      {"interface too long", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0, sixteen-letters0], vips: [192.168.0.0/24]}\n",
       "c.yaml:4:28: allow.interfaces[1]: 'sixteen-letters0' is no interface's name; use 1 to 15 "
       "characters without space, '/' and ':' (ip link shows them)"},
      {"interface with a slash", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth/0], vips: [192.168.0.0/24]}\n",
       "c.yaml:4:22: allow.interfaces[0]: 'eth/0' is no interface's name; use 1 to 15 characters "
       "without space, '/' and ':' (ip link shows them)"},
      {"interface twice", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0, eth1, eth0], vips: [192.168.0.0/24]}\n",
       "c.yaml:4:34: allow.interfaces[2]: 'eth0' stands in allow.interfaces[0] already; remove "
       "one"},
      {"interfaces too many", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15, "
       "e16, e17, e18, e19, e20, e21, e22, e23, e24, e25, e26, e27, e28, e29, e30, e31, e32, e33, "
       "e34, e35, e36, e37, e38, e39, e40, e41, e42, e43, e44, e45, e46, e47, e48, e49, e50, e51, "
       "e52, e53, e54, e55, e56, e57, e58, e59, e60, e61, e62, e63, e64], vips: "
       "[192.168.0.0/24]}\n",
       "c.yaml:4:21: allow.interfaces: has 65 items; at most 64 are supported"},
      {"vips absent", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0]}\n", "c.yaml:4:1: allow.vips: is required; name at least 1"},
      {"vip no prefix", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [lan]}\n",
       "c.yaml:4:36: allow.vips[0]: 'lan' is no IPv4 or IPv6 address, with or without a prefix "
       "length (like 192.168.0.111/24 or fd00::111/64)"},
      {"vip length", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/40]}\n",
       "c.yaml:4:36: allow.vips[0]: '192.168.0.0/40': the prefix length must be 0 to 32"},
      {"vip bits beyond the length", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.111/24]}\n",
       "c.yaml:4:36: allow.vips[0]: '192.168.0.111/24' has bits beyond its length; write "
       "192.168.0.0/24 for the network or 192.168.0.111 for the one address"},
      {"vip IPv6 bits beyond the length", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: ['fd00:0:0:1::1/63']}\n",
       "c.yaml:4:36: allow.vips[0]: 'fd00:0:0:1::1/63' has bits beyond its length; write fd00::/63 "
       "for the network or fd00:0:0:1::1 for the one address"},
      {"vip twice", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.1, 192.168.0.1/32]}\n",
       "c.yaml:4:49: allow.vips[1]: '192.168.0.1/32' stands in allow.vips[0] already; remove one"},
      {"port zero", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [0]}\n",
       "c.yaml:4:68: allow.firewall_tcp[0]: 0 is no port; use 1 to 65535"},
      {"port too large", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [80, 65536]}\n",
       "c.yaml:4:72: allow.firewall_tcp[1]: 65536 is no port; use 1 to 65535"},
      {"port twice", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [80, 80]}\n",
       "c.yaml:4:72: allow.firewall_tcp[1]: 80 stands in allow.firewall_tcp[0] already; remove "
       "one"},
      {"port a word", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [http]}\n",
       "c.yaml:4:68: allow.firewall_tcp[0]: expects a whole number, not 'http'"},
      {"ports too many", "allow: {interfaces: [eth0], vips: [192.168.0.0/24]}\n",
       "allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [1, 2, 3, 4, 5, 6, 7, 8, "
       "9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, "
       "32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, "
       "54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65]}\n",
       "c.yaml:4:67: allow.firewall_tcp: has 65 items; at most 64 are supported"},
  });
}

TEST(ExecutorConfigTest, RefusesByService) {
  CheckRefusals({
      {"name bad", "  website:\n", "  web site:\n",
       "c.yaml:7:5: services['web site']: 'web site' is no name; use 1 to 63 letters, digits, '-', "
       "'_' and '.', the first a letter or digit"},
      {"services a list", "services:\n  website:\n    systemd: apache2.service\n",
       "services: [website]\n",
       "c.yaml:5:11: services: expects a mapping (key: value), not a list"},
      {"service a scalar", "  website:\n    systemd: apache2.service\n",
       "  website: apache2.service\n",
       "c.yaml:6:12: services.website: expects a mapping (key: value), not 'apache2.service'"},
      {"service without a value", "  website:\n    systemd: apache2.service\n", "  website:\n",
       "c.yaml:6:3: services.website: has no value; give it one or remove the key"},
      {"service named twice", "  website:\n    systemd: apache2.service\n",
       "  website: {systemd: a.service}\n  website: {systemd: b.service}\n",
       "c.yaml:7:3: services.website: named twice, first in line 6; keep one of them"},
      {"neither unit nor process", "    systemd: apache2.service\n", "    start_timeout: 1s\n",
       "c.yaml:7:5: services.website: has nothing to run; write systemd: UNIT or process: {argv: "
       "[...]}"},
      {"both unit and process", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    process: {argv: [/bin/true]}\n",
       "c.yaml:8:14: services.website.process: stands beside systemd; a service has one of the "
       "two, remove the other"},
      {"unit without suffix", "    systemd: apache2.service\n", "    systemd: apache2\n",
       "c.yaml:7:14: services.website.systemd: 'apache2' has no unit suffix; write for example "
       "'apache2.service'"},
      {"unit with a space", "    systemd: apache2.service\n", "    systemd: apache 2.service\n",
       "c.yaml:7:14: services.website.systemd: 'apache 2.service' is no unit's name; letters, "
       "digits and : - _ . \\ @, at most 255"},
      {"unit a suffix alone", "    systemd: apache2.service\n", "    systemd: .service\n",
       "c.yaml:7:14: services.website.systemd: '.service' is no unit's name; letters, digits and : "
       "- _ . \\ @, at most 255"},
      {"unit a template", "    systemd: apache2.service\n", "    systemd: apache2@.service\n",
       "c.yaml:7:14: services.website.systemd: 'apache2@.service' is a template; name an instance "
       "of it, like 'apache2@web.service'"},
      {"unit too long", "    systemd: apache2.service\n",
       absl::StrCat("    systemd: ", Repeat("u", 248), ".service\n"),
       absl::StrCat("c.yaml:7:14: services.website.systemd: '", Repeat("u", 80),
                    "...' is no unit's name; letters, digits and : - _ . \\ @, at most 255")},
      {"argv absent", "    systemd: apache2.service\n", "    process: {output: /var/log/x.log}\n",
       "c.yaml:7:5: services.website.process.argv: is required; name at least 1"},
      {"argv empty", "    systemd: apache2.service\n", "    process: {argv: []}\n",
       "c.yaml:7:21: services.website.process.argv: is an empty list; name at least one item or "
       "remove the key"},
      {"argv a scalar", "    systemd: apache2.service\n",
       "    process: {argv: /usr/sbin/apache2 -DFOREGROUND}\n",
       "c.yaml:7:21: services.website.process.argv: expects a list, not '/usr/sbin/apache2 "
       "-DFOREGROUND'; put [ ] around it"},
      {"argv relative", "    systemd: apache2.service\n",
       "    process: {argv: [apache2, -DFOREGROUND]}\n",
       "c.yaml:7:22: services.website.process.argv[0]: 'apache2' is no absolute path; it starts "
       "with '/' and does not end with it"},
      {"argv item a list", "    systemd: apache2.service\n",
       "    process: {argv: [/usr/sbin/apache2, [-D]]}\n",
       "c.yaml:7:41: services.website.process.argv[1]: expects text, not a list"},
      {"argv too many", "    systemd: apache2.service\n",
       absl::StrCat("    process: {argv: [/bin/true", Repeat(", x", 256), "]}\n"),
       "c.yaml:7:21: services.website.process.argv: has 257 items; at most 256 are supported"},
      {"environment name", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], environment: {1A: b, LANG: C}}\n",
       "c.yaml:7:52: services.website.process.environment.1A: '1A' is no variable's name; use "
       "letters, digits and '_', the first no digit"},
      {"environment name with a sign", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], environment: {A=B: c}}\n",
       "c.yaml:7:53: services.website.process.environment['A=B']: 'A=B' is no variable's name; use "
       "letters, digits and '_', the first no digit"},
      {"environment value a list", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], environment: {A: [b]}}\n",
       "c.yaml:7:51: services.website.process.environment.A: expects text, not a list"},
      {"output relative", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], output: log}\n",
       "c.yaml:7:42: services.website.process.output: 'log' is no absolute path; it starts with "
       "'/' and does not end with it"},
      {"signal unknown", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], stop_signal: TERM}\n",
       "c.yaml:7:47: services.website.process.stop_signal: 'TERM' does not ask a program to stop; "
       "use one of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH"},
      {"signal that asks nothing", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true], stop_signal: SIGKILL}\n",
       "c.yaml:7:47: services.website.process.stop_signal: 'SIGKILL' does not ask a program to "
       "stop; use one of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH"},
      {"control character", "    systemd: apache2.service\n",
       "    process: {argv: [/bin/true, \"a\\0b\"]}\n",
       "c.yaml:7:33: services.website.process.argv[1]: 'a\\000b' has a control character in it"},
      {"start timeout too short", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    start_timeout: 99ms\n",
       "c.yaml:8:20: services.website.start_timeout: 99ms is out of range; use 100ms to 10m"},
      {"start timeout too long", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    start_timeout: 11m\n",
       "c.yaml:8:20: services.website.start_timeout: 11m is out of range; use 100ms to 10m"},
      {"stop timeout too short", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    stop_timeout: 0s\n",
       "c.yaml:8:19: services.website.stop_timeout: 0 is out of range; use 100ms to 10m"},
      {"stop timeout too long", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    stop_timeout: 601s\n",
       "c.yaml:8:19: services.website.stop_timeout: 10m1s is out of range; use 100ms to 10m"},
      {"check url absent", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{fall: 1}]\n",
       "c.yaml:8:14: services.website.checks[0].http: is required; write the URL to ask, like "
       "http://127.0.0.1/"},
      {"check url with a placeholder", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://{address}/\"}]\n",
       "c.yaml:8:21: services.website.checks[0].http: 'http://{address}/' has {address} in it, "
       "which only the controller's probes know; write the address, like http://127.0.0.1/"},
      {"check url with a brace", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/{x}\"}]\n",
       "c.yaml:8:21: services.website.checks[0].http: 'http://127.0.0.1/{x}' has a brace in it; "
       "write %7B or %7D"},
      {"check url scheme", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: 127.0.0.1}]\n",
       "c.yaml:8:21: services.website.checks[0].http: '127.0.0.1' is no URL of http:// or "
       "https://"},
      {"check url host", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://::1/\"}]\n",
       "c.yaml:8:21: services.website.checks[0].http: 'http://::1/' names no host (IPv6 stands in "
       "brackets)"},
      {"check interval", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://[::1]/\", interval: 1ms}]\n",
       "c.yaml:8:48: services.website.checks[0].interval: 1ms is out of range; use 10ms to 1m"},
      {"check timeout", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\", timeout: 0s}]\n",
       "c.yaml:8:51: services.website.checks[0].timeout: 0 is out of range; use 10ms to 1m"},
      {"check timeout longer than the interval", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\", interval: 200ms, "
       "timeout: 300ms}]\n",
       "c.yaml:8:68: services.website.checks[0].timeout: 300ms is longer than the interval "
       "(200ms); lower timeout or raise interval"},
      {"check fall", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\", fall: 0}]\n",
       "c.yaml:8:48: services.website.checks[0].fall: 0 is out of range; use 1 to 100"},
      {"checks a mapping", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: {http: \"http://127.0.0.1/\"}\n",
       "c.yaml:8:13: services.website.checks: expects a list, not a mapping; start each item with "
       "'- '"},
      {"check a scalar", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [\"http://127.0.0.1/\"]\n",
       "c.yaml:8:14: services.website.checks[0]: expects a mapping (key: value), not "
       "'http://127.0.0.1/'"},
      {"checks too many", "    systemd: apache2.service\n",
       "    systemd: apache2.service\n    checks: [{http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, "
       "{http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, "
       "{http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, "
       "{http: \"http://127.0.0.1/\"}, {http: \"http://127.0.0.1/\"}, {http: "
       "\"http://127.0.0.1/\"}]\n",
       "c.yaml:8:13: services.website.checks: has 17 items; at most 16 are supported"},
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
bpffs: "/sys/fs/bpf"
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
  EXPECT_EQ(
      std::string(status.message()),
      R"(/etc/hb/executor.yaml:1:1: node: is required; write this node's name in controller.yaml
/etc/hb/executor.yaml:2:9: listen: '192.168.0.1' is not ADDRESS:PORT (like 192.168.0.1:7401 or [fd00::1]:7401; names are not resolved)
/etc/hb/executor.yaml:3:1: allow.vips: is required; name at least 1
/etc/hb/executor.yaml:7:14: services['a.b'].systemd: 'apache2' has no unit suffix; write for example 'apache2.service'
/etc/hb/executor.yaml:11:15: services.website.checks[0].http: '127.0.0.1' is no URL of http:// or https://
/etc/hb/executor.yaml:12:15: services.website.checks[0].fall: 0 is out of range; use 1 to 100)");
}

}  // namespace
}  // namespace hb
