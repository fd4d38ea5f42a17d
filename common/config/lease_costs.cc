// See the header. The rules behind the numbers are the design's: L3 (who waits for a lease), L6
// (promises) and L7 (on_expiry); detection is `fall` probes in a row.
#include "common/config/lease_costs.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/config/config_values.h"
#include "common/config/proto_duration.h"
#include "common/lease_terms.h"

namespace hb {
namespace {

struct Span {
  Duration typical;
  Duration worst;
};

// From the fault until the last of `fall` failures in a row is known. A probe that is refused fails
// at once, one that gets no answer only at its timeout; on average the fault lies in the middle
// between two probes.
template <typename Probe>
Span Detection(const Probe& probe, bool typically_refused) {
  const Duration interval = FromProtoDuration(probe.interval());
  const Duration timeout = FromProtoDuration(probe.timeout());
  const Duration typical = interval * probe.fall() - interval / 2;
  return {typically_refused ? typical : typical + timeout, interval * probe.fall() + timeout};
}

// From the fault until the lease of a holder that can't confirm its release has run out for sure
// (L3 b): 1.1 × ttl from the last grant, which was sent less than a heartbeat before the fault.
Span LeaseEnd(const v1::ClusterConfig& cluster) {
  const Duration heartbeat = FromProtoDuration(cluster.heartbeat());
  Duration wait = WithClockMargin(FromProtoDuration(cluster.lease().ttl()));
  if (cluster.lease().on_expiry() == v1::ON_EXPIRY_WITNESS) {
    wait += std::max(heartbeat, FromProtoDuration(cluster.witness().interval()));
  } else if (cluster.lease().on_expiry() == v1::ON_EXPIRY_HOLD) {
    wait += heartbeat;
  }
  return {wait - heartbeat / 2, wait};
}

std::string LeaseEndText(const v1::ClusterConfig& cluster) {
  switch (cluster.lease().on_expiry()) {
    case v1::ON_EXPIRY_WITNESS:
      return "1.1 × ttl + the longer of heartbeat and witness.interval, from its last sign of "
             "life.";
    case v1::ON_EXPIRY_HOLD:
      return "1.1 × ttl + heartbeat, from its last sign of life.";
    default:
      return "1.1 × ttl from its last grant.";
  }
}

std::string Ttl(const v1::ClusterConfig& cluster) {
  return HumanDuration(FromProtoDuration(cluster.lease().ttl()));
}

FaultCost ServiceDies(const v1::ClusterConfig& cluster) {
  return {.fault = "service_dies",
          .what = "the service dies, its executor reports it",
          .typical = absl::ZeroDuration(),
          .worst = LeaseEnd(cluster).worst,
          .plus_start = false,
          .then =
              "Reported at once; worst when the release can't be confirmed. A service that "
              "hangs is seen by its local check (executor.yaml), or as the page that stops."};
}

FaultCost PageStops(const v1::ClusterConfig& cluster) {
  FaultCost cost;
  cost.fault = "page_stops";
  cost.what = "the page stops, pings are answered";
  if (!cluster.probes().has_http()) {
    cost.then =
        "No page is fetched: a service that its executor takes for well is not moved. Add "
        "probes.http.";
    return cost;
  }
  const Span seen = Detection(cluster.probes().http(), true);
  cost.typical = seen.typical;
  cost.worst = seen.worst;
  cost.then = "probes.http: fall × interval; worst when the page hangs until the timeout.";
  return cost;
}

FaultCost HostDead(const v1::ClusterConfig& cluster) {
  const Span seen = Detection(cluster.probes().icmp(), false);
  const Span lease = LeaseEnd(cluster);
  return {.fault = "host_dead",
          .what = "the host or its network dies",
          .typical = std::max(seen.typical, lease.typical),
          .worst = std::max(seen.worst, lease.worst),
          .plus_start = false,
          .then = absl::StrCat(
              seen.worst > lease.worst
                  ? "Waits for probes.icmp (fall × interval + timeout); the lease ends before: "
                  : "Waits for the lease to end: ",
              LeaseEndText(cluster))};
}

FaultCost ExecutorDead(const v1::ClusterConfig& cluster) {
  const Span lease = LeaseEnd(cluster);
  return {.fault = "executor_dead",
          .what = "the executor dies, its host lives",
          .typical = lease.typical,
          .worst = lease.worst,
          .plus_start = false,
          .then = absl::StrCat("It serves on until the kernel ends its lease, at most ",
                               Ttl(cluster), "; restarted before that, it costs nothing.")};
}

FaultCost ControllerLost() {
  FaultCost cost;
  cost.fault = "controller_lost";
  cost.what = "the controller dies, all nodes live";
  cost.then =
      "No outage: the nodes promise each other to hold still. Nothing fails over until it "
      "is back.";
  return cost;
}

// Why `release` and a controller on a node do not go together. `condition` opens the sentence.
std::string ControllerOnNode(const v1::ClusterConfig& cluster, const std::string& condition) {
  return absl::StrCat(condition, ": its loss makes the holder give the VIP up after at most ttl (",
                      Ttl(cluster), "); use a third host, or on_expiry: witness");
}

FaultCost ControllerHostLost(const v1::ClusterConfig& cluster) {
  FaultCost cost;
  cost.fault = "controller_host_lost";
  cost.what = "a standby dies that runs the controller";
  switch (cluster.lease().on_expiry()) {
    case v1::ON_EXPIRY_RELEASE:
      cost.then = absl::StrCat(ControllerOnNode(cluster, "If the controller runs on a node"), ".");
      break;
    case v1::ON_EXPIRY_HOLD:
      cost.then =
          "No outage: the holder goes on regardless. Nothing fails over until a controller "
          "runs again.";
      break;
    default:
      cost.then = absl::StrCat(
          "No outage while the witness answers the holder; without it, the "
          "VIP is given up after at most ttl (",
          Ttl(cluster), "). Nothing fails over until a controller runs again.");
      break;
  }
  return cost;
}

}  // namespace

std::vector<FaultCost> Costs(const v1::ClusterConfig& cluster) {
  std::vector<FaultCost> costs = {ServiceDies(cluster), PageStops(cluster),
                                  HostDead(cluster),    ExecutorDead(cluster),
                                  ControllerLost(),     ControllerHostLost(cluster)};
  for (FaultCost& cost : costs) {
    cost.plus_start = cost.worst && cluster.service().standby() != v1::STANDBY_SERVICE_RUNNING;
  }
  return costs;
}

SplitBrain SplitBrainOf(const v1::ClusterConfig& cluster) {
  switch (cluster.lease().on_expiry()) {
    case v1::ON_EXPIRY_RELEASE:
      return {absl::ZeroDuration(), "never two holders, whatever fails"};
    case v1::ON_EXPIRY_HOLD:
      return {absl::InfiniteDuration(),
              "always possible: when the holder and the controller can't reach each other, until "
              "that is healed"};
    default:
      return {absl::InfiniteDuration(),
              "only when the holder reaches neither controller nor peers and both still see the "
              "witness, until that is healed; in every other fault none"};
  }
}

std::vector<std::string> Warnings(const v1::ControllerConfig& config,
                                  const std::set<IpAddress>& local_addresses) {
  std::set<IpAddress> own = local_addresses;
  for (const std::string& listen : config.listen()) {
    const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(listen);  // not of a socket's path
    if (endpoint.ok()) own.insert(endpoint->address);
  }
  std::vector<std::string> warnings;
  for (const v1::ClusterConfig& cluster : config.clusters()) {
    if (cluster.lease().on_expiry() != v1::ON_EXPIRY_RELEASE) continue;
    for (const v1::NodeConfig& node : cluster.nodes()) {
      const absl::StatusOr<IpAddress> address = IpAddress::Parse(node.address());
      const absl::StatusOr<Endpoint> executor = ParseEndpoint(node.executor());
      if ((!address.ok() || !own.contains(*address)) &&
          (!executor.ok() || !own.contains(executor->address))) {
        continue;
      }
      warnings.push_back(ControllerOnNode(
          cluster, absl::StrCat("cluster ", cluster.name(),
                                " has on_expiry: release, and the controller runs on its node ",
                                node.name())));
      break;
    }
  }
  return warnings;
}

}  // namespace hb
