// The controller's account of the leases it has granted, one entry a node. Design rules L2 and L3:
// an entry is counted from the moment the order is sent, × 1.1, and only ever grows; a node counts
// as released only when its release provably covers every grant, or when the entry has run out.
// Pure.
#ifndef HB_CONTROLLER_CORE_LEASE_BOOK_H_
#define HB_CONTROLLER_CORE_LEASE_BOOK_H_

#include <algorithm>
#include <optional>
#include <vector>

#include "common/lease_terms.h"
#include "common/time.h"
#include "controller/core/model.h"

namespace hb::controller {

class LeaseBook {
 public:
  explicit LeaseBook(size_t nodes) : entries_(nodes) {}

  // Grants of an earlier run may still be outstanding for any node until `end`. No release can be
  // proven for a node before a first grant of our own: what it was granted before, and in answer to
  // what, is not known.
  void AssumeGrantsUntil(MonoTime end);
  // Every member was connected at once, and this one was seen to hold nothing: nothing of an
  // earlier run is outstanding for it. What this run granted stays: it may be on its way.
  void NothingAssumed(NodeIndex node);

  // An order that makes `node` active, in answer to report `answers`, leaves at `now`.
  void Granted(NodeIndex node, ReportId answers, Duration ttl, MonoTime now);

  // Rule L3 (a): `report`, the node's newest, says that it holds nothing and that every order which
  // answers a report older than its void_before is void, and every grant of ours was such an order.
  bool ReleaseProven(NodeIndex node, const std::optional<NodeReport>& report) const;
  // Rule L3 (b): when everything granted to the node has run out. MonoTime() when nothing was
  // outstanding.
  MonoTime End(NodeIndex node) const {
    return std::max(entries_[node].end, entries_[node].assumed_end);
  }

 private:
  struct Entry {
    MonoTime end;                 // of our own grants
    MonoTime assumed_end;         // of those of an earlier run
    bool unknown_grants = false;  // "newest answered" is infinite
    ReportId newest_answered;
  };
  std::vector<Entry> entries_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CORE_LEASE_BOOK_H_
