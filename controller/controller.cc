#include "controller/controller.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/config/proto_duration.h"
#include "common/log.h"
#include "common/poster.h"
#include "controller/core/terms.h"
#include "controller/setup.h"

namespace hb::controller {
namespace {

constexpr Duration kStoreRetry = absl::Seconds(1);

LogLevel LevelOf(int severity) {
  return severity == 0 ? LogLevel::kInfo : severity == 1 ? LogLevel::kWarning : LogLevel::kError;
}

// Listeners that return false are done.
template <typename Listeners, typename... Args>
void Notify(Listeners& listeners, const Args&... args) {
  for (size_t i = 0; i < listeners.size();) {
    if (listeners[i](args...)) {
      ++i;
    } else {
      listeners.erase(listeners.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

}  // namespace

Controller::Controller(EventLoop* loop, std::unique_ptr<IcmpProber> icmp,
                       std::unique_ptr<HttpProber> http, std::unique_ptr<Store> store,
                       std::string event_log)
    : loop_(loop),
      icmp_(std::move(icmp)),
      http_(std::move(http)),
      store_(std::move(store)),
      id_(store_->id()),
      started_(BootNow()),
      event_log_(std::move(event_log)),
      poster_(std::make_shared<Poster>(loop)) {}

Controller::~Controller() { poster_->Close(); }

Cluster* Controller::Find(const std::string& name) const {
  for (const auto& cluster : clusters_) {
    if (cluster->name() == name) return cluster.get();
  }
  return nullptr;
}

// --- Configuration ---

absl::StatusOr<std::unique_ptr<Cluster>> Controller::MakeCluster(const v1::ClusterConfig& config) {
  const Duration ttl = FromProtoDuration(config.lease().ttl());
  absl::StatusOr<std::optional<StoredCluster>> stored = store_->Load(config.name());
  if (!stored.ok()) return stored.status();
  const ClusterModel model = MakeModel(config);
  Persistent persistent;
  // Where there is no record, the longest lease that the schema allows may be out.
  Duration longest = kMaxTtl;
  if (*stored) {
    persistent = FromStored(**stored);
    // A record that is older than the config (a restored backup) says little.
    if ((*stored)->longest_ttl >= ttl) longest = (*stored)->longest_ttl;
  } else if (const Cluster* const before = OwnerOfVips(config)) {
    // Renamed: whoever held goes on being waited for.
    const Persistent& known = before->decision().persistent();
    persistent.holder = known.holder;
    persistent.terms_policy = known.terms_policy;
    persistent.terms_members = known.terms_members;
  }
  Widen(model, &persistent);
  // On disk before the first order by it (L5, L3, L7).
  absl::Status status = store_->RecordTtl(config.name(), ttl);
  if (status.ok()) {
    status = store_->SaveTerms(config.name(), static_cast<int>(persistent.terms_policy),
                               persistent.terms_members);
  }
  if (!status.ok()) return status;
  return std::make_unique<Cluster>(loop_, icmp_.get(), http_.get(), config, persistent,
                                   WaitNow() + WithClockMargin(longest), this);
}

const Cluster* Controller::OwnerOfVips(const v1::ClusterConfig& config) const {
  for (const auto& cluster : clusters_) {
    if (cluster->name() == config.name()) continue;
    for (const v1::VipConfig& theirs : cluster->config().vips()) {
      for (const v1::VipConfig& ours : config.vips()) {
        const absl::StatusOr<IpPrefix> a = IpPrefix::Parse(theirs.address());
        const absl::StatusOr<IpPrefix> b = IpPrefix::Parse(ours.address());
        if (a.ok() && b.ok() && a->address == b->address) return cluster.get();
      }
    }
  }
  return nullptr;
}

absl::Status Controller::CheckMovedVips(const v1::ControllerConfig& config) const {
  for (const v1::ClusterConfig& cluster : config.clusters()) {
    const Cluster* const owner = OwnerOfVips(cluster);
    if (owner == nullptr || Find(cluster.name()) == nullptr) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "cluster ", cluster.name(), ": one of its VIPs belongs to cluster ", owner->name(),
        " until now; take it out there first and reload, then add it here and reload again"));
  }
  return absl::OkStatus();
}

absl::Status Controller::CheckRemovedHolders(const v1::ControllerConfig& config) const {
  for (const v1::ClusterConfig& cluster : config.clusters()) {
    const Cluster* const old = Find(cluster.name());
    if (old == nullptr) continue;
    const std::string& holder = old->decision().persistent().holder;
    const auto names_it = [&holder](const auto& nodes) {
      return std::any_of(nodes.begin(), nodes.end(),
                         [&holder](const v1::NodeConfig& node) { return node.name() == holder; });
    };
    if (!names_it(old->config().nodes()) || names_it(cluster.nodes())) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("cluster ", cluster.name(), ": node ", holder,
                     " held last and can't be taken out; move the service first (hbctl switchover ",
                     cluster.name(), "; with --to NODE --force if ", holder, " is off for good)"));
  }
  return absl::OkStatus();
}

absl::Status Controller::Configure(const v1::ControllerConfig& config) {
  if (absl::Status status = CheckMovedVips(config); !status.ok()) return status;
  if (absl::Status status = CheckRemovedHolders(config); !status.ok()) return status;
  // The worker must not use the store meanwhile; at a reload this waits for it.
  absl::Mutex mutex;
  bool idle = false;
  if (!worker_.Run([&] {
        absl::MutexLock lock(&mutex);
        idle = true;
      })) {
    return absl::UnavailableError("the store is stuck: too many jobs wait for it");
  }
  mutex.LockWhen(absl::Condition(&idle));
  mutex.Unlock();

  std::vector<std::unique_ptr<Cluster>> made;
  std::vector<const v1::ClusterConfig*> kept;
  for (const v1::ClusterConfig& cluster : config.clusters()) {
    Cluster* const old = Find(cluster.name());
    if (old != nullptr &&
        google::protobuf::util::MessageDifferencer::Equals(old->config(), cluster)) {
      kept.push_back(&cluster);
      continue;
    }
    absl::StatusOr<std::unique_ptr<Cluster>> fresh = MakeCluster(cluster);
    if (!fresh.ok()) return fresh.status();
    made.push_back(*std::move(fresh));
  }
  std::vector<std::unique_ptr<Cluster>> now;
  for (std::unique_ptr<Cluster>& old : clusters_) {
    const bool stays = std::any_of(kept.begin(), kept.end(), [&](const v1::ClusterConfig* c) {
      return c->name() == old->name();
    });
    if (stays) now.push_back(std::move(old));
  }
  std::vector<Cluster*> fresh;
  for (std::unique_ptr<Cluster>& cluster : made) {
    fresh.push_back(cluster.get());
    now.push_back(std::move(cluster));
  }
  const bool changed = !fresh.empty() || now.size() != clusters_.size();
  clusters_ = std::move(now);
  if (!changed) return absl::OkStatus();
  for (auto it = commands_.begin(); it != commands_.end();) {
    const bool stays = std::any_of(kept.begin(), kept.end(), [&](const v1::ClusterConfig* c) {
      return c->name() == it->second.cluster;
    });
    if (!stays)
      it->second.listener({it->first, "the cluster's configuration changed", true, false});
    it = stays ? std::next(it) : commands_.erase(it);
  }
  for (Cluster* cluster : fresh) cluster->Start();
  SyncNodes(config);
  return absl::OkStatus();
}

void Controller::SyncNodes(const v1::ControllerConfig& config) {
  std::map<std::string, std::pair<const v1::NodeConfig*, Duration>> wanted;
  for (const v1::ClusterConfig& cluster : config.clusters()) {
    const Duration silence = std::max(absl::Seconds(1), FromProtoDuration(cluster.heartbeat()) * 5);
    for (const v1::NodeConfig& node : cluster.nodes()) {
      auto [it, inserted] = wanted.try_emplace(node.name(), &node, silence);
      if (!inserted) it->second.second = std::min(it->second.second, silence);
    }
  }
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    const auto found = wanted.find(it->first);
    const bool same =
        found != wanted.end() && found->second.first->executor() == it->second->executor;
    it = same ? std::next(it) : nodes_.erase(it);
  }
  for (const auto& [name, entry] : wanted) {
    std::unique_ptr<Node>& node = nodes_[name];
    if (node != nullptr) {
      // A fresh stream introduces what changed.
      node->link.reset();
      OnClosed(*node, {0, "reloading", false, /*redialling=*/true});
    } else {
      node = std::make_unique<Node>();
      node->name = name;
      node->executor = entry.first->executor();
      node->address = IpAddress::Parse(entry.first->address()).value_or(IpAddress());
    }
    Dial(*node, entry.second);
  }
}

void Controller::Dial(Node& node, Duration silence) {
  ExecutorLink::Options options;
  options.node = node.name;
  options.address = node.executor;
  options.controller_id = id_;
  options.silence = silence;
  Node* const n = &node;
  ExecutorLink::Listener listener;
  listener.opened = [this, n](const v1::ExecutorHello& hello) { OnOpened(*n, hello); };
  listener.report = [this, n](const v1::Report& report) { OnReport(*n, report); };
  listener.closed = [this, n](const std::string& error, bool refused) {
    OnClosed(*n, {0, error, refused});
  };
  node.link = std::make_unique<ExecutorLink>(loop_, std::move(options), std::move(listener));
}

std::vector<Controller::Membership> Controller::MembershipsOf(const std::string& node) const {
  std::vector<Membership> memberships;
  for (const auto& cluster : clusters_) {
    const auto& nodes = cluster->decision().model().nodes;
    for (NodeIndex i = 0; i < nodes.size(); ++i) {
      if (nodes[i].name == node) memberships.push_back({cluster.get(), i});
    }
  }
  return memberships;
}

// --- Streams ---

void Controller::OnOpened(Node& node, const v1::ExecutorHello& hello) {
  LogInfo("executor connected", {{"node", node.name},
                                 {"address", node.executor},
                                 {"incarnation", absl::StrCat(hello.incarnation())},
                                 {"version", hello.software_version()}});
  node.last_error.clear();
  node.incarnation = hello.incarnation();
  node.reported = false;
  node.pending.clear();
  node.introduce = true;
  MakeSpecs(node);
  for (const Membership& m : MembershipsOf(node.name)) m.cluster->Step(StreamOpened{m.index});
}

void Controller::MakeSpecs(Node& node) {
  node.specs.clear();
  const std::optional<IpAddress> own = SourceAddressFor(node.address);
  for (const Membership& m : MembershipsOf(node.name)) {
    node.specs[m.cluster->name()] = MakeSpec(m.cluster->config(), m.index, own);
  }
}

void Controller::OnReport(Node& node, const v1::Report& report) {
  const bool first = !node.reported;
  node.reported = true;
  node.newest = {node.incarnation, report.number()};
  std::map<std::string, const v1::ClusterReport*> parts;
  for (const v1::ClusterReport& part : report.clusters()) {
    parts[part.cluster()] = &part;
    if (node.specs.count(part.cluster()) == 0 && part.spec_revision() != 0) {
      node.forget.insert(part.cluster());
    }
  }
  handling_report_ = true;  // one answer for all clusters, below
  for (const Membership& m : MembershipsOf(node.name)) {
    ReportSeen seen{m.index, node.newest, std::nullopt, report.answered(),
                    FromProtoDuration(report.followed_for())};
    const auto part = parts.find(m.cluster->name());
    if (part != parts.end()) {
      seen.report = ReadReport(*part->second, node.specs[m.cluster->name()].revision());
    } else if (first) {
      seen.report = NodeReport{};  // it knows nothing of this cluster
    }
    m.cluster->Step(seen);
  }
  handling_report_ = false;
  // Other nodes' orders may have come of it; the release of one is the activation of another.
  for (auto& [name, other] : nodes_) {
    if (other.get() != &node && !other->pending.empty()) Flush(*other, false);
  }
  Flush(node, true);
}

void Controller::OnClosed(Node& node, const StreamClosed& how) {
  node.reported = false;
  node.pending.clear();
  if (!how.redialling && node.last_error != how.error) {
    LogWarning("executor not connected",
               {{"node", node.name}, {"address", node.executor}, {"error", how.error}});
    node.last_error = how.error;
  }
  for (const Membership& m : MembershipsOf(node.name))
    m.cluster->Step(StreamClosed{m.index, how.error, how.follows_another, how.redialling});
}

void Controller::Order(Cluster& cluster, NodeIndex node_index, const controller::Order& order) {
  const std::string& name = cluster.decision().model().nodes[node_index].name;
  const auto node = nodes_.find(name);
  if (node != nodes_.end()) node->second->pending[cluster.name()] = order;
}

void Controller::StepDone(Cluster& cluster) {
  if (!handling_report_) {
    for (const auto& model : cluster.decision().model().nodes) {
      const auto node = nodes_.find(model.name);
      if (node != nodes_.end() && !node->second->pending.empty()) Flush(*node->second, false);
    }
  }
  Notify(change_listeners_);
}

void Controller::Flush(Node& node, bool answer) {
  if (node.link == nullptr || !node.link->open() || !node.reported) return;
  if (!answer && node.pending.empty()) return;
  v1::Orders orders;
  orders.mutable_answers()->set_incarnation(node.newest.incarnation);
  orders.mutable_answers()->set_number(node.newest.number);
  if (node.introduce) {
    node.introduce = false;
    Duration heartbeat = absl::InfiniteDuration();
    for (const Membership& m : MembershipsOf(node.name)) {
      heartbeat = std::min(heartbeat, m.cluster->decision().model().heartbeat);
      if (m.cluster->decision().MayIntroduce()) {
        *orders.add_specs() = node.specs[m.cluster->name()];
      } else {
        node.introduce = true;  // with the next answer, then
      }
    }
    *orders.mutable_heartbeat() = ToProtoDuration(heartbeat);
  }
  for (const std::string& name : std::exchange(node.forget, {})) orders.add_forget(name);
  for (const auto& [name, order] : std::exchange(node.pending, {})) {
    const Cluster* const cluster = Find(name);
    if (cluster == nullptr) continue;
    v1::ClusterOrder& out = *orders.add_clusters();
    out.set_cluster(name);
    out.set_spec_revision(node.specs[name].revision());
    out.set_role(order.active ? v1::ROLE_ACTIVE : v1::ROLE_STANDBY);
    out.set_epoch(order.epoch);
    if (order.active) *out.mutable_ttl() = ToProtoDuration(cluster->decision().model().ttl);
    out.mutable_service()->set_wanted(order.service_running ? v1::ServiceOrder::WANTED_RUNNING
                                                            : v1::ServiceOrder::WANTED_STOPPED);
    out.mutable_service()->set_start_attempt(order.start_attempt);
    if (!order.active) continue;
    out.set_force(order.force);
    out.set_on_leave(order.on_leave == OnLeave::kWait      ? v1::ON_LEAVE_WAIT
                     : order.on_leave == OnLeave::kRelease ? v1::ON_LEAVE_RELEASE
                                                           : v1::ON_LEAVE_KEEP);
  }
  node.link->Send(std::move(orders));
}

// --- Store ---

void Controller::ReserveEpoch(Cluster& cluster, uint64_t at_least) {
  TryReserve(cluster.name(), at_least);
}

void Controller::TryReserve(const std::string& name, uint64_t at_least) {
  reserve_retries_.erase(name);
  auto finish = [this, name, at_least](const absl::StatusOr<uint64_t>& epoch) {
    if (!epoch.ok()) {
      // No activation without an epoch on disk: the safe side.
      LogError("no epoch can be stored, so no node can be activated",
               {{"cluster", name}, {"error", std::string(epoch.status().message())}});
      reserve_retries_[name] =
          loop_->After(kStoreRetry, [this, name, at_least] { TryReserve(name, at_least); });
      return;
    }
    if (Cluster* const cluster = Find(name)) cluster->Step(EpochStored{*epoch});
  };
  const bool accepted = worker_.Run([this, name, at_least, poster = poster_, finish] {
    poster->Post([finish, epoch = store_->ReserveEpoch(name, at_least)] { finish(epoch); });
  });
  if (!accepted) finish(absl::UnavailableError("too many jobs wait for the store"));
}

void Controller::SaveOverrides(Cluster& cluster, const Save& save) {
  TrySave(cluster.name(), save);
}

void Controller::TrySave(const std::string& name, const Save& save) {
  save_retries_.erase(name);
  auto finish = [this, name, number = save.number](const absl::Status& status) {
    Cluster* const cluster = Find(name);
    if (cluster == nullptr) return;
    if (status.ok()) return cluster->Step(Saved{number});
    LogError("what a restart must know is not stored, and is tried again",
             {{"cluster", name}, {"error", std::string(status.message())}});
    // By then there may be more to save.
    save_retries_[name] = loop_->After(kStoreRetry, [this, name, number] {
      const Cluster* const latest = Find(name);
      if (latest != nullptr) TrySave(name, Save{latest->decision().persistent(), number});
    });
  };
  const bool accepted = worker_.Run([this, name, state = save.state, poster = poster_, finish] {
    absl::Status status = store_->Save(name, ToStored(state));
    if (status.ok()) {
      status = store_->SaveTerms(name, static_cast<int>(state.terms_policy), state.terms_members);
    }
    poster->Post([finish, status] { finish(status); });
  });
  if (!accepted) finish(absl::UnavailableError("too many jobs wait for the store"));
}

// --- Events ---

void Controller::Report(Cluster& cluster, const Event& event) {
  StoredEvent stored;
  stored.time = WallNow();
  stored.cluster = cluster.name();
  if (event.node) stored.node = cluster.decision().model().nodes[*event.node].name;
  stored.epoch = event.epoch;
  stored.severity = static_cast<int>(event.severity);
  stored.type = event.type;
  stored.reason = event.reason;
  stored.detail = event.detail;
  Log(LevelOf(stored.severity), event.type,
      {{"cluster", stored.cluster},
       {"node", stored.node},
       {"epoch", absl::StrCat(stored.epoch)},
       {"reason", stored.reason},
       {"detail", stored.detail}});
  const bool accepted = worker_.Run([this, stored, poster = poster_]() mutable {
    absl::StatusOr<uint64_t> id = store_->Append(stored);
    if (id.ok()) {
      stored.id = *id;
    } else {
      LogError("store", {{"error", std::string(id.status().message())}});
    }
    if (absl::Status status = event_log_.Append(stored); !status.ok()) {
      LogError("event log", {{"error", std::string(status.message())}});
    }
    poster->Post([this, stored] { Notify(event_listeners_, stored); });
  });
  if (!accepted) LogError("event not stored: too many jobs wait for the store");
}

void Controller::ReopenEventLog() {
  const bool accepted = worker_.Run([this] {
    if (absl::Status status = event_log_.Reopen(); !status.ok()) {
      LogError("event log", {{"error", std::string(status.message())}});
    }
  });
  if (!accepted) LogError("event log not reopened: too many jobs wait for the store");
}

void Controller::AddEventListener(EventListener listener) {
  event_listeners_.push_back(std::move(listener));
}

void Controller::AddChangeListener(std::function<bool()> listener) {
  change_listeners_.push_back(std::move(listener));
}

void Controller::ListEvents(const std::string& cluster, absl::Time since, int limit,
                            const EventsListed& done) {
  const bool accepted = worker_.Run([this, cluster, since, limit, done, poster = poster_] {
    poster->Post([done, events = store_->Events(cluster, since, limit)] { done(events); });
  });
  if (!accepted) done(absl::UnavailableError("too many jobs wait for the store"));
}

// --- Commands ---

absl::Status Controller::Command(const std::string& cluster_name, controller::Command command,
                                 const std::string& to, ProgressListener listener) {
  Cluster* const cluster = Find(cluster_name);
  if (cluster == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no cluster '", cluster_name, "'"));
  }
  command.id = next_command_++;
  if (!to.empty()) {
    const auto& nodes = cluster->decision().model().nodes;
    for (NodeIndex i = 0; i < nodes.size(); ++i) {
      if (nodes[i].name == to) command.to = i;
    }
    if (!command.to) {
      return absl::NotFoundError(absl::StrCat("cluster ", cluster_name, " has no node '", to, "'"));
    }
  }
  commands_[command.id] = {cluster_name, std::move(listener)};
  cluster->Step(command);
  return absl::OkStatus();
}

void Controller::Report(Cluster& /*cluster*/, const Progress& progress) {
  const auto it = commands_.find(progress.command);
  if (it == commands_.end()) return;
  const ProgressListener listener = it->second.listener;
  if (progress.done) commands_.erase(it);
  listener(progress);
}

}  // namespace hb::controller
