// The executor's acts, done: what the core asks for, on host, disk, services and peers, and what
// becomes of it. The second part of executor.cc.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "executor/executor.h"

namespace hb::executor {
namespace {

constexpr Duration kStoreRetry = absl::Milliseconds(500);
constexpr Duration kFirewallRetry = absl::Seconds(5);
// The rules are applied again this often: somebody may have flushed iptables.
constexpr Duration kFirewallInterval = absl::Seconds(10);
constexpr char kGateway[] = "gateway";
constexpr char kEveryCluster[] = "*";  // in the log, of what is nobody's alone

}  // namespace

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

void Executor::Do(const PersistRecord& act) {
  PendingRecord& pending = pending_records_[act.cluster];
  pending.record = act.record;
  if (!pending.under_way) WriteRecord(act.cluster);
}

void Executor::WriteRecord(const std::string& cluster) {
  PendingRecord& pending = pending_records_[cluster];
  pending.under_way = true;
  const Record record = pending.record;
  store_->StoreRecord(cluster, record, Guard([this, cluster, record](const absl::Status& outcome) {
                        OnRecordWritten(cluster, record, outcome);
                      }));
}

void Executor::OnRecordWritten(const std::string& cluster, const Record& record,
                               const absl::Status& outcome) {
  // It keeps the node from taking over, not from going on.
  Outcome(cluster, "writing the cluster's record", outcome,
          node_.Holds(cluster, now_()) ? Failures::Kind::kLogOnly : Failures::Kind::kObstacle);
  PendingRecord& pending = pending_records_[cluster];
  pending.under_way = false;
  if (!outcome.ok()) {
    pending.retry_at = now_() + kStoreRetry;
    return Perform({});
  }
  if (pending.record == record) {
    pending_records_.erase(cluster);
  } else {
    WriteRecord(cluster);
  }
  Perform(node_.Stored(cluster, record, Tick()));
}

void Executor::Do(const SetGate& act) {
  Outcome(act.cluster, absl::StrCat("SetGate ", act.vip.ToString()),
          host_->SetGate(act.vip, act.lease), Failures::Kind::kObstacle);
}

void Executor::Do(const AskPromise& act) {
  const MonoTime asked = now_();
  peers_->Ask(act, act.d / 2, Guard([this, act, asked](const absl::StatusOr<PromiseReply>& reply) {
                const bool no = reply.ok() && !reply->given;
                Outcome(act.cluster, absl::StrCat("asking ", act.peer.name, " for a promise"),
                        no ? absl::FailedPreconditionError(reply->refusal) : reply.status(),
                        Failures::Kind::kLogOnly);
                if (!reply.ok()) return;
                Perform(node_.PromiseAnswered(act.cluster, act.peer.name, *reply, asked, Tick()));
              }));
}

void Executor::Do(const AnswerPromise& act) {
  const auto it = promise_answers_.find(act.request);
  if (it == promise_answers_.end()) return;
  const std::function<void(const AnswerPromise&)> answer = std::move(it->second);
  promise_answers_.erase(it);
  answer(act);
}

void Executor::Do(const AddVip& act) {
  record_.Want(act.vip);
  if (record_.Has(act.vip)) return PutVip(act);
  waiting_adds_.insert_or_assign(act.vip, act);
}

bool Executor::StillWanted(const AddVip& act) const {
  const Spec* spec = node_.spec(act.cluster);
  return spec != nullptr && node_.Holds(act.cluster, now_()) &&
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
  // After a failure the next event comes back here: a write at once would fail as well.
  if (outcome.ok()) Perform({});
}

void Executor::PutVip(const AddVip& act) {
  const bool was_there = host_->HasVip(act.vip);
  // No address without a gate in front of it (L8).
  absl::Status outcome = host_->ReadGate(act.vip.address.address).status();
  if (outcome.ok() && !gate_obstacles_.empty()) {
    outcome = absl::FailedPreconditionError(gate_obstacles_.front());
  }
  if (outcome.ok()) outcome = host_->AddVip(act.vip, act.valid_for);
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
  if (!IsNamed(act.vip.address.address)) {
    Outcome(act.cluster, absl::StrCat("RemoveGate ", act.vip.address.address.ToString()),
            host_->RemoveGate(act.vip.address.address), Failures::Kind::kLogOnly);
  }
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
  if (result.good) Perform(node_.WitnessAnswered(cluster, asked, Tick()));
}

void Executor::Do(const Note& act) {
  Log(act.warning ? LogLevel::kWarning : LogLevel::kInfo, "lease",
      {{"cluster", act.cluster}, {"epoch", node_.epoch(act.cluster)}, {"reason", act.text}});
}

}  // namespace hb::executor
