// See the header. One function a message of the schema, in the schema's order; the relations
// between clusters follow in controller_relations.
#include "common/config/controller_config.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/config/config_report.h"
#include "common/config/config_scope.h"
#include "common/config/config_values.h"
#include "common/config/controller_relations.h"
#include "common/config/read_file.h"
#include "common/config/shared_rules.h"
#include "common/config/yaml_reader.h"

namespace hb {
namespace {

constexpr std::string_view kUnix = "unix://";
constexpr std::string_view kSqlite = "sqlite://";
constexpr int kMaxClusters = 256;
constexpr int kMaxListeners = 16;
constexpr int kMaxVips = 16;
constexpr int kMaxNodes = 16;
constexpr Duration kDay = absl::Hours(24);

absl::Status CheckListener(const std::string& text) {
  if (text.starts_with(kUnix)) {
    const std::string path = text.substr(kUnix.size());
    // sun_path of unix(7), with its final zero.
    if (path.size() > 107) {
      return absl::InvalidArgumentError(
          absl::StrCat(QuoteForError(text), ": a socket's path has at most 107 characters"));
    }
    return CheckPath(path);
  }
  if (text.find('/') == std::string::npos) return ParseEndpoint(text).status();
  return absl::InvalidArgumentError(
      absl::StrCat(QuoteForError(text), " is neither unix:///PATH nor ADDRESS:PORT"));
}

absl::Status CheckStore(const std::string& text) {
  if (text.starts_with("etcd://")) {
    return absl::InvalidArgumentError(
        "etcd:// is not supported yet; use sqlite:///var/lib/hb/controller.db");
  }
  if (!text.starts_with(kSqlite) || !CheckPath(text.substr(kSqlite.size())).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(QuoteForError(text),
                     " is no store; write sqlite:// and an absolute path, like"
                     " sqlite:///var/lib/hb/controller.db"));
  }
  return absl::OkStatus();
}

absl::Status CheckLabel(const std::string& text) {
  if (text.empty() || text.size() > 128 || text.find_first_of("\n\t") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(QuoteForError(text), " is no label; write one line of 1 to 128 characters"));
  }
  return absl::OkStatus();
}

absl::Status CheckWitnessAddress(const std::string& text) {
  if (text == "gateway") return absl::OkStatus();
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  if (!address.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(QuoteForError(text), " is neither gateway nor an IPv4 or IPv6 address"));
  }
  if (IsLoopback(*address)) {
    return absl::InvalidArgumentError(absl::StrCat(
        QuoteForError(text), " is a loopback address, which always answers; name another host"));
  }
  return CheckHostAddress(*address);
}

void CheckVip(const ConfigScope& vip) {
  if (vip.Require("address", "write an address, like 192.168.0.111/24")) {
    const absl::StatusOr<IpPrefix> parsed = ParseVip(vip.String("address"));
    vip.Expect("address", parsed.status());
    if (parsed.ok()) vip.SetString("address", parsed->ToString());
  }
  if (vip.Require("interface", "name the interface that carries it, like eth0")) {
    vip.CheckString("interface", CheckInterface);
  }
}

void CheckNode(const ConfigScope& node) {
  if (node.Require("name", "give the node a name")) node.CheckString("name", CheckName);
  if (node.Require("address", "write the node's own address, like 192.168.0.1")) {
    const absl::StatusOr<IpAddress> parsed = ParseHostAddress(node.String("address"));
    node.Expect("address", parsed.status());
    if (parsed.ok()) node.SetString("address", parsed->ToString());
  }
  if (node.Require("executor", "write where its hb-executor listens, like 192.168.0.1:7401")) {
    const absl::StatusOr<Endpoint> parsed = ParseEndpoint(node.String("executor"));
    node.Expect("executor", parsed.status());
    if (parsed.ok()) {
      node.Expect("executor", CheckHostAddress(parsed->address));
      node.SetString("executor", parsed->ToString());
    }
  }
  node.NumberOr("priority", 100, 0, 1000);
}

void CheckService(const ConfigScope& service) {
  if (service.Require("name", "write the service's name in executor.yaml")) {
    service.CheckString("name", CheckName);
  }
  service.CheckString("label", CheckLabel);
  service.StringOr("label", service.String("name"));
  service.EnumOr("standby", hb::v1::STANDBY_SERVICE_STOPPED);
}

// Returns the ttl.
Duration CheckLease(const ConfigScope& cluster, const ConfigScope& lease, Duration heartbeat) {
  const bool is_default = !lease.Has("ttl");
  const Duration ttl =
      lease.DurationOr("ttl", absl::Seconds(1), absl::Milliseconds(30), absl::Seconds(60));
  if (ttl < 3 * heartbeat && cluster.Sound("heartbeat") && lease.Sound("ttl")) {
    lease.Refuse("ttl",
                 absl::StrCat(absl::FormatDuration(ttl), is_default ? " (the default)" : "",
                              " is below 3 × heartbeat (3 × ", absl::FormatDuration(heartbeat),
                              "); raise ttl or lower heartbeat"));
  }
  lease.EnumOr("on_expiry", hb::v1::ON_EXPIRY_WITNESS);
  return ttl;
}

void CheckWitness(const ConfigScope& cluster, const ConfigScope& lease, Duration ttl,
                  hb::v1::OnExpiry policy) {
  if (policy != hb::v1::ON_EXPIRY_WITNESS) {
    if (cluster.Has("witness") && lease.Sound("on_expiry")) {
      cluster.Refuse("witness",
                     "is asked only with lease.on_expiry: witness; remove it or change"
                     " on_expiry");
    }
    return;
  }
  const ConfigScope witness = cluster.Child("witness");
  if (witness.StringOr("address", "gateway") != "gateway") {
    witness.CheckString("address", CheckWitnessAddress);
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(witness.String("address"));
    if (address.ok()) witness.SetString("address", address->ToString());
  }
  const Duration interval =
      witness.DurationOr("interval", std::min(absl::Milliseconds(200), ttl / 2),
                         absl::Milliseconds(10), absl::Seconds(10));
  if (interval > ttl / 2 && lease.Sound("ttl") && witness.Sound("interval")) {
    witness.Refuse("interval",
                   absl::StrCat(absl::FormatDuration(interval), " is above lease.ttl / 2 (",
                                absl::FormatDuration(ttl / 2), "); lower interval or raise ttl"));
  }
}

void CheckHttpProbe(const ConfigScope& http) {
  if (http.Require("url", "write the page's, like \"http://{address}/\"")) {
    http.CheckString("url", [](const std::string& url) { return CheckHttpUrl(url, true); });
  }
  CheckPace(http, absl::Seconds(1), absl::Seconds(1));
  http.NumberOr("fall", 2, 1, 100);
  http.NumberOr("rise", 2, 1, 100);
  const ConfigScope expect = http.Child("expect");
  expect.StringOr("status", "200-399");
  expect.CheckString("status", CheckHttpStatuses);
  if (expect.Has("body") &&
      (expect.String("body").empty() || expect.String("body").size() > 4096)) {
    expect.Refuse("body",
                  "has to be 1 to 4096 bytes; shorten it, or remove it to look for nothing");
  }
  http.CheckString("host", CheckHttpHost);
  const ConfigScope tls = http.Child("tls");
  tls.BoolOr("verify", true);
  tls.CheckString("ca", CheckPath);
  if (tls.Has("ca") && tls.Sound("verify") && !tls.Boolean("verify")) {
    tls.Refuse("ca", "verifies nothing with verify: false; remove one of the two");
  }
  http.NumberOr("redirects", 0, 0, 10);
}

void CheckProbes(const ConfigScope& probes) {
  const ConfigScope icmp = probes.Child("icmp");
  CheckPace(icmp, absl::Milliseconds(200), absl::Seconds(60));
  icmp.NumberOr("fall", 3, 1, 100);
  icmp.NumberOr("rise", 3, 1, 100);
  if (probes.Has("http")) CheckHttpProbe(probes.Child("http"));
}

void CheckFirewall(const ConfigScope& cluster, const hb::v1::FirewallConfig& firewall) {
  const std::string tcp = FieldPath(cluster.PathOf("firewall"), "tcp");
  for (const auto& [port, source] : firewall.tcp()) {
    if (port >= 1 && port <= 65535) continue;
    cluster.report()->Refuse(ItemPath(tcp, port),
                             absl::StrCat(port, " is no port; use 1 to 65535"));
  }
}

void CheckCluster(const ConfigScope& cluster, const hb::v1::ClusterConfig& message) {
  if (cluster.Require("name", "give the cluster a name")) cluster.CheckString("name", CheckName);
  cluster.CheckCount("vips", 1, kMaxVips);
  for (int i = 0; i < message.vips_size(); ++i) CheckVip(cluster.Item("vips", i));
  cluster.CheckCount("nodes", 2, kMaxNodes);
  for (int i = 0; i < message.nodes_size(); ++i) CheckNode(cluster.Item("nodes", i));
  if (cluster.Has("service")) {
    CheckService(cluster.Child("service"));
  } else {
    cluster.Require("service", "write service: {name: ...}");
  }
  const Duration heartbeat = cluster.DurationOr("heartbeat", absl::Milliseconds(200),
                                                absl::Milliseconds(10), absl::Seconds(10));
  const ConfigScope lease = cluster.Child("lease");
  const Duration ttl = CheckLease(cluster, lease, heartbeat);
  CheckWitness(cluster, lease, ttl, message.lease().on_expiry());
  CheckProbes(cluster.Child("probes"));
  const ConfigScope failback = cluster.Child("failback");
  failback.EnumOr("mode", hb::v1::FAILBACK_MODE_AUTO);
  failback.DurationOr("after", absl::Seconds(5), absl::ZeroDuration(), kDay);
  if (cluster.Has("firewall")) CheckFirewall(cluster, message.firewall());
  const ConfigScope flap = cluster.Child("flap");
  flap.NumberOr("max", 4, 1, 1000);
  flap.DurationOr("window", absl::Minutes(10), absl::Seconds(1), kDay);
}

void CheckListeners(const ConfigScope& file, hb::v1::ControllerConfig* config) {
  if (!file.Has("listen") && file.Sound("listen")) {
    config->add_listen("unix:///run/hb/controller.sock");
  }
  file.CheckCount("listen", 1, kMaxListeners);
  for (std::string& listener : *config->mutable_listen()) {
    const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(listener);
    if (endpoint.ok()) listener = endpoint->ToString();
  }
  file.CheckStrings("listen", CheckListener);
}

}  // namespace

absl::StatusOr<hb::v1::ControllerConfig> LoadControllerConfig(const std::string& path) {
  absl::StatusOr<std::string> text = ReadConfigFile(path);
  if (!text.ok()) return text.status();
  return ParseControllerConfig(*text, path);
}

absl::StatusOr<hb::v1::ControllerConfig> ParseControllerConfig(std::string_view text,
                                                               const std::string& file_name) {
  ConfigReport report(file_name);
  hb::v1::ControllerConfig config;
  if (absl::Status status = ReadYaml(text, &config, &report); !status.ok()) return status;
  const ConfigScope file(&report, &config, "");
  CheckListeners(file, &config);
  CheckTransport(file);
  file.StringOr("store", "sqlite:///var/lib/hb/controller.db");
  file.CheckString("store", CheckStore);
  file.CheckString("event_log", CheckPath);
  file.CheckCount("clusters", 1, kMaxClusters);
  for (int i = 0; i < config.clusters_size(); ++i) {
    CheckCluster(file.Item("clusters", i), config.clusters(i));
  }
  CheckRelations(config, &report);
  if (absl::Status status = report.ToStatus(); !status.ok()) return status;
  return config;
}

}  // namespace hb
