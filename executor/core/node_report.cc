// What a Node says: it numbers, stamps and composes reports, and remembers their stamps, for leases
// run from them (L1). The other half of node.cc; like it, pure. It says nothing about a cluster
// that has not been looked at.
#include <algorithm>

#include "executor/core/node.h"

namespace hb::executor {
namespace {

// Stamps of unanswered reports that are kept: enough for kMaxTtl at a report every 15 ms.
constexpr size_t kMaxStamps = 4096;

}  // namespace

std::optional<MonoTime> Node::StampOf(ReportId id) const {
  if (id.incarnation != incarnation_ || stamps_.empty()) return std::nullopt;
  // Their numbers follow each other. (One below the first wraps round.)
  const uint64_t index = id.number - stamps_.front().number;
  if (index >= stamps_.size()) return std::nullopt;
  return stamps_[index].at;
}

bool Node::ReportDue(MonoTime now) const { return streaming_ && (changed_ || now >= next_report_); }

Report Node::Compose(MonoTime now) {
  Report report;
  report.number = next_number_++;
  report.answered = answered_;
  report.followed_for = FollowedFor();
  stamps_.push_back({report.number, now});
  if (stamps_.size() > kMaxStamps) stamps_.pop_front();
  next_report_ = now + heartbeat_;
  changed_ = false;
  for (auto& [name, cluster] : clusters_) {
    // Until the present spec's VIPs have been looked at, nothing is said: least of all that none is
    // held.
    if (cluster.spec.revision != 0 && !cluster.observed) continue;
    ClusterReport described = Describe(cluster, now);
    described.cluster = name;
    if (cluster.last_sent == described) continue;
    report.clusters.push_back(described);
    cluster.last_sent = std::move(described);
  }
  return report;
}

ClusterReport Node::Describe(const Cluster& cluster, MonoTime now) const {
  ClusterReport report;
  report.spec_revision = cluster.spec.revision;
  report.holding = cluster.lease.Holds(now) || cluster.seen.AnyVipExposed();
  report.beyond_lease = cluster.beyond;
  report.epoch = cluster.lease.epoch();
  report.highest_epoch = cluster.lease.highest_epoch();
  report.void_before = cluster.lease.void_before();
  report.vips = cluster.vip_names;
  report.seen = cluster.seen;
  const Record& on_disk = cluster.on_disk;
  report.followed_other = !on_disk.controller.empty() && on_disk.controller != controller_;
  report.spec_stored = !cluster.spec_pending && on_disk.spec;
  report.follows = !controller_.empty() && !cluster.controller_pending &&
                   cluster.on_disk.controller == controller_;
  report.bound = cluster.bound;
  report.promises = cluster.promises_given;
  report.leaving = leaving_;
  report.conflicts = cluster.conflicts;
  report.conflict = cluster.conflict;
  report.refusal = cluster.refusal.empty() ? cluster.lease_refusal : cluster.refusal;
  return report;
}

}  // namespace hb::executor
