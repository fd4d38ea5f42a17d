#include "controller/controller.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/config/proto_duration.h"
#include "common/log.h"
#include "common/poster.h"
#include "controller/setup.h"

namespace hb::controller {
namespace {

constexpr Duration kStoreRetry = absl::Seconds(1);
// Of a node that is in no cluster any more, and so is told of no heartbeat.
constexpr Duration kRemovedSilence = absl::Minutes(1);

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

absl::StatusOr<KnownClusters> Controller::Known() {
  absl::StatusOr<StoredClusters> stored = store_->Load();
  if (!stored.ok()) return stored.status();
  KnownClusters known;
  for (const auto& [name, record] : *stored) {
    known[name] = {FromStored(record), record.longest_ttl};
  }
  for (const auto& cluster : clusters_) {
    KnownCluster& running = known[cluster->name()];
    // Some of it may still be on its way to the store; only the epoch is there first.
    const uint64_t epoch = running.state.epoch;
    running.state = cluster->decision().persistent();
    running.state.epoch = epoch;
    running.nodes = cluster->decision().model().nodes;
  }
  return known;
}

absl::Status Controller::Configure(const v1::ControllerConfig& config) {
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

  const absl::StatusOr<KnownClusters> known = Known();
  if (!known.ok()) return known.status();
  std::vector<ClusterModel> models;
  for (const v1::ClusterConfig& cluster : config.clusters()) models.push_back(MakeModel(cluster));
  const absl::StatusOr<std::vector<Beginning>> beginnings = Begin(models, *known);
  if (!beginnings.ok()) return beginnings.status();

  std::vector<std::shared_ptr<Cluster>> now;    // in the file's order
  std::vector<std::shared_ptr<Cluster>> fresh;  // of them
  StoredClusters records;
  std::vector<std::string> erased;
  std::map<std::string, std::string> removed;
  for (const auto& [name, before] : *known) removed[name] = before.state.holder;
  for (size_t i = 0; i < models.size(); ++i) {
    const v1::ClusterConfig& cluster = config.clusters(static_cast<int>(i));
    removed.erase(cluster.name());
    const Beginning& beginning = (*beginnings)[i];
    StoredCluster& record = records[cluster.name()] = ToStored(beginning.state);
    record.epoch = beginning.state.epoch;
    record.longest_ttl = models[i].ttl;
    if (!beginning.renamed_from.empty()) {
      const Duration longest = known->at(beginning.renamed_from).longest_ttl;
      record.longest_ttl = std::max(record.longest_ttl, longest);
      removed[beginning.renamed_from].clear();
    }
    const auto old = std::find_if(clusters_.begin(), clusters_.end(), [&](const auto& running) {
      return google::protobuf::util::MessageDifferencer::Equals(running->config(), cluster);
    });
    if (old != clusters_.end()) {
      now.push_back(*old);
      continue;
    }
    fresh.push_back(
        std::make_shared<Cluster>(loop_, icmp_.get(), http_.get(), cluster, beginning.state,
                                  WaitNow() + WithClockMargin(beginning.longest_ttl), this));
    now.push_back(fresh.back());
  }
  std::erase_if(removed, [&erased](const auto& entry) {
    if (entry.second.empty()) erased.push_back(entry.first);
    return entry.second.empty();
  });
  // On disk before the first order by it (L5, L3, L7).
  if (absl::Status status = store_->Save(records, erased); !status.ok()) return status;
  removed_ = std::move(removed);

  const bool changed = !fresh.empty() || now.size() != clusters_.size();
  clusters_ = now;
  if (!changed) return absl::OkStatus();
  for (auto it = commands_.begin(); it != commands_.end();) {
    const auto asked = [&](const auto& cluster) { return cluster->name() == it->second.cluster; };
    const bool stays = std::any_of(now.begin(), now.end(), asked) &&
                       std::none_of(fresh.begin(), fresh.end(), asked);
    if (!stays)
      it->second.listener({it->first, "the cluster's configuration changed", true, false});
    it = stays ? std::next(it) : commands_.erase(it);
  }
  for (const auto& cluster : fresh) cluster->Start();
  SyncNodes(config);
  return absl::OkStatus();
}

void Controller::SyncNodes(const v1::ControllerConfig& config) {
  struct Wanted {
    std::string executor;
    std::string address;
    Duration silence;
  };
  std::map<std::string, Wanted> wanted;
  for (const v1::ClusterConfig& cluster : config.clusters()) {
    const Duration silence = std::max(absl::Seconds(1), FromProtoDuration(cluster.heartbeat()) * 5);
    for (const v1::NodeConfig& node : cluster.nodes()) {
      Wanted& entry =
          wanted.try_emplace(node.name(), Wanted{node.executor(), node.address(), silence})
              .first->second;
      entry.silence = std::min(entry.silence, silence);
    }
  }
  // Who held last for a cluster that is removed has to hear of it, though it may be in no other.
  for (const auto& [cluster, holder] : removed_) {
    const size_t at = holder.find('@');
    if (at == std::string::npos) continue;
    wanted.try_emplace(holder.substr(0, at), Wanted{holder.substr(at + 1), "", kRemovedSilence});
  }
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    const auto found = wanted.find(it->first);
    const bool same = found != wanted.end() && found->second.executor == it->second->executor;
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
      node->executor = entry.executor;
    }
    node->address = IpAddress::Parse(entry.address).value_or(IpAddress());
    Dial(*node, entry.silence);
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
  node.strange.clear();
  node.told_to_forget.clear();
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
    const bool known = node.specs.count(part.cluster()) != 0;
    // Who is called for a removed cluster alone may be another controller's by now (L11).
    const bool ours = part.follows() || !node.specs.empty();
    if (!known && ours && part.spec_revision() != 0) node.strange.insert(part.cluster());
  }
  for (auto it = node.strange.begin(); it != node.strange.end();) {
    // Until the holder knows that this node is no member any more, it counts on its promises (L6).
    const Cluster* const cluster = Find(*it);
    if (cluster == nullptr || cluster->decision().terms_confirmed()) {
      node.forget.insert(*it);
      it = node.strange.erase(it);
    } else {
      ++it;
    }
  }
  NoticeForgotten(node, report);
  handling_report_ = true;  // one answer for all clusters, below
  for (const Membership& m : MembershipsOf(node.name)) {
    ReportSeen seen{m.index, node.newest, std::nullopt, report.answered(),
                    FromProtoDuration(report.followed_for())};
    const auto part = parts.find(m.cluster->name());
    if (part != parts.end()) {
      seen.report = ReadReport(*part->second, node.specs[m.cluster->name()].revision());
    } else if (first && node.forget.empty() && node.strange.empty()) {
      // It knows nothing of this cluster, nor of one that it may hold the VIPs for.
      seen.report = NodeReport{};
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

void Controller::NoticeForgotten(Node& node, const v1::Report& report) {
  // Under whatever name it held: it knows no cluster that is not its own any more.
  const bool all_forgotten =
      node.forget.empty() && node.strange.empty() &&
      std::all_of(node.told_to_forget.begin(), node.told_to_forget.end(),
                  [&](const auto& told) { return report.answered() >= told.second; });
  if (!all_forgotten) return;
  const std::string id = NodeId(node.name, node.executor);
  std::erase_if(removed_, [&](const auto& entry) {
    const auto& [name, holder] = entry;
    if (holder != id && holder != node.name) return false;
    const auto finish = [this, name = name, holder = holder](const absl::Status& status) {
      if (status.ok() || Find(name) != nullptr) return;
      LogError("store", {{"error", std::string(status.message())}});
      removed_.emplace(name, holder);  // to be noticed again
    };
    return worker_.Run([this, name = name, finish, poster = poster_] {
      poster->Post([finish, status = store_->Save({}, {name})] { finish(status); });
    });
  });
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
    if (heartbeat != absl::InfiniteDuration()) {
      *orders.mutable_heartbeat() = ToProtoDuration(heartbeat);
    }
  }
  for (const std::string& name : std::exchange(node.forget, {})) {
    orders.add_forget(name);
    node.told_to_forget.try_emplace(name, node.newest.number);
  }
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
  const std::string& name = cluster.name();
  reserve_retries_.erase(name);
  auto finish = [this, asker = cluster.weak_from_this(),
                 at_least](const absl::StatusOr<uint64_t>& epoch) {
    const std::shared_ptr<Cluster> alive = asker.lock();
    if (alive == nullptr) return;
    if (epoch.ok()) return alive->Step(EpochStored{*epoch});
    // No activation without an epoch on disk: the safe side.
    LogError("no epoch can be stored, so no node can be activated",
             {{"cluster", alive->name()}, {"error", std::string(epoch.status().message())}});
    reserve_retries_[alive->name()] = loop_->After(kStoreRetry, [this, asker, at_least] {
      if (const std::shared_ptr<Cluster> latest = asker.lock()) ReserveEpoch(*latest, at_least);
    });
  };
  const bool accepted = worker_.Run([this, name, at_least, poster = poster_, finish] {
    poster->Post([finish, epoch = store_->ReserveEpoch(name, at_least)] { finish(epoch); });
  });
  if (!accepted) finish(absl::UnavailableError("too many jobs wait for the store"));
}

void Controller::SaveOverrides(Cluster& cluster, const Save& save) {
  const std::string& name = cluster.name();
  save_retries_.erase(name);
  auto finish = [this, asker = cluster.weak_from_this(),
                 number = save.number](const absl::Status& status) {
    const std::shared_ptr<Cluster> alive = asker.lock();
    if (alive == nullptr) return;
    if (status.ok()) return alive->Step(Saved{number});
    LogError("what a restart must know is not stored, and is tried again",
             {{"cluster", alive->name()}, {"error", std::string(status.message())}});
    save_retries_[alive->name()] = loop_->After(kStoreRetry, [this, asker, number] {
      const std::shared_ptr<Cluster> latest = asker.lock();
      // By then there may be more to save.
      if (latest) SaveOverrides(*latest, Save{latest->decision().persistent(), number});
    });
  };
  const bool accepted = worker_.Run([this, name, state = save.state, poster = poster_, finish] {
    poster->Post(
        [finish, status = store_->Save({{name, ToStored(state)}}, {})] { finish(status); });
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
