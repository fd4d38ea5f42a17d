// How a Node begins and ends, and its streams: what an earlier process left is taken up or closed
// (L5), a controller's identity is followed (L11), and a node that is told to stop hands over. The
// third part of node.cc; like it, pure.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "executor/core/node.h"

namespace hb::executor {

void Node::Cluster::SetSpec(const Spec& s) {
  spec = s;
  lease.SetPolicy(spec.on_expiry);
  vip_names.clear();
  for (const Vip& vip : spec.vips) vip_names.push_back(vip.address.ToString());
}

Node::Node(uint64_t incarnation, const std::map<std::string, Record>& records)
    : incarnation_(incarnation) {
  for (const auto& [name, record] : records) {
    Cluster& cluster = clusters_[name];
    cluster.lease = Lease(record.epoch);
    cluster.asked = cluster.on_disk = record;
    // Whatever answers a report of an earlier run is void.
    cluster.lease.GiveUp(NextId());
    if (!record.spec) continue;
    cluster.SetSpec(*record.spec);
  }
}

Acts Node::Start(const std::map<IpAddress, GateLease>& gates, MonoTime now) {
  Acts acts;
  for (auto& [name, cluster] : clusters_) {
    // It may have been given just before the end, for addresses that the spec does not name (any
    // more).
    if (cluster.on_disk.longest_promise > absl::ZeroDuration()) {
      cluster.promised_until = wait_now_ + WithClockMargin(cluster.on_disk.longest_promise);
      all_bound_until_ = std::max(all_bound_until_, cluster.promised_until);
    }
    if (cluster.spec.revision == 0) continue;
    AdoptLease(cluster, gates, now);
    if (cluster.lease.taken()) {
      acts.push_back(
          Note{false, name, absl::StrCat("lease of epoch ", cluster.lease.epoch(), " taken up")});
    }
    // One that was written before the others, at the end of the earlier process, may be open
    // longer.
    for (const Vip& vip : cluster.spec.vips) {
      const auto found = gates.find(vip.address.address);
      if (cluster.lease.taken() && found->second == cluster.gate) continue;
      acts.push_back(SetGate{name, vip.address.address, cluster.gate});
    }
  }
  for (auto& [name, cluster] : clusters_) CheckBond(name, cluster, now, acts);
  RefreshRules(acts);
  return acts;
}

void Node::AdoptLease(Cluster& cluster, const std::map<IpAddress, GateLease>& gates, MonoTime now) {
  std::optional<GateLease> found;
  for (const Vip& vip : cluster.spec.vips) {
    const auto it = gates.find(vip.address.address);
    if (it == gates.end() || it->second.closed(now) || it->second.epoch == 0) return;
    if (found && found->epoch != it->second.epoch) return;
    if (!found || it->second.until < found->until) found = it->second;
  }
  if (!found || found->ttl <= absl::ZeroDuration()) return;
  cluster.lease.Adopt(*found, now);
  cluster.gate = *found;
  cluster.wanted.hold = cluster.wanted.taken_over = true;
  cluster.next_refresh = now;
  cluster.next_gate = now;
  cluster.next_promise = cluster.lease.end() - cluster.lease.ttl() / 2;
  if (cluster.spec.on_expiry == OnExpiry::kWitness) cluster.next_witness = now;
}

void Node::StreamOpened(const std::string& controller) {
  StreamClosed();
  controller_ = controller;
  streaming_ = true;
  next_report_ = MonoTime();
}

void Node::StreamClosed() {
  streaming_ = false;
  stamps_.clear();
  answered_ = 0;
  for (auto& [name, cluster] : clusters_) {
    cluster.standing.reset();
    cluster.parked.reset();
    cluster.last_sent.reset();
  }
}

Duration Node::FollowedFor() const {
  Duration least = absl::InfiniteDuration();
  for (const auto& [name, cluster] : clusters_) {
    if (cluster.on_disk.controller != controller_) continue;
    least = std::min(least, std::max(cluster.on_disk.followed_for, kFollowedForLeast));
  }
  return least == absl::InfiniteDuration() ? Duration() : least;
}

absl::Status Node::CheckController(const std::string& controller, MonoTime heard,
                                   MonoTime now) const {
  for (const auto& [name, cluster] : clusters_) {
    const std::string& followed = cluster.asked.controller;
    if (followed.empty() || followed == controller || cluster.spec.revision == 0) continue;
    const Lease& lease = cluster.lease;
    if (lease.taken() && now < lease.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("cluster ", name, " holds a lease of controller ", followed));
    }
    const Duration ttl = std::max({lease.ttl(), cluster.on_disk.longest_promise,
                                   cluster.asked.followed_for, kFollowedForLeast});
    if (heard != MonoTime() && now - heard < ttl) {
      return absl::FailedPreconditionError(absl::StrCat("cluster ", name, " follows controller ",
                                                        followed, ", which was heard less than ",
                                                        HumanDuration(ttl), " ago"));
    }
  }
  return absl::OkStatus();
}

Acts Node::Leave(MonoTime now) {
  Acts acts;
  leaving_ = true;
  leave_by_ = now + kLeaveLimit;
  changed_ = true;
  for (auto& [name, cluster] : clusters_) AdvanceLeaving(cluster, now, acts);
  return acts;
}

void Node::AdvanceLeaving(Cluster& cluster, MonoTime now, Acts& acts) {
  if (!leaving_ || !cluster.lease.taken() || !streaming_ || !cluster.standing) return;
  const OnLeave on_leave = cluster.standing->on_leave;
  const bool waited = on_leave == OnLeave::kWait && now >= leave_by_;
  if (on_leave != OnLeave::kRelease && !waited) return;
  GiveUp(cluster,
         waited ? "the executor is stopping, and no other node was ready in time"
                : "the executor is stopping, and no other node could take over",
         now, acts);
  cluster.standing.reset();
  Work(cluster, now, acts);
}

bool Node::MayExit(MonoTime now) const {
  if (!leaving_) return false;
  return std::all_of(clusters_.begin(), clusters_.end(), [&](const auto& entry) {
    const Cluster& cluster = entry.second;
    if (!cluster.lease.Holds(now)) return !cluster.seen.AnyVipPresent();
    return !streaming_ || !cluster.standing || cluster.standing->on_leave == OnLeave::kKeep;
  });
}

}  // namespace hb::executor
