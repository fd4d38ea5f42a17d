// What the controller keeps through its own restarts: its identity, each cluster's epoch, holder
// and overrides, the longest ttl it ever granted, what holders may still work by, and the events.
// Synchronous; called from one thread at a time (the controller's worker, so that a slow disk never
// holds up the loop).
#ifndef HB_CONTROLLER_STORE_STORE_H_
#define HB_CONTROLLER_STORE_STORE_H_

#include <cstdint>
#include <optional>
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
  std::string holder;        // the last node that was; empty: none yet
  Duration longest_ttl;
  // What a holder may still work by.
  int terms_policy = 0;  // the loosest of its lease policies: 0 release, 1 witness, 2 hold
  std::vector<std::string> terms_members;  // the nodes that each of its specs names
};

// What Save keeps of a cluster.
struct StoredOverrides {
  bool paused = false;
  bool placed = false;
  bool flapping = false;
  bool established = false;
  std::string holder = {};
};

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

  // Absent: the cluster was never stored. DataLoss: what is stored is out of range.
  [[nodiscard]] virtual absl::StatusOr<std::optional<StoredCluster>> Load(
      const std::string& cluster) = 0;

  // Before any order with this ttl is sent. On disk when it returns.
  [[nodiscard]] virtual absl::Status RecordTtl(const std::string& cluster, Duration ttl) = 0;

  // Puts max(stored + 1, at_least, wall clock's seconds) on disk as the cluster's epoch and returns
  // it. On failure the stored epoch is unchanged. FailedPrecondition: kMaxEpoch has been reached.
  [[nodiscard]] virtual absl::StatusOr<uint64_t> ReserveEpoch(const std::string& cluster,
                                                              uint64_t at_least) = 0;

  // All of them, at once. On disk when it returns; on failure all are unchanged.
  [[nodiscard]] virtual absl::Status Save(const std::string& cluster,
                                          const StoredOverrides& overrides) = 0;
  // Replaces terms_policy and terms_members, before an order is sent that a holder may work by.
  // `members` are node names, so without commas. On disk when it returns; on failure both are
  // unchanged.
  [[nodiscard]] virtual absl::Status SaveTerms(const std::string& cluster, int policy,
                                               const std::vector<std::string>& members) = 0;

  // Gives the event its id. Only the newest 10,000 are kept.
  [[nodiscard]] virtual absl::StatusOr<uint64_t> Append(const StoredEvent& event) = 0;
  // The newest `limit` at or after `since`, oldest first; `cluster` empty: of all.
  [[nodiscard]] virtual absl::StatusOr<std::vector<StoredEvent>> Events(const std::string& cluster,
                                                                        absl::Time since,
                                                                        int limit) = 0;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_STORE_STORE_H_
