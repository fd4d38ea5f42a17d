// From the validated config (protobuf, every default filled in) to what the controller works with:
// the core's model, the specs for the executors, the probes' options.
#ifndef HB_CONTROLLER_SETUP_H_
#define HB_CONTROLLER_SETUP_H_

#include <optional>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/time.h"
#include "controller/core/model.h"
#include "controller/probe/node_probes.h"
#include "controller/store/store.h"
#include "hb/v1/config.pb.h"
#include "hb/v1/executor.pb.h"

namespace hb::controller {

// NodeModel::id.
std::string NodeId(const std::string& name, const std::string& executor);

ClusterModel MakeModel(const v1::ClusterConfig& config);

// What the executor of node `node` has to know of the cluster. `controller` is the controller's own
// address as that node sees it: the firewall lets it through. The revision is a fingerprint of the
// rest.
v1::ClusterSpec MakeSpec(const v1::ClusterConfig& config, NodeIndex node,
                         const std::optional<IpAddress>& controller);

IcmpProbeOptions MakeIcmpOptions(const v1::ClusterConfig& config, NodeIndex node);
std::optional<HttpProbeOptions> MakeHttpOptions(const v1::ClusterConfig& config, NodeIndex node);

// A report from the wire; `revision` is the one in force for that node. States that are not known
// (a newer executor) count as unknown.
NodeReport ReadReport(const v1::ClusterReport& report, uint64_t revision);

// What the store has of a cluster, in the core's words, and back.
Persistent FromStored(const StoredCluster& stored);
StoredCluster ToStored(const Persistent& state);  // epoch and longest_ttl have their own ways

// The address from which this host reaches `target`; absent when there is no route.
std::optional<IpAddress> SourceAddressFor(const IpAddress& target);

}  // namespace hb::controller

#endif  // HB_CONTROLLER_SETUP_H_
