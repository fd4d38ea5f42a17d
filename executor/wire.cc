#include "executor/wire.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/config/config_values.h"
#include "common/config/proto_duration.h"

namespace hb::executor {
namespace {

constexpr size_t kMaxIdentity = 128;
constexpr size_t kMaxText = 500;
constexpr size_t kMaxObstacles = 32;
constexpr Duration kMinInterval = absl::Milliseconds(10);
constexpr Duration kMaxInterval = absl::Seconds(10);

// `value` for an error message: short, on one line.
std::string Quote(const std::string& value) {
  return absl::StrCat("\"", absl::CHexEscape(value.substr(0, 80)), "\"");
}

absl::Status Bad(const std::string& field, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

// A judgement of common/config, with the field that it is about.
absl::Status At(const std::string& field, const absl::Status& status) {
  return status.ok() ? status : Bad(field, std::string(status.message()));
}

absl::Status CheckCount(const std::string& field, int count, int least, int most) {
  if (count >= least && count <= most) return absl::OkStatus();
  return Bad(field, absl::StrCat(count, " of them; ", least, " to ", most, " are allowed"));
}

absl::StatusOr<Duration> ReadDuration(const std::string& field,
                                      const google::protobuf::Duration& wire, Duration least,
                                      Duration most) {
  // The wire form is checked first: seconds and nanos of one sign, nanos below a second.
  constexpr int64_t kMaxSeconds = 315'576'000'000;
  constexpr int32_t kNanosASecond = 1'000'000'000;
  const bool well_formed = wire.seconds() >= 0 && wire.seconds() <= kMaxSeconds &&
                           wire.nanos() >= 0 && wire.nanos() < kNanosASecond;
  const Duration value = absl::Seconds(wire.seconds()) + absl::Nanoseconds(wire.nanos());
  if (!well_formed || value < least || value > most) {
    return Bad(field,
               absl::StrCat(wire.seconds(), " s ", wire.nanos(), " ns is not within ",
                            absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
  }
  return value;
}

absl::StatusOr<IpAddress> ReadAddress(const std::string& field, const std::string& text) {
  absl::StatusOr<IpAddress> address = ParseHostAddress(text);
  if (!address.ok()) return At(field, address.status());
  return address;
}

absl::StatusOr<std::vector<Vip>> ReadVips(const v1::ClusterSpec& wire) {
  if (absl::Status status = CheckCount("spec.vips", wire.vips_size(), 1, kMaxVips); !status.ok()) {
    return status;
  }
  std::vector<Vip> vips;
  std::set<IpAddress> seen;
  for (const v1::VipSpec& vip : wire.vips()) {
    absl::StatusOr<IpPrefix> address = ParseVip(vip.address());
    if (!address.ok()) return At("spec.vips.address", address.status());
    if (absl::Status status = CheckInterface(vip.interface()); !status.ok()) {
      return At("spec.vips.interface", status);
    }
    if (!seen.insert(address->address).second) {
      return Bad("spec.vips.address", absl::StrCat(Quote(vip.address()), " is there twice"));
    }
    vips.push_back({*address, vip.interface()});
  }
  return vips;
}

absl::StatusOr<FirewallSpec> ReadFirewall(const v1::FirewallSpec& wire) {
  FirewallSpec firewall;
  absl::StatusOr<IpAddress> own = ReadAddress("spec.firewall.own_address", wire.own_address());
  if (!own.ok()) return own.status();
  firewall.own_address = *own;
  if (absl::Status status =
          CheckCount("spec.firewall.sources", wire.sources_size(), 0, kMaxFirewallSources);
      !status.ok()) {
    return status;
  }
  for (const std::string& text : wire.sources()) {
    absl::StatusOr<IpPrefix> source = IpPrefix::Parse(text);
    if (!source.ok()) {
      return Bad("spec.firewall.sources",
                 absl::StrCat(Quote(text), " is neither an address nor a prefix"));
    }
    firewall.sources.push_back(*source);
  }
  firewall.restrict_icmp_echo = wire.restrict_icmp_echo();
  if (absl::Status status =
          CheckCount("spec.firewall.restrict_tcp", wire.restrict_tcp_size(), 0, kMaxFirewallPorts);
      !status.ok()) {
    return status;
  }
  for (const uint32_t port : wire.restrict_tcp()) {
    if (port == 0 || port > UINT16_MAX) {
      return Bad("spec.firewall.restrict_tcp", absl::StrCat(port, " is not a port"));
    }
    firewall.restrict_tcp.push_back(static_cast<uint16_t>(port));
  }
  return firewall;
}

absl::Status ReadPolicy(const v1::ClusterSpec& wire, Spec* spec) {
  switch (wire.on_expiry()) {
    case v1::ON_EXPIRY_RELEASE:
      spec->on_expiry = OnExpiry::kRelease;
      break;
    case v1::ON_EXPIRY_HOLD:
      spec->on_expiry = OnExpiry::kHold;
      break;
    case v1::ON_EXPIRY_WITNESS:
      spec->on_expiry = OnExpiry::kWitness;
      break;
    default:
      return Bad("spec.on_expiry", absl::StrCat(static_cast<int>(wire.on_expiry()),
                                                " is none of release, witness, hold"));
  }
  if (spec->on_expiry != OnExpiry::kWitness) return absl::OkStatus();
  if (wire.witness() != "gateway") {
    if (auto address = ReadAddress("spec.witness", wire.witness()); !address.ok()) {
      return address.status();
    }
  }
  spec->witness = wire.witness();
  absl::StatusOr<Duration> interval =
      ReadDuration("spec.witness_interval", wire.witness_interval(), kMinInterval, kMaxInterval);
  if (interval.ok()) spec->witness_interval = *interval;
  return interval.status();
}

absl::Status ReadPeers(const v1::ClusterSpec& wire, Spec* spec) {
  if (absl::Status status = CheckCount("spec.peers", wire.peers_size(), 0, kMaxPeers);
      !status.ok()) {
    return status;
  }
  for (const v1::PeerSpec& peer : wire.peers()) {
    if (absl::Status status = At("spec.peers.name", CheckName(peer.name())); !status.ok()) {
      return status;
    }
    absl::StatusOr<Endpoint> executor = ParseEndpoint(peer.executor());
    if (!executor.ok()) return At("spec.peers.executor", executor.status());
    spec->peers.push_back({peer.name(), peer.executor()});
  }
  return absl::OkStatus();
}

absl::StatusOr<Spec> ReadSpec(const v1::ClusterSpec& wire) {
  Spec spec;
  if (absl::Status status = At("spec.cluster", CheckName(wire.cluster())); !status.ok())
    return status;
  spec.cluster = wire.cluster();
  if (wire.revision() == 0) return Bad("spec.revision", "0 is none");
  spec.revision = wire.revision();
  absl::StatusOr<std::vector<Vip>> vips = ReadVips(wire);
  if (!vips.ok()) return vips.status();
  spec.vips = *std::move(vips);
  if (absl::Status status = At("spec.service", CheckName(wire.service())); !status.ok())
    return status;
  spec.service = wire.service();
  if (absl::Status status = ReadPolicy(wire, &spec); !status.ok()) return status;
  if (absl::Status status = ReadPeers(wire, &spec); !status.ok()) return status;
  if (!wire.has_firewall()) return spec;
  absl::StatusOr<FirewallSpec> firewall = ReadFirewall(wire.firewall());
  if (!firewall.ok()) return firewall.status();
  spec.firewall = *std::move(firewall);
  return spec;
}

absl::Status ReadServiceOrder(const v1::ClusterOrder& wire, Order* order) {
  switch (wire.service().wanted()) {
    case v1::ServiceOrder::WANTED_STOPPED:
      order->service_running = false;
      break;
    case v1::ServiceOrder::WANTED_RUNNING:
      order->service_running = true;
      break;
    default:
      return Bad("order.service.wanted", absl::StrCat(static_cast<int>(wire.service().wanted()),
                                                      " is neither stopped nor running"));
  }
  order->start_attempt = wire.service().start_attempt();
  return absl::OkStatus();
}

absl::StatusOr<Order> ReadOrder(const v1::ClusterOrder& wire) {
  Order order;
  if (absl::Status status = At("order.cluster", CheckName(wire.cluster())); !status.ok())
    return status;
  order.cluster = wire.cluster();
  if (wire.spec_revision() == 0) return Bad("order.spec_revision", "0 is none");
  order.spec_revision = wire.spec_revision();
  if (wire.epoch() == 0 || wire.epoch() > kMaxEpoch) {
    return Bad("order.epoch", absl::StrCat(wire.epoch(), " is not within 1 to ", kMaxEpoch));
  }
  order.epoch = wire.epoch();
  switch (wire.role()) {
    case v1::ROLE_STANDBY:
      break;
    case v1::ROLE_ACTIVE: {
      absl::StatusOr<Duration> ttl =
          ReadDuration("order.ttl", wire.ttl(), absl::Nanoseconds(1), kMaxTtl);
      if (!ttl.ok()) return ttl.status();
      order.active = true;
      order.ttl = *ttl;
      break;
    }
    default:
      return Bad("order.role",
                 absl::StrCat(static_cast<int>(wire.role()), " is neither standby nor active"));
  }
  switch (wire.on_leave()) {
    case v1::ON_LEAVE_WAIT:
      order.on_leave = OnLeave::kWait;
      break;
    case v1::ON_LEAVE_RELEASE:
      order.on_leave = OnLeave::kRelease;
      break;
    default:
      break;
  }
  order.force = wire.force();
  if (absl::Status status = ReadServiceOrder(wire, &order); !status.ok()) return status;
  return order;
}

// Text of the kernel or of a service, made fit for a proto's string, which is UTF-8.
std::string Clean(std::string_view text) {
  std::string out(text.substr(0, kMaxText));
  for (char& c : out) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return out;
}

v1::ServiceState StateToWire(ServiceStatus::State state) {
  switch (state) {
    case ServiceStatus::State::kStopped:
      return v1::SERVICE_STATE_STOPPED;
    case ServiceStatus::State::kStarting:
      return v1::SERVICE_STATE_STARTING;
    case ServiceStatus::State::kRunning:
      return v1::SERVICE_STATE_RUNNING;
    case ServiceStatus::State::kFailing:
      return v1::SERVICE_STATE_FAILING;
    case ServiceStatus::State::kStopping:
      return v1::SERVICE_STATE_STOPPING;
    case ServiceStatus::State::kFailed:
      return v1::SERVICE_STATE_FAILED;
  }
  return v1::SERVICE_STATE_UNSPECIFIED;
}

void ClusterToWire(const ClusterReport& report, v1::ClusterReport* wire) {
  wire->set_cluster(report.cluster);
  wire->set_spec_revision(report.spec_revision);
  wire->set_holding(report.holding);
  wire->set_epoch(report.epoch);
  wire->set_highest_epoch(report.highest_epoch);
  if (report.void_before != ReportId{}) {
    wire->mutable_void_before()->set_incarnation(report.void_before.incarnation);
    wire->mutable_void_before()->set_number(report.void_before.number);
  }
  v1::ServiceReport* service = wire->mutable_service();
  service->set_state(StateToWire(report.seen.service.state));
  service->set_detail(Clean(report.seen.service.detail));
  service->set_start_attempt(report.seen.start_attempted);
  for (size_t i = 0; i < report.vips.size(); ++i) {
    v1::VipReport* vip = wire->add_vips();
    vip->set_address(report.vips[i]);
    vip->set_present(i < report.seen.vip_present.size() && report.seen.vip_present[i]);
    vip->set_link_up(i < report.seen.link_usable.size() && report.seen.link_usable[i]);
  }
  const size_t obstacles = std::min(report.seen.obstacles.size(), kMaxObstacles);
  for (size_t i = 0; i < obstacles; ++i) wire->add_obstacles(Clean(report.seen.obstacles[i]));
  wire->set_refusal(Clean(report.refusal));
  wire->set_beyond_lease(report.beyond_lease);
  wire->set_follows(report.follows);
  wire->set_followed_other(report.followed_other);
  wire->set_spec_stored(report.spec_stored);
  wire->set_bound(report.bound);
  wire->set_promises(report.promises);
  wire->set_leaving(report.leaving);
  wire->set_conflicts(report.conflicts);
  wire->set_conflict(report.conflict);
}

}  // namespace

absl::StatusOr<Hello> HelloFromWire(const v1::ControllerHello& hello, const std::string& node) {
  if (hello.protocol_version() != kProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this executor speaks protocol version ", kProtocolVersion, ", not ",
        hello.protocol_version(), ": bring controller and executors to the same release"));
  }
  if (hello.node() != node) {
    return absl::FailedPreconditionError(
        absl::StrCat("this is node ", node, ", not ", absl::CHexEscape(hello.node().substr(0, 80)),
                     ": check nodes[].executor in controller.yaml and node in executor.yaml"));
  }
  const std::string& id = hello.controller_id();
  const bool printable = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (id.empty() || id.size() > kMaxIdentity || !printable) {
    return Bad("hello.controller_id", absl::StrCat(Quote(id), " is not an identity (1 to ",
                                                   kMaxIdentity, " printable characters)"));
  }
  return Hello{id, Clean(hello.software_version())};
}

v1::ExecutorMessage HelloToWire(const std::string& node, uint64_t incarnation,
                                const std::string& software_version) {
  v1::ExecutorMessage message;
  v1::ExecutorHello* hello = message.mutable_hello();
  hello->set_protocol_version(kProtocolVersion);
  hello->set_node(node);
  hello->set_incarnation(incarnation);
  hello->set_software_version(software_version);
  return message;
}

absl::StatusOr<Orders> OrdersFromWire(const v1::Orders& wire) {
  Orders orders;
  orders.answers = {wire.answers().incarnation(), wire.answers().number()};
  if (wire.has_heartbeat()) {
    absl::StatusOr<Duration> heartbeat =
        ReadDuration("heartbeat", wire.heartbeat(), kMinInterval, kMaxInterval);
    if (!heartbeat.ok()) return heartbeat.status();
    orders.heartbeat = *heartbeat;
  }
  for (const auto& [field, count] : {std::pair<const char*, int>{"specs", wire.specs_size()},
                                     {"clusters", wire.clusters_size()},
                                     {"forget", wire.forget_size()}}) {
    if (absl::Status status = CheckCount(field, count, 0, kMaxSpecsAMessage); !status.ok()) {
      return status;
    }
  }
  std::set<std::string> specs;
  for (const v1::ClusterSpec& spec : wire.specs()) {
    absl::StatusOr<Spec> read = ReadSpec(spec);
    if (!read.ok()) return read.status();
    if (!specs.insert(read->cluster).second) {
      return Bad("spec.cluster", absl::StrCat(Quote(read->cluster), " is there twice"));
    }
    orders.specs.push_back(*std::move(read));
  }
  std::set<std::string> ordered;
  for (const v1::ClusterOrder& order : wire.clusters()) {
    absl::StatusOr<Order> read = ReadOrder(order);
    if (!read.ok()) return read.status();
    if (!ordered.insert(read->cluster).second) {
      return Bad("order.cluster", absl::StrCat(Quote(read->cluster), " is there twice"));
    }
    orders.orders.push_back(*std::move(read));
  }
  for (const std::string& cluster : wire.forget()) {
    if (absl::Status status = At("forget", CheckName(cluster)); !status.ok()) return status;
    orders.forget.push_back(cluster);
  }
  return orders;
}

v1::ExecutorMessage ReportToWire(const Report& report) {
  v1::ExecutorMessage message;
  v1::Report* wire = message.mutable_report();
  wire->set_number(report.number);
  wire->set_answered(report.answered);
  *wire->mutable_followed_for() = ToProtoDuration(report.followed_for);
  for (const ClusterReport& cluster : report.clusters) ClusterToWire(cluster, wire->add_clusters());
  return message;
}

}  // namespace hb::executor
