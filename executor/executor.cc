#include "executor/executor.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/log.h"

namespace hb::executor {
namespace {

// Rounds of performing and observing that one event may cause. Taking over needs four.
constexpr int kMaxRounds = 32;
constexpr Duration kStoreRetry = absl::Milliseconds(500);
constexpr Duration kFirewallRetry = absl::Seconds(5);
// The rules are applied again this often: somebody may have flushed iptables.
constexpr Duration kFirewallInterval = absl::Seconds(10);
constexpr char kGateway[] = "gateway";
constexpr char kEveryCluster[] = "*";  // in the log, of what is nobody's alone

std::string LinkObstacle(const std::string& interface, const LinkState& link) {
  if (!link.exists) {
    return absl::StrCat(interface,
                        " does not exist on this node: create it or mend vips[].interface");
  }
  if (!link.admin_up) return absl::StrCat(interface, " is down: ip link set ", interface, " up");
  if (!link.carrier) return absl::StrCat(interface, " has no carrier: check the cable");
  return "";
}

std::string UndefinedService(const std::string& service) {
  return absl::StrCat("service ", service, " is not defined in executor.yaml");
}

}  // namespace

Executor::Executor(Setup setup)
    : host_(setup.host),
      icmp_(setup.icmp),
      store_(setup.store),
      allow_(std::move(setup.allow)),
      now_(std::move(setup.now)),
      wake_at_(std::move(setup.wake_at)),
      status_changed_(std::move(setup.status_changed)),
      services_(std::move(setup.services)),
      node_(setup.incarnation, setup.epochs),
      record_(std::move(setup.recorded_vips)) {
  for (const auto& [cluster, epoch] : setup.epochs) known_clusters_.insert(cluster);
  for (const auto& [name, service] : services_) {
    logged_services_[name] = service->status();
    service->OnChange(Guard([this, n = name] { OnServiceChange(n); }));
  }
  host_->OnChange(Guard([this] { Perform({}); }));
}

absl::Status Executor::RemoveLeftovers() {
  for (const Vip& vip : record_.on_disk()) {
    if (!host_->HasVip(vip)) continue;
    if (absl::Status status = host_->RemoveVip(vip); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("cannot remove ", vip.ToString(),
                                                      ", which an earlier run left behind: ",
                                                      std::string(status.message())));
    }
    LogWarning("vip removed", {{"vip", vip.address.ToString()},
                               {"interface", vip.interface},
                               {"reason", "left behind by an executor that was killed"}});
  }
  record_.WantNone();
  return absl::OkStatus();
}

// ---- the controller's stream ----

void Executor::StreamOpened(Stream* stream) {
  stream_ = stream;
  node_.StreamOpened();
  Perform({});
}

void Executor::StreamClosed() {
  stream_ = nullptr;
  node_.StreamClosed();
  Settle();
}

void Executor::StreamIdle() { Settle(); }

absl::Status Executor::Receive(const Orders& orders) {
  std::set<std::string> known = known_clusters_;
  for (const Spec& spec : orders.specs) known.insert(spec.cluster);
  for (const Order& order : orders.orders) known.insert(order.cluster);
  if (known.size() > kMaxClusters) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this node has seen ", kMaxClusters,
                     " clusters and takes no new one; its state directory has their names"));
  }
  known_clusters_ = std::move(known);
  Acts acts = node_.Obey(Allowed(orders), now_());
  // Recorded beside the epoch's write and the service's start, so that the address need not wait.
  for (const Order& order : orders.orders) {
    const Spec* spec = node_.spec(order.cluster);
    if (!order.active || spec == nullptr || spec->revision != order.spec_revision) continue;
    for (const Vip& vip : spec->vips) record_.Want(vip);
  }
  Perform(std::move(acts));
  // An earlier run may have left rules that these specs do not have; the core changes rules only.
  if (!firewall_sent_ && !orders.specs.empty()) SendFirewall();
  return absl::OkStatus();
}

bool Executor::HoldsAnything() const {
  const MonoTime now = now_();
  const std::vector<std::string> names = node_.clusters();
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return node_.Holds(name, now); });
}

Orders Executor::Allowed(const Orders& orders) {
  // What will stand beside a new spec once the whole message is obeyed.
  std::map<std::string, const Spec*> specs;
  for (const std::string& name : node_.clusters()) specs[name] = node_.spec(name);
  for (const std::string& name : orders.forget) specs.erase(name);
  for (const Spec& spec : orders.specs) specs[spec.cluster] = &spec;
  Orders allowed = orders;
  std::erase_if(allowed.specs, [&](const Spec& spec) {
    const absl::Status status = CheckSpec(spec, allow_, specs);
    std::string& logged = logged_refusals_[spec.cluster];
    if (status.ok()) {
      logged.clear();
      return false;
    }
    const std::string text(status.message());
    node_.Refuse(spec.cluster, text);
    if (logged != text) LogWarning("spec refused", {{"cluster", spec.cluster}, {"reason", text}});
    logged = text;
    // It stands in no later spec's way: the one that is kept does.
    specs.erase(spec.cluster);
    if (const Spec* kept = node_.spec(spec.cluster)) specs[spec.cluster] = kept;
    return true;
  });
  return allowed;
}

// ---- the loop of performing and observing ----

void Executor::Perform(Acts acts) {
  int rounds = 0;
  do {
    for (const Act& act : acts) {
      std::visit([this](const auto& a) { Do(a); }, act);
    }
    acts.clear();
    if (++rounds > kMaxRounds) {
      LogError("acts bring no rest", {{"rounds", kMaxRounds}});
      break;
    }
    const MonoTime now = now_();
    for (const std::string& name : node_.clusters()) {
      Acts more = node_.Observe(name, See(name, *node_.spec(name)), now);
      acts.insert(acts.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
    }
  } while (!acts.empty());
  Settle();
}

void Executor::Wake() {
  const MonoTime now = now_();
  failures_.Expire(now);
  for (auto& [cluster, pending] : pending_epochs_) {
    if (!pending.under_way && pending.retry_at <= now) WriteEpoch(cluster);
  }
  if (firewall_due_ <= now) SendFirewall();
  Perform(node_.Advance(now));
}

void Executor::Settle() {
  if (const std::optional<std::set<Vip>> vips = record_.NextWrite()) {
    store_->StoreVips(*vips, Guard([this](const absl::Status& s) { OnVipsWritten(s); }));
  }
  ReportWhenDue();
  SetTimer();
  TellStatus();
  const bool reported = stream_ == nullptr || (stream_->Idle() && !node_.ReportDue(now_()));
  if (shutdown_done_ && reported && record_.settled()) std::exchange(shutdown_done_, nullptr)();
}

void Executor::ReportWhenDue() {
  if (stream_ == nullptr || !stream_->Idle()) return;
  const MonoTime now = now_();
  if (!node_.ReportDue(now)) return;
  const Report report = node_.Compose(now);
  for (const ClusterReport& cluster : report.clusters) {
    std::string& logged = logged_refusals_[cluster.cluster];
    if (!cluster.refusal.empty() && logged != cluster.refusal) {
      LogWarning("order refused", {{"cluster", cluster.cluster},
                                   {"epoch", cluster.highest_epoch},
                                   {"reason", cluster.refusal}});
    }
    logged = cluster.refusal;
  }
  stream_->Send(report);
}

void Executor::SetTimer() {
  const bool may_report = stream_ != nullptr && stream_->Idle();
  MonoTime next = std::min({node_.NextDeadline(may_report), failures_.NextExpiry(), firewall_due_});
  for (const auto& [cluster, pending] : pending_epochs_) {
    if (!pending.under_way) next = std::min(next, pending.retry_at);
  }
  wake_at_(next);
}

void Executor::TellStatus() {
  const MonoTime now = now_();
  std::vector<std::string> parts;
  if (shutting_down_) parts.push_back("stopping");
  for (const std::string& name : node_.clusters()) {
    parts.push_back(node_.Holds(name, now)
                        ? absl::StrCat(name, ": active, epoch ", node_.epoch(name))
                        : absl::StrCat(name, ": standby"));
  }
  if (stream_ == nullptr) parts.push_back("no controller is connected");
  std::string status = absl::StrJoin(parts, "; ");
  if (status.empty()) status = "a controller is connected; no cluster yet";
  if (status == last_status_) return;
  last_status_ = status;
  status_changed_(status);
}

Observation Executor::See(const std::string& cluster, const Spec& spec) const {
  Observation seen;
  for (const Vip& vip : spec.vips) {
    const LinkState link = host_->Link(vip.interface);
    seen.vip_present.push_back(host_->HasVip(vip));
    seen.link_usable.push_back(link.usable());
    const std::string obstacle = LinkObstacle(vip.interface, link);
    const bool known =
        std::find(seen.obstacles.begin(), seen.obstacles.end(), obstacle) != seen.obstacles.end();
    if (!obstacle.empty() && !known) seen.obstacles.push_back(obstacle);
  }
  if (const Service* service = FindService(spec.service)) {
    seen.service = service->status();
  } else {
    seen.service.detail = UndefinedService(spec.service);
    seen.obstacles.push_back(UndefinedService(spec.service));
  }
  const auto attempted = start_attempted_.find(cluster);
  if (attempted != start_attempted_.end()) seen.start_attempted = attempted->second;
  for (std::string& text : failures_.Obstacles(cluster)) seen.obstacles.push_back(std::move(text));
  return seen;
}

// ---- acts ----

void Executor::Outcome(const std::string& cluster, const std::string& act,
                       const absl::Status& outcome, Failures::Kind kind) {
  if (outcome.ok()) {
    if (failures_.Clear(cluster, act)) {
      LogInfo("succeeded after failing", {{"cluster", cluster}, {"act", act}});
    }
    return;
  }
  const std::string error(outcome.message());
  if (failures_.Add(cluster, act, error, kind, now_())) {
    LogError(
        "failed",
        {{"cluster", cluster}, {"act", act}, {"epoch", node_.epoch(cluster)}, {"reason", error}});
  }
}

void Executor::Do(const PersistEpoch& act) {
  PendingEpoch& pending = pending_epochs_[act.cluster];
  pending.epoch = std::max(pending.epoch, act.epoch);
  if (!pending.under_way) WriteEpoch(act.cluster);
}

void Executor::WriteEpoch(const std::string& cluster) {
  PendingEpoch& pending = pending_epochs_[cluster];
  pending.under_way = true;
  const uint64_t epoch = pending.epoch;
  store_->StoreEpoch(cluster, epoch, Guard([this, cluster, epoch](const absl::Status& outcome) {
                       OnEpochWritten(cluster, epoch, outcome);
                     }));
}

void Executor::OnEpochWritten(const std::string& cluster, uint64_t epoch,
                              const absl::Status& outcome) {
  Outcome(cluster, "writing the epoch down", outcome, Failures::Kind::kObstacle);
  PendingEpoch& pending = pending_epochs_[cluster];
  pending.under_way = false;
  if (!outcome.ok()) {
    pending.retry_at = now_() + kStoreRetry;
    return Perform({});
  }
  if (pending.epoch > epoch) {
    WriteEpoch(cluster);
  } else {
    pending_epochs_.erase(cluster);
  }
  Perform(node_.EpochStored(cluster, epoch, now_()));
}

void Executor::Do(const AddVip& act) {
  record_.Want(act.vip);
  if (record_.Has(act.vip)) return PutVip(act);
  waiting_adds_.insert_or_assign(act.vip, act);
}

bool Executor::StillWanted(const AddVip& act) const {
  const Spec* spec = node_.spec(act.cluster);
  return !shutting_down_ && spec != nullptr && node_.Holds(act.cluster, now_()) &&
         std::find(spec->vips.begin(), spec->vips.end(), act.vip) != spec->vips.end();
}

void Executor::OnVipsWritten(const absl::Status& outcome) {
  record_.Written(outcome.ok());
  const std::map<Vip, AddVip> waiting = std::exchange(waiting_adds_, {});
  for (const auto& [vip, act] : waiting) {
    Outcome(act.cluster, "writing the vip down", outcome, Failures::Kind::kObstacle);
    if (!StillWanted(act)) continue;
    if (record_.Has(vip)) {
      PutVip(act);
    } else if (outcome.ok()) {
      waiting_adds_.emplace(vip, act);  // it came after this write had begun
    }
  }
  if (!outcome.ok() && shutting_down_) record_.AcceptWhatIs();
  // After another failure the next event comes back here: a write at once would fail as well.
  if (outcome.ok() || shutting_down_) Perform({});
}

void Executor::PutVip(const AddVip& act) {
  const bool was_there = host_->HasVip(act.vip);
  const absl::Status outcome = host_->AddVip(act.vip, act.valid_for);
  Outcome(act.cluster, absl::StrCat("AddVip ", act.vip.ToString()), outcome,
          Failures::Kind::kObstacle);
  if (!outcome.ok()) return;
  const bool again = !put_.insert(act.vip).second;
  if (was_there) return;
  LogInfo("vip added", {{"cluster", act.cluster},
                        {"vip", act.vip.address.ToString()},
                        {"interface", act.vip.interface},
                        {"epoch", node_.epoch(act.cluster)},
                        {"reason", again ? "it had disappeared from the interface"
                                         : "this node holds the lease"}});
}

void Executor::Do(const RemoveVip& act) {
  const bool was_there = host_->HasVip(act.vip);
  waiting_adds_.erase(act.vip);
  const absl::Status outcome = host_->RemoveVip(act.vip);
  Outcome(act.cluster, absl::StrCat("RemoveVip ", act.vip.ToString()), outcome,
          Failures::Kind::kObstacle);
  if (!outcome.ok()) return;
  put_.erase(act.vip);
  if (!was_there) return;
  LogInfo("vip removed", {{"cluster", act.cluster},
                          {"vip", act.vip.address.ToString()},
                          {"interface", act.vip.interface},
                          {"epoch", node_.epoch(act.cluster)},
                          {"reason", act.reason}});
}

void Executor::Do(const Announce& act) {
  Outcome(act.cluster, absl::StrCat("Announce ", act.vip.ToString()), host_->Announce(act.vip),
          Failures::Kind::kLogOnly);
}

void Executor::Do(const StartService& act) {
  start_attempted_[act.cluster] = std::max(start_attempted_[act.cluster], act.attempt);
  Service* service = FindService(act.service);
  LogInfo("service start", {{"cluster", act.cluster},
                            {"service", act.service},
                            {"epoch", node_.epoch(act.cluster)},
                            {"attempt", act.attempt},
                            {"reason", service != nullptr ? "ordered by the controller"
                                                          : "ordered, but it is not defined"}});
  if (service != nullptr) service->Start();
}

void Executor::Do(const StopService& act) {
  LogInfo("service stop", {{"cluster", act.cluster},
                           {"service", act.service},
                           {"epoch", node_.epoch(act.cluster)},
                           {"reason", act.reason}});
  if (Service* service = FindService(act.service)) service->Stop();
}

void Executor::Do(const ApplyFirewall& act) {
  rules_ = act.rules;
  SendFirewall();
}

void Executor::SendFirewall() {
  firewall_sent_ = true;
  firewall_due_ = MonoTime::Infinite();
  host_->ApplyFirewall(rules_, Guard([this](const absl::Status& outcome) {
                         if (absl::IsCancelled(outcome)) return;  // a newer call has replaced it
                         Outcome(kEveryCluster, "applying the firewall rules", outcome,
                                 Failures::Kind::kLogOnly);
                         if (!outcome.ok()) {
                           firewall_due_ = now_() + kFirewallRetry;
                         } else if (!rules_.empty()) {
                           firewall_due_ = now_() + kFirewallInterval;
                         }
                         SetTimer();
                       }));
}

void Executor::Do(const AskWitness& act) {
  absl::StatusOr<IpAddress> address =
      act.witness == kGateway ? host_->DefaultGateway() : IpAddress::Parse(act.witness);
  Outcome(act.cluster, "finding the witness", address.status(), Failures::Kind::kLogOnly);
  if (!address.ok()) return;
  const std::pair<std::string, uint64_t> key(act.cluster, next_ping_++);
  const MonoTime asked = now_();
  pings_[key] =
      icmp_->Start(*address, act.timeout, Guard([this, key, asked](const ProbeResult& result) {
        pings_.erase(key);
        OnWitness(key.first, asked, result);
      }));
}

void Executor::OnWitness(const std::string& cluster, MonoTime asked, const ProbeResult& result) {
  Outcome(cluster, "asking the witness",
          result.good ? absl::OkStatus() : absl::UnavailableError(result.detail),
          Failures::Kind::kLogOnly);
  if (result.good) Perform(node_.WitnessAnswered(cluster, asked, now_()));
}

void Executor::Do(const Note& act) {
  Log(act.warning ? LogLevel::kWarning : LogLevel::kInfo, "lease",
      {{"cluster", act.cluster}, {"epoch", node_.epoch(act.cluster)}, {"reason", act.text}});
}

// ---- services and the end ----

Service* Executor::FindService(const std::string& name) const {
  const auto it = services_.find(name);
  return it == services_.end() ? nullptr : it->second.get();
}

void Executor::OnServiceChange(const std::string& name) {
  const ServiceStatus& status = FindService(name)->status();
  if (ServiceStatus& logged = logged_services_[name]; logged != status) {
    logged = status;
    std::vector<std::string> users;
    for (const std::string& cluster : node_.clusters()) {
      if (node_.spec(cluster)->service == name) users.push_back(cluster);
    }
    const bool bad = status.state == ServiceStatus::State::kFailed ||
                     status.state == ServiceStatus::State::kFailing;
    Log(bad ? LogLevel::kWarning : LogLevel::kInfo, "service",
        {{"cluster", absl::StrJoin(users, ",")},
         {"service", name},
         {"state", ToString(status.state)},
         {"reason", status.detail}});
  }
  Perform({});
}

void Executor::Shutdown(std::function<void()> done) {
  Acts acts = node_.Shutdown(now_());
  shutting_down_ = true;
  shutdown_done_ = std::move(done);
  for (const Act& act : acts) {
    std::visit([this](const auto& a) { Do(a); }, act);
  }
  const std::set<Vip>& recorded = record_.on_disk();
  if (std::none_of(recorded.begin(), recorded.end(),
                   [this](const Vip& vip) { return host_->HasVip(vip); })) {
    record_.WantNone();
  }
  Perform({});
}

}  // namespace hb::executor
