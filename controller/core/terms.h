// What the last holder may still work by after the configuration has changed, and how one
// configuration follows another (design rules L3, L7). Pure.
#ifndef HB_CONTROLLER_CORE_TERMS_H_
#define HB_CONTROLLER_CORE_TERMS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/time.h"
#include "controller/core/model.h"

namespace hb::controller {

// Whether `id`, out of a Persistent, is this node. Stores of earlier versions know names alone.
bool Names(const std::string& id, const NodeModel& node);
bool NamedBy(const std::vector<std::string>& ids, const NodeModel& node);

// The holder has confirmed `model`: nothing else counts any more.
void SetTerms(const ClusterModel& model, Persistent* state);

// For a decision that is begun anew with `model`, after a reload or a restart: until the holder has
// confirmed it, the looser policy counts, only the nodes that every configuration since the
// confirmed one names have promised a holder anything, and it may have the VIPs of each.
void Widen(const ClusterModel& model, Persistent* state);

// What is known of a cluster before a configuration is taken into force.
struct KnownCluster {
  Persistent state;
  Duration longest_ttl;               // that a holder may have been granted
  std::vector<NodeModel> nodes = {};  // of the configuration in force; empty: it is not in it
};
using KnownClusters = std::map<std::string, KnownCluster>;

// How a cluster of the new configuration begins.
struct Beginning {
  Persistent state;
  Duration longest_ttl;  // that may be out when it begins
  // The name by which it was known until now, when it is another; that one's record is over.
  std::string renamed_from;
};

// For each of `wanted`, in their order. A cluster takes over what is known under its name, or, when
// it has a new name, of the one whose VIPs it has. FailedPrecondition: a holder of one cluster
// could still have a VIP that another would get, or could be asked for nothing any more.
absl::StatusOr<std::vector<Beginning>> Begin(const std::vector<ClusterModel>& wanted,
                                             const KnownClusters& known);

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CORE_TERMS_H_
