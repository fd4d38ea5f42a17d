// YAML into messages: every field of the schema is read, and whatever YAML can do wrong is told
// with its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/proto_duration.h"
#include "common/config/yaml_reader.h"
#include "config_test_util.h"
#include "hb/v1/config.pb.h"

namespace hb {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What is said about `text`, read as a controller's config; empty when nothing is.
std::string ErrorsOf(std::string_view text) {
  hb::v1::ControllerConfig config;
  ConfigReport report("c.yaml");
  const absl::Status status = ReadYaml(text, &config, &report);
  EXPECT_TRUE(status.ok() || status == report.ToStatus());
  return std::string(report.ToStatus().message());
}

// Fields of `message`, and of what is in it, that are not set.
void CollectUnset(const Message& message, const std::string& path, std::vector<std::string>* out) {
  const google::protobuf::Reflection* reflection = message.GetReflection();
  const google::protobuf::Descriptor* type = message.GetDescriptor();
  if (type->full_name() == "google.protobuf.Duration") return;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const std::string field_path = absl::StrCat(path, ".", field->name());
    const bool set = field->is_repeated() ? reflection->FieldSize(message, field) > 0
                                          : reflection->HasField(message, field);
    if (!set) out->push_back(field_path);
    if (!set || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      CollectUnset(reflection->GetMessage(message, field), field_path, out);
      continue;
    }
    for (int j = 0; j < reflection->FieldSize(message, field); ++j) {
      CollectUnset(reflection->GetRepeatedMessage(message, field, j), field_path, out);
    }
  }
}

template <typename Config>
std::vector<std::string> UnsetIn(std::string_view text, Config* config) {
  ConfigReport report("c.yaml");
  EXPECT_TRUE(ReadYaml(text, config, &report).ok());
  EXPECT_TRUE(report.ToStatus().ok()) << report.ToStatus().message();
  std::vector<std::string> unset;
  CollectUnset(*config, "", &unset);
  return unset;
}

TEST(YamlReaderTest, ReadsEveryFieldOfTheControllersConfig) {
  hb::v1::ControllerConfig config;
  EXPECT_THAT(UnsetIn(R"(
listen: [a, b]
tls: &tls {ca: ca.crt, cert: own.crt, key: own.key}
insecure: true
store: sqlite:///db
event_log: /log
clusters:
  - name: web
    vips: [{address: 192.168.0.111/24, interface: eth0}]
    nodes: [{name: master, address: 192.168.0.1, executor: x, priority: 4294967295}]
    service: {name: website, label: the site, standby: running}
    heartbeat: 200ms
    lease: {ttl: 1.5s, on_expiry: hold}
    witness: {address: gateway, interval: 1h2m3s4ms}
    probes:
      icmp: {interval: 1us, timeout: 1ns, fall: 1, rise: 2}
      http:
        url: "http://{address}/"
        interval: 1s
        timeout: -1s
        fall: 3
        rise: 4
        expect: {status: 200, body: "It works\n"}
        host: www.example.org
        tls: {verify: false, ca: /ca}
        redirects: 5
    failback: {mode: manual, after: 0s}
    firewall: {icmp: peers, tcp: {80: peers, 443: peers}}
    flap: {max: 6, window: 10m}
)",
                      &config),
              testing::IsEmpty());
  EXPECT_THAT(config.listen(), testing::ElementsAre("a", "b"));
  EXPECT_EQ(config.tls().key(), "own.key");
  EXPECT_TRUE(config.insecure());
  const hb::v1::ClusterConfig& web = config.clusters(0);
  EXPECT_EQ(web.nodes(0).priority(), 4294967295U);
  EXPECT_EQ(web.service().standby(), hb::v1::STANDBY_SERVICE_RUNNING);
  EXPECT_EQ(web.service().label(), "the site");
  EXPECT_EQ(web.lease().on_expiry(), hb::v1::ON_EXPIRY_HOLD);
  EXPECT_EQ(FromProtoDuration(web.lease().ttl()), absl::Milliseconds(1500));
  EXPECT_EQ(FromProtoDuration(web.witness().interval()),
            absl::Hours(1) + absl::Minutes(2) + absl::Seconds(3) + absl::Milliseconds(4));
  EXPECT_EQ(FromProtoDuration(web.probes().icmp().timeout()), absl::Nanoseconds(1));
  EXPECT_EQ(FromProtoDuration(web.probes().http().timeout()), -absl::Seconds(1));
  EXPECT_EQ(web.probes().http().expect().status(), "200");
  EXPECT_EQ(web.probes().http().expect().body(), "It works\n");
  EXPECT_FALSE(web.probes().http().tls().verify());
  EXPECT_EQ(web.failback().mode(), hb::v1::FAILBACK_MODE_MANUAL);
  EXPECT_EQ(web.firewall().tcp().at(443), hb::v1::FIREWALL_SOURCE_PEERS);
  EXPECT_EQ(web.flap().max(), 6U);
}

TEST(YamlReaderTest, ReadsEveryFieldOfTheExecutorsConfig) {
  hb::v1::ExecutorConfig config;
  EXPECT_THAT(UnsetIn(R"(
node: master
listen: 192.168.0.1:7401
tls: {ca: ca.crt, cert: own.crt, key: own.key}
insecure: false
allow: {interfaces: [eth0], vips: [192.168.0.0/24], firewall_tcp: [80, 443]}
services:
  website:
    systemd: apache2.service
    process:
      argv: [/usr/sbin/apache2, -DFOREGROUND]
      environment: {TZ: UTC, EMPTY: ""}
      output: /var/log/apache.log
      stop_signal: SIGWINCH
    checks: [{http: "http://127.0.0.1/", interval: 1s, timeout: 2s, fall: 3}]
    start_timeout: 4s
    stop_timeout: 5s
state: /var/lib/hb/executor
bpffs: /sys/fs/bpf
)",
                      &config),
              testing::IsEmpty());
  EXPECT_THAT(config.allow().firewall_tcp(), testing::ElementsAre(80, 443));
  const hb::v1::LocalServiceConfig& site = config.services().at("website");
  EXPECT_THAT(site.process().argv(), testing::ElementsAre("/usr/sbin/apache2", "-DFOREGROUND"));
  EXPECT_EQ(site.process().environment().at("TZ"), "UTC");
  EXPECT_EQ(site.process().environment().at("EMPTY"), "");
  EXPECT_EQ(site.checks(0).fall(), 3U);
}

TEST(YamlReaderTest, FollowsAliases) {
  hb::v1::ControllerConfig config;
  ConfigReport report("c.yaml");
  ASSERT_TRUE(ReadYaml(R"(
clusters:
  - name: &name web
    nodes: &nodes
      - {name: master}
      - {name: slave}
  - name: *name
    nodes: *nodes
)",
                       &config, &report)
                  .ok());
  ASSERT_TRUE(report.ToStatus().ok()) << report.ToStatus().message();
  ASSERT_EQ(config.clusters_size(), 2);
  EXPECT_EQ(config.clusters(1).name(), "web");
  EXPECT_EQ(config.clusters(1).nodes(1).name(), "slave");
}

TEST(YamlReaderTest, TakesByteOrderMarkCommentsAndWindowsLines) {
  EXPECT_EQ(ErrorsOf("\xef\xbb\xbf# The file\r\n---\r\nstore: \"\xc3\xa4\" # umlaut\r\n...\r\n"),
            "");
}

TEST(YamlReaderTest, RefusesWhatIsNoMapping) {
  const std::string deep = Repeat("[", 100'000);
  const struct {
    const char* name;
    std::string text;
    const char* error;
  } kRows[] = {
      {"empty", "", "c.yaml:1:1: the file has no settings in it"},
      {"comments alone", "# nothing\n\n", "c.yaml:1:1: the file has no settings in it"},
      {"nothing between the marks", "---\n...\n", "c.yaml:1:1: the file has no settings in it"},
      {"null", "null\n", "c.yaml:1:1: the file has no settings in it"},
      {"a word", "hello\n", "c.yaml:1:1: the file must be a mapping (key: value), not 'hello'"},
      {"a list", "- a\n", "c.yaml:1:1: the file must be a mapping (key: value), not a list"},
      {"two documents", "store: a\n---\nstore: b\n",
       "c.yaml:2:1: a second document starts here; keep one document in the file"},
      {"something after the document", "[a],\n",
       "c.yaml:1:4: a second document starts here; keep one document in the file"},
      {"broken flow", "store: [1, 2\nlisten: 3\n",
       "c.yaml:2:7: not valid YAML: end of sequence flow not found"},
      {"tab as indentation", "tls:\n\tca: a\n", "c.yaml:2:4: not valid YAML: illegal map value"},
      {"unknown anchor", "store: *a\n",
       "c.yaml:1:8: not valid YAML: the referenced anchor is not defined"},
      {"alias to itself", "clusters: &a [*a]\n",
       "c.yaml:1:15: the alias refers to what it stands in"},
      {"version of YAML", "%YAML 99.1\n---\nstore: a\n",
       "c.yaml:1:1: not valid YAML: YAML major version too large"},
      {"tag", "store: !!str a\n", "c.yaml:1:8: tags (!!type) are not supported; remove the tag"},
      {"own tag", "tls: !x {ca: a}\n",
       "c.yaml:1:6: tags (!!type) are not supported; remove the tag"},
      {"not UTF-8", "store: \377\n", "c.yaml:1:8: byte 0xff is not UTF-8"},
      {"overlong UTF-8", "a\300\200", "c.yaml:1:2: byte 0xc0 is not UTF-8"},
      {"surrogate", "a\355\240\200", "c.yaml:1:2: byte 0xed is not UTF-8"},
      {"beyond Unicode", "a\364\220\200\200", "c.yaml:1:2: byte 0xf4 is not UTF-8"},
      {"cut UTF-8", "store: \303\244\342\202", "c.yaml:1:9: byte 0xe2 is not UTF-8"},
      {"UTF-16", std::string("\377\376s\000", 4), "c.yaml:1:1: byte 0xff is not UTF-8"},
      {"control character", "store: a\nlisten: \033[0m\n",
       "c.yaml:2:9: control character 0x1b; remove it"},
      {"NUL", std::string("store: a\000b\n", 11), "c.yaml:1:9: control character 0x00; remove it"},
      {"too deep", deep, "c.yaml:1:17: nested deeper than 32 levels"},
      {"too deep in braces", Repeat("{a: ", 40), "c.yaml:1:125: nested deeper than 32 levels"},
      {"too deep in blocks", Repeat("- ", 100'000), "c.yaml:1:65: nested deeper than 32 levels"},
      {"too many values", "listen: [" + Repeat("a,", 100'000) + "]",
       "c.yaml:1:200008: more than 100000 values, aliases counted"},
      {"too many values by aliases",
       "a: &a [" + Repeat("x,", 1000) + "]\nb: [" + Repeat("*a,", 1000) + "]",
       "c.yaml:2:302: more than 100000 values, aliases counted"},
      {"too large", std::string((size_t{1} << 20) + 1, 'a'), "c.yaml:1:1: larger than 1 MiB"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(ErrorsOf(row.text), row.error);
  }
}

TEST(YamlReaderTest, RefusesWhatTheSchemaDoesNotAllow) {
  const struct {
    const char* name;
    const char* text;
    const char* error;
  } kRows[] = {
      {"unknown key far from any", "colour: red\n",
       "c.yaml:1:1: colour: unknown key; allowed here: listen, tls, insecure, store, event_log, "
       "clusters"},
      {"unknown key with strange characters", "\"a\\nb\": red\n",
       "c.yaml:1:1: ['a\\nb']: unknown key; allowed here: listen, tls, insecure, store, event_log, "
       "clusters"},
      {"empty key", "\"\": red\n",
       "c.yaml:1:1: ['']: unknown key; allowed here: listen, tls, insecure, store, event_log, "
       "clusters"},
      {"key a list", "[a]: b\n", "c.yaml:1:1: a key must be a word, not a list"},
      {"key a mapping", "? {a: b}\n: c\n", "c.yaml:1:3: a key must be a word, not a mapping"},
      {"merge key", "clusters:\n  - &a {name: web}\n  - <<: *a\n",
       "c.yaml:3:5: clusters[1]['<<']: merge keys are not supported; write the fields out"},
      {"upper case", "Store: a\n", "c.yaml:1:1: Store: unknown key; did you mean 'store'?"},
      {"two keys twice", "store: a\nlisten: [a]\nstore: b\nlisten: [b]\n",
       "c.yaml:3:1: store: named twice, first in line 1; keep one of them\nc.yaml:4:1: listen: "
       "named twice, first in line 2; keep one of them"},
      {"no value at the end", "store:\n",
       "c.yaml:1:1: store: has no value; give it one or remove the key"},
      {"no value in braces", "tls: {ca, cert: a}\n",
       "c.yaml:1:7: tls.ca: has no value; give it one or remove the key"},
      {"tilde", "store: ~\n", "c.yaml:1:1: store: has no value; give it one or remove the key"},
      {"text: a list", "store: [a]\n", "c.yaml:1:8: store: expects text, not a list"},
      {"text: a mapping", "store: {a: b}\n", "c.yaml:1:8: store: expects text, not a mapping"},
      {"text: control character", "store: \"a\\eb\"\n",
       "c.yaml:1:8: store: 'a\\033b' has a control character in it"},
      {"list: a scalar", "listen: a\n",
       "c.yaml:1:9: listen: expects a list, not 'a'; put [ ] around it"},
      {"list: a mapping", "listen: {a: b}\n",
       "c.yaml:1:9: listen: expects a list, not a mapping; start each item with '- '"},
      {"list: empty", "listen: []\n",
       "c.yaml:1:9: listen: is an empty list; name at least one item or remove the key"},
      {"list: an item without value", "listen:\n  - a\n  -\n",
       "c.yaml:4:1: listen[1]: expects text, not nothing"},
      {"message: a scalar", "tls: a\n", "c.yaml:1:6: tls: expects a mapping (key: value), not 'a'"},
      {"message: a list", "tls: [a]\n",
       "c.yaml:1:6: tls: expects a mapping (key: value), not a list"},
      {"boolean: a number", "insecure: 1\n",
       "c.yaml:1:11: insecure: expects true or false, not '1'"},
      {"boolean: upper case", "insecure: True\n",
       "c.yaml:1:11: insecure: expects true or false, not 'True'"},
      {"boolean: quoted", "insecure: \"true\"\n",
       "c.yaml:1:11: insecure: expects true or false, not 'true'; leave out the quotes"},
      {"boolean: a list", "insecure: [true]\n",
       "c.yaml:1:11: insecure: expects true or false, not a list"},
      {"number: a word", "clusters:\n  - nodes: [{priority: high}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not 'high'"},
      {"number: negative", "clusters:\n  - nodes: [{priority: -1}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not '-1'"},
      {"number: plus", "clusters:\n  - nodes: [{priority: +1}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not '+1'"},
      {"number: a fraction", "clusters:\n  - nodes: [{priority: 1.0}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not '1.0'"},
      {"number: hexadecimal", "clusters:\n  - nodes: [{priority: 0x10}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not '0x10'"},
      {"number: leading zero", "clusters:\n  - nodes: [{priority: 010}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not '010'; leave out "
       "the leading zero"},
      {"number: quoted", "clusters:\n  - nodes: [{priority: '1'}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not '1'; leave out the "
       "quotes"},
      {"number: a list", "clusters:\n  - nodes: [{priority: [1]}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not a list"},
      {"number: overflow", "clusters:\n  - nodes: [{priority: 4294967296}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: '4294967296' is too large; at most 4294967295"},
      {"number: far overflow", "clusters:\n  - nodes: [{priority: 99999999999999999999999999}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: '99999999999999999999999999' is too large; at "
       "most 4294967295"},
      {"number: empty", "clusters:\n  - nodes: [{priority: \"\"}]\n",
       "c.yaml:2:24: clusters[0].nodes[0].priority: expects a whole number, not ''; leave out the "
       "quotes"},
      {"duration: bare", "clusters:\n  - heartbeat: 200\n",
       "c.yaml:2:16: clusters[0].heartbeat: '200' has no unit; write it with one, like 200ms or "
       "1s"},
      {"duration: bare fraction", "clusters:\n  - heartbeat: 0.2\n",
       "c.yaml:2:16: clusters[0].heartbeat: '0.2' has no unit; write it with one, like 200ms or "
       "1s"},
      {"duration: zero", "clusters:\n  - heartbeat: 0\n",
       "c.yaml:2:16: clusters[0].heartbeat: '0' has no unit; write it with one, like 200ms or 1s"},
      {"duration: a word", "clusters:\n  - heartbeat: soon\n",
       "c.yaml:2:16: clusters[0].heartbeat: 'soon' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"duration: unknown unit", "clusters:\n  - heartbeat: 1d\n",
       "c.yaml:2:16: clusters[0].heartbeat: '1d' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"duration: space", "clusters:\n  - heartbeat: 200 ms\n",
       "c.yaml:2:16: clusters[0].heartbeat: '200 ms' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"duration: infinite", "clusters:\n  - heartbeat: inf\n",
       "c.yaml:2:16: clusters[0].heartbeat: 'inf' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"duration: beyond a year", "clusters:\n  - heartbeat: 9000h\n",
       "c.yaml:2:16: clusters[0].heartbeat: '9000h' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"duration: overflow", "clusters:\n  - heartbeat: 99999999999999999999h\n",
       "c.yaml:2:16: clusters[0].heartbeat: '99999999999999999999h' is no duration; write a number "
       "with a unit: 200ms, 1s, 10m, 2h"},
      {"duration: empty", "clusters:\n  - heartbeat: \"\"\n",
       "c.yaml:2:16: clusters[0].heartbeat: '' is no duration; write a number with a unit: 200ms, "
       "1s, 10m, 2h"},
      {"duration: a list", "clusters:\n  - heartbeat: [1s]\n",
       "c.yaml:2:16: clusters[0].heartbeat: expects a number with a unit: 200ms, 1s, 10m, 2h; not "
       "a list"},
      {"duration: two lines", "clusters:\n  - heartbeat: \"1s\\n\"\n",
       "c.yaml:2:16: clusters[0].heartbeat: '1s\\n' is no duration; write a number with a unit: "
       "200ms, 1s, 10m, 2h"},
      {"enum: a word", "clusters:\n  - lease: {on_expiry: never}\n",
       "c.yaml:2:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'never'"},
      {"enum: upper case", "clusters:\n  - lease: {on_expiry: Witness}\n",
       "c.yaml:2:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'Witness'"},
      {"enum: the zero", "clusters:\n  - lease: {on_expiry: unspecified}\n",
       "c.yaml:2:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'unspecified'"},
      {"enum: with its prefix", "clusters:\n  - lease: {on_expiry: on_expiry_hold}\n",
       "c.yaml:2:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not "
       "'on_expiry_hold'"},
      {"enum: a number", "clusters:\n  - lease: {on_expiry: 1}\n",
       "c.yaml:2:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not '1'"},
      {"enum: a list", "clusters:\n  - lease: {on_expiry: [hold]}\n",
       "c.yaml:2:24: clusters[0].lease.on_expiry: expects one of hold, release, witness; not a "
       "list"},
      {"enum: of one value", "clusters:\n  - firewall: {icmp: all}\n",
       "c.yaml:2:22: clusters[0].firewall.icmp: expects peers; not 'all'"},
      {"map: a scalar", "clusters:\n  - firewall: {tcp: 80}\n",
       "c.yaml:2:21: clusters[0].firewall.tcp: expects a mapping (key: value), not '80'"},
      {"map: a list", "clusters:\n  - firewall: {tcp: [80]}\n",
       "c.yaml:2:21: clusters[0].firewall.tcp: expects a mapping (key: value), not a list"},
      {"map: a word as key", "clusters:\n  - firewall: {tcp: {http: peers}}\n",
       "c.yaml:2:22: clusters[0].firewall.tcp.http: expects a whole number, not 'http'"},
      {"map: overflow", "clusters:\n  - firewall: {tcp: {4294967376: peers}}\n",
       "c.yaml:2:22: clusters[0].firewall.tcp[4294967376]: '4294967376' is too large; at most "
       "4294967295"},
      {"map: a key twice", "clusters:\n  - firewall: {tcp: {80: peers, 80: peers}}\n",
       "c.yaml:2:33: clusters[0].firewall.tcp[80]: named twice, first in line 2; keep one of them"},
      {"map: no value", "clusters:\n  - firewall: {tcp: {80: }}\n",
       "c.yaml:2:22: clusters[0].firewall.tcp[80]: has no value; give it one or remove the key"},
      {"map: a bad value", "clusters:\n  - firewall: {tcp: {80: all, 81: peers, 82: none}}\n",
       "c.yaml:2:26: clusters[0].firewall.tcp[80]: expects peers; not 'all'\nc.yaml:2:46: "
       "clusters[0].firewall.tcp[82]: expects peers; not 'none'"},
      {"map: a list as key", "clusters:\n  - firewall: {tcp: {[80]: peers}}\n",
       "c.yaml:2:22: clusters[0].firewall.tcp: a key must be a word, not a list"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(ErrorsOf(row.text), row.error);
  }
}

TEST(ConfigReportTest, PointsAtTheNearestThingThatTheFileHas) {
  hb::v1::ControllerConfig config;
  ConfigReport report("c.yaml");
  ASSERT_TRUE(
      ReadYaml("store: a\nclusters:\n  - name: web\n    lease:\n      ttl: 1s\n", &config, &report)
          .ok());
  EXPECT_TRUE(report.Has("clusters[0].lease.ttl"));
  EXPECT_FALSE(report.Has("clusters[0].lease.on_expiry"));
  EXPECT_EQ(report.Line("clusters[0].lease.ttl"), 5);
  EXPECT_EQ(report.Line("clusters[0].lease.on_expiry"), 0);
  report.Refuse("event_log", "e");                    // absent: the file
  report.Refuse("clusters[0].lease.on_expiry", "d");  // absent: the key of lease
  report.Refuse("clusters[0].lease.ttl", "c");        // its value
  report.Refuse("clusters[0].flap.window", "b");      // absent with its parent: the cluster
  report.Refuse("clusters[1].name", "a");             // no such cluster: the key of clusters
  EXPECT_EQ(std::string(report.ToStatus().message()),
            "c.yaml:1:1: event_log: e\n"
            "c.yaml:2:1: clusters[1].name: a\n"
            "c.yaml:3:5: clusters[0].flap.window: b\n"
            "c.yaml:4:5: clusters[0].lease.on_expiry: d\n"
            "c.yaml:5:12: clusters[0].lease.ttl: c");
  EXPECT_TRUE(report.Failed("clusters[0].lease"));
  EXPECT_TRUE(report.Failed("clusters[0].lease.ttl"));
  EXPECT_FALSE(report.Failed("clusters[0].name"));
  EXPECT_FALSE(report.Failed("clusters[0].lease.ttlx"));
}

TEST(ConfigReportTest, ListsAHundredErrorsAndCountsTheOthers) {
  std::string text = "listen:\n";
  for (int i = 0; i < 1500; ++i) text += "  - []\n";
  const std::string errors = ErrorsOf(text);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 100);
  EXPECT_TRUE(errors.starts_with("c.yaml:2:5: listen[0]: expects text, not a list\n"));
  EXPECT_TRUE(errors.ends_with("\nc.yaml:102:5: and 1400 more errors from here on")) << errors;
}

TEST(ConfigReportTest, QuotesOnOneLineAndNotForEver) {
  EXPECT_EQ(QuoteForError("a b"), "'a b'");
  EXPECT_EQ(QuoteForError("a\nb\x01\x7f"), "'a\\nb\\001\\177'");
  EXPECT_EQ(QuoteForError(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
  EXPECT_EQ(QuoteForError(std::string(81, 'x')), "'" + std::string(80, 'x') + "...'");
  // Not in the middle of a character.
  EXPECT_EQ(QuoteForError(std::string(79, 'x') + "\xc3\xa4"), "'" + std::string(79, 'x') + "...'");
}

TEST(ProtoDurationTest, KeepsWhatItCanAndNeverOverflows) {
  for (const Duration d :
       {absl::ZeroDuration(), absl::Milliseconds(1500), -absl::Milliseconds(1500),
        absl::Hours(24 * 365 * 200), absl::Nanoseconds(-1)}) {
    EXPECT_EQ(FromProtoDuration(ToProtoDuration(d)), d);
  }
  EXPECT_EQ(ToProtoDuration(-absl::Milliseconds(1500)).seconds(), -1);
  EXPECT_EQ(ToProtoDuration(-absl::Milliseconds(1500)).nanos(), -500'000'000);
  EXPECT_EQ(ToProtoDuration(absl::InfiniteDuration()).seconds(),
            std::numeric_limits<int64_t>::max());
  google::protobuf::Duration odd;
  odd.set_seconds(std::numeric_limits<int64_t>::max());
  odd.set_nanos(std::numeric_limits<int32_t>::max());
  EXPECT_EQ(FromProtoDuration(odd), absl::InfiniteDuration());
  odd.set_seconds(std::numeric_limits<int64_t>::min());
  odd.set_nanos(std::numeric_limits<int32_t>::min());
  EXPECT_EQ(FromProtoDuration(odd), -absl::InfiniteDuration());
}

}  // namespace
}  // namespace hb
