#include "executor/core/node.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

// Stamps of unanswered reports that are kept: enough for kMaxTtl at a report every 15 ms.
constexpr size_t kMaxStamps = 4096;
// The kernel counts an address's lifetime in seconds; it is extended once in this time.
constexpr Duration kRefreshInterval = absl::Seconds(1);
constexpr Duration kRetryInterval = absl::Milliseconds(250);
// When a node that has taken over announces itself, counted from taking over; then every second
// until the longer of ttl and kAnnounceFor has passed, for a queued reply of the old holder may
// leave late (L9).
constexpr std::array<int, 4> kAnnounceBurstMs = {0, 20, 100, 300};
constexpr Duration kAnnounceInterval = absl::Seconds(1);
constexpr Duration kAnnounceFor = absl::Seconds(5);

MonoTime AnnounceTime(MonoTime from, size_t index, Duration ttl) {
  if (index < kAnnounceBurstMs.size()) {
    return from + absl::Milliseconds(kAnnounceBurstMs.at(index));
  }
  const Duration offset =
      kAnnounceInterval * static_cast<int64_t>(index - kAnnounceBurstMs.size() + 1);
  return offset <= std::max(ttl, kAnnounceFor) ? from + offset : MonoTime::Infinite();
}

}  // namespace

Node::Node(uint64_t incarnation, const std::map<std::string, uint64_t>& stored_epochs)
    : incarnation_(incarnation) {
  for (const auto& [name, epoch] : stored_epochs) {
    Cluster& cluster = clusters_[name];
    cluster.lease = Lease(epoch);
    // Whatever answers a report of an earlier run is void.
    cluster.lease.GiveUp(NextId());
  }
}

void Node::StreamOpened() {
  StreamClosed();
  streaming_ = true;
  next_report_ = MonoTime();
}

void Node::StreamClosed() {
  streaming_ = false;
  stamps_.clear();
  for (auto& [name, cluster] : clusters_) {
    cluster.standing.reset();
    cluster.parked.reset();
    cluster.last_sent.reset();
  }
}

std::optional<MonoTime> Node::StampOf(ReportId id) const {
  if (id.incarnation != incarnation_) return std::nullopt;
  const auto it = std::lower_bound(stamps_.begin(), stamps_.end(), id.number,
                                   [](const Stamp& s, uint64_t n) { return s.number < n; });
  if (it == stamps_.end() || it->number != id.number) return std::nullopt;
  return it->at;
}

Acts Node::Obey(const Orders& orders, MonoTime now) {
  Acts acts;
  if (!streaming_ || shutting_down_) return acts;
  if (orders.heartbeat) heartbeat_ = *orders.heartbeat;
  for (const std::string& name : orders.forget) Forget(name, now, acts);
  for (const Spec& spec : orders.specs) AdoptSpec(spec, acts);
  for (const Order& order : orders.orders) Receive(order, orders.answers, now, acts);
  RefreshRules(acts);
  for (auto& [name, cluster] : clusters_) {
    if (cluster.parked) cluster.parked_answers = orders.answers;
    if (cluster.standing && cluster.standing->active) {
      TakeLease(cluster, orders.answers, now, acts);
      Work(cluster, now, acts);
    }
  }
  return acts;
}

void Node::AdoptSpec(const Spec& spec, Acts& acts) {
  Cluster& cluster = clusters_[spec.cluster];
  changed_ = true;
  if (cluster.spec.revision == 0) {
    if (cluster.lease.void_before() == ReportId{}) cluster.lease.GiveUp(NextId());
  }
  for (size_t i = 0; i < cluster.spec.vips.size(); ++i) {
    const Vip& vip = cluster.spec.vips[i];
    if (std::find(spec.vips.begin(), spec.vips.end(), vip) == spec.vips.end()) {
      acts.push_back(RemoveVip{spec.cluster, vip, "no longer in the cluster's spec"});
    }
  }
  cluster.spec = spec;
  cluster.lease.SetPolicy(spec.on_expiry);
  cluster.observed = false;
  cluster.seen.vip_present.assign(spec.vips.size(), false);
  cluster.seen.link_usable.assign(spec.vips.size(), false);
  if (spec.on_expiry != OnExpiry::kWitness) {
    cluster.next_witness = MonoTime::Infinite();
  } else if (cluster.lease.taken() && cluster.next_witness == MonoTime::Infinite()) {
    cluster.next_witness = MonoTime();
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
  Lease lease = cluster.lease;
  cluster = Cluster();
  cluster.lease = lease;
}

void Node::Receive(const Order& order, ReportId answers, MonoTime now, Acts& acts) {
  Cluster& cluster = clusters_[order.cluster];
  changed_ = true;
  if (cluster.spec.revision == 0 || cluster.spec.revision != order.spec_revision) {
    if (cluster.refusal.empty()) cluster.refusal = "the order is for a spec that is not known here";
    return;
  }
  if (absl::Status status = cluster.lease.CheckEpoch(order.epoch); !status.ok()) {
    cluster.refusal = std::string(status.message());
    return;
  }
  if (order.epoch > cluster.lease.highest_epoch()) {
    cluster.parked = order;
    cluster.parked_answers = answers;
    acts.push_back(PersistEpoch{order.cluster, order.epoch});
    return;
  }
  ObeyOrder(cluster, order, now, acts);
}

Acts Node::EpochStored(const std::string& name, uint64_t epoch, MonoTime now) {
  Acts acts;
  const auto it = clusters_.find(name);
  if (it == clusters_.end()) return acts;
  Cluster& cluster = it->second;
  cluster.lease.RaiseHighestEpoch(epoch);
  changed_ = true;
  if (!cluster.parked || cluster.parked->epoch > epoch || shutting_down_) return acts;
  const Order order = *cluster.parked;
  cluster.parked.reset();
  ObeyOrder(cluster, order, now, acts);
  if (order.active) {
    TakeLease(cluster, cluster.parked_answers, now, acts);
    Work(cluster, now, acts);
  }
  return acts;
}

void Node::ObeyOrder(Cluster& cluster, const Order& order, MonoTime now, Acts& acts) {
  cluster.refusal.clear();
  cluster.parked.reset();
  cluster.standing = order;
  cluster.wanted.service_running = order.service_running;
  cluster.wanted.start_attempt = order.start_attempt;
  if (!order.active) {
    GiveUp(cluster, "ordered to stand by", now, acts);
    Work(cluster, now, acts);
  }
}

void Node::TakeLease(Cluster& cluster, ReportId answers, MonoTime now, Acts& acts) {
  const std::optional<MonoTime> stamp = StampOf(answers);
  const bool held = cluster.lease.taken();
  absl::Status status =
      stamp ? cluster.lease.Take({cluster.standing->epoch, answers, *stamp, cluster.standing->ttl},
                                 now)
            : absl::FailedPreconditionError("the order answers no report of this stream");
  if (!status.ok()) {
    if (cluster.refusal != status.message()) changed_ = true;
    cluster.refusal = std::string(status.message());
    return;
  }
  cluster.refusal.clear();
  if (cluster.beyond) {
    cluster.beyond = false;
    changed_ = true;
  }
  if (held) return;
  changed_ = true;
  cluster.wanted.hold = true;
  cluster.wanted.taken_over = false;
  if (cluster.spec.on_expiry == OnExpiry::kWitness) cluster.next_witness = now;
  acts.push_back(Note{false, cluster.spec.cluster,
                      absl::StrCat("lease taken under epoch ", cluster.lease.epoch())});
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
  changed_ = true;
}

void Node::CheckExpiry(Cluster& cluster, MonoTime now, Acts& acts) {
  if (!cluster.lease.taken()) return;
  if (!cluster.lease.Holds(now)) {
    GiveUp(cluster, "it ran out unrenewed", now, acts);
    Work(cluster, now, acts);
    return;
  }
  const bool beyond = cluster.lease.Beyond(now);
  if (beyond && !cluster.beyond) {
    acts.push_back(
        Note{true, cluster.spec.cluster, "lease ran out unrenewed; going on by on_expiry"});
    changed_ = true;
  }
  cluster.beyond = beyond;
  if (beyond && cluster.observed && cluster.seen.service.state != ServiceStatus::State::kRunning) {
    GiveUp(cluster, "it ran out unrenewed, and the service is down here", now, acts);
    Work(cluster, now, acts);
  }
}

void Node::Work(Cluster& cluster, MonoTime now, Acts& acts) {
  cluster.next_retry = MonoTime::Infinite();
  if (!cluster.observed) return;
  cluster.wanted.may_stop_service =
      !shutting_down_ && cluster.standing && !OthersWantService(cluster);
  const std::string& name = cluster.spec.cluster;
  for (const Step& step : Reconcile(cluster.wanted, cluster.seen)) {
    cluster.next_retry = now + kRetryInterval;
    switch (step.kind) {
      case StepKind::kRemoveVip:
        acts.push_back(RemoveVip{name, cluster.spec.vips[step.vip], "this node holds no lease"});
        break;
      case StepKind::kAddVip:
        acts.push_back(
            AddVip{name, cluster.spec.vips[step.vip],
                   absl::Ceil(cluster.lease.ttl(), absl::Seconds(1)) + absl::Seconds(1)});
        cluster.wanted.taken_over = true;
        cluster.next_refresh = now + kRefreshInterval;
        break;
      case StepKind::kStartService:
        acts.push_back(StartService{name, cluster.spec.service, cluster.wanted.start_attempt});
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
  const bool linked =
      std::find(seen.link_usable.begin(), seen.link_usable.end(), false) == seen.link_usable.end();
  const bool was_linked =
      std::find(cluster.seen.link_usable.begin(), cluster.seen.link_usable.end(), false) ==
      cluster.seen.link_usable.end();
  const bool appeared = !cluster.observed || !cluster.seen.AllVipsPresent() || !was_linked;
  cluster.seen = seen;
  cluster.observed = true;
  changed_ = true;
  CheckExpiry(cluster, now, acts);
  Work(cluster, now, acts);
  if (cluster.wanted.hold && cluster.wanted.taken_over && appeared && linked &&
      seen.AllVipsPresent()) {
    cluster.announce_from = now;
    cluster.announced = 0;
    cluster.next_announce = now;
    KeepUp(cluster, now, acts);
  }
  return acts;
}

void Node::KeepUp(Cluster& cluster, MonoTime now, Acts& acts) {
  const std::string& name = cluster.spec.cluster;
  if (now >= cluster.next_announce) {
    for (const Vip& vip : cluster.spec.vips) acts.push_back(Announce{name, vip});
    // One that came late stands for those that it missed.
    do {
      cluster.next_announce =
          AnnounceTime(cluster.announce_from, ++cluster.announced, cluster.lease.ttl());
    } while (cluster.next_announce <= now);
  }
  if (now >= cluster.next_refresh) {
    for (size_t i = 0; i < cluster.spec.vips.size(); ++i) {
      if (!cluster.observed || !cluster.seen.vip_present[i]) continue;
      acts.push_back(AddVip{name, cluster.spec.vips[i],
                            absl::Ceil(cluster.lease.ttl(), absl::Seconds(1)) + absl::Seconds(1)});
    }
    cluster.next_refresh = now + kRefreshInterval;
  }
  if (now >= cluster.next_witness) {
    acts.push_back(AskWitness{name, cluster.spec.witness, cluster.spec.witness_interval});
    cluster.next_witness = now + cluster.spec.witness_interval;
  }
}

Acts Node::WitnessAnswered(const std::string& name, MonoTime asked, MonoTime now) {
  Acts acts;
  const auto it = clusters_.find(name);
  if (it == clusters_.end()) return acts;
  CheckExpiry(it->second, now, acts);
  it->second.lease.WitnessAnswered(asked);
  return acts;
}

void Node::Refuse(const std::string& name, const std::string& refusal) {
  Cluster& cluster = clusters_[name];
  changed_ = changed_ || cluster.refusal != refusal;
  cluster.refusal = refusal;
}

Acts Node::Shutdown(MonoTime now) {
  Acts acts;
  shutting_down_ = true;
  for (auto& [name, cluster] : clusters_) {
    if (cluster.spec.revision == 0) continue;
    GiveUp(cluster, "the executor is stopping", now, acts);
    for (const Vip& vip : cluster.spec.vips) {
      acts.push_back(RemoveVip{name, vip, "the executor is stopping"});
    }
  }
  return acts;
}

Acts Node::Advance(MonoTime now) {
  Acts acts;
  for (auto& [name, cluster] : clusters_) {
    CheckExpiry(cluster, now, acts);
    KeepUp(cluster, now, acts);
    if (now >= cluster.next_retry) Work(cluster, now, acts);
  }
  return acts;
}

MonoTime Node::NextDeadline() const {
  MonoTime next = streaming_ ? next_report_ : MonoTime::Infinite();
  for (const auto& [name, cluster] : clusters_) {
    next = std::min({next, cluster.next_witness, cluster.next_refresh, cluster.next_announce,
                     cluster.next_retry});
    if (!cluster.lease.taken()) continue;
    next = std::min(next, cluster.lease.Until());
    if (!cluster.beyond) next = std::min(next, cluster.lease.end());
  }
  return next;
}

bool Node::ReportDue(MonoTime now) const { return streaming_ && (changed_ || now >= next_report_); }

Report Node::Compose(MonoTime now) {
  Report report;
  report.number = next_number_++;
  stamps_.push_back({report.number, now});
  if (stamps_.size() > kMaxStamps) stamps_.pop_front();
  next_report_ = now + heartbeat_;
  changed_ = false;
  for (auto& [name, cluster] : clusters_) {
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
  report.holding = cluster.lease.Holds(now) || cluster.seen.AnyVipPresent();
  report.beyond_lease = cluster.beyond;
  report.epoch = cluster.lease.epoch();
  report.highest_epoch = cluster.lease.highest_epoch();
  report.void_before = cluster.lease.void_before();
  for (const Vip& vip : cluster.spec.vips) report.vips.push_back(vip.address.ToString());
  report.seen = cluster.seen;
  if (shutting_down_) report.seen.obstacles.push_back("the executor is stopping");
  report.refusal = cluster.refusal;
  return report;
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

}  // namespace hb::executor
