// The controller's messages as hbctl shows them; see print.h. Knows the schema and the words for
// people; does no I/O, asks no clock, and makes no judgement of its own: verdicts and reasons are
// the controller's.
#include "client/print.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/json_util.h"

namespace hb::client {
namespace {

Cell RoleCell(const v1::NodeStatus& node) {
  const bool active = node.role() == v1::ROLE_ACTIVE;
  std::string text = active ? "active" : node.role() == v1::ROLE_STANDBY ? "standby" : "-";
  // Ordered and reported differ while a move is under way; what an unreachable node reported is
  // old.
  const bool differs = node.connected() && node.holding() != active;
  if (differs) text += node.holding() ? " (holding)" : " (not holding)";
  return {text, differs ? Color::kYellow : active ? Color::kBold : Color::kNone};
}

Color VerdictColor(v1::NodeVerdict verdict) {
  switch (verdict) {
    case v1::NODE_VERDICT_HEALTHY:
      return Color::kGreen;
    case v1::NODE_VERDICT_SERVICE_DOWN:
    case v1::NODE_VERDICT_NODE_DOWN:
      return Color::kRed;
    case v1::NODE_VERDICT_AGENT_DOWN:
    case v1::NODE_VERDICT_PATH_DOWN:
    case v1::NODE_VERDICT_UNABLE:
      return Color::kYellow;
    default:
      return Color::kDim;
  }
}

Cell ServiceCell(const v1::NodeStatus& node) {
  if (!node.has_service()) return {"-", Color::kDim};
  switch (node.service().state()) {
    case v1::SERVICE_STATE_STOPPED:
      return {"stopped", Color::kNone};
    case v1::SERVICE_STATE_STARTING:
      return {"starting", Color::kYellow};
    case v1::SERVICE_STATE_RUNNING:
      return {"running", Color::kGreen};
    case v1::SERVICE_STATE_FAILING:
      return {"failing", Color::kRed};
    case v1::SERVICE_STATE_STOPPING:
      return {"stopping", Color::kYellow};
    case v1::SERVICE_STATE_FAILED:
      return {"failed", Color::kRed};
    default:
      return {"-", Color::kDim};
  }
}

Cell ProbeCell(bool present, const v1::ProbeStatus& probe) {
  if (!present) return {"-", Color::kDim};
  switch (probe.state()) {
    case v1::ProbeStatus::STATE_UP:
      if (!probe.has_round_trip()) return {"up", Color::kGreen};
      return {absl::StrCat("up ", RoundTripText(FromProto(probe.round_trip()))), Color::kGreen};
    case v1::ProbeStatus::STATE_DOWN:
      return {"down", Color::kRed};
    case v1::ProbeStatus::STATE_UNKNOWN:
      return {"unknown", Color::kDim};
    default:
      return {"-", Color::kDim};
  }
}

// Everything that explains the row, without saying anything twice.
std::string Why(const v1::NodeStatus& node) {
  std::string why = node.reason();
  const auto add = [&why](const std::string& text) {
    if (text.empty() || absl::StrContains(why, text)) return;
    absl::StrAppend(&why, why.empty() ? "" : "; ", text);
  };
  for (const std::string& obstacle : node.obstacles()) add(obstacle);
  if (!node.connected()) add(node.connection_error());
  const v1::ServiceState state = node.service().state();
  if (state == v1::SERVICE_STATE_FAILING || state == v1::SERVICE_STATE_FAILED) {
    add(node.service().detail());
  }
  for (const auto& [name, probe] : {std::pair("ICMP", &node.icmp()), {"HTTP", &node.http()}}) {
    if (probe->state() != v1::ProbeStatus::STATE_DOWN || probe->detail().empty()) continue;
    if (!absl::StrContains(why, probe->detail())) add(absl::StrCat(name, ": ", probe->detail()));
  }
  return why;
}

std::vector<Cell> NodeRow(const v1::NodeStatus& node) {
  return {
      {node.name(), Color::kNone},
      RoleCell(node),
      {VerdictText(node.verdict()), VerdictColor(node.verdict())},
      ServiceCell(node),
      ProbeCell(node.has_icmp(), node.icmp()),
      ProbeCell(node.has_http(), node.http()),
      node.connected() ? Cell{"connected", Color::kNone} : Cell{"not connected", Color::kYellow},
      node.has_lease_left() ? Cell{HumanDuration(FromProto(node.lease_left())), Color::kNone}
                            : Cell{"-", Color::kDim},
      {Why(node), Color::kNone},
  };
}

// "web   serves from master   epoch 7   VIP 192.168.0.111/24 on eth0   PAUSED"
std::string Headline(const v1::ClusterStatus& cluster, const Style& style) {
  std::vector<std::string> parts = {Paint(style, Color::kBold, cluster.name())};
  if (cluster.serving()) {
    const std::string from =
        cluster.active().empty() ? "" : absl::StrCat(" from ", cluster.active());
    parts.push_back(Paint(style, Color::kGreen, absl::StrCat("serves", from)));
  } else {
    const std::string active = cluster.active().empty()
                                   ? "no node is active"
                                   : absl::StrCat(cluster.active(), " is active");
    parts.push_back(Paint(style, Color::kRed, absl::StrCat("does not serve, ", active)));
  }
  parts.push_back(absl::StrCat("epoch ", cluster.epoch()));
  const std::string vips =
      absl::StrJoin(cluster.vips(), ", ", [](std::string* out, const v1::VipSpec& vip) {
        absl::StrAppend(out, vip.address(), " on ", vip.interface());
      });
  if (!vips.empty()) parts.push_back(Paint(style, Color::kNone, absl::StrCat("VIP ", vips)));
  if (cluster.paused()) parts.push_back(Paint(style, Color::kYellow, "PAUSED"));
  if (cluster.flapping()) parts.push_back(Paint(style, Color::kRed, "FLAPPING"));
  return absl::StrJoin(parts, "   ");
}

std::string FormatCluster(const v1::ClusterStatus& cluster, const Style& style) {
  std::string out = absl::StrCat(Headline(cluster, style), "\n");
  if (!cluster.summary().empty()) {
    out += FormatTable({{{cluster.summary(), Color::kNone}}}, style, 2);
  }
  std::vector<std::vector<Cell>> rows(1);
  for (const char* title :
       {"NODE", "ROLE", "HEALTH", "SERVICE", "ICMP", "HTTP", "AGENT", "LEASE", "WHY"}) {
    rows[0].push_back({title, Color::kDim});
  }
  for (const v1::NodeStatus& node : cluster.nodes()) rows.push_back(NodeRow(node));
  return out + FormatTable(rows, style, 2);
}

Color SeverityColor(v1::Severity severity) {
  if (severity == v1::SEVERITY_ERROR) return Color::kRed;
  if (severity == v1::SEVERITY_WARNING) return Color::kYellow;
  return Color::kNone;
}

const std::string& OrDash(const std::string& text) {
  static const std::string& dash = *new std::string("-");
  return text.empty() ? dash : text;
}

}  // namespace

Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp result;
  const int64_t seconds = absl::ToUnixSeconds(time);
  result.set_seconds(seconds);
  result.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return result;
}

std::string TimeText(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", time, zone);
}

std::string RoundTripText(Duration duration) {
  if (duration < absl::ZeroDuration()) duration = absl::ZeroDuration();
  const double ms = absl::ToDoubleMilliseconds(duration);
  if (ms < 9.995) return absl::StrFormat("%.2f ms", ms);
  if (ms < 999.5) return absl::StrFormat("%.0f ms", ms);
  return absl::StrFormat("%.1f s", ms / 1000);
}

std::string VerdictText(v1::NodeVerdict verdict) {
  switch (verdict) {
    case v1::NODE_VERDICT_HEALTHY:
      return "healthy";
    case v1::NODE_VERDICT_SERVICE_DOWN:
      return "service down";
    case v1::NODE_VERDICT_NODE_DOWN:
      return "node down";
    case v1::NODE_VERDICT_AGENT_DOWN:
      return "agent down";
    case v1::NODE_VERDICT_PATH_DOWN:
      return "path down";
    case v1::NODE_VERDICT_UNABLE:
      return "unable";
    default:
      return "unknown";
  }
}

std::string FormatStatus(const v1::Status& status, const Style& style) {
  if (status.clusters().empty()) return "the controller has no clusters\n";
  return absl::StrJoin(status.clusters(), "\n",
                       [&style](std::string* out, const v1::ClusterStatus& cluster) {
                         absl::StrAppend(out, FormatCluster(cluster, style));
                       });
}

std::string FormatWatch(const v1::Status& status, const Style& style) {
  std::string line = absl::StrCat(TimeText(FromProto(status.time()), style.zone), "   controller ",
                                  OrDash(status.controller_id()), "   up ",
                                  HumanDuration(FromProto(status.uptime())));
  return absl::StrCat(Paint(style, Color::kDim, line), "\n", FormatStatus(status, style));
}

void EventFormatter::Widen(std::span<const v1::Event> events) {
  const auto widen = [](size_t* width, const std::string& text) {
    *width = std::max(*width, TextWidth(Escape(OrDash(text))));
  };
  for (const v1::Event& event : events) {
    widen(&cluster_width_, event.cluster());
    widen(&type_width_, event.type());
    widen(&node_width_, event.node());
  }
}

std::string EventFormatter::Format(const v1::Event& event) {
  Widen({&event, 1});
  const auto column = [this](const std::string& text, size_t width, Color color) {
    const size_t used = TextWidth(Escape(OrDash(text)));
    return absl::StrCat(Paint(style_, color, OrDash(text)), std::string(width - used + 2, ' '));
  };
  const Color color = SeverityColor(event.severity());
  const std::string detail =
      event.detail().empty() ? "" : absl::StrCat(" (", Escape(event.detail()), ")");
  return absl::StrCat(Paint(style_, Color::kDim, TimeText(FromProto(event.time()), style_.zone)),
                      "  ", column(event.cluster(), cluster_width_, Color::kNone),
                      column(event.type(), type_width_, color),
                      column(event.node(), node_width_, Color::kNone),
                      Paint(style_, color, event.reason()), detail, "\n");
}

std::string FormatMove(const v1::MoveProgress& progress, const Style& style) {
  if (!progress.done()) return absl::StrCat("  ", Escape(progress.text()), "\n");
  const std::string text = progress.text().empty() ? "" : absl::StrCat(": ", progress.text());
  const Color color = progress.succeeded() ? Color::kGreen : Color::kRed;
  return absl::StrCat(Paint(style, color, progress.succeeded() ? "done" : "failed"), Escape(text),
                      "\n");
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = pretty;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return absl::InternalError(
        absl::StrCat("the controller's answer can't be written as JSON: ",
                     Escape(std::string(status.message().data(), status.message().size()))));
  }
  return json;
}

}  // namespace hb::client
