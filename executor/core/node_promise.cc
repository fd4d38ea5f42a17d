// The part of a Node that keeps a lease alive without the controller (L6): it asks the other nodes
// to stay away, and answers when it is asked. What has to be on disk before something is relied
// upon, and claims of others on the VIPs (L9), are here too. Pure.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "executor/core/node.h"

namespace hb::executor {
namespace {

// While nobody renews, each peer is asked so often in a ttl.
constexpr int kAsksATtl = 4;
// A lease without an end is written so often in a ttl.
constexpr int kGateWritesATtl = 4;
constexpr Duration kMinAskInterval = absl::Milliseconds(5);
// Claims by another MAC within this time count as one.
constexpr Duration kConflictInterval = absl::Seconds(1);

}  // namespace

// ---- the disk ----

void Node::Persist(const std::string& name, Cluster& cluster, const Record& wanted, Acts& acts) {
  if (cluster.asked == wanted) return;
  if (cluster.asked.spec != wanted.spec) cluster.spec_pending = true;
  if (cluster.asked.controller != wanted.controller) cluster.controller_pending = true;
  cluster.asked = wanted;
  acts.push_back(PersistRecord{name, wanted});
}

bool Node::IsStored(const Cluster& cluster, const Order& order) const {
  if (order.epoch > cluster.lease.highest_epoch()) return false;
  if (!order.active) return true;
  if (cluster.controller_pending || cluster.on_disk.controller != controller_) return false;
  // A holder goes on also when a changed spec can't be written; a new one must be found again
  // after a restart.
  if (cluster.lease.taken()) return true;
  return !cluster.spec_pending && cluster.on_disk.spec;
}

Acts Node::Stored(const std::string& name, const Record& record, MonoTime now) {
  Acts acts;
  const auto it = clusters_.find(name);
  if (it == clusters_.end()) return acts;
  Cluster& cluster = it->second;
  CheckExpiry(cluster, now, acts);
  cluster.on_disk = record;
  if (record.spec == cluster.asked.spec) cluster.spec_pending = false;
  if (record.controller == cluster.asked.controller) cluster.controller_pending = false;
  if (record.longest_promise == absl::ZeroDuration()) cluster.forgetting = false;
  cluster.lease.RaiseHighestEpoch(record.epoch);
  changed_ = true;
  AnswerPromises(name, cluster, now, acts);
  if (!cluster.parked || !IsStored(cluster, *cluster.parked)) return acts;
  const Order order = *cluster.parked;
  cluster.parked.reset();
  Receive(order, cluster.parked_answers, now, acts);
  SyncGate(cluster, now, acts);
  KeepUp(cluster, now, acts);
  return acts;
}

// ---- the gate ----

void Node::SyncGate(Cluster& cluster, MonoTime now, Acts& acts) {
  GateLease gate;
  if (cluster.lease.Holds(now) && cluster.wanted.taken_over) {
    gate = {cluster.lease.Until(), cluster.lease.epoch(), cluster.lease.ttl()};
  }
  cluster.next_gate = MonoTime::Infinite();
  if (gate.until == MonoTime::Infinite()) {
    const Duration interval = std::max(gate.ttl / kGateWritesATtl, kMinAskInterval);
    const bool fresh = cluster.gate.epoch == gate.epoch && cluster.gate.ttl == gate.ttl &&
                       cluster.gate.until > now + gate.ttl - interval;
    gate.until = fresh ? cluster.gate.until : now + gate.ttl;
    cluster.next_gate = gate.until - gate.ttl + interval;
  }
  if (gate == cluster.gate) return;
  cluster.gate = gate;
  for (const Vip& vip : cluster.spec.vips) {
    acts.push_back(SetGate{cluster.spec.cluster, vip.address.address, gate});
  }
}

// ---- asking ----

void Node::AskPromises(Cluster& cluster, MonoTime now, Acts& acts) {
  const Lease& lease = cluster.lease;
  cluster.next_promise = now + std::max(lease.ttl() / kAsksATtl, kMinAskInterval);
  // A holder whose own service is not well lets go.
  if (!cluster.observed || cluster.seen.service.state != ServiceStatus::State::kRunning) return;
  std::vector<IpAddress> vips;
  for (const Vip& vip : cluster.spec.vips) vips.push_back(vip.address.address);
  for (const Peer& peer : cluster.spec.peers) {
    acts.push_back(AskPromise{cluster.spec.cluster, peer, lease.epoch(), vips, lease.ttl()});
  }
}

Acts Node::PromiseAnswered(const std::string& name, const std::string& peer,
                           const PromiseReply& reply, MonoTime asked, MonoTime now) {
  Acts acts;
  const auto it = clusters_.find(name);
  if (it == clusters_.end()) return acts;
  Cluster& cluster = it->second;
  CheckExpiry(cluster, now, acts);
  Lease& lease = cluster.lease;
  if (!lease.taken() || reply.epoch != lease.epoch() || asked <= cluster.promises_from) return acts;
  if (reply.given) {
    cluster.promises.Given(peer, asked, reply.d);
    lease.PromisedUntil(cluster.promises.Until(cluster.spec.peers));
    SyncGate(cluster, now, acts);
    return acts;
  }
  // Between two that go on by `hold`, the lower epoch gives up (L9).
  if (reply.holding && reply.highest_epoch > lease.epoch() && lease.Beyond(now)) {
    GiveUp(cluster, absl::StrCat(peer, " holds under epoch ", reply.highest_epoch), now, acts);
    Work(cluster, now, acts);
  }
  return acts;
}

// ---- answering ----

MonoTime Node::BondEnd(const std::vector<Vip>& vips) const {
  return std::max(all_bound_until_, bonds_.Until(vips));
}

void Node::CheckBond(const std::string& name, Cluster& cluster, MonoTime now, Acts& acts) {
  const MonoTime end = BondEnd(cluster.spec.vips);
  const bool promised = wait_now_ < cluster.promised_until;
  // Also by what was promised for an address that is the cluster's no more: the holder may still
  // have it.
  const bool bound = cluster.spec.revision != 0 && (wait_now_ < end || promised);
  MonoTime next = MonoTime::Infinite();
  if (wait_now_ < end) next = std::min(next, end);
  if (promised) next = std::min(next, cluster.promised_until);
  cluster.next_bond =
      next == MonoTime::Infinite() ? MonoTime::Infinite() : now + (next - wait_now_);
  if (bound != cluster.bound) changed_ = true;
  cluster.bound = bound;
  if (promised || !cluster.pending_promises.empty()) return;
  if (cluster.asked.longest_promise == absl::ZeroDuration()) return;
  // What has ended binds no restart.
  Record record = cluster.asked;
  record.longest_promise = absl::ZeroDuration();
  cluster.forgetting = true;
  Persist(name, cluster, record, acts);
}

std::string Node::WhyNoPromise(const Cluster& cluster, const PromiseRequest& request) const {
  const uint64_t highest = std::max(cluster.lease.highest_epoch(), cluster.asked.epoch);
  if (request.epoch < highest) {
    return absl::StrCat("epoch ", request.epoch, " is stale: epoch ", highest,
                        " has been seen here");
  }
  // Its controller counts on that: whoever holds by the cluster's spec ends with its lease.
  if (cluster.forgotten()) {
    return "this node was told to forget the cluster";
  }
  for (const std::optional<Order>* order : {&cluster.standing, &cluster.parked}) {
    if (*order && (*order)->active) return "this node is ordered to be active";
  }
  for (const auto& [name, other] : clusters_) {
    if (!other.lease.taken()) continue;
    if (&other == &cluster) return "this node holds a lease of the cluster";
    for (const Vip& vip : other.spec.vips) {
      if (std::find(request.vips.begin(), request.vips.end(), vip.address.address) !=
          request.vips.end()) {
        return absl::StrCat("this node holds ", vip.address.ToString(), " for cluster ", name);
      }
    }
  }
  return "";
}

Acts Node::PromiseAsked(const PromiseRequest& request, MonoTime now) {
  Acts acts;
  Cluster& cluster = clusters_[request.cluster];
  CheckExpiry(cluster, now, acts);
  if (request.d <= absl::ZeroDuration() || request.d > kMaxTtl || request.epoch == 0 ||
      request.epoch > kMaxEpoch || cluster.pending_promises.size() >= kMaxPendingPromises) {
    acts.push_back(AnswerPromise{request.id, false, cluster.lease.highest_epoch(), false,
                                 "the request is out of range, or too many wait"});
    return acts;
  }
  // Between two that go on by `hold`, the lower epoch gives up (L9).
  if (cluster.lease.Beyond(now) && request.epoch > cluster.lease.epoch()) {
    GiveUp(cluster, absl::StrCat(request.from, " holds under epoch ", request.epoch), now, acts);
    Work(cluster, now, acts);
  }
  cluster.pending_promises.push_back(request);
  AnswerPromises(request.cluster, cluster, now, acts);
  return acts;
}

void Node::AnswerPromises(const std::string& name, Cluster& cluster, MonoTime now, Acts& acts) {
  std::vector<PromiseRequest> waiting;
  for (PromiseRequest& request : cluster.pending_promises) {
    const std::string refusal = WhyNoPromise(cluster, request);
    const uint64_t highest = std::max(cluster.lease.highest_epoch(), cluster.asked.epoch);
    if (!refusal.empty()) {
      acts.push_back(AnswerPromise{request.id, false, highest, cluster.lease.Holds(now), refusal});
      continue;
    }
    if (cluster.forgetting || cluster.on_disk.epoch < request.epoch ||
        cluster.on_disk.longest_promise < request.d) {
      // Not in place of the write that is to forget: nothing else would say when that is done.
      if (!cluster.forgetting) {
        Record record = cluster.asked;
        record.epoch = std::max(record.epoch, request.epoch);
        record.longest_promise = std::max(record.longest_promise, request.d);
        Persist(name, cluster, record, acts);
      }
      waiting.push_back(std::move(request));
      continue;
    }
    for (const IpAddress& vip : request.vips) bonds_.Bind(vip, request.d, wait_now_);
    cluster.promised_until =
        std::max(cluster.promised_until, wait_now_ + WithClockMargin(request.d));
    ++cluster.promises_given;
    changed_ = true;
    acts.push_back(AnswerPromise{request.id, true, highest, false, ""});
    if (cluster.promises_given == 1) {
      acts.push_back(Note{false, name, absl::StrCat("promised ", request.from, " to stay away")});
    }
  }
  cluster.pending_promises = std::move(waiting);
  bonds_.DropEnded(wait_now_);
  for (auto& [other_name, other] : clusters_) CheckBond(other_name, other, now, acts);
}

// ---- others' claims ----

Acts Node::ConflictSeen(const Conflict& conflict, MonoTime now) {
  Acts acts;
  for (auto& [name, cluster] : clusters_) {
    const auto& vips = cluster.spec.vips;
    if (std::find(vips.begin(), vips.end(), conflict.vip) == vips.end()) continue;
    CheckExpiry(cluster, now, acts);
    // Without a lease the claim is another node's good right, and the gate is closed.
    if (!cluster.lease.Holds(now) || !cluster.wanted.taken_over || now < cluster.next_conflict) {
      continue;
    }
    cluster.next_conflict = now + kConflictInterval;
    ++cluster.conflicts;
    cluster.conflict =
        absl::StrCat(conflict.mac, " claims ", conflict.vip.address.address.ToString());
    changed_ = true;
    acts.push_back(Note{true, name, absl::StrCat(cluster.conflict, ", which this node holds")});
    StartAnnouncing(cluster, now);
    KeepUp(cluster, now, acts);
  }
  return acts;
}

}  // namespace hb::executor
