// Feeds the executor's core (executor/core/node.h) what a controller, other nodes, the disk, the
// kernel and the clock may bring, in any order and at any time. The shell around it (what is done
// with its acts) is a small one that obeys the header; what arrives from outside is as hostile as
// executor/wire lets through. After every call it holds what the node did against a lease account
// of its own, looser than the node's: the gate is never open for longer than what was granted,
// promised or witnessed allows, never under an epoch that is not on disk, never where an address is
// promised away; epochs never fall; a promise is given only once it is on disk; deadlines that are
// due are done with.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "executor/core/node.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/node_input.h"
#include "tests/fuzz/node_text.h"

namespace hb::executor {
namespace {

using fuzz::Check;
using State = ServiceStatus::State;

constexpr int kMaxSteps = 2000;
constexpr int kMaxRounds = 32;       // as in the executor: acts that bring acts
constexpr int kMaxWakesAtOnce = 16;  // a deadline that is due may bring the next
constexpr uint64_t kIncarnation = 7;

class NodeRun {
 public:
  explicit NodeRun(ByteSource bytes) : bytes_(bytes) {
    const std::map<std::string, Record> records = ReadRecords(bytes_);
    node_.emplace(kIncarnation, records);
    for (const auto& [name, record] : records) {
      Account& account = accounts_[name];
      account.on_disk = record;
      account.highest = record.epoch;
      if (!record.spec) continue;
      for (const Vip& vip : record.spec->vips) {
        if (record.longest_promise > absl::ZeroDuration()) {
          Bind(vip.address.address, record.longest_promise);
        }
      }
    }
    Begin();
  }

  void Run() {
    for (int step = 0; step < kMaxSteps && !bytes_.empty(); ++step) Act();
  }

 private:
  using Question = std::pair<AskPromise, MonoTime>;  // and when

  // What is known of a cluster without asking the node.
  struct Account {
    Record on_disk;
    std::optional<Record> asked;  // of the disk; the newest
    uint64_t highest = 0;         // that was reported
    Duration longest_ttl;         // of the ACTIVE orders so far
    bool force = false;           // an order said so
    bool hold = false;            // a spec's policy
    MonoTime granted;             // until when a lease may run by orders
    MonoTime extended;            // by promises and the witness
    uint64_t adopted_epoch = 0;
    std::map<std::string, MonoTime> promised;  // by peer
    std::deque<Question> questions;            // to peers
    ReportId void_before;
    bool held = false;
    uint64_t start_attempted = 0;
  };

  // ---- what is there at the start ----

  void Begin() {
    std::map<IpAddress, GateLease> gates;
    const uint8_t which = bytes_.Byte();
    for (size_t i = 0; i < 8; ++i) {
      if ((which >> i & 1) == 0) continue;
      // As an executor before this one wrote it.
      GateLease gate;
      gate.ttl = bytes_.Pick(kTtls);
      gate.until = now_ + std::min(bytes_.Pick(kWaits), gate.ttl);
      gate.epoch = bytes_.Number();
      gates[Address(i)] = gate;
      for (auto& [name, account] : accounts_) {
        account.granted = std::max(account.granted, gate.until);
        account.adopted_epoch = std::max(account.adopted_epoch, gate.epoch);
        account.longest_ttl = std::max(account.longest_ttl, gate.ttl);
        account.hold = account.hold ||
                       (account.on_disk.spec && account.on_disk.spec->on_expiry == OnExpiry::kHold);
      }
    }
    gates_ = gates;
    SetClock();
    Perform(node_->Start(gates, now_));
    begun_ = true;
    // The executor closes and removes what no spec names.
    for (auto it = gates_.begin(); it != gates_.end();) {
      it = Named(it->first) ? std::next(it) : gates_.erase(it);
    }
  }

  bool Named(const IpAddress& vip) const {
    for (const std::string& name : node_->clusters()) {
      for (const Vip& own : node_->spec(name)->vips) {
        if (own.address.address == vip) return true;
      }
    }
    return false;
  }

  // ---- what may come ----

  void Act() {
    const uint8_t what = bytes_.Byte();
    const size_t i = (what >> 5) % kClusters;
    const std::string name = ClusterName(i);
    if (fuzz::Tracing()) {
      fuzz::Say(absl::StrCat("at ", absl::FormatDuration(now_ - MonoTime()), " input ", what & 31,
                             " for ", name));
    }
    switch (what & 31) {
      case 0:
      case 1:
        return Wait(bytes_.Pick(kWaits));
      case 2:
      case 3: {
        const MonoTime next = node_->NextDeadline((what & 32) == 0);
        if (next != MonoTime::Infinite() && next > now_) Wait(next - now_);
        return Wake();
      }
      case 4:  // the waiting clock stands still, or the process stood still
        if ((what & 32) == 0) {
          frozen_ = frozen_ + bytes_.Pick(kWaits);
        } else {
          now_ = now_ + bytes_.Pick(kWaits);
        }
        return SetClock();
      case 5:
        node_->StreamOpened((what & 32) == 0 ? "one" : "two");
        streaming_ = true;
        stamps_.clear();
        return Compose();
      case 6:
        node_->StreamClosed();
        streaming_ = false;
        return stamps_.clear();
      case 7:
      case 8:
        return Compose();
      case 9:
      case 10:
      case 11:
      case 12:
        return Obey(i);
      case 13:
      case 14:
      case 15:
        return AnswerDisk(i);
      case 16:
        return services_.insert_or_assign("website", State::kRunning), Perform({});
      case 17: {
        const bool website = (what & 32) == 0;
        services_[website ? "website" : "mail"] = static_cast<State>(bytes_.Below(6));
        return Perform({});
      }
      case 18:
        SetClock();
        return Perform(node_->Observe(name, ReadObservation(bytes_), now_));
      case 19:  // somebody else changes an address
        if (const Spec* spec = node_->spec(name)) {
          const Vip& vip = spec->vips[0];
          if (vips_.erase(vip) == 0) vips_.insert(vip);
        }
        return Perform({});
      case 20:
        return Witness(name);
      case 21:
        return AskThisNode(i);
      case 22:
      case 23:
        return AnswerPeer(name);
      case 24: {
        const Vip vip{{Address(bytes_.Below(8)), 24}, "eth0"};
        SetClock();
        return Perform(node_->ConflictSeen({vip, "02:68:62:00:00:09"}, now_));
      }
      case 25:
        return node_->Refuse(name, (what & 32) == 0 ? "" : "refused");
      case 26:
        SetClock();
        return Perform(node_->Leave(now_));
      case 27:
        host_fails_ = !host_fails_;
        return;
      case 28:
        gate_stands_ = !gate_stands_;
        return Perform({});
      case 29:
        link_usable_ = !link_usable_;
        return Perform({});
      default:
        (void)node_->MayExit(now_);
        return (void)node_->CheckController("two", now_ - bytes_.Pick(kWaits), now_).ok();
    }
  }

  void Wait(Duration d) {
    now_ = now_ + d;
    Wake();
  }

  void SetClock() { node_->SetWaitClock(WaitNow()); }
  MonoTime WaitNow() const { return std::max(now_ - frozen_, MonoTime() + absl::Seconds(1)); }

  // The timer, as the shell sets it.
  void Wake() {
    for (int i = 0; i == 0 || node_->NextDeadline(false) <= now_; ++i) {
      Check(i < kMaxWakesAtOnce, "a deadline that is due again and again");
      SetClock();
      Perform(node_->Advance(now_));
    }
    if (node_->ReportDue(now_)) Compose();
    Check(node_->NextDeadline() > now_, "a deadline that is due after everything is done");
  }

  void Compose() {
    if (!streaming_) return;
    const Report report = node_->Compose(now_);
    Check(report.number > newest_report_, "a report's number falls");
    newest_report_ = report.number;
    stamps_[report.number] = now_;
    Check(report.clusters.size() <= kClusters, "more clusters than there are");
    for (const ClusterReport& cluster : report.clusters) {
      Account& account = accounts_[cluster.cluster];
      Check(cluster.highest_epoch >= account.highest, "L4: the highest epoch falls");
      Check(cluster.highest_epoch >= cluster.epoch, "L4: a lease above the highest epoch");
      account.highest = cluster.highest_epoch;
      const ReportId next{kIncarnation, newest_report_ + 1};
      Check(cluster.void_before <= next, "L3: orders that answer reports to come are void");
      Check(cluster.void_before >= account.void_before, "L3: what is void falls");
      account.void_before = cluster.void_before;
    }
  }

  void Obey(size_t i) {
    Orders orders;
    const uint8_t flags = bytes_.Byte();
    const uint64_t age = flags & 3;
    orders.answers = {kIncarnation - ((flags & 0xc) == 0xc ? 1 : 0),
                      newest_report_ > age ? newest_report_ - age : 0};
    if ((flags & 0x10) != 0) orders.heartbeat = absl::Milliseconds(10 + 37 * bytes_.Byte());
    if ((flags & 0x20) != 0) orders.specs.push_back(ReadSpec(bytes_, i));
    if ((flags & 0x40) != 0) orders.orders.push_back(ReadOrder(i));
    if ((flags & 0x80) != 0) {
      const uint8_t more = bytes_.Byte();
      if ((more & 3) == 3) orders.forget.push_back(ClusterName((more >> 2) % kClusters));
      if ((more & 0x10) != 0 && i + 1 < kClusters) orders.orders.push_back(ReadOrder(i + 1));
    }
    if (fuzz::Tracing()) fuzz::Say(ToText(orders));
    NoteOrders(orders);
    SetClock();
    Perform(node_->Obey(orders, now_));
  }

  Order ReadOrder(size_t i) {
    Order order;
    order.cluster = ClusterName(i);
    const uint8_t flags = bytes_.Byte();
    order.active = (flags & 1) != 0;
    const Spec* spec = node_->spec(order.cluster);
    order.spec_revision =
        (flags & 2) != 0 || spec == nullptr ? 1 + (flags >> 2 & 3) : spec->revision;
    order.epoch = (flags & 0x10) != 0 ? 1 + bytes_.Number() % kMaxEpoch
                                      : std::max<uint64_t>(accounts_[order.cluster].highest, 1);
    if (order.active) order.ttl = bytes_.Pick(kTtls);
    order.service_running = (flags & 0x20) == 0;
    order.start_attempt = (flags & 0x40) != 0 ? bytes_.Number() : 0;
    if ((flags & 0x80) != 0) {
      const uint8_t more = bytes_.Byte();
      order.on_leave = static_cast<OnLeave>(more % 3);
      order.force = (more & 0x80) != 0;
    }
    return order;
  }

  // What these orders may allow at most.
  void NoteOrders(const Orders& orders) {
    if (!streaming_) return;
    for (const Spec& spec : orders.specs) {
      Account& account = accounts_[spec.cluster];
      account.hold = account.hold || spec.on_expiry == OnExpiry::kHold;
    }
    for (const Order& order : orders.orders) {
      Account& account = accounts_[order.cluster];
      if (!order.active) continue;
      account.longest_ttl = std::max(account.longest_ttl, order.ttl);
      account.force = account.force || order.force;
    }
    const auto stamp = stamps_.find(orders.answers.number);
    if (stamp == stamps_.end() || orders.answers.incarnation != kIncarnation) return;
    for (auto& [name, account] : accounts_) {
      account.granted = std::max(account.granted, stamp->second + account.longest_ttl);
    }
  }

  void AnswerDisk(size_t i) {
    const std::string name = ClusterName(i);
    Account& account = accounts_[name];
    if (!account.asked) return;
    account.on_disk = *account.asked;
    account.asked.reset();
    const Record record = account.on_disk;
    SetClock();
    Perform(node_->Stored(name, record, now_));
  }

  void Witness(const std::string& name) {
    Account& account = accounts_[name];
    const MonoTime asked = now_ - bytes_.Pick(kWaits);
    account.extended = std::max(account.extended, asked + account.longest_ttl);
    SetClock();
    Perform(node_->WitnessAnswered(name, asked, now_));
  }

  void AskThisNode(size_t i) {
    const uint8_t flags = bytes_.Byte();
    PromiseRequest request;
    request.id = ++newest_request_;
    request.cluster = ClusterName(i);
    request.from = "p";
    request.epoch = (flags & 1) != 0 ? bytes_.Number()
                                     : std::max<uint64_t>(accounts_[request.cluster].highest, 1);
    request.d = (flags & 2) != 0 ? absl::Seconds(61) : bytes_.Pick(kTtls);
    const size_t vips = 1 + (flags >> 2 & 1);
    for (size_t v = 0; v < vips; ++v) request.vips.push_back(Address((flags >> 3) % 8 + v));
    requests_[request.id] = request;
    SetClock();
    Perform(node_->PromiseAsked(request, now_));
  }

  void AnswerPeer(const std::string& name) {
    Account& account = accounts_[name];
    if (account.questions.empty()) return;
    const auto [question, asked] = account.questions.front();
    account.questions.pop_front();
    const uint8_t flags = bytes_.Byte();
    PromiseReply reply;
    reply.given = (flags & 1) == 0;
    reply.epoch = question.epoch;
    reply.d = question.d;
    reply.holding = (flags & 2) != 0;
    reply.highest_epoch = (flags & 4) != 0 ? bytes_.Number() : 0;
    if (reply.given) {
      MonoTime& until = account.promised[question.peer.name];
      until = std::max(until, asked + reply.d);
      MonoTime all = MonoTime::Infinite();
      const Spec* spec = node_->spec(name);
      const size_t peers = spec == nullptr ? 0 : spec->peers.size();
      for (size_t i = 0; i < peers; ++i) all = std::min(all, account.promised[spec->peers[i].name]);
      if (peers > 0) account.extended = std::max(account.extended, all);
    }
    SetClock();
    Perform(node_->PromiseAnswered(name, question.peer.name, reply, asked, now_));
  }

  // ---- the shell ----

  void Perform(Acts acts) {
    int rounds = 0;
    do {
      Check(acts.size() <= 256, "too many acts of one call");
      for (const executor::Act& act : acts) {
        if (fuzz::Tracing()) fuzz::Say(absl::StrCat("    ", ToText(act, now_)));
        std::visit([this](const auto& a) { Do(a); }, act);
      }
      acts.clear();
      JudgeState();
      Check(++rounds <= kMaxRounds, "acts bring no rest");
      SetClock();
      for (const std::string& name : node_->clusters()) {
        for (executor::Act& act : node_->Observe(name, See(name), now_)) {
          acts.push_back(std::move(act));
        }
      }
    } while (!acts.empty());
    JudgeState();
  }

  Observation See(const std::string& name) {
    const Spec& spec = *node_->spec(name);
    Observation seen;
    for (const Vip& vip : spec.vips) {
      seen.vip_present.push_back(vips_.count(vip) != 0);
      seen.link_usable.push_back(link_usable_);
      const auto gate = gates_.find(vip.address.address);
      seen.gate_closed.push_back(gate != gates_.end() && gate->second.closed(now_));
    }
    seen.gate_stands = gate_stands_;
    seen.service.state = services_[spec.service];
    seen.start_attempted = accounts_[name].start_attempted;
    return seen;
  }

  void Do(const PersistRecord& act) {
    Account& account = accounts_[act.cluster];
    const uint64_t before =
        std::max(account.on_disk.epoch, account.asked ? account.asked->epoch : 0);
    Check(act.record.epoch >= before, "L4: the epoch on disk falls");
    account.asked = act.record;
  }

  void Do(const SetGate& act) {
    gates_[act.vip] = act.lease;
    if (act.lease.closed(now_)) return;
    const Account& account = accounts_[act.cluster];
    Check(act.lease.until <= now_ + kMaxTtl, "L8: the gate is open for longer than any lease");
    Check(account.hold || act.lease.until <= std::max(account.granted, account.extended),
          "L8: the gate is open for longer than the lease");
    Check(account.longest_ttl > absl::ZeroDuration(), "the gate is open, and nothing was granted");
    Check(act.lease.epoch <= std::max(account.on_disk.epoch, account.adopted_epoch),
          "L4: the gate is open under an epoch that is not on disk");
  }

  void Do(const AskPromise& act) {
    std::deque<Question>& questions = accounts_[act.cluster].questions;
    Check(act.d > absl::ZeroDuration() && act.d <= kMaxTtl && !act.vips.empty() && act.epoch != 0,
          "a promise is asked for that every node refuses");
    questions.emplace_back(act, now_);
    if (questions.size() > 8) questions.pop_front();
  }

  void Do(const AnswerPromise& act) {
    const auto it = requests_.find(act.request);
    Check(it != requests_.end(), "a promise is answered twice");
    const PromiseRequest request = it->second;
    requests_.erase(it);
    if (!act.given) return Check(!act.refusal.empty(), "a promise is refused without a reason");
    const Record& on_disk = accounts_[request.cluster].on_disk;
    Check(on_disk.epoch >= request.epoch && on_disk.longest_promise >= request.d,
          "L6: a promise is given that is not on disk");
    for (const IpAddress& vip : request.vips) {
      Bind(vip, request.d);
      const auto gate = gates_.find(vip);
      Check(gate == gates_.end() || gate->second.closed(now_),
            "L6: an address is promised whose gate is open");
    }
    Check(!node_->Holds(request.cluster, now_), "L6: a promise is given by a holder");
  }

  void Bind(const IpAddress& vip, Duration d) {
    MonoTime& until = bonds_[vip];
    until = std::max(until, WaitNow() + WithClockMargin(d));
  }

  void Do(const AddVip& act) {
    Check(gates_.count(act.vip.address.address) != 0, "L8: an address precedes its gate's entry");
    Check(act.valid_for > absl::ZeroDuration() && act.valid_for <= kMaxTtl + absl::Seconds(2),
          "an address without an end");
    if (!host_fails_) vips_.insert(act.vip);
  }
  void Do(const RemoveVip& act) {
    Check(!act.reason.empty(), "an address is removed without a reason");
    if (!host_fails_) vips_.erase(act.vip);
  }
  void Do(const Announce& act) {
    const auto gate = gates_.find(act.vip.address.address);
    Check(gate != gates_.end(), "an address is announced that has no gate");
    if (!node_->Holds(act.cluster, now_)) {
      Check(gate->second.closed(now_), "an address is announced through an open gate");
    }
  }
  void Do(const StartService& act) {
    Account& account = accounts_[act.cluster];
    Check(act.attempt > 0, "a service is started that nobody has ordered to");
    account.start_attempted = std::max(account.start_attempted, act.attempt);
    services_[act.service] = host_fails_ ? State::kFailed : State::kRunning;
  }
  void Do(const StopService& act) {
    services_[act.service] = host_fails_ ? State::kFailing : State::kStopped;
  }
  void Do(const ApplyFirewall& /*act*/) {}
  void Do(const AskWitness& act) {
    Check(!act.witness.empty() && act.timeout > absl::ZeroDuration(), "no witness is asked");
  }
  void Do(const Note& act) { Check(!act.text.empty(), "a note says nothing"); }

  // ---- what must hold ----

  void JudgeState() {
    for (auto& [name, account] : accounts_) {
      const bool holds = node_->Holds(name, now_);
      Check(!holds || account.hold || now_ < std::max(account.granted, account.extended),
            "L1: a lease that nobody granted");
      const Spec* spec = node_->spec(name);
      Check(!holds || spec != nullptr, "a lease without a spec");
      if (spec == nullptr) continue;
      const bool begins = holds && !std::exchange(account.held, holds);
      for (const Vip& vip : spec->vips) {
        const auto bond = bonds_.find(vip.address.address);
        const bool bound = bond != bonds_.end() && WaitNow() < bond->second;
        Check(!begins || !bound || account.force || !begun_,
              "L6: a lease begins that was promised away");
        const auto gate = gates_.find(vip.address.address);
        Check(gate == gates_.end() || gate->second.closed(now_) || holds,
              "L8: the gate is open without a lease");
      }
    }
  }

  ByteSource bytes_;
  MonoTime now_ = MonoTime() + absl::Hours(100);
  Duration frozen_;
  std::optional<Node> node_;
  std::map<std::string, Account> accounts_;
  std::map<IpAddress, MonoTime> bonds_;
  std::map<IpAddress, GateLease> gates_;
  std::set<Vip> vips_;
  std::map<std::string, State> services_;
  bool begun_ = false;
  bool streaming_ = false;
  bool host_fails_ = false;
  bool gate_stands_ = true;
  bool link_usable_ = true;
  std::map<uint64_t, MonoTime> stamps_;  // of this stream's reports
  uint64_t newest_report_ = 0;
  uint64_t newest_request_ = 0;
  std::map<uint64_t, PromiseRequest> requests_;
};

}  // namespace
}  // namespace hb::executor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hb::executor::NodeRun(hb::fuzz::ByteSource(data, size)).Run();
  return 0;
}
