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
      peers_(setup.peers),
      allow_(std::move(setup.allow)),
      now_(std::move(setup.now)),
      wait_now_(std::move(setup.wait_now)),
      wake_at_(std::move(setup.wake_at)),
      status_changed_(std::move(setup.status_changed)),
      services_(std::move(setup.services)),
      node_(setup.incarnation, setup.records),
      record_(std::move(setup.recorded_vips)) {
  for (const auto& [cluster, record] : setup.records) known_clusters_.insert(cluster);
  for (const auto& [name, service] : services_) {
    logged_services_[name] = service->status();
    service->OnChange(Guard([this, n = name] { OnServiceChange(n); }));
  }
  host_->OnChange(Guard([this] {
    if (started_) Perform({});
  }));
}

MonoTime Executor::Tick() {
  node_.SetWaitClock(wait_now_());
  return now_();
}

// ---- what an earlier process left ----

absl::Status Executor::Start() {
  // The one that is followed is given its time to come back.
  heard_ = now_();
  const std::map<IpAddress, GateLease> gates = host_->Gates();
  gate_obstacles_ = host_->CheckGate();
  Acts later;
  for (Act& act : node_.Start(gates, Tick())) {
    const auto* gate = std::get_if<SetGate>(&act);
    if (gate == nullptr) {
      later.push_back(std::move(act));
    } else if (absl::Status status = host_->SetGate(gate->vip, gate->lease); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CloseOrphans(gates); !status.ok()) return status;
  if (absl::Status status = RemoveLeftovers(); !status.ok()) return status;
  for (const auto& [vip, lease] : gates) {
    if (IsNamed(vip)) continue;
    if (absl::Status status = host_->RemoveGate(vip); !status.ok()) return status;
  }
  started_ = true;
  Perform(std::move(later));
  return absl::OkStatus();
}

bool Executor::IsNamed(const IpAddress& vip) const {
  for (const std::string& name : node_.clusters()) {
    for (const Vip& own : node_.spec(name)->vips) {
      if (own.address.address == vip) return true;
    }
  }
  return false;
}

absl::Status Executor::CloseOrphans(const std::map<IpAddress, GateLease>& gates) {
  for (const auto& [vip, lease] : gates) {
    if (IsNamed(vip)) continue;
    if (absl::Status status = host_->SetGate(vip, {}); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Executor::RemoveLeftovers() {
  const MonoTime now = Tick();
  std::set<Vip> held;
  for (const std::string& name : node_.clusters()) {
    const std::vector<Vip>& vips = node_.spec(name)->vips;
    if (node_.Holds(name, now)) held.insert(vips.begin(), vips.end());
  }
  const std::set<Vip> recorded = record_.on_disk();
  record_.WantNone();
  for (const Vip& vip : recorded) {
    if (held.contains(vip)) {
      record_.Want(vip);
      put_.insert(vip);
      continue;
    }
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
  return absl::OkStatus();
}

// ---- the controller's stream ----

absl::Status Executor::MayFollow(const std::string& controller) const {
  return node_.CheckController(controller, heard_, now_());
}

void Executor::StreamOpened(Stream* stream, const std::string& controller) {
  stream_ = stream;
  heard_ = Tick();
  node_.StreamOpened(controller);
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
  heard_ = Tick();
  Acts acts = node_.Obey(Allowed(orders), heard_);
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

void Executor::PromiseAsked(PromiseRequest request,
                            std::function<void(const AnswerPromise&)> answer) {
  if (leaving_ ||
      (!known_clusters_.contains(request.cluster) && known_clusters_.size() >= kMaxClusters)) {
    return answer(
        {0, false, 0, false, leaving_ ? "the executor is stopping" : "too many clusters"});
  }
  known_clusters_.insert(request.cluster);
  request.id = next_promise_request_++;
  promise_answers_[request.id] = std::move(answer);
  Perform(node_.PromiseAsked(request, Tick()));
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
    const MonoTime now = Tick();
    gate_obstacles_ = host_->CheckGate();
    for (const std::string& name : node_.clusters()) {
      Acts more = node_.Observe(name, See(name, *node_.spec(name)), now);
      acts.insert(acts.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
    }
  } while (!acts.empty());
  Settle();
}

void Executor::Wake() {
  const MonoTime now = Tick();
  failures_.Expire(now);
  for (auto& [cluster, pending] : pending_records_) {
    if (!pending.under_way && pending.retry_at <= now) WriteRecord(cluster);
  }
  if (firewall_due_ <= now) SendFirewall();
  Perform(node_.Advance(now));
}

void Executor::Settle() {
  if (const std::optional<std::set<Vip>> vips = record_.NextWrite()) {
    store_->StoreVips(*vips, Guard([this](const absl::Status& s) { OnVipsWritten(s); }));
  }
  WatchVips();
  ReportWhenDue();
  SetTimer();
  TellStatus();
  const MonoTime now = now_();
  const bool reported = stream_ == nullptr || (stream_->Idle() && !node_.ReportDue(now));
  if (left_ && node_.MayExit(now) && reported) std::exchange(left_, nullptr)();
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
  for (const auto& [cluster, pending] : pending_records_) {
    if (!pending.under_way) next = std::min(next, pending.retry_at);
  }
  wake_at_(next);
}

void Executor::TellStatus() {
  const MonoTime now = now_();
  std::vector<std::string> parts;
  if (leaving_) parts.push_back("stopping");
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
    const absl::StatusOr<GateLease> gate = host_->ReadGate(vip.address.address);
    seen.gate_closed.push_back(gate.ok() && gate->closed(now_()));
    const std::string obstacle = LinkObstacle(vip.interface, link);
    const bool known =
        std::find(seen.obstacles.begin(), seen.obstacles.end(), obstacle) != seen.obstacles.end();
    if (!obstacle.empty() && !known) seen.obstacles.push_back(obstacle);
  }
  seen.gate_stands = gate_obstacles_.empty();
  seen.obstacles.insert(seen.obstacles.end(), gate_obstacles_.begin(), gate_obstacles_.end());
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
  if (started_) Perform({});
}

void Executor::Leave(std::function<void()> done) {
  leaving_ = true;
  left_ = std::move(done);
  Perform(node_.Leave(Tick()));
}

void Executor::WatchVips() {
  std::set<Vip> vips;
  for (const std::string& name : node_.clusters()) {
    const std::vector<Vip>& own = node_.spec(name)->vips;
    vips.insert(own.begin(), own.end());
  }
  if (vips == watched_) return;
  watched_ = vips;
  host_->WatchConflicts(vips, Guard([this](const Conflict& conflict) {
                          Perform(node_.ConflictSeen(conflict, Tick()));
                        }));
}

}  // namespace hb::executor
