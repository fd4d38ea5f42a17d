// See the header.
#include "client/costs.h"

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/document.h"
#include "common/config/lease_costs.h"
#include "common/config/proto_duration.h"

namespace hb::client {
namespace {

std::string PolicyText(const v1::ClusterConfig& cluster) {
  switch (cluster.lease().on_expiry()) {
    case v1::ON_EXPIRY_RELEASE:
      return "release";
    case v1::ON_EXPIRY_HOLD:
      return "hold";
    default:
      return "witness";
  }
}

std::string TimeText(const std::optional<Duration>& time, bool plus_start) {
  if (!time) return "-";
  return absl::StrCat(*time == absl::ZeroDuration() ? "at once" : HumanDuration(*time),
                      plus_start ? " + start" : "");
}

std::string TimeJson(const std::optional<Duration>& time) {
  if (!time) return "null";
  if (*time == absl::InfiniteDuration()) return "\"until_healed\"";
  return absl::StrFormat("\"%.3fs\"", absl::ToDoubleSeconds(*time));
}

std::string FormatCluster(const v1::ClusterConfig& cluster, const Style& style) {
  std::vector<std::vector<Cell>> rows = {{{"WHEN", Color::kDim},
                                          {"TYPICAL", Color::kDim},
                                          {"WORST", Color::kDim},
                                          {"THEN", Color::kDim}}};
  for (const FaultCost& cost : Costs(cluster)) {
    rows.push_back({{cost.what},
                    {TimeText(cost.typical, cost.plus_start)},
                    {TimeText(cost.worst, cost.plus_start)},
                    {cost.then}});
  }
  const SplitBrain split = SplitBrainOf(cluster);
  const bool never = split.longest == absl::ZeroDuration();
  rows.push_back({{"two nodes hold (split brain)"},
                  {"-"},
                  never ? Cell{"never", Color::kGreen} : Cell{"until healed", Color::kYellow},
                  {split.when}});
  return absl::StrCat("\n", Paint(style, Color::kBold, cluster.name()), "   ttl ",
                      HumanDuration(FromProtoDuration(cluster.lease().ttl())),
                      ", on_expiry: ", PolicyText(cluster), "\n", FormatTable(rows, style, 2));
}

std::string ClusterJson(const v1::ClusterConfig& cluster) {
  std::vector<std::string> costs;
  for (const FaultCost& cost : Costs(cluster)) {
    costs.push_back(
        absl::StrCat("{\"fault\":", JsonString(cost.fault), ",\"what\":", JsonString(cost.what),
                     ",\"typical\":", TimeJson(cost.typical), ",\"worst\":", TimeJson(cost.worst),
                     ",\"plus_start\":", cost.plus_start ? "true" : "false",
                     ",\"then\":", JsonString(cost.then), "}"));
  }
  const SplitBrain split = SplitBrainOf(cluster);
  return absl::StrCat("{\"name\":", JsonString(cluster.name()), ",\"costs\":[",
                      absl::StrJoin(costs, ","),
                      "],\"split_brain\":{\"longest\":", TimeJson(split.longest),
                      ",\"when\":", JsonString(split.when), "}}");
}

}  // namespace

std::string FormatCosts(const v1::ControllerConfig& config, const Style& style) {
  std::string text;
  for (const v1::ClusterConfig& cluster : config.clusters()) text += FormatCluster(cluster, style);
  text +=
      "\nTimes are from the fault until another node is made active, on a network and disks that "
      "answer\nwithin milliseconds; start: of the service there, which standby: running spares.\n";
  for (const std::string& warning : Warnings(config)) {
    absl::StrAppend(&text, "\n", Paint(style, Color::kYellow, "warning"), ": ", Escape(warning),
                    "\n");
  }
  return text;
}

std::string CostsJson(const v1::ControllerConfig& config) {
  std::vector<std::string> clusters;
  for (const v1::ClusterConfig& cluster : config.clusters())
    clusters.push_back(ClusterJson(cluster));
  std::vector<std::string> warnings;
  for (const std::string& warning : Warnings(config)) warnings.push_back(JsonString(warning));
  return absl::StrCat("\"warnings\":[", absl::StrJoin(warnings, ","), "],\"clusters\":[",
                      absl::StrJoin(clusters, ","), "]");
}

}  // namespace hb::client
