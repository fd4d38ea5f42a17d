#include "controller/setup.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/config/proto_duration.h"

namespace hb::controller {
namespace {

// FNV-1a, 64 bits, over the deterministic serialization.
uint64_t Fingerprint(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return hash == 0 ? 1 : hash;
}

OnExpiry ReadPolicy(v1::OnExpiry policy) {
  switch (policy) {
    case v1::ON_EXPIRY_WITNESS:
      return OnExpiry::kWitness;
    case v1::ON_EXPIRY_HOLD:
      return OnExpiry::kHold;
    default:
      return OnExpiry::kRelease;
  }
}

ServiceState ReadState(v1::ServiceState state) {
  switch (state) {
    case v1::SERVICE_STATE_STOPPED:
      return ServiceState::kStopped;
    case v1::SERVICE_STATE_STARTING:
      return ServiceState::kStarting;
    case v1::SERVICE_STATE_RUNNING:
      return ServiceState::kRunning;
    case v1::SERVICE_STATE_FAILING:
      return ServiceState::kFailing;
    case v1::SERVICE_STATE_STOPPING:
      return ServiceState::kStopping;
    case v1::SERVICE_STATE_FAILED:
      return ServiceState::kFailed;
    default:
      return ServiceState::kUnknown;
  }
}

// The config is validated: addresses parse.
IpAddress NodeAddress(const v1::ClusterConfig& config, NodeIndex node) {
  return IpAddress::Parse(config.nodes(static_cast<int>(node)).address()).value_or(IpAddress());
}

void FillFirewall(const v1::ClusterConfig& config, NodeIndex node,
                  const std::optional<IpAddress>& controller, v1::FirewallSpec& firewall) {
  const IpAddress own = NodeAddress(config, node);
  firewall.set_own_address(own.ToString());
  std::set<std::string> sources;
  for (size_t i = 0; i < static_cast<size_t>(config.nodes_size()); ++i) {
    if (i != node) sources.insert(NodeAddress(config, i).ToString());
  }
  if (controller && *controller != own) sources.insert(controller->ToString());
  for (const std::string& source : sources) firewall.add_sources(source);
  firewall.set_restrict_icmp_echo(config.firewall().icmp() == v1::FIREWALL_SOURCE_PEERS);
  std::set<uint32_t> ports;
  for (const auto& [port, source] : config.firewall().tcp()) ports.insert(port);
  for (const uint32_t port : ports) firewall.add_restrict_tcp(port);
}

}  // namespace

std::string NodeId(const std::string& name, const std::string& executor) {
  return absl::StrCat(name, "@", executor);
}

ClusterModel MakeModel(const v1::ClusterConfig& config) {
  ClusterModel model;
  model.name = config.name();
  for (const v1::NodeConfig& node : config.nodes()) {
    model.nodes.push_back({node.name(), node.priority(), NodeId(node.name(), node.executor())});
  }
  for (const v1::VipConfig& vip : config.vips()) {
    const absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(vip.address());
    model.vips.push_back(prefix.ok() ? prefix->address.ToString() : vip.address());
  }
  model.service = config.service().name();
  model.service_label = config.service().label();
  model.standby_runs_service = config.service().standby() == v1::STANDBY_SERVICE_RUNNING;
  model.heartbeat = FromProtoDuration(config.heartbeat());
  model.ttl = FromProtoDuration(config.lease().ttl());
  model.on_expiry = ReadPolicy(config.lease().on_expiry());
  model.witness_interval = FromProtoDuration(config.witness().interval());
  const v1::IcmpProbeConfig& icmp = config.probes().icmp();
  model.icmp = {static_cast<int>(icmp.fall()), static_cast<int>(icmp.rise())};
  if (config.probes().has_http()) {
    const v1::HttpProbeConfig& http = config.probes().http();
    model.http =
        ClusterModel::Damping{static_cast<int>(http.fall()), static_cast<int>(http.rise())};
  }
  model.auto_failback = config.failback().mode() == v1::FAILBACK_MODE_AUTO;
  model.failback_after = FromProtoDuration(config.failback().after());
  model.flap_max = static_cast<int>(config.flap().max());
  model.flap_window = FromProtoDuration(config.flap().window());
  return model;
}

v1::ClusterSpec MakeSpec(const v1::ClusterConfig& config, NodeIndex node,
                         const std::optional<IpAddress>& controller) {
  v1::ClusterSpec spec;
  spec.set_cluster(config.name());
  for (const v1::VipConfig& vip : config.vips()) {
    v1::VipSpec& out = *spec.add_vips();
    out.set_address(vip.address());
    out.set_interface(vip.interface());
  }
  spec.set_service(config.service().name());
  spec.set_on_expiry(config.lease().on_expiry());
  if (config.lease().on_expiry() == v1::ON_EXPIRY_WITNESS) {
    spec.set_witness(config.witness().address());
    *spec.mutable_witness_interval() = config.witness().interval();
  }
  for (int i = 0; i < config.nodes_size(); ++i) {
    if (static_cast<NodeIndex>(i) == node) continue;
    v1::PeerSpec& peer = *spec.add_peers();
    peer.set_name(config.nodes(i).name());
    peer.set_executor(config.nodes(i).executor());
  }
  if (config.has_firewall()) FillFirewall(config, node, controller, *spec.mutable_firewall());
  spec.set_revision(Fingerprint(spec));
  return spec;
}

IcmpProbeOptions MakeIcmpOptions(const v1::ClusterConfig& config, NodeIndex node) {
  const v1::IcmpProbeConfig& icmp = config.probes().icmp();
  return {NodeAddress(config, node), FromProtoDuration(icmp.interval()),
          FromProtoDuration(icmp.timeout())};
}

std::optional<HttpProbeOptions> MakeHttpOptions(const v1::ClusterConfig& config, NodeIndex node) {
  if (!config.probes().has_http()) return std::nullopt;
  const v1::HttpProbeConfig& http = config.probes().http();
  HttpProbeOptions options;
  options.interval = FromProtoDuration(http.interval());
  HttpRequest& request = options.request;
  request.url =
      absl::StrReplaceAll(http.url(), {{"{address}", NodeAddress(config, node).ToUrlHost()}});
  request.timeout = FromProtoDuration(http.timeout());
  if (auto statuses = HttpStatusSet::Parse(http.expect().status()); statuses.ok()) {
    request.expect_status = *statuses;
  }
  request.expect_body = http.expect().body();
  request.host = http.host();
  request.verify_tls = http.tls().verify();
  request.ca_file = http.tls().ca();
  request.redirects = static_cast<int>(http.redirects());
  return options;
}

NodeReport ReadReport(const v1::ClusterReport& report, uint64_t revision) {
  NodeReport out;
  out.knows_spec = report.spec_revision() == revision;
  out.holding = report.holding();
  out.beyond_lease = report.beyond_lease();
  out.epoch = report.epoch();
  out.highest_epoch = report.highest_epoch();
  if (out.highest_epoch > kMaxEpoch) {
    // Nothing could be ordered above it: what the node has on its disk is damaged.
    out.highest_epoch = 0;
    out.obstacles.push_back(absl::StrCat("epoch ", report.highest_epoch(),
                                         " in its state directory is out of range; mend it there"));
  }
  out.void_before = {report.void_before().incarnation(), report.void_before().number()};
  out.service = ReadState(report.service().state());
  out.service_detail = report.service().detail();
  out.start_attempt = report.service().start_attempt();
  out.follows = report.follows();
  out.followed_other = report.followed_other();
  out.spec_stored = report.spec_stored();
  out.bound = report.bound();
  out.promises = report.promises();
  out.leaving = report.leaving();
  out.conflicts = report.conflicts();
  out.conflict = report.conflict();
  out.obstacles.insert(out.obstacles.end(), report.obstacles().begin(), report.obstacles().end());
  if (!report.refusal().empty()) out.obstacles.push_back("refused: " + report.refusal());
  out.vips_present =
      report.vips_size() > 0 && std::all_of(report.vips().begin(), report.vips().end(),
                                            [](const v1::VipReport& vip) { return vip.present(); });
  return out;
}

Persistent FromStored(const StoredCluster& stored) {
  Persistent state;
  state.epoch = stored.epoch;
  state.paused = stored.paused;
  state.placed = stored.placed;
  state.flapping = stored.flapping;
  state.established = stored.established;
  state.holder = stored.holder;
  state.terms_policy = static_cast<OnExpiry>(std::clamp(stored.terms_policy, 0, 2));
  state.terms_members = stored.terms_members;
  state.terms_vips = stored.terms_vips;
  return state;
}

StoredCluster ToStored(const Persistent& state) {
  StoredCluster stored;
  stored.paused = state.paused;
  stored.placed = state.placed;
  stored.flapping = state.flapping;
  stored.established = state.established;
  stored.holder = state.holder;
  stored.terms_policy = static_cast<int>(state.terms_policy);
  stored.terms_members = state.terms_members;
  stored.terms_vips = state.terms_vips;
  return stored;
}

std::optional<IpAddress> SourceAddressFor(const IpAddress& target) {
  // Connecting a datagram socket sends nothing and asks the routing table.
  const int fd = socket(target.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  sockaddr_storage address{};
  socklen_t length = target.ToSockaddr(9, &address);
  std::optional<IpAddress> source;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) {
    length = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
      source = address.ss_family == AF_INET
                   ? IpAddress::V4(reinterpret_cast<sockaddr_in*>(&address)->sin_addr)
                   : IpAddress::V6(reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr);
    }
  }
  close(fd);
  return source;
}

}  // namespace hb::controller
