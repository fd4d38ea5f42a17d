// What the controller's config refuses of its listeners, clusters, nodes and addresses: a row each,
// with everything that is said.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/controller_config.h"
#include "config_test_util.h"

namespace hb {
namespace {

void CheckRefusals(const std::vector<Refusal>& refusals) {
  hb::CheckRefusals(kSoundController, ParseControllerConfig, refusals);
}

TEST(ControllerConfigTest, RefusesByFile) {
  CheckRefusals({
      {"listen empty list", "insecure: true\n", "insecure: true\nlisten: []\n",
       "c.yaml:2:9: listen: is an empty list; name at least one item or remove the key"},
      {"listen scalar", "insecure: true\n",
       "insecure: true\nlisten: unix:///run/hb/controller.sock\n",
       "c.yaml:2:9: listen: expects a list, not 'unix:///run/hb/controller.sock'; put [ ] around "
       "it"},
      {"listen a name", "insecure: true\n", "insecure: true\nlisten: [localhost:7400]\n",
       "c.yaml:2:10: listen[0]: 'localhost:7400' is not ADDRESS:PORT (like 192.168.0.1:7401 or "
       "[fd00::1]:7401; names are not resolved)"},
      {"listen neither form", "insecure: true\n",
       "insecure: true\nlisten: ['http://192.168.0.2:7400/']\n",
       "c.yaml:2:10: listen[0]: 'http://192.168.0.2:7400/' is neither unix:///PATH nor "
       "ADDRESS:PORT"},
      {"listen without port", "insecure: true\n", "insecure: true\nlisten: [192.168.0.2]\n",
       "c.yaml:2:10: listen[0]: '192.168.0.2' is not ADDRESS:PORT (like 192.168.0.1:7401 or "
       "[fd00::1]:7401; names are not resolved)"},
      {"listen IPv6 without brackets", "insecure: true\n",
       "insecure: true\nlisten: ['fd00::2:7400']\n",
       "c.yaml:2:10: listen[0]: 'fd00::2:7400' is not ADDRESS:PORT (like 192.168.0.1:7401 or "
       "[fd00::1]:7401; names are not resolved)"},
      {"listen port zero", "insecure: true\n", "insecure: true\nlisten: ['192.168.0.2:0']\n",
       "c.yaml:2:10: listen[0]: '192.168.0.2:0': the port must be 1 to 65535"},
      {"listen port too large", "insecure: true\n",
       "insecure: true\nlisten: ['192.168.0.2:65536']\n",
       "c.yaml:2:10: listen[0]: '192.168.0.2:65536': the port must be 1 to 65535"},
      {"listen relative socket", "insecure: true\n",
       "insecure: true\nlisten: ['unix://run/hb.sock']\n",
       "c.yaml:2:10: listen[0]: 'run/hb.sock' is no absolute path; it starts with '/' and does not "
       "end with it"},
      {"listen socket is a directory", "insecure: true\n",
       "insecure: true\nlisten: ['unix:///run/hb/']\n",
       "c.yaml:2:10: listen[0]: '/run/hb/' is no absolute path; it starts with '/' and does not "
       "end with it"},
      {"listen socket path too long", "insecure: true\n",
       absl::StrCat("insecure: true\nlisten: ['unix:///", Repeat("x", 107), "']\n"),
       absl::StrCat("c.yaml:2:10: listen[0]: 'unix:///", Repeat("x", 72),
                    "...': a socket's path has at most 107 characters")},
      {"listen twice", "insecure: true\n",
       "insecure: true\nlisten: ['192.168.0.2:7400', '192.168.0.2:7400']\n",
       "c.yaml:2:30: listen[1]: '192.168.0.2:7400' stands in listen[0] already; remove one"},
      {"listen twice in two spellings", "insecure: true\n",
       "insecure: true\nlisten: ['[fd00::2]:7400', '[fd00:0::2]:7400']\n",
       "c.yaml:2:28: listen[1]: '[fd00::2]:7400' stands in listen[0] already; remove one"},
      {"listen too many", "insecure: true\n",
       "insecure: true\nlisten: ['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1', '10.0.0.4:1', "
       "'10.0.0.5:1', '10.0.0.6:1', '10.0.0.7:1', '10.0.0.8:1', '10.0.0.9:1', '10.0.0.10:1', "
       "'10.0.0.11:1', '10.0.0.12:1', '10.0.0.13:1', '10.0.0.14:1', '10.0.0.15:1', '10.0.0.16:1', "
       "'10.0.0.17:1']\n",
       "c.yaml:2:9: listen: has 17 items; at most 16 are supported"},
      {"tls", "insecure: true\n", "tls: {ca: /a, cert: /b, key: /c}\n",
       "c.yaml:1:6: tls: tls is not supported yet; remove the block and set insecure: true"},
      {"tls beside insecure", "insecure: true\n",
       "insecure: true\ntls: {ca: /a, cert: /b, key: /c}\n",
       "c.yaml:2:6: tls: tls is not supported yet; remove the block and set insecure: true"},
      {"insecure absent", "insecure: true\n", "",
       "c.yaml:1:1: insecure: is required; there is no tls yet, so set insecure: true to say that "
       "whoever reaches the listener is believed"},
      {"insecure false", "insecure: true\n", "insecure: false\n",
       "c.yaml:1:11: insecure: must be true: tls is not supported yet"},
      {"insecure yes", "insecure: true\n", "insecure: yes\n",
       "c.yaml:1:11: insecure: expects true or false, not 'yes'"},
      {"store etcd", "insecure: true\n", "insecure: true\nstore: etcd://192.168.0.3:2379\n",
       "c.yaml:2:8: store: etcd:// is not supported yet; use sqlite:///var/lib/hb/controller.db"},
      {"store relative", "insecure: true\n", "insecure: true\nstore: sqlite://var/lib/hb.db\n",
       "c.yaml:2:8: store: 'sqlite://var/lib/hb.db' is no store; write sqlite:// and an absolute "
       "path, like sqlite:///var/lib/hb/controller.db"},
      {"store plain path", "insecure: true\n", "insecure: true\nstore: /var/lib/hb.db\n",
       "c.yaml:2:8: store: '/var/lib/hb.db' is no store; write sqlite:// and an absolute path, "
       "like sqlite:///var/lib/hb/controller.db"},
      {"store directory", "insecure: true\n", "insecure: true\nstore: sqlite:///var/lib/hb/\n",
       "c.yaml:2:8: store: 'sqlite:///var/lib/hb/' is no store; write sqlite:// and an absolute "
       "path, like sqlite:///var/lib/hb/controller.db"},
      {"event log relative", "insecure: true\n", "insecure: true\nevent_log: ha.log\n",
       "c.yaml:2:12: event_log: 'ha.log' is no absolute path; it starts with '/' and does not end "
       "with it"},
      {"event log directory", "insecure: true\n", "insecure: true\nevent_log: /var/log/\n",
       "c.yaml:2:12: event_log: '/var/log/' is no absolute path; it starts with '/' and does not "
       "end with it"},
      {"unknown key near a known one", "insecure: true\n",
       "insecure: true\nevnt_log: /var/log/ha.log\n",
       "c.yaml:2:1: evnt_log: unknown key; did you mean 'event_log'?"},
      {"unknown key with a dash", "insecure: true\n",
       "insecure: true\nevent-log: /var/log/ha.log\n",
       "c.yaml:2:1: event-log: unknown key; did you mean 'event_log'?"},
      {"unknown key", "insecure: true\n", "insecure: true\ncolour: red\n",
       "c.yaml:2:1: colour: unknown key; allowed here: listen, tls, insecure, store, event_log, "
       "clusters"},
      {"key without a value", "insecure: true\n", "insecure: true\nstore:\n",
       "c.yaml:2:1: store: has no value; give it one or remove the key"},
  });
}

TEST(ControllerConfigTest, RefusesByCluster) {
  CheckRefusals({
      {"clusters empty", "", "insecure: true\nclusters: []\n",
       "c.yaml:2:11: clusters: is an empty list; name at least one item or remove the key"},
      {"clusters absent", "", "insecure: true\n",
       "c.yaml:1:1: clusters: is required; name at least 1"},
      {"clusters a mapping", "", "insecure: true\nclusters: {web: {}}\n",
       "c.yaml:2:11: clusters: expects a list, not a mapping; start each item with '- '"},
      {"clusters of scalars", "", "insecure: true\nclusters: [web]\n",
       "c.yaml:2:12: clusters[0]: expects a mapping (key: value), not 'web'"},
      {"name absent", "  - name: web\n    vips", "  - vips",
       "c.yaml:3:5: clusters[0].name: is required; give the cluster a name"},
      {"name with a space", "name: web\n", "name: my web\n",
       "c.yaml:3:11: clusters[0].name: 'my web' is no name; use 1 to 63 letters, digits, '-', '_' "
       "and '.', the first a letter or digit"},
      {"name starts with a dot", "name: web\n", "name: .web\n",
       "c.yaml:3:11: clusters[0].name: '.web' is no name; use 1 to 63 letters, digits, '-', '_' "
       "and '.', the first a letter or digit"},
      {"name empty", "name: web\n", "name: \"\"\n",
       "c.yaml:3:11: clusters[0].name: '' is no name; use 1 to 63 letters, digits, '-', '_' and "
       "'.', the first a letter or digit"},
      {"name too long", "name: web\n", absl::StrCat("name: ", Repeat("w", 64), "\n"),
       absl::StrCat("c.yaml:3:11: clusters[0].name: '", Repeat("w", 64),
                    "' is no name; use 1 to 63 letters, digits, '-', '_' and '.', the first a "
                    "letter or digit")},
      {"name twice", "name: mail\n", "name: web\n",
       "c.yaml:9:11: clusters[1].name: cluster web stands in the file twice (clusters[0].name, "
       "line 3); give this one another name"},
      {"vips absent", "    vips: [{address: 192.168.0.111/24, interface: eth0}]\n", "",
       "c.yaml:3:5: clusters[0].vips: is required; name at least 1"},
      {"vips too many", "    vips: [{address: 192.168.0.111/24, interface: eth0}]\n",
       "    vips: [{address: 10.0.0.1, interface: e}, {address: 10.0.0.2, interface: e}, {address: "
       "10.0.0.3, interface: e}, {address: 10.0.0.4, interface: e}, {address: 10.0.0.5, interface: "
       "e}, {address: 10.0.0.6, interface: e}, {address: 10.0.0.7, interface: e}, {address: "
       "10.0.0.8, interface: e}, {address: 10.0.0.9, interface: e}, {address: 10.0.0.10, "
       "interface: e}, {address: 10.0.0.11, interface: e}, {address: 10.0.0.12, interface: e}, "
       "{address: 10.0.0.13, interface: e}, {address: 10.0.0.14, interface: e}, {address: "
       "10.0.0.15, interface: e}, {address: 10.0.0.16, interface: e}, {address: 10.0.0.17, "
       "interface: e}]\n",
       "c.yaml:4:11: clusters[0].vips: has 17 items; at most 16 are supported"},
      {"nodes one", "      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}\n",
       "", "c.yaml:6:7: clusters[0].nodes: has 1 item; at least 2 are needed"},
      {"nodes absent",
       "    nodes:\n      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}\n     "
       " - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}\n    service: {name: "
       "website}",
       "    service: {name: website}",
       "c.yaml:3:5: clusters[0].nodes: is required; name at least 2"},
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
       "c.yaml:6:7: clusters[0].nodes: has 17 items; at most 16 are supported"},
      {"service absent", "    service: {name: website}\n", "",
       "c.yaml:3:5: clusters[0].service: is required; write service: {name: ...}"},
      {"service a scalar", "    service: {name: website}\n", "    service: website\n",
       "c.yaml:8:14: clusters[0].service: expects a mapping (key: value), not 'website'"},
      {"service name absent", "    service: {name: website}\n", "    service: {label: site}\n",
       "c.yaml:8:5: clusters[0].service.name: is required; write the service's name in "
       "executor.yaml"},
      {"service name bad", "    service: {name: website}\n", "    service: {name: web/site}\n",
       "c.yaml:8:21: clusters[0].service.name: 'web/site' is no name; use 1 to 63 letters, digits, "
       "'-', '_' and '.', the first a letter or digit"},
      {"service label empty", "    service: {name: website}\n",
       "    service: {name: website, label: ''}\n",
       "c.yaml:8:37: clusters[0].service.label: '' is no label; write one line of 1 to 128 "
       "characters"},
      {"service label of two lines", "    service: {name: website}\n",
       "    service: {name: website, label: \"a\\nb\"}\n",
       "c.yaml:8:37: clusters[0].service.label: 'a\\nb' is no label; write one line of 1 to 128 "
       "characters"},
      {"service label too long", "    service: {name: website}\n",
       absl::StrCat("    service: {name: website, label: ", Repeat("l", 129), "}\n"),
       absl::StrCat("c.yaml:8:37: clusters[0].service.label: '", Repeat("l", 80),
                    "...' is no label; write one line of 1 to 128 characters")},
      {"standby unknown", "    service: {name: website}\n",
       "    service: {name: website, standby: hot}\n",
       "c.yaml:8:39: clusters[0].service.standby: expects one of running, stopped; not 'hot'"},
  });
}

TEST(ControllerConfigTest, RefusesByVip) {
  CheckRefusals({
      {"no address", "192.168.0.111/24", "example.org",
       "c.yaml:4:22: clusters[0].vips[0].address: 'example.org' is no IPv4 or IPv6 address, with "
       "or without a prefix length (like 192.168.0.111/24 or fd00::111/64)"},
      {"length too large", "192.168.0.111/24", "192.168.0.111/33",
       "c.yaml:4:22: clusters[0].vips[0].address: '192.168.0.111/33': the prefix length must be 0 "
       "to 32"},
      {"length no number", "192.168.0.111/24", "192.168.0.111/+24",
       "c.yaml:4:22: clusters[0].vips[0].address: '192.168.0.111/+24': the prefix length after '/' "
       "must be a number"},
      {"length zero", "192.168.0.111/24", "192.168.0.111/0",
       "c.yaml:4:22: clusters[0].vips[0].address: '192.168.0.111/0': the prefix length must be at "
       "least 1"},
      {"network address", "192.168.0.111/24", "192.168.0.0/24",
       "c.yaml:4:22: clusters[0].vips[0].address: '192.168.0.0/24' is the network's own address; "
       "name a host's in it"},
      {"broadcast address", "192.168.0.111/24", "192.168.0.255/24",
       "c.yaml:4:22: clusters[0].vips[0].address: '192.168.0.255/24' is the network's broadcast "
       "address; name a host's in it"},
      {"unspecified", "192.168.0.111/24", "0.0.0.0/32",
       "c.yaml:4:22: clusters[0].vips[0].address: '0.0.0.0' is the unspecified address; name a "
       "host's own"},
      {"multicast", "192.168.0.111/24", "224.0.0.18",
       "c.yaml:4:22: clusters[0].vips[0].address: '224.0.0.18' is a multicast address; name a "
       "host's own"},
      {"class E", "192.168.0.111/24", "255.255.255.255",
       "c.yaml:4:22: clusters[0].vips[0].address: '255.255.255.255' is no host's address "
       "(0.0.0.0/8, 240.0.0.0/4); name a host's own"},
      {"IPv6 unspecified", "192.168.0.111/24", "'::/64'",
       "c.yaml:4:22: clusters[0].vips[0].address: '::' is the unspecified address; name a host's "
       "own"},
      {"IPv6 multicast", "192.168.0.111/24", "'ff02::12'",
       "c.yaml:4:22: clusters[0].vips[0].address: 'ff02::12' is a multicast address; name a host's "
       "own"},
      {"IPv6 link-local", "192.168.0.111/24", "'fe80::1/64'",
       "c.yaml:4:22: clusters[0].vips[0].address: 'fe80::1' is a link-local address; use a global "
       "or unique local one (fd00::/8)"},
      {"IPv4-mapped", "192.168.0.111/24", "'::ffff:192.168.0.111'",
       "c.yaml:4:22: clusters[0].vips[0].address: '::ffff:192.168.0.111' is an IPv4-mapped "
       "address; write the IPv4 address"},
      {"address absent", "{address: 192.168.0.111/24, interface: eth0}", "{interface: eth0}",
       "c.yaml:4:12: clusters[0].vips[0].address: is required; write an address, like "
       "192.168.0.111/24"},
      {"interface absent", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24}",
       "c.yaml:4:12: clusters[0].vips[0].interface: is required; name the interface that carries "
       "it, like eth0"},
      {"interface too long", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: interface0123456}",
       "c.yaml:4:51: clusters[0].vips[0].interface: 'interface0123456' is no interface's name; use "
       "1 to 15 characters without space, '/' and ':' (ip link shows them)"},
      {"interface with a slash", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: eth/0}",
       "c.yaml:4:51: clusters[0].vips[0].interface: 'eth/0' is no interface's name; use 1 to 15 "
       "characters without space, '/' and ':' (ip link shows them)"},
      {"interface with a space", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: eth 0}",
       "c.yaml:4:51: clusters[0].vips[0].interface: 'eth 0' is no interface's name; use 1 to 15 "
       "characters without space, '/' and ':' (ip link shows them)"},
      {"interface dot dot", "{address: 192.168.0.111/24, interface: eth0}",
       "{address: 192.168.0.111/24, interface: ..}",
       "c.yaml:4:51: clusters[0].vips[0].interface: '..' is no interface's name; use 1 to 15 "
       "characters without space, '/' and ':' (ip link shows them)"},
      {"twice in a cluster", "vips: [{address: 192.168.0.111/24, interface: eth0}]",
       "vips: [{address: 192.168.0.111/24, interface: eth0}, {address: 192.168.0.111, interface: "
       "eth1}]",
       "c.yaml:4:68: clusters[0].vips[1].address: 192.168.0.111 is a VIP already "
       "(clusters[0].vips[0].address, line 4); a VIP belongs to one cluster, and stands there "
       "once"},
      {"in two clusters", "fd00::111/64", "192.168.0.111/32",
       "c.yaml:10:22: clusters[1].vips[0].address: 192.168.0.111 is a VIP already "
       "(clusters[0].vips[0].address, line 4); a VIP belongs to one cluster, and stands there "
       "once"},
      {"in two clusters in two spellings", "vips: [{address: 192.168.0.111/24, interface: eth0}]",
       "vips: [{address: 'fd00:0:0::111', interface: eth0}]",
       "c.yaml:10:22: clusters[1].vips[0].address: fd00::111 is a VIP already "
       "(clusters[0].vips[0].address, line 4); a VIP belongs to one cluster, and stands there "
       "once"},
      {"a node's own address", "192.168.0.111/24", "192.168.0.2/24",
       "c.yaml:4:22: clusters[0].vips[0].address: 192.168.0.2 is node slave's own address "
       "(clusters[0].nodes[1].address, line 7); a VIP must be an address that no node owns"},
      {"a node of another cluster", "192.168.0.111/24", "192.168.0.3/24",
       "c.yaml:4:22: clusters[0].vips[0].address: 192.168.0.3 is node third's own address "
       "(clusters[1].nodes[1].address, line 13); a VIP must be an address that no node owns"},
  });
}

TEST(ControllerConfigTest, RefusesByNode) {
  CheckRefusals({
      {"name absent", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "c.yaml:6:9: clusters[0].nodes[0].name: is required; give the node a name"},
      {"name bad", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: the master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "c.yaml:6:16: clusters[0].nodes[0].name: 'the master' is no name; use 1 to 63 letters, "
       "digits, '-', '_' and '.', the first a letter or digit"},
      {"address absent", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, executor: 192.168.0.1:7401}",
       "c.yaml:6:9: clusters[0].nodes[0].address: is required; write the node's own address, like "
       "192.168.0.1"},
      {"address no address", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: master.lan, executor: 192.168.0.1:7401}",
       "c.yaml:6:33: clusters[0].nodes[0].address: 'master.lan' is no IPv4 or IPv6 address (like "
       "192.168.0.1 or fd00::1)"},
      {"address with a length", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1/24, executor: 192.168.0.1:7401}",
       "c.yaml:6:33: clusters[0].nodes[0].address: '192.168.0.1/24' is no IPv4 or IPv6 address "
       "(like 192.168.0.1 or fd00::1)"},
      {"address unspecified", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 0.0.0.0, executor: 192.168.0.1:7401}",
       "c.yaml:6:33: clusters[0].nodes[0].address: '0.0.0.0' is the unspecified address; name a "
       "host's own"},
      {"address multicast", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 239.1.1.1, executor: 192.168.0.1:7401}",
       "c.yaml:6:33: clusters[0].nodes[0].address: '239.1.1.1' is a multicast address; name a "
       "host's own"},
      {"address link-local", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 'fe80::1', executor: 192.168.0.1:7401}",
       "c.yaml:6:33: clusters[0].nodes[0].address: 'fe80::1' is a link-local address; use a global "
       "or unique local one (fd00::/8)"},
      {"executor absent", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1}",
       "c.yaml:6:9: clusters[0].nodes[0].executor: is required; write where its hb-executor "
       "listens, like 192.168.0.1:7401"},
      {"executor without port", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1}",
       "c.yaml:6:56: clusters[0].nodes[0].executor: '192.168.0.1' is not ADDRESS:PORT (like "
       "192.168.0.1:7401 or [fd00::1]:7401; names are not resolved)"},
      {"executor a name", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 'master:7401'}",
       "c.yaml:6:56: clusters[0].nodes[0].executor: 'master:7401' is not ADDRESS:PORT (like "
       "192.168.0.1:7401 or [fd00::1]:7401; names are not resolved)"},
      {"executor port", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: '192.168.0.1:99999'}",
       "c.yaml:6:56: clusters[0].nodes[0].executor: '192.168.0.1:99999': the port must be 1 to "
       "65535"},
      {"executor everywhere", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: '0.0.0.0:7401'}",
       "c.yaml:6:56: clusters[0].nodes[0].executor: '0.0.0.0' is the unspecified address; name a "
       "host's own"},
      {"executor at a VIP", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.111:7401}",
       "c.yaml:6:56: clusters[0].nodes[0].executor: 192.168.0.111 is a VIP "
       "(clusters[0].vips[0].address, line 4), which moves; name an address that the node keeps"},
      {"priority too large", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: 1001}",
       "c.yaml:6:84: clusters[0].nodes[0].priority: 1001 is out of range; use 0 to 1000"},
      {"priority negative", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: -1}",
       "c.yaml:6:84: clusters[0].nodes[0].priority: expects a whole number, not '-1'"},
      {"priority overflow", "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401, priority: 4294967296}",
       "c.yaml:6:84: clusters[0].nodes[0].priority: '4294967296' is too large; at most 4294967295"},
      {"name twice in a cluster",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: slave, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "c.yaml:7:16: clusters[0].nodes[1].name: node slave stands in the cluster twice "
       "(clusters[0].nodes[0].name, line 6); give this one another name or remove "
       "it\nc.yaml:12:32: clusters[1].nodes[0].address: node slave has the address 192.168.0.1 in "
       "clusters[0].nodes[0].address, line 6; a node has the same in every cluster\nc.yaml:12:55: "
       "clusters[1].nodes[0].executor: node slave has the executor 192.168.0.1:7401 in "
       "clusters[0].nodes[0].executor, line 6; a node has the same in every cluster"},
      {"address of another node",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.2, executor: 192.168.0.1:7401}",
       "c.yaml:7:32: clusters[0].nodes[1].address: 192.168.0.2 is the address of node master "
       "(clusters[0].nodes[0].address, line 6); each node has its own\nc.yaml:12:32: "
       "clusters[1].nodes[0].address: 192.168.0.2 is the address of node master "
       "(clusters[0].nodes[0].address, line 6); each node has its own"},
      {"executor of another node",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}",
       "{name: master, address: 192.168.0.1, executor: 192.168.0.2:7401}",
       "c.yaml:7:55: clusters[0].nodes[1].executor: 192.168.0.2:7401 is the executor of node "
       "master (clusters[0].nodes[0].executor, line 6); each node has its own\nc.yaml:12:55: "
       "clusters[1].nodes[0].executor: 192.168.0.2:7401 is the executor of node master "
       "(clusters[0].nodes[0].executor, line 6); each node has its own"},
      {"address differs between clusters",
       "{name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}\n      - {name: third",
       "{name: slave, address: 192.168.0.22, executor: 192.168.0.2:7401}\n      - {name: third",
       "c.yaml:12:32: clusters[1].nodes[0].address: node slave has the address 192.168.0.2 in "
       "clusters[0].nodes[1].address, line 7; a node has the same in every cluster"},
      {"executor differs between clusters",
       "{name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}\n      - {name: third",
       "{name: slave, address: 192.168.0.2, executor: 192.168.0.2:7402}\n      - {name: third",
       "c.yaml:12:55: clusters[1].nodes[0].executor: node slave has the executor 192.168.0.2:7401 "
       "in clusters[0].nodes[1].executor, line 7; a node has the same in every cluster"},
      {"address of a node in another cluster", "{name: third, address: 192.168.0.3",
       "{name: third, address: 192.168.0.1",
       "c.yaml:13:32: clusters[1].nodes[1].address: 192.168.0.1 is the address of node master "
       "(clusters[0].nodes[0].address, line 6); each node has its own"},
      {"executor of a node in another cluster", "executor: 192.168.0.3:7401",
       "executor: 192.168.0.1:7401",
       "c.yaml:13:55: clusters[1].nodes[1].executor: 192.168.0.1:7401 is the executor of node "
       "master (clusters[0].nodes[0].executor, line 6); each node has its own"},
  });
}

}  // namespace
}  // namespace hb
