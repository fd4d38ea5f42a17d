#include "executor/core/node.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

// The kernel counts an address's lifetime in seconds; it is extended once in this time.
constexpr Duration kRefreshInterval = absl::Seconds(1);
constexpr Duration kRetryInterval = absl::Milliseconds(250);
// When a node that has taken over announces itself, counted from taking over; then every second
// until the longer of ttl and kAnnounceFor has passed, for a queued reply of the old holder may
// leave late (L9).
constexpr std::array<int, 4> kAnnounceBurstMs = {0, 20, 100, 300};
constexpr Duration kAnnounceInterval = absl::Seconds(1);
constexpr Duration kAnnounceFor = absl::Seconds(5);
// A heartbeat beyond these is brought back to them: none may keep the executor busy or mute.
constexpr Duration kMinHeartbeat = absl::Milliseconds(10);
constexpr Duration kMaxHeartbeat = absl::Seconds(10);

std::vector<Vip> NewVips(const Spec& before, const Spec& now) {
  std::vector<Vip> added;
  for (const Vip& vip : now.vips) {
    const bool known = std::any_of(before.vips.begin(), before.vips.end(), [&vip](const Vip& b) {
      return b.address.address == vip.address.address;
    });
    if (!known) added.push_back(vip);
  }
  return added;
}

bool NamesNewPeer(const Spec& before, const Spec& now) {
  return std::any_of(now.peers.begin(), now.peers.end(), [&before](const Peer& peer) {
    return std::find(before.peers.begin(), before.peers.end(), peer) == before.peers.end();
  });
}

MonoTime AnnounceTime(MonoTime from, size_t index, Duration ttl) {
  if (index < kAnnounceBurstMs.size()) {
    return from + absl::Milliseconds(kAnnounceBurstMs.at(index));
  }
  const Duration offset =
      kAnnounceInterval * static_cast<int64_t>(index - kAnnounceBurstMs.size() + 1);
  return offset <= std::max(ttl, kAnnounceFor) ? from + offset : MonoTime::Infinite();
}

// The VIP is there for the LAN to see.
bool IsUp(const Observation& seen, size_t vip) {
  return seen.vip_present[vip] && seen.link_usable[vip];
}

// For the kernel, which counts an address's lifetime in seconds.
Duration Lifetime(const Lease& lease) {
  return absl::Ceil(lease.ttl(), absl::Seconds(1)) + absl::Seconds(1);
}

// One write a cluster: the last, which has all of it.
void DropSupersededWrites(Acts& acts) {
  std::set<std::string> later;
  std::vector<bool> superseded(acts.size(), false);
  for (size_t i = acts.size(); i-- > 0;) {
    const auto* write = std::get_if<PersistRecord>(&acts[i]);
    superseded[i] = write != nullptr && !later.insert(write->cluster).second;
  }
  size_t next = 0;
  std::erase_if(acts, [&](const Act&) { return superseded[next++]; });
}

}  // namespace

Acts Node::Obey(const Orders& orders, MonoTime now) {
  Acts acts;
  if (!streaming_) return acts;
  if (StampOf(orders.answers)) answered_ = std::max(answered_, orders.answers.number);
  if (orders.heartbeat) heartbeat_ = std::clamp(*orders.heartbeat, kMinHeartbeat, kMaxHeartbeat);
  // A lease that has run out is given up before anything in this message could revive it.
  for (auto& [name, cluster] : clusters_) CheckExpiry(cluster, now, acts);
  for (const std::string& name : orders.forget) Forget(name, now, acts);
  for (const Spec& spec : orders.specs) AdoptSpec(spec, now, acts);
  for (const Order& order : orders.orders) Receive(order, orders.answers, now, acts);
  RefreshRules(acts);
  for (auto& [name, cluster] : clusters_) {
    if (cluster.parked) cluster.parked_answers = orders.answers;
    if (cluster.standing && cluster.standing->active &&
        TakeLease(cluster, orders.answers, now, acts)) {
      Work(cluster, now, acts);
    }
    SyncGate(cluster, now, acts);
    AdvanceLeaving(cluster, now, acts);
    KeepUp(cluster, now, acts);
  }
  DropSupersededWrites(acts);
  return acts;
}

void Node::AdoptSpec(const Spec& spec, MonoTime now, Acts& acts) {
  Cluster& cluster = clusters_[spec.cluster];
  Record record = cluster.asked;
  record.spec = spec;
  if (record.controller != controller_) record.followed_for = Duration();
  record.controller = controller_;
  record.followed_for = std::max({record.followed_for, kFollowedForLeast, heartbeat_ * 5});
  Persist(spec.cluster, cluster, record, acts);
  if (cluster.spec.revision == spec.revision) return;
  changed_ = true;
  // A cluster that is new here: whatever answers a report of an earlier run is void.
  if (cluster.lease.void_before() == ReportId{}) cluster.lease.GiveUp({incarnation_, 1});
  if (cluster.spec.revision == 0) {
    // It may be one that was forgotten, by another name and with other addresses: whoever was
    // promised then is still kept.
    for (const auto& [name, other] : clusters_) {
      if (other.forgotten()) {
        cluster.promised_until = std::max(cluster.promised_until, other.promised_until);
      }
    }
  }
  for (const Vip& vip : cluster.spec.vips) {
    if (std::find(spec.vips.begin(), spec.vips.end(), vip) != spec.vips.end()) continue;
    acts.push_back(SetGate{spec.cluster, vip.address.address, {}});
    acts.push_back(RemoveVip{spec.cluster, vip, "no longer in the cluster's spec"});
  }
  if (cluster.spec.service != spec.service) RethinkSharedServices(now);
  const std::vector<Vip> added = NewVips(cluster.spec, spec);
  // Nobody has promised to stay away from these, and nobody has asked these.
  if (!added.empty() || NamesNewPeer(cluster.spec, spec)) {
    cluster.promises.Clear();
    cluster.promises_from = now;
    cluster.lease.ForgetPromises();
  }
  cluster.SetSpec(spec);
  cluster.observed = false;
  cluster.tried.clear();
  cluster.seen.vip_present.assign(spec.vips.size(), false);
  cluster.seen.link_usable.assign(spec.vips.size(), false);
  cluster.seen.gate_closed.assign(spec.vips.size(), false);
  // An address that this node has promised to stay away from is not taken on the way.
  if (cluster.lease.taken() && !added.empty() && wait_now_ < BondEnd(added)) {
    GiveUp(cluster, "a new address of the cluster is promised to another node", now, acts);
  }
  CheckBond(spec.cluster, cluster, now, acts);
  // The entry precedes the address.
  for (const Vip& vip : spec.vips) {
    acts.push_back(SetGate{spec.cluster, vip.address.address, cluster.gate});
  }
  if (spec.on_expiry != OnExpiry::kWitness) {
    cluster.next_witness = MonoTime::Infinite();
  } else if (cluster.lease.taken() && cluster.next_witness == MonoTime::Infinite()) {
    cluster.next_witness = now;
  }
}

void Node::Forget(const std::string& name, MonoTime now, Acts& acts) {
  const auto it = clusters_.find(name);
  if (it == clusters_.end()) return;
  Cluster& cluster = it->second;
  GiveUp(cluster, "no longer a member of the cluster", now, acts);
  for (const Vip& vip : cluster.spec.vips) {
    acts.push_back(RemoveVip{name, vip, "no longer a member of the cluster"});
  }
  // The highest epoch and what is void stay known.
  Cluster kept;
  kept.lease = cluster.lease;
  kept.asked = cluster.asked;
  kept.on_disk = cluster.on_disk;
  kept.promised_until = cluster.promised_until;
  kept.forgetting = cluster.forgetting;
  kept.spec_pending = cluster.spec_pending;
  kept.controller_pending = cluster.controller_pending;
  kept.pending_promises = std::move(cluster.pending_promises);
  cluster = std::move(kept);
  Record asked = cluster.asked;
  asked.spec.reset();
  Persist(name, cluster, asked, acts);
  CheckBond(name, cluster, now, acts);
  RethinkSharedServices(now);
}

void Node::RethinkSharedServices(MonoTime now) {
  for (auto& [name, cluster] : clusters_) cluster.next_retry = std::min(cluster.next_retry, now);
}

void Node::Receive(const Order& order, ReportId answers, MonoTime now, Acts& acts) {
  Cluster& cluster = clusters_[order.cluster];
  changed_ = true;
  absl::Status epoch = cluster.lease.CheckEpoch(order.epoch);
  if (epoch.ok() && order.epoch < cluster.asked.epoch) {
    epoch = absl::FailedPreconditionError(absl::StrCat(
        "epoch ", order.epoch, " is stale: epoch ", cluster.asked.epoch, " is on its way to disk"));
  }
  if (!epoch.ok()) {
    cluster.refusal = std::string(epoch.message());
    Supersede(cluster, order);
    return;
  }
  // Giving up waits for nothing: neither for the disk nor for a spec.
  if (!order.active) {
    GiveUp(cluster, "ordered to stand by", now, acts);
    Work(cluster, now, acts);
  }
  if (cluster.spec.revision == 0 || cluster.spec.revision != order.spec_revision) {
    if (cluster.refusal.empty()) cluster.refusal = "the order is for a spec that is not known here";
    Supersede(cluster, order);
    return;
  }
  if (!IsStored(cluster, order)) {
    cluster.standing.reset();
    cluster.parked = order;
    cluster.parked_answers = answers;
    Record record = cluster.asked;
    record.epoch = order.epoch;
    Persist(order.cluster, cluster, record, acts);
    return;
  }
  cluster.refusal.clear();
  cluster.lease_refusal.clear();
  cluster.parked.reset();
  cluster.standing = order;
  cluster.wanted.service_running = order.service_running;
  cluster.wanted.start_attempt = order.start_attempt;
  if (order.active) TakeLease(cluster, answers, now, acts);
  Work(cluster, now, acts);
}

void Node::Supersede(Cluster& cluster, const Order& refused) {
  for (std::optional<Order>* before : {&cluster.standing, &cluster.parked}) {
    if (!*before) continue;
    if (refused.active && (*before)->active && refused.epoch == (*before)->epoch) {
      (*before)->ttl = std::min((*before)->ttl, refused.ttl);
    } else {
      before->reset();
    }
  }
}

bool Node::TakeLease(Cluster& cluster, ReportId answers, MonoTime now, Acts& acts) {
  const std::optional<MonoTime> stamp = StampOf(answers);
  const bool held = cluster.lease.taken();
  const uint64_t before = cluster.lease.epoch();
  // It will be taken once the promise has run out: no refusal, the report says that it is bound.
  if (!held && cluster.bound && !cluster.standing->force) return false;
  absl::Status status;
  if (!stamp) {
    status = absl::FailedPreconditionError("the order answers no report of this stream");
  } else if (!held && leaving_) {
    status = absl::FailedPreconditionError("the executor is stopping");
  } else if (!held && cluster.observed && !cluster.seen.gate_stands) {
    status = absl::FailedPreconditionError("the gate does not stand here");
  } else {
    status =
        cluster.lease.Take({cluster.standing->epoch, answers, *stamp, cluster.standing->ttl}, now);
  }
  // An order that crossed a release on its way is nobody's fault: the next one comes.
  // Nor is one that a holder gets too late: it has the lease of an earlier one.
  const std::string refusal = held || absl::IsAborted(status) ? "" : std::string(status.message());
  if (cluster.lease_refusal != refusal) changed_ = true;
  cluster.lease_refusal = refusal;
  if (!status.ok()) return false;
  // What was promised, was promised to the epoch before.
  if (cluster.lease.epoch() != before) cluster.promises.Clear();
  // The other nodes are asked when half of it has passed unrenewed (L6).
  cluster.next_promise = cluster.lease.end() - cluster.lease.ttl() / 2;
  if (cluster.beyond) {
    cluster.beyond = false;
    changed_ = true;
  }
  if (held) return false;
  changed_ = true;
  cluster.standing->force = false;  // for this once
  cluster.wanted.hold = true;
  cluster.wanted.taken_over = false;
  cluster.promises.Clear();
  if (cluster.spec.on_expiry == OnExpiry::kWitness) cluster.next_witness = now;
  acts.push_back(Note{false, cluster.spec.cluster,
                      absl::StrCat("lease taken under epoch ", cluster.lease.epoch())});
  return true;
}

void Node::GiveUp(Cluster& cluster, const std::string& reason, MonoTime now, Acts& acts) {
  if (cluster.lease.taken()) {
    acts.push_back(Note{!cluster.lease.Holds(now), cluster.spec.cluster,
                        absl::StrCat("lease given up: ", reason)});
  }
  cluster.lease.GiveUp(NextId());
  cluster.wanted.hold = false;
  cluster.wanted.taken_over = false;
  cluster.beyond = false;
  cluster.next_witness = cluster.next_refresh = cluster.next_announce = MonoTime::Infinite();
  cluster.next_promise = MonoTime::Infinite();
  changed_ = true;
  // First of all: whatever else giving up takes, the LAN gets no answer from here on.
  SyncGate(cluster, now, acts);
}

void Node::CheckExpiry(Cluster& cluster, MonoTime now, Acts& acts) {
  if (!cluster.lease.taken()) return;
  if (!cluster.lease.Holds(now)) {
    GiveUp(cluster, "it ran out unrenewed", now, acts);
    Work(cluster, now, acts);
    return;
  }
  // Held without an end, but this process stood still and the gate closed: another may hold now.
  const bool endless = cluster.lease.Until() == MonoTime::Infinite();
  if (endless && cluster.gate.epoch != 0 && now >= cluster.gate.until) {
    GiveUp(cluster, "this process stood still, and the gate has closed", now, acts);
    Work(cluster, now, acts);
    return;
  }
  const bool beyond = cluster.lease.Beyond(now);
  if (beyond && !cluster.beyond) {
    const bool promised = now < cluster.promises.Until(cluster.spec.peers);
    acts.push_back(Note{true, cluster.spec.cluster,
                        absl::StrCat("lease ran out unrenewed; going on by ",
                                     promised ? "the other nodes' promises" : "on_expiry")});
    changed_ = true;
  }
  cluster.beyond = beyond;
  if (beyond && cluster.observed && cluster.seen.service.state != ServiceStatus::State::kRunning) {
    GiveUp(cluster, "it ran out unrenewed, and the service is down here", now, acts);
    Work(cluster, now, acts);
  }
}

void Node::Work(Cluster& cluster, MonoTime now, Acts& acts) {
  if (!cluster.observed) {
    cluster.next_retry = MonoTime::Infinite();
    return;
  }
  Wanted& wanted = cluster.wanted;
  wanted.may_stop_service = !leaving_ && cluster.standing && !OthersWantService(cluster);
  if (wanted.hold && !wanted.taken_over && cluster.seen.AnyVipPresent() &&
      cluster.seen.service.state == ServiceStatus::State::kRunning) {
    // Put up a moment ago, or found there before it could be removed.
    wanted.taken_over = true;
    SyncGate(cluster, now, acts);
    if (cluster.next_refresh == MonoTime::Infinite()) cluster.next_refresh = now;
    StartAnnouncing(cluster, now);
  }
  const std::vector<Step> steps = Reconcile(wanted, cluster.seen);
  // What was tried a moment ago is not tried again because of something else that changed.
  if (steps == cluster.tried && now < cluster.next_retry) return;
  cluster.tried = steps;
  cluster.next_retry = steps.empty() ? MonoTime::Infinite() : now + kRetryInterval;
  const std::string& name = cluster.spec.cluster;
  for (const Step& step : steps) {
    switch (step.kind) {
      case StepKind::kRemoveVip:
        acts.push_back(RemoveVip{name, cluster.spec.vips[step.vip], "this node holds no lease"});
        break;
      case StepKind::kAddVip:
        acts.push_back(AddVip{name, cluster.spec.vips[step.vip], Lifetime(cluster.lease)});
        if (cluster.next_refresh == MonoTime::Infinite()) {
          cluster.next_refresh = now + kRefreshInterval;
        }
        break;
      case StepKind::kStartService:
        acts.push_back(StartService{name, cluster.spec.service, wanted.start_attempt});
        break;
      case StepKind::kStopService:
        acts.push_back(StopService{name, cluster.spec.service, "this node is on standby"});
        break;
    }
  }
}

Acts Node::Observe(const std::string& name, const Observation& seen, MonoTime now) {
  Acts acts;
  const auto it = clusters_.find(name);
  if (it == clusters_.end() || it->second.spec.revision == 0) return acts;
  Cluster& cluster = it->second;
  if (cluster.observed && cluster.seen == seen) return acts;
  // What was seen of another spec tells nothing about this one.
  const size_t vips = cluster.spec.vips.size();
  if (seen.vip_present.size() != vips || seen.link_usable.size() != vips ||
      seen.gate_closed.size() != vips) {
    return acts;
  }
  bool appeared = false;
  for (size_t i = 0; i < vips; ++i) {
    appeared = appeared || (IsUp(seen, i) && !(cluster.observed && IsUp(cluster.seen, i)));
  }
  cluster.seen = seen;
  cluster.observed = true;
  changed_ = true;
  CheckExpiry(cluster, now, acts);
  Work(cluster, now, acts);
  if (cluster.wanted.hold && appeared) StartAnnouncing(cluster, now);
  KeepUp(cluster, now, acts);
  return acts;
}

void Node::StartAnnouncing(Cluster& cluster, MonoTime now) {
  cluster.announce_from = cluster.next_announce = now;
  cluster.announced = 0;
}

void Node::KeepUp(Cluster& cluster, MonoTime now, Acts& acts) {
  const std::string& name = cluster.spec.cluster;
  const std::vector<Vip>& vips = cluster.spec.vips;
  if (now >= cluster.next_announce) {
    for (size_t i = 0; i < vips.size(); ++i) {
      if (cluster.observed && IsUp(cluster.seen, i)) acts.push_back(Announce{name, vips[i]});
    }
    // One that came late stands for those that it missed.
    do {
      cluster.next_announce =
          AnnounceTime(cluster.announce_from, ++cluster.announced, cluster.lease.ttl());
    } while (cluster.next_announce <= now);
  }
  if (now >= cluster.next_refresh) {
    for (size_t i = 0; i < vips.size(); ++i) {
      if (!cluster.observed || !cluster.seen.vip_present[i]) continue;
      acts.push_back(AddVip{name, vips[i], Lifetime(cluster.lease)});
    }
    cluster.next_refresh = now + kRefreshInterval;
  }
  if (now >= cluster.next_witness) {
    acts.push_back(AskWitness{name, cluster.spec.witness, cluster.spec.witness_interval});
    cluster.next_witness = now + cluster.spec.witness_interval;
  }
  if (now >= cluster.next_promise) AskPromises(cluster, now, acts);
  if (now >= cluster.next_gate) SyncGate(cluster, now, acts);
}

Acts Node::WitnessAnswered(const std::string& name, MonoTime asked, MonoTime now) {
  Acts acts;
  const auto it = clusters_.find(name);
  if (it == clusters_.end()) return acts;
  CheckExpiry(it->second, now, acts);
  it->second.lease.WitnessAnswered(asked);
  SyncGate(it->second, now, acts);
  return acts;
}

void Node::Refuse(const std::string& name, const std::string& refusal) {
  Cluster& cluster = clusters_[name];
  changed_ = changed_ || cluster.refusal != refusal;
  cluster.refusal = refusal;
}

Acts Node::Advance(MonoTime now) {
  Acts acts;
  for (auto& [name, cluster] : clusters_) {
    CheckExpiry(cluster, now, acts);
    CheckBond(name, cluster, now, acts);
    AdvanceLeaving(cluster, now, acts);
    KeepUp(cluster, now, acts);
    if (now >= cluster.next_retry) Work(cluster, now, acts);
  }
  return acts;
}

MonoTime Node::NextDeadline(bool with_report) const {
  MonoTime next = streaming_ && with_report ? next_report_ : MonoTime::Infinite();
  for (const auto& [name, cluster] : clusters_) {
    next =
        std::min({next, cluster.next_witness, cluster.next_refresh, cluster.next_announce,
                  cluster.next_retry, cluster.next_promise, cluster.next_bond, cluster.next_gate});
    if (!cluster.lease.taken()) continue;
    const bool waits = cluster.standing && cluster.standing->on_leave == OnLeave::kWait;
    if (leaving_ && waits) next = std::min(next, leave_by_);
    next = std::min(next, cluster.lease.Until());
    if (!cluster.beyond) next = std::min(next, cluster.lease.end());
  }
  return next;
}

bool Node::OthersWantService(const Cluster& cluster) const {
  for (const auto& [name, other] : clusters_) {
    if (&other != &cluster && other.spec.service == cluster.spec.service &&
        other.wanted.service_running) {
      return true;
    }
  }
  return false;
}

void Node::RefreshRules(Acts& acts) {
  FirewallRules rules = Rules();
  if (rules == rules_) return;
  rules_ = rules;
  acts.push_back(ApplyFirewall{std::move(rules)});
}

FirewallRules Node::Rules() const {
  FirewallRules rules;
  for (const auto& [name, cluster] : clusters_) {
    if (!cluster.spec.firewall) continue;
    const FirewallSpec& spec = *cluster.spec.firewall;
    FirewallRules::Protected& own = rules.own_addresses[spec.own_address];
    if (spec.restrict_icmp_echo) {
      own.restrict_icmp_echo = true;
      own.icmp_echo_sources.insert(spec.sources.begin(), spec.sources.end());
    }
    for (const uint16_t port : spec.restrict_tcp) {
      own.tcp_sources[port].insert(spec.sources.begin(), spec.sources.end());
    }
  }
  return rules;
}

std::vector<std::string> Node::clusters() const {
  std::vector<std::string> names;
  for (const auto& [name, cluster] : clusters_) {
    if (cluster.spec.revision != 0) names.push_back(name);
  }
  return names;
}

const Spec* Node::spec(const std::string& name) const {
  const auto it = clusters_.find(name);
  return it == clusters_.end() || it->second.spec.revision == 0 ? nullptr : &it->second.spec;
}

bool Node::Holds(const std::string& name, MonoTime now) const {
  const auto it = clusters_.find(name);
  return it != clusters_.end() && it->second.lease.Holds(now);
}

uint64_t Node::epoch(const std::string& name) const {
  const auto it = clusters_.find(name);
  return it == clusters_.end() ? 0 : it->second.lease.epoch();
}

}  // namespace hb::executor
