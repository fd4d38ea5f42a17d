// The controller's config: a row for each refusal, with everything that is said; the defaults; the
// forms that consumers get.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/controller_config.h"
#include "config_test_util.h"

namespace hb {
namespace {

constexpr std::string_view kSound = R"(insecure: true
clusters:
  - name: web
    vips: [{address: 192.168.0.111/24, interface: eth0}]
    nodes:
      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}
      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}
    service: {name: website}
  - name: mail
    vips: [{address: fd00::111/64, interface: eth0}]
    nodes:
      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}
      - {name: third, address: 192.168.0.3, executor: 192.168.0.3:7401}
    service: {name: postfix}
)";

void CheckRefusals(const std::vector<Refusal>& refusals) {
  hb::CheckRefusals(kSound, ParseControllerConfig, refusals);
}

TEST(ControllerConfigTest, RefusesByFile) {
  CheckRefusals({
      {"listen empty list", "insecure: true\n", "insecure: true\nlisten: []\n", "?"},
      {"listen scalar", "insecure: true\n",
       "insecure: true\nlisten: unix:///run/hb/controller.sock\n", "?"},
      {"listen neither form", "insecure: true\n", "insecure: true\nlisten: [localhost:7400]\n",
       "?"},
      {"listen without port", "insecure: true\n", "insecure: true\nlisten: [192.168.0.2]\n", "?"},
      {"listen IPv6 without brackets", "insecure: true\n",
       "insecure: true\nlisten: ['fd00::2:7400']\n", "?"},
      {"listen port zero", "insecure: true\n", "insecure: true\nlisten: ['192.168.0.2:0']\n", "?"},
      {"listen port too large", "insecure: true\n",
       "insecure: true\nlisten: ['192.168.0.2:65536']\n", "?"},
      {"listen relative socket", "insecure: true\n",
       "insecure: true\nlisten: ['unix://run/hb.sock']\n", "?"},
      {"listen socket is a directory", "insecure: true\n",
       "insecure: true\nlisten: ['unix:///run/hb/']\n", "?"},
      {"listen socket path too long", "insecure: true\n",
       absl::StrCat("insecure: true\nlisten: ['unix:///", Repeat("x", 107), "']\n"), "?"},
      {"listen twice", "insecure: true\n",
       "insecure: true\nlisten: ['192.168.0.2:7400', '192.168.0.2:7400']\n", "?"},
      {"listen twice in two spellings", "insecure: true\n",
       "insecure: true\nlisten: ['[fd00::2]:7400', '[fd00:0::2]:7400']\n", "?"},
      {"listen too many", "insecure: true\n",
       "insecure: true\nlisten: ['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1', '10.0.0.4:1', "
       "'10.0.0.5:1', '10.0.0.6:1', '10.0.0.7:1', '10.0.0.8:1', '10.0.0.9:1', '10.0.0.10:1', "
       "'10.0.0.11:1', '10.0.0.12:1', '10.0.0.13:1', '10.0.0.14:1', '10.0.0.15:1', '10.0.0.16:1', "
       "'10.0.0.17:1']\n",
       "?"},
      {"tls", "insecure: true\n", "tls: {ca: /a, cert: /b, key: /c}\n", "?"},
      {"tls beside insecure", "insecure: true\n",
       "insecure: true\ntls: {ca: /a, cert: /b, key: /c}\n", "?"},
      {"insecure absent", "insecure: true\n", "", "?"},
      {"insecure false", "insecure: true\n", "insecure: false\n", "?"},
      {"insecure yes", "insecure: true\n", "insecure: yes\n", "?"},
      {"store etcd", "insecure: true\n", "insecure: true\nstore: etcd://192.168.0.3:2379\n", "?"},
      {"store relative", "insecure: true\n", "insecure: true\nstore: sqlite://var/lib/hb.db\n",
       "?"},
      {"store plain path", "insecure: true\n", "insecure: true\nstore: /var/lib/hb.db\n", "?"},
      {"store directory", "insecure: true\n", "insecure: true\nstore: sqlite:///var/lib/hb/\n",
       "?"},
      {"event log relative", "insecure: true\n", "insecure: true\nevent_log: ha.log\n", "?"},
      {"event log directory", "insecure: true\n", "insecure: true\nevent_log: /var/log/\n", "?"},
      {"unknown key near a known one", "insecure: true\n",
       "insecure: true\nevnt_log: /var/log/ha.log\n", "?"},
      {"unknown key with a dash", "insecure: true\n",
       "insecure: true\nevent-log: /var/log/ha.log\n", "?"},
      {"unknown key", "insecure: true\n", "insecure: true\ncolour: red\n", "?"},
      {"key without a value", "insecure: true\n", "insecure: true\nstore:\n", "?"},
  });
}

TEST(ControllerConfigTest, RefusesByCluster) {
  CheckRefusals({
      {"clusters empty", "", "insecure: true\nclusters: []\n", "?"},
      {"clusters absent", "", "insecure: true\n", "?"},
      {"clusters a mapping", "", "insecure: true\nclusters: {web: {}}\n", "?"},
      {"clusters of scalars", "", "insecure: true\nclusters: [web]\n", "?"},
      {"name absent", "  - name: web\n    vips", "  - vips", "?"},
      {"name with a space", "name: web\n", "name: my web\n", "?"},
      {"name starts with a dot", "name: web\n", "name: .web\n", "?"},
      {"name empty", "name: web\n", "name: \"\"\n", "?"},
      {"name too long", "name: web\n", absl::StrCat("name: ", Repeat("w", 64), "\n"), "?"},
      {"name twice", "name: mail\n", "name: web\n", "?"},
      {"vips absent", "    vips: [{address: 192.168.0.111/24, interface: eth0}]\n", "", "?"},
      {"vips too many", "    vips: [{address: 192.168.0.111/24, interface: eth0}]\n",
       "    vips: [{address: 10.0.0.1, interface: e}, {address: 10.0.0.2, interface: e}, {address: "
       "10.0.0.3, interface: e}, {address: 10.0.0.4, interface: e}, {address: 10.0.0.5, interface: "
       "e}, {address: 10.0.0.6, interface: e}, {address: 10.0.0.7, interface: e}, {address: "
       "10.0.0.8, interface: e}, {address: 10.0.0.9, interface: e}, {address: 10.0.0.10, "
       "interface: e}, {address: 10.0.0.11, interface: e}, {address: 10.0.0.12, interface: e}, "
       "{address: 10.0.0.13, interface: e}, {address: 10.0.0.14, interface: e}, {address: "
       "10.0.0.15, interface: e}, {address: 10.0.0.16, interface: e}, {address: 10.0.0.17, "
       "interface: e}]\n",
       "?"},
      {"nodes one", "      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}\n",
       "", "?"},
      {"nodes absent",
       "    nodes:\n      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}\n     "
       " - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}\n    service: {name: "
       "website}",
       "    service: {name: website}", "?"},
      {"nodes too many",
       "      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}\n",
       "      - {name: n1, address: 10.0.0.1, executor: '10.0.0.1:1'}\n      - {name: n2, address: "
       "10.0.0.2, executor: '10.0.0.2:1'}\n      - {name: n3, address: 10.0.0.3, executor: "
       "'10.0.0.3:1'}\n      - {name: n4, address: 10.0.0.4, executor: '10.0.0.4:1'}\n      - "
       "{name: n5, address: 10.0.0.5, executor: '10.0.0.5:1'}\n      - {name: n6, address: "
       "10.0.0.6, executor: '10.0.0.6:1'}\n      - {name: n7, address: 10.0.0.7, executor: "
       "'10.0.0.7:1'}\n      - {name: n8, address: 10.0.0.8, executor: '10.0.0.8:1'}\n      - "
       "{name: n9, address: 10.0.0.9, executor: '10.0.0.9:1'}\n      - {name: n10, address: "
       "10.0.0.10, executor: '10.0.0.10:1'}\n      - {name: n11, address: 10.0.0.11, executor: "
       "'10.0.0.11:1'}\n      - {name: n12, address: 10.0.0.12, executor: '10.0.0.12:1'}\n      - "
       "{name: n13, address: 10.0.0.13, executor: '10.0.0.13:1'}\n      - {name: n14, address: "
       "10.0.0.14, executor: '10.0.0.14:1'}\n      - {name: n15, address: 10.0.0.15, executor: "
       "'10.0.0.15:1'}\n      - {name: n16, address: 10.0.0.16, executor: '10.0.0.16:1'}\n",
       "?"},
      {"service absent", "    service: {name: website}\n", "", "?"},
      {"service a scalar", "    service: {name: website}\n", "    service: website\n", "?"},
      {"service name absent", "    service: {name: website}\n", "    service: {label: site}\n",
       "?"},
      {"service name bad", "    service: {name: website}\n", "    service: {name: web/site}\n",
       "?"},
      {"service label empty", "    service: {name: website}\n",
       "    service: {name: website, label: ''}\n", "?"},
      {"service label of two lines", "    service: {name: website}\n",
       "    service: {name: website, label: \"a\\nb\"}\n", "?"},
      {"service label too long", "    service: {name: website}\n",
       absl::StrCat("    service: {name: website, label: ", Repeat("l", 129), "}\n"), "?"},
      {"standby unknown", "    service: {name: website}\n",
       "    service: {name: website, standby: hot}\n", "?"},
  });
}

TEST(ControllerConfigTest, RefusesByVip) {
  CheckRefusals({
      {"no address", "192.168.0.111/24", "example.org", "?"},
      {"length too large", "192.168.0.111/24", "192.168.0.111/33", "?"},
      {"length no number", "192.168.0.111/24", "192.168.0.111/+24", "?"},
      {"length zero", "192.168.0.111/24", "192.168.0.111/0", "?"},
      {"network address", "192.168.0.111/24", "192.168.0.0/24", "?"},
      {"broadcast address", "192.168.0.111/24", "192.168.0.255/24", "?"},
      {"unspecified", "192.168.0.111/24", "0.0.0.0/32", "?"},
      {"multicast", "192.168.0.111/24", "224.0.0.18", "?"},
      {"class E", "192.168.0.111/24", "255.255.255.255", "?"},
      {"IPv6 unspecified", "192.168.0.111/24", "'::/64'", "?"},
      {"IPv6 multicast", "192.168.0.111/24", "'ff02::12'", "?"},
      {"IPv6 link-local", "192.168.0.111/24", "'fe80::1/64'", "?"},
      {"IPv4-mapped", "192.168.0.111/24", "'::ffff:192.168.0.111'", "?"},
      {"address absent", "{address: 192.168.0.111/24, interface: eth0}", "{interface: eth0}", "?"},
      {"interface absent", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24}", "?"},
      {"interface too long", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: interface0123456}", "?"},
      {"interface with a slash", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: eth/0}", "?"},
      {"interface with a space", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: eth 0}", "?"},
      {"interface dot dot", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: ..}", "?"},
      {"twice in a cluster", "vips: [{address: 192.168.0.111/24, interface: eth0}]",
       "vips: [{address: 192.168.0.111/24, interface: eth0}, {address: 192.168.0.111, interface: "
       "eth1}]",
       "?"},
      {"in two clusters", "fd00::111/64", "192.168.0.111/32", "?"},
      {"in two clusters in two spellings", "vips: [{address: 192.168.0.111/24, interface: eth0}]",
       "vips: [{address: 'fd00:0:0::111', interface: eth0}]", "?"},
      {"a node's own address", "192.168.0.111/24", "192.168.0.2/24", "?"},
      {"a node of another cluster", "192.168.0.111/24", "192.168.0.3/24", "?"},
  });
}

TEST(ControllerConfigTest, RefusesByNode) {
  CheckRefusals({
      {"name absent", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{address: 192.168.0.1, executor: 192.168.0.1:7401}", "?"},
      {"name bad", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: the master, address: 192.168.0.1, executor: 192.168.0.1:7401}", "?"},
      {"address absent", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, executor: 192.168.0.1:7401}", "?"},
      {"address no address", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: master.lan, executor: 192.168.0.1:7401}", "?"},
      {"address with a length", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1/24, executor: 192.168.0.1:7401}", "?"},
      {"address unspecified", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 0.0.0.0, executor: 192.168.0.1:7401}", "?"},
      {"address multicast", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 239.1.1.1, executor: 192.168.0.1:7401}", "?"},
      {"address link-local", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 'fe80::1', executor: 192.168.0.1:7401}", "?"},
      {"executor absent", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1}", "?"},
      {"executor without port", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1}", "?"},
      {"executor a name", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 'master:7401'}", "?"},
      {"executor port", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: '192.168.0.1:99999'}", "?"},
      {"executor everywhere", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: '0.0.0.0:7401'}", "?"},
      {"executor at a VIP", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.111:7401}", "?"},
      {"priority too large", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: 1001}", "?"},
      {"priority negative", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: -1}", "?"},
      {"priority overflow", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: 4294967296}",
       "?"},
      {"name twice in a cluster",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: slave, address: 192.168.0.1, executor: 192.168.0.1:7401}", "?"},
      {"address of another node",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.2, executor: 192.168.0.1:7401}", "?"},
      {"executor of another node",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.2:7401}", "?"},
      {"address differs between clusters",
       "{name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}\n      - {name: third",
       "{name: slave, address: 192.168.0.22, executor: 192.168.0.2:7401}\n      - {name: third",
       "?"},
      {"executor differs between clusters",
       "{name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}\n      - {name: third",
       "{name: slave, address: 192.168.0.2, executor: 192.168.0.2:7402}\n      - {name: third",
       "?"},
      {"address of a node in another cluster", "{name: third, address: 192.168.0.3",
       "{name: third, address: 192.168.0.1", "?"},
      {"executor of a node in another cluster", "executor: 192.168.0.3:7401",
       "executor: 192.168.0.1:7401", "?"},
  });
}

TEST(ControllerConfigTest, RefusesByTime) {
  CheckRefusals({
      {"heartbeat too short", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 9ms\n", "?"},
      {"heartbeat too long", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 11s\n    lease: {ttl: 60s}\n", "?"},
      {"heartbeat without unit", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 200\n", "?"},
      {"heartbeat zero", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 0\n", "?"},
      {"heartbeat words", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: quick\n", "?"},
      {"heartbeat infinite", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: inf\n", "?"},
      {"heartbeat negative", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: -200ms\n", "?"},
      {"heartbeat a list", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: [200ms]\n", "?"},
      {"ttl too short", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {ttl: 29ms}\n    heartbeat: 10ms\n", "?"},
      {"ttl too long", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {ttl: 61s}\n", "?"},
      {"ttl below three heartbeats", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {ttl: 300ms}\n", "?"},
      {"default ttl below three heartbeats", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 400ms\n", "?"},
      {"on_expiry unknown", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: releas}\n", "?"},
      {"on_expiry upper case", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: RELEASE}\n", "?"},
      {"on_expiry unspecified", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: unspecified}\n", "?"},
      {"witness under release", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: release}\n    witness: {address: "
       "gateway}\n",
       "?"},
      {"witness under hold", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: hold}\n    witness: {interval: "
       "100ms}\n",
       "?"},
      {"witness a name", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: router.lan}\n", "?"},
      {"witness loopback", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 127.0.0.1}\n", "?"},
      {"witness IPv6 loopback", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: '::1'}\n", "?"},
      {"witness multicast", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 224.0.0.1}\n", "?"},
      {"witness a node", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 192.168.0.2}\n", "?"},
      {"witness an executor",
       "executor: 192.168.0.1:7401}\n      - {name: slave, address: 192.168.0.2, executor: "
       "192.168.0.2:7401}\n    service: {name: website}\n",
       "executor: 10.9.9.9:7401}\n      - {name: slave, address: 192.168.0.2, executor: "
       "192.168.0.2:7401}\n    service: {name: website}\n    witness: {address: 10.9.9.9}\n",
       "?"},
      {"witness a VIP", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 192.168.0.111}\n", "?"},
      {"witness a VIP of another cluster", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 'fd00:0::111'}\n", "?"},
      {"witness interval too short", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {interval: 9ms}\n", "?"},
      {"witness interval too long", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {interval: 11s}\n    lease: {ttl: 60s}\n", "?"},
      {"witness interval above half the ttl", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {interval: 501ms}\n", "?"},
      {"failback mode", "    service: {name: website}\n",
       "    service: {name: website}\n    failback: {mode: automatic}\n", "?"},
      {"failback after negative", "    service: {name: website}\n",
       "    service: {name: website}\n    failback: {after: -1s}\n", "?"},
      {"failback after too long", "    service: {name: website}\n",
       "    service: {name: website}\n    failback: {after: 25h}\n", "?"},
      {"flap max zero", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {max: 0}\n", "?"},
      {"flap max too large", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {max: 1001}\n", "?"},
      {"flap window too short", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {window: 999ms}\n", "?"},
      {"flap window too long", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {window: 24h1s}\n", "?"},
      {"firewall icmp", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {icmp: all}\n", "?"},
      {"firewall tcp source", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {80: everybody}}\n", "?"},
      {"firewall tcp port zero", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {0: peers}}\n", "?"},
      {"firewall tcp port too large", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {65536: peers}}\n", "?"},
      {"firewall tcp port a word", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {http: peers}}\n", "?"},
      {"firewall tcp port twice", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {80: peers, 80: peers}}\n", "?"},
      {"firewall tcp a list", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: [80]}\n", "?"},
  });
}

TEST(ControllerConfigTest, RefusesByProbe) {
  CheckRefusals({
      {"icmp interval too short", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {interval: 9ms}}\n", "?"},
      {"icmp interval too long", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {interval: 61s}}\n", "?"},
      {"icmp timeout too short", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {timeout: 1ms}}\n", "?"},
      {"icmp timeout longer than the interval", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {timeout: 201ms}}\n", "?"},
      {"icmp fall zero", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {fall: 0}}\n", "?"},
      {"icmp fall too large", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {fall: 101}}\n", "?"},
      {"icmp rise zero", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: 0}}\n", "?"},
      {"icmp rise a fraction", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: 1.5}}\n", "?"},
      {"icmp rise quoted", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: '3'}}\n", "?"},
      {"icmp rise octal", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: 03}}\n", "?"},
      {"http url absent", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {fall: 2}}\n", "?"},
      {"http url without address", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: http://192.168.0.111/}}\n", "?"},
      {"http url without scheme", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"{address}/\"}}\n", "?"},
      {"http url of another scheme", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"ftp://{address}/\"}}\n", "?"},
      {"http url with a space", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/a b\"}}\n", "?"},
      {"http url not ASCII", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/ä\"}}\n", "?"},
      {"http url too long", "    service: {name: website}\n",
       absl::StrCat("    service: {name: website}\n    probes: {http: {url: \"http://{address}/",
                    Repeat("a", 2048), "\"}}\n"),
       "?"},
      {"http url without host", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http:///{address}\"}}\n", "?"},
      {"http url host garbage", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://a*b/{address}\"}}\n", "?"},
      {"http url port", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}:0/\"}}\n", "?"},
      {"http url port not a number", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}:http/\"}}\n",
       "?"},
      {"http url with a password", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://me:secret@{address}/\"}}\n",
       "?"},
      {"http url misspelt placeholder", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{adress}/{address}\"}}\n",
       "?"},
      {"http url not quoted", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: {address}}}\n", "?"},
      {"http interval", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", interval: "
       "61s}}\n",
       "?"},
      {"http timeout", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", timeout: "
       "61s, interval: 60s}}\n",
       "?"},
      {"http timeout longer than the interval", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", timeout: "
       "2s}}\n",
       "?"},
      {"http fall", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", fall: "
       "101}}\n",
       "?"},
      {"http rise", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", rise: 0}}\n",
       "?"},
      {"http redirects", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", redirects: "
       "11}}\n",
       "?"},
      {"http status a word", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: ok}}}\n",
       "?"},
      {"http status out of range", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: 200-600}}}\n",
       "?"},
      {"http status backwards", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: 399-200}}}\n",
       "?"},
      {"http status with spaces", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: '200, 301'}}}\n",
       "?"},
      {"http status open", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: 200-}}}\n",
       "?"},
      {"http body empty", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{body: ''}}}\n",
       "?"},
      {"http body too long", "    service: {name: website}\n",
       absl::StrCat("    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", "
                    "expect: {body: ",
                    Repeat("b", 4097), "}}}\n"),
       "?"},
      {"http host a URL", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", host: "
       "'http://www.example.org'}}\n",
       "?"},
      {"http host port", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", host: "
       "'www.example.org:x'}}\n",
       "?"},
      {"http host empty", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", host: ''}}\n",
       "?"},
      {"http ca relative", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: {ca: "
       "ca.crt}}}\n",
       "?"},
      {"http ca without verification", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: {ca: "
       "/etc/ca.crt, verify: false}}}\n",
       "?"},
      {"http verify a word", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: "
       "{verify: no}}}\n",
       "?"},
      {"http verify quoted", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: "
       "{verify: 'false'}}}\n",
       "?"},
  });
}

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
    return ParseControllerConfig(Edit(kSound, service, absl::StrCat(service, std::string(line))),
                                 "c.yaml");
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
           "    probes: {http: {url: 'https://{address}:65535/a?b=c#d', redirects: 10,"
           " expect: {status: '100,200-399,599', body: b}, host: '[fd00::1]:80'}}\n",
       }) {
    const auto config =
        ParseControllerConfig(Edit(kSound, service, absl::StrCat(service, line)), "c.yaml");
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
  EXPECT_EQ(std::string(status.message()), R"(?)");
}

// A field that can't be read makes no second error by what would hold for its default.
TEST(ControllerConfigTest, BuildsNoErrorOnAnother) {
  const std::string service = "    service: {name: website}\n";
  const auto check = [&](const char* lines, const char* error) {
    const auto config =
        ParseControllerConfig(Edit(kSound, service, absl::StrCat(service, lines)), "c.yaml");
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
