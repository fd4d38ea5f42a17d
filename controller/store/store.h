// What the controller keeps through its own restarts: its identity, each cluster's epoch, holder
// and overrides, the longest ttl it ever granted, what holders may still work by, and the events.
// Synchronous; called from one thread at a time (the controller's worker, so that a slow disk never
// holds up the loop).
#ifndef HB_CONTROLLER_STORE_STORE_H_
#define HB_CONTROLLER_STORE_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/time.h"

namespace hb::controller {

struct StoredCluster {
  uint64_t epoch = 0;
  bool paused = false;
  bool placed = false;
  bool flapping = false;
  bool established = false;  // every member has followed this store's controller
  std::string holder = {};   // the id of the last node that was active; empty: none yet
  Duration longest_ttl = {};
  // What a holder may still work by.
  int terms_policy = 0;  // the loosest of its lease policies: 0 release, 1 witness, 2 hold
  std::vector<std::string> terms_members = {};  // the ids of the nodes that each of its specs names
  std::vector<std::string> terms_vips = {};     // the addresses that any of its specs names
};

using StoredClusters = std::map<std::string, StoredCluster>;

struct StoredEvent {
  uint64_t id = 0;  // ascending; given by Append
  absl::Time time;
  std::string cluster;
  std::string node;  // empty: none in particular
  uint64_t epoch = 0;
  int severity = 0;  // 0 info, 1 warning, 2 error
  std::string type;
  std::string reason;
  std::string detail;
};

class Store {
 public:
  virtual ~Store() = default;

  // Identity of this store: stays through restarts, differs between stores.
  virtual const std::string& id() const = 0;

  // All that were ever stored and not erased, by name. DataLoss: what is stored is out of range.
  [[nodiscard]] virtual absl::StatusOr<StoredClusters> Load() = 0;

  // Puts max(stored + 1, at_least, wall clock's seconds) on disk as the cluster's epoch and returns
  // it. On failure the stored epoch is unchanged. FailedPrecondition: kMaxEpoch has been reached.
  [[nodiscard]] virtual absl::StatusOr<uint64_t> ReserveEpoch(const std::string& cluster,
                                                              uint64_t at_least) = 0;

  // Replaces what is stored of these, but the epoch and the longest ttl, which only rise; and
  // forgets the others, but for their events. Before an order is sent that a holder may work by.
  // Ids and addresses are without commas. On disk when it returns; on failure all is unchanged.
  [[nodiscard]] virtual absl::Status Save(const StoredClusters& clusters,
                                          const std::vector<std::string>& erased) = 0;

  // Gives the event its id. Only the newest 10,000 are kept.
  [[nodiscard]] virtual absl::StatusOr<uint64_t> Append(const StoredEvent& event) = 0;
  // The newest `limit` at or after `since`, oldest first; `cluster` empty: of all.
  [[nodiscard]] virtual absl::StatusOr<std::vector<StoredEvent>> Events(const std::string& cluster,
                                                                        absl::Time since,
                                                                        int limit) = 0;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_STORE_STORE_H_
