// What the controller's config refuses of leases, witnesses, probes and the like: a row each, with
// everything that is said.
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

TEST(ControllerConfigTest, RefusesByTime) {
  CheckRefusals({
      {"heartbeat too short", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 9ms\n",
       "c.yaml:9:16: clusters[0].heartbeat: 9ms is out of range; use 10ms to 10s"},
      {"heartbeat too long", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 11s\n    lease: {ttl: 60s}\n",
       "c.yaml:9:16: clusters[0].heartbeat: 11s is out of range; use 10ms to 10s"},
      {"heartbeat without unit", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 200\n",
       "c.yaml:9:16: clusters[0].heartbeat: '200' has no unit; write it with one, like 200ms or "
       "1s"},
      {"heartbeat zero", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 0\n",
       "c.yaml:9:16: clusters[0].heartbeat: '0' has no unit; write it with one, like 200ms or 1s"},
      {"heartbeat words", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: quick\n",
       "c.yaml:9:16: clusters[0].heartbeat: 'quick' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"heartbeat infinite", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: inf\n",
       "c.yaml:9:16: clusters[0].heartbeat: 'inf' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"heartbeat negative", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: -200ms\n",
       "c.yaml:9:16: clusters[0].heartbeat: -200ms is out of range; use 10ms to 10s"},
      {"heartbeat a list", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: [200ms]\n",
       "c.yaml:9:16: clusters[0].heartbeat: expects a number with a unit: 200ms, 1s, 10m, 2h; not "
       "a list"},
      {"ttl too short", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {ttl: 29ms}\n    heartbeat: 10ms\n",
       "c.yaml:9:18: clusters[0].lease.ttl: 29ms is out of range; use 30ms to 1m"},
      {"ttl too long", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {ttl: 61s}\n",
       "c.yaml:9:18: clusters[0].lease.ttl: 1m1s is out of range; use 30ms to 1m"},
      {"ttl below three heartbeats", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {ttl: 300ms}\n",
       "c.yaml:9:18: clusters[0].lease.ttl: 300ms is below 3 × heartbeat (3 × 200ms); raise ttl or "
       "lower heartbeat"},
      {"default ttl below three heartbeats", "    service: {name: website}\n",
       "    service: {name: website}\n    heartbeat: 400ms\n",
       "c.yaml:3:5: clusters[0].lease.ttl: 1s (the default) is below 3 × heartbeat (3 × 400ms); "
       "raise ttl or lower heartbeat"},
      {"on_expiry unknown", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: releas}\n",
       "c.yaml:9:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'releas'"},
      {"on_expiry upper case", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: RELEASE}\n",
       "c.yaml:9:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'RELEASE'"},
      {"on_expiry unspecified", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: unspecified}\n",
       "c.yaml:9:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'unspecified'"},
      {"witness under release", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: release}\n    witness: {address: "
       "gateway}\n",
       "c.yaml:10:14: clusters[0].witness: is asked only with lease.on_expiry: witness; remove it "
       "or change on_expiry"},
      {"witness under hold", "    service: {name: website}\n",
       "    service: {name: website}\n    lease: {on_expiry: hold}\n    witness: {interval: "
       "100ms}\n",
       "c.yaml:10:14: clusters[0].witness: is asked only with lease.on_expiry: witness; remove it "
       "or change on_expiry"},
      {"witness a name", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: router.lan}\n",
       "c.yaml:9:24: clusters[0].witness.address: 'router.lan' is neither gateway nor an IPv4 or "
       "IPv6 address"},
      {"witness loopback", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 127.0.0.1}\n",
       "c.yaml:9:24: clusters[0].witness.address: '127.0.0.1' is a loopback address, which always "
       "answers; name another host"},
      {"witness IPv6 loopback", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: '::1'}\n",
       "c.yaml:9:24: clusters[0].witness.address: '::1' is a loopback address, which always "
       "answers; name another host"},
      {"witness multicast", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 224.0.0.1}\n",
       "c.yaml:9:24: clusters[0].witness.address: '224.0.0.1' is a multicast address; name a "
       "host's own"},
      {"witness a node", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 192.168.0.2}\n",
       "c.yaml:9:24: clusters[0].witness.address: 192.168.0.2 is node slave's own address; name an "
       "address outside the cluster, or gateway"},
      {"witness an executor",
       "executor: 192.168.0.1:7401}\n      - {name: slave, address: 192.168.0.2, executor: "
       "192.168.0.2:7401}\n    service: {name: website}\n",
       "executor: 10.9.9.9:7401}\n      - {name: slave, address: 192.168.0.2, executor: "
       "192.168.0.2:7401}\n    service: {name: website}\n    witness: {address: 10.9.9.9}\n",
       "c.yaml:9:24: clusters[0].witness.address: 10.9.9.9 is node master's own address; name an "
       "address outside the cluster, or gateway"},
      {"witness a VIP", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 192.168.0.111}\n",
       "c.yaml:9:24: clusters[0].witness.address: 192.168.0.111 is a VIP "
       "(clusters[0].vips[0].address, line 4); name an address outside the cluster, or gateway"},
      {"witness a VIP of another cluster", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {address: 'fd00:0::111'}\n",
       "c.yaml:9:24: clusters[0].witness.address: fd00::111 is a VIP (clusters[1].vips[0].address, "
       "line 11); name an address outside the cluster, or gateway"},
      {"witness interval too short", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {interval: 9ms}\n",
       "c.yaml:9:25: clusters[0].witness.interval: 9ms is out of range; use 10ms to 10s"},
      {"witness interval too long", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {interval: 11s}\n    lease: {ttl: 60s}\n",
       "c.yaml:9:25: clusters[0].witness.interval: 11s is out of range; use 10ms to 10s"},
      {"witness interval above half the ttl", "    service: {name: website}\n",
       "    service: {name: website}\n    witness: {interval: 501ms}\n",
       "c.yaml:9:25: clusters[0].witness.interval: 501ms is above lease.ttl / 2 (500ms); lower "
       "interval or raise ttl"},
      {"failback mode", "    service: {name: website}\n",
       "    service: {name: website}\n    failback: {mode: automatic}\n",
       "c.yaml:9:22: clusters[0].failback.mode: expects one of auto, manual; not 'automatic'"},
      {"failback after negative", "    service: {name: website}\n",
       "    service: {name: website}\n    failback: {after: -1s}\n",
       "c.yaml:9:23: clusters[0].failback.after: -1s is out of range; use 0 to 24h"},
      {"failback after too long", "    service: {name: website}\n",
       "    service: {name: website}\n    failback: {after: 25h}\n",
       "c.yaml:9:23: clusters[0].failback.after: 25h is out of range; use 0 to 24h"},
      {"flap max zero", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {max: 0}\n",
       "c.yaml:9:17: clusters[0].flap.max: 0 is out of range; use 1 to 1000"},
      {"flap max too large", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {max: 1001}\n",
       "c.yaml:9:17: clusters[0].flap.max: 1001 is out of range; use 1 to 1000"},
      {"flap window too short", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {window: 999ms}\n",
       "c.yaml:9:20: clusters[0].flap.window: 999ms is out of range; use 1s to 24h"},
      {"flap window too long", "    service: {name: website}\n",
       "    service: {name: website}\n    flap: {window: 24h1s}\n",
       "c.yaml:9:20: clusters[0].flap.window: 24h1s is out of range; use 1s to 24h"},
      {"firewall icmp", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {icmp: all}\n",
       "c.yaml:9:22: clusters[0].firewall.icmp: expects peers; not 'all'"},
      {"firewall tcp source", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {80: everybody}}\n",
       "c.yaml:9:26: clusters[0].firewall.tcp[80]: expects peers; not 'everybody'"},
      {"firewall tcp port zero", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {0: peers}}\n",
       "c.yaml:9:25: clusters[0].firewall.tcp[0]: 0 is no port; use 1 to 65535"},
      {"firewall tcp port too large", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {65536: peers}}\n",
       "c.yaml:9:29: clusters[0].firewall.tcp[65536]: 65536 is no port; use 1 to 65535"},
      {"firewall tcp port a word", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {http: peers}}\n",
       "c.yaml:9:22: clusters[0].firewall.tcp.http: expects a whole number, not 'http'"},
      {"firewall tcp port twice", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: {80: peers, 80: peers}}\n",
       "c.yaml:9:33: clusters[0].firewall.tcp[80]: named twice, first in line 9; keep one of them"},
      {"firewall tcp a list", "    service: {name: website}\n",
       "    service: {name: website}\n    firewall: {tcp: [80]}\n",
       "c.yaml:9:21: clusters[0].firewall.tcp: expects a mapping (key: value), not a list"},
  });
}

TEST(ControllerConfigTest, RefusesByProbe) {
  CheckRefusals({
      {"icmp interval too short", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {interval: 9ms}}\n",
       "c.yaml:9:31: clusters[0].probes.icmp.interval: 9ms is out of range; use 10ms to 1m"},
      {"icmp interval too long", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {interval: 61s}}\n",
       "c.yaml:9:31: clusters[0].probes.icmp.interval: 1m1s is out of range; use 10ms to 1m"},
      {"icmp timeout too short", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {timeout: 1ms}}\n",
       "c.yaml:9:30: clusters[0].probes.icmp.timeout: 1ms is out of range; use 10ms to 1m"},
      {"icmp timeout longer than the interval", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {timeout: 201ms}}\n",
       "c.yaml:9:30: clusters[0].probes.icmp.timeout: 201ms is longer than the interval (200ms); "
       "lower timeout or raise interval"},
      {"icmp fall zero", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {fall: 0}}\n",
       "c.yaml:9:27: clusters[0].probes.icmp.fall: 0 is out of range; use 1 to 100"},
      {"icmp fall too large", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {fall: 101}}\n",
       "c.yaml:9:27: clusters[0].probes.icmp.fall: 101 is out of range; use 1 to 100"},
      {"icmp rise zero", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: 0}}\n",
       "c.yaml:9:27: clusters[0].probes.icmp.rise: 0 is out of range; use 1 to 100"},
      {"icmp rise a fraction", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: 1.5}}\n",
       "c.yaml:9:27: clusters[0].probes.icmp.rise: expects a whole number, not '1.5'"},
      {"icmp rise quoted", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: '3'}}\n",
       "c.yaml:9:27: clusters[0].probes.icmp.rise: expects a whole number, not '3'; leave out the "
       "quotes"},
      {"icmp rise octal", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {icmp: {rise: 03}}\n",
       "c.yaml:9:27: clusters[0].probes.icmp.rise: expects a whole number, not '03'; leave out the "
       "leading zero"},
      {"http url absent", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {fall: 2}}\n",
       "c.yaml:9:14: clusters[0].probes.http.url: is required; write the page's, like "
       "\"http://{address}/\""},
      {"http url without address", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: http://192.168.0.111/}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://192.168.0.111/' must contain {address}, "
       "else it says nothing about the node"},
      {"http url without scheme", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"{address}/\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: '{address}/' is no URL of http:// or https://"},
      {"http url of another scheme", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"ftp://{address}/\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'ftp://{address}/' is no URL of http:// or "
       "https://"},
      {"http url with a space", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/a b\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://{address}/a b' is no URL: at most 2048 "
       "printable ASCII characters without spaces (write %20 for a space)"},
      {"http url not ASCII", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/ä\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://{address}/ä' is no URL: at most 2048 "
       "printable ASCII characters without spaces (write %20 for a space)"},
      {"http url too long", "    service: {name: website}\n",
       absl::StrCat("    service: {name: website}\n    probes: {http: {url: \"http://{address}/",
                    Repeat("a", 2048), "\"}}\n"),
       absl::StrCat("c.yaml:9:26: clusters[0].probes.http.url: 'http://{address}/", Repeat("a", 63),
                    "...' is no URL: at most 2048 printable ASCII characters without spaces (write "
                    "%20 for a space)")},
      {"http url without host", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http:///{address}\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http:///{address}' names no host (IPv6 stands "
       "in brackets)"},
      {"http url host garbage", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://a*b/{address}\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://a*b/{address}' names no host (IPv6 "
       "stands in brackets)"},
      {"http url port", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}:0/\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://{address}:0/': the port must be 1 to "
       "65535"},
      {"http url port not a number", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}:http/\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://{address}:http/': the port must be 1 to "
       "65535"},
      {"http url with a password", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://me:secret@{address}/\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: the URL has a user or password in it, which is "
       "not supported; remove it"},
      {"http url misspelt placeholder", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{adress}/{address}\"}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: 'http://{adress}/{address}': the only "
       "placeholder is {address}"},
      {"http url not quoted", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: {address}}}\n",
       "c.yaml:9:26: clusters[0].probes.http.url: expects text, not a mapping"},
      {"http interval", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", interval: "
       "61s}}\n",
       "c.yaml:9:57: clusters[0].probes.http.interval: 1m1s is out of range; use 10ms to 1m"},
      {"http timeout", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", timeout: "
       "61s, interval: 60s}}\n",
       "c.yaml:9:56: clusters[0].probes.http.timeout: 1m1s is out of range; use 10ms to 1m"},
      {"http timeout longer than the interval", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", timeout: "
       "2s}}\n",
       "c.yaml:9:56: clusters[0].probes.http.timeout: 2s is longer than the interval (1s); lower "
       "timeout or raise interval"},
      {"http fall", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", fall: "
       "101}}\n",
       "c.yaml:9:53: clusters[0].probes.http.fall: 101 is out of range; use 1 to 100"},
      {"http rise", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", rise: 0}}\n",
       "c.yaml:9:53: clusters[0].probes.http.rise: 0 is out of range; use 1 to 100"},
      {"http redirects", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", redirects: "
       "11}}\n",
       "c.yaml:9:58: clusters[0].probes.http.redirects: 11 is out of range; use 0 to 10"},
      {"http status a word", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: ok}}}\n",
       "c.yaml:9:64: clusters[0].probes.http.expect.status: 'ok' is no HTTP status from 100 to 599 "
       "and no range of them (like 200, 200-399 or 200,301-302)"},
      {"http status out of range", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: 200-600}}}\n",
       "c.yaml:9:64: clusters[0].probes.http.expect.status: '200-600' is no HTTP status from 100 "
       "to 599 and no range of them (like 200, 200-399 or 200,301-302)"},
      {"http status backwards", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: 399-200}}}\n",
       "c.yaml:9:64: clusters[0].probes.http.expect.status: '399-200' is no HTTP status from 100 "
       "to 599 and no range of them (like 200, 200-399 or 200,301-302)"},
      {"http status with spaces", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: '200, 301'}}}\n",
       "c.yaml:9:64: clusters[0].probes.http.expect.status: ' 301' in '200, 301' is no HTTP status "
       "from 100 to 599 and no range of them (like 200, 200-399 or 200,301-302)"},
      {"http status open", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{status: 200-}}}\n",
       "c.yaml:9:64: clusters[0].probes.http.expect.status: '200-' is no HTTP status from 100 to "
       "599 and no range of them (like 200, 200-399 or 200,301-302)"},
      {"http body empty", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", expect: "
       "{body: ''}}}\n",
       "c.yaml:9:62: clusters[0].probes.http.expect.body: has to be 1 to 4096 bytes; shorten it, "
       "or remove it to look for nothing"},
      {"http body too long", "    service: {name: website}\n",
       absl::StrCat("    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", "
                    "expect: {body: ",
                    Repeat("b", 4097), "}}}\n"),
       "c.yaml:9:62: clusters[0].probes.http.expect.body: has to be 1 to 4096 bytes; shorten it, "
       "or remove it to look for nothing"},
      {"http host a URL", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", host: "
       "'http://www.example.org'}}\n",
       "c.yaml:9:53: clusters[0].probes.http.host: 'http://www.example.org' is no host's name "
       "(like www.example.org or www.example.org:8080)"},
      {"http host port", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", host: "
       "'www.example.org:x'}}\n",
       "c.yaml:9:53: clusters[0].probes.http.host: 'www.example.org:x' is no host's name (like "
       "www.example.org or www.example.org:8080)"},
      {"http host empty", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", host: ''}}\n",
       "c.yaml:9:53: clusters[0].probes.http.host: '' is no host's name (like www.example.org or "
       "www.example.org:8080)"},
      {"http ca relative", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: {ca: "
       "ca.crt}}}\n",
       "c.yaml:9:57: clusters[0].probes.http.tls.ca: 'ca.crt' is no absolute path; it starts with "
       "'/' and does not end with it"},
      {"http ca without verification", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: {ca: "
       "/etc/ca.crt, verify: false}}}\n",
       "c.yaml:9:57: clusters[0].probes.http.tls.ca: verifies nothing with verify: false; remove "
       "one of the two"},
      {"http verify a word", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: "
       "{verify: no}}}\n",
       "c.yaml:9:61: clusters[0].probes.http.tls.verify: expects true or false, not 'no'"},
      {"http verify quoted", "    service: {name: website}\n",
       "    service: {name: website}\n    probes: {http: {url: \"http://{address}/\", tls: "
       "{verify: 'false'}}}\n",
       "c.yaml:9:61: clusters[0].probes.http.tls.verify: expects true or false, not 'false'; leave "
       "out the quotes"},
  });
}

}  // namespace
}  // namespace hb
