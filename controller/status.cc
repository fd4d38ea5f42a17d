#include "controller/status.h"

#include <algorithm>
#include <optional>

#include "common/boot_clock.h"
#include "common/config/proto_duration.h"
#include "controller/setup.h"

namespace hb::controller {
namespace {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp out;
  const int64_t ns = absl::ToUnixNanos(time);
  out.set_seconds(ns / 1'000'000'000);
  out.set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
  return out;
}

v1::NodeVerdict ToProto(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUnknown:
      return v1::NODE_VERDICT_UNKNOWN;
    case Verdict::kHealthy:
      return v1::NODE_VERDICT_HEALTHY;
    case Verdict::kServiceDown:
      return v1::NODE_VERDICT_SERVICE_DOWN;
    case Verdict::kNodeDown:
      return v1::NODE_VERDICT_NODE_DOWN;
    case Verdict::kAgentDown:
      return v1::NODE_VERDICT_AGENT_DOWN;
    case Verdict::kPathDown:
      return v1::NODE_VERDICT_PATH_DOWN;
    case Verdict::kUnable:
      return v1::NODE_VERDICT_UNABLE;
  }
  return v1::NODE_VERDICT_UNSPECIFIED;
}

v1::ServiceState ToProto(ServiceState state) {
  switch (state) {
    case ServiceState::kUnknown:
      return v1::SERVICE_STATE_UNSPECIFIED;
    case ServiceState::kStopped:
      return v1::SERVICE_STATE_STOPPED;
    case ServiceState::kStarting:
      return v1::SERVICE_STATE_STARTING;
    case ServiceState::kRunning:
      return v1::SERVICE_STATE_RUNNING;
    case ServiceState::kFailing:
      return v1::SERVICE_STATE_FAILING;
    case ServiceState::kStopping:
      return v1::SERVICE_STATE_STOPPING;
    case ServiceState::kFailed:
      return v1::SERVICE_STATE_FAILED;
  }
  return v1::SERVICE_STATE_UNSPECIFIED;
}

void FillProbe(const ProbeHealth& health, const std::optional<Duration>& round_trip, MonoTime now,
               v1::ProbeStatus& out) {
  switch (health.state()) {
    case ProbeHealth::State::kUnknown:
      out.set_state(v1::ProbeStatus::STATE_UNKNOWN);
      break;
    case ProbeHealth::State::kUp:
      out.set_state(v1::ProbeStatus::STATE_UP);
      break;
    case ProbeHealth::State::kDown:
      out.set_state(v1::ProbeStatus::STATE_DOWN);
      break;
  }
  out.set_detail(health.detail());
  if (round_trip) *out.mutable_round_trip() = ToProtoDuration(*round_trip);
  if (health.since() != MonoTime()) {
    *out.mutable_since() = ToTimestamp(WallNow() - (now - health.since()));
  }
}

void FillNode(const Cluster& cluster, NodeIndex i, MonoTime now, v1::NodeStatus& out) {
  const Decision& decision = cluster.decision();
  const Decision::NodeView view = decision.View(i);
  const v1::NodeConfig& config = cluster.config().nodes(static_cast<int>(i));
  out.set_name(config.name());
  out.set_address(config.address());
  out.set_priority(config.priority());
  const std::optional<Order>& order = decision.standing(i);
  out.set_role(!order ? v1::ROLE_UNSPECIFIED : order->active ? v1::ROLE_ACTIVE : v1::ROLE_STANDBY);
  out.set_verdict(ToProto(view.verdict));
  out.set_reason(view.reason);
  FillProbe(view.icmp, cluster.probes(i).icmp_round_trip(), now, *out.mutable_icmp());
  if (decision.ExpectsPage(i)) {
    FillProbe(view.http, cluster.probes(i).http_round_trip(), now, *out.mutable_http());
  }
  out.set_connected(view.connected);
  out.set_connection_error(view.connection_error);
  if (view.report) {
    const NodeReport& report = *view.report;
    out.set_holding(view.connected && report.holding);
    out.mutable_service()->set_state(ToProto(report.service));
    out.mutable_service()->set_detail(report.service_detail);
    out.mutable_service()->set_start_attempt(report.start_attempt);
    if (view.connected) {
      for (const std::string& obstacle : report.obstacles) out.add_obstacles(obstacle);
    }
  }
  if (decision.active() == i && view.lease_until > now) {
    *out.mutable_lease_left() = ToProtoDuration(view.lease_until - now);
  }
}

void FillCluster(const Cluster& cluster, MonoTime now, v1::ClusterStatus& out) {
  const Decision& decision = cluster.decision();
  out.set_name(cluster.name());
  for (const v1::VipConfig& vip : cluster.config().vips()) {
    v1::VipSpec& spec = *out.add_vips();
    spec.set_address(vip.address());
    spec.set_interface(vip.interface());
  }
  if (decision.active()) out.set_active(decision.model().nodes[*decision.active()].name);
  const Persistent& stored = decision.persistent();
  out.set_epoch(stored.epoch);
  out.set_summary(decision.Summary());
  out.set_paused(stored.paused);
  out.set_flapping(stored.flapping);
  out.set_on_expiry(cluster.config().lease().on_expiry());
  *out.mutable_ttl() = cluster.config().lease().ttl();
  out.set_serving(decision.Serving());
  for (NodeIndex i = 0; i < decision.model().nodes.size(); ++i) {
    FillNode(cluster, i, now, *out.add_nodes());
  }
}

}  // namespace

v1::Status MakeStatus(const Controller& controller, const std::string& cluster) {
  const MonoTime now = WaitNow();  // the decisions' clock
  v1::Status status;
  *status.mutable_time() = ToTimestamp(WallNow());
  status.set_controller_id(controller.id());
  *status.mutable_uptime() = ToProtoDuration(BootNow() - controller.started());
  for (const auto& c : controller.clusters()) {
    if (cluster.empty() || c->name() == cluster) FillCluster(*c, now, *status.add_clusters());
  }
  return status;
}

v1::Event MakeEvent(const StoredEvent& event) {
  v1::Event out;
  out.set_id(event.id);
  *out.mutable_time() = ToTimestamp(event.time);
  out.set_cluster(event.cluster);
  out.set_node(event.node);
  out.set_epoch(event.epoch);
  out.set_type(event.type);
  out.set_reason(event.reason);
  out.set_detail(event.detail);
  out.set_severity(event.severity == 0   ? v1::SEVERITY_INFO
                   : event.severity == 1 ? v1::SEVERITY_WARNING
                                         : v1::SEVERITY_ERROR);
  return out;
}

}  // namespace hb::controller
