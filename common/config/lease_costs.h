// What a cluster's settings cost: how long a failover takes for each fault, what the loss of the
// controller costs, and when two nodes may hold the address. Pure arithmetic over a config that the
// reader has completed (controller_config.h); it measures nothing and asks nobody. For hbctl config
// check, and for what a controller says of its own config at start.
#ifndef HB_COMMON_CONFIG_LEASE_COSTS_H_
#define HB_COMMON_CONFIG_LEASE_COSTS_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/time.h"
#include "hb/v1/config.pb.h"

namespace hb {

struct FaultCost {
  std::string fault;  // stable, for programs: "host_dead"
  std::string what;   // for people: "the host or its network dies"
  // From the fault until another node is made active, on a network and disks that answer within
  // milliseconds. Absent: this fault moves nothing.
  std::optional<Duration> typical;
  std::optional<Duration> worst;
  bool plus_start = false;  // the service has then still to be started there
  std::string then;         // a sentence or two
};

// In a fixed order: service_dies, page_stops, host_dead, executor_dead, controller_lost,
// controller_host_lost.
std::vector<FaultCost> Costs(const v1::ClusterConfig& cluster);

struct SplitBrain {
  Duration longest;  // zero: impossible; infinite: until the fault is healed
  std::string when;  // a sentence
};
SplitBrain SplitBrainOf(const v1::ClusterConfig& cluster);

// What is valid and yet probably not meant, a sentence each, with its remedy: a cluster with
// `on_expiry: release` one of whose nodes is the controller's own host. That is one with an address
// of `listen` or of `local_addresses` (of the host that the controller runs on; empty: not known).
std::vector<std::string> Warnings(const v1::ControllerConfig& config,
                                  const std::set<IpAddress>& local_addresses = {});

}  // namespace hb

#endif  // HB_COMMON_CONFIG_LEASE_COSTS_H_
