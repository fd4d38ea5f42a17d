// A simulated node: its kernel (gate, addresses), its service, its disk, and around the real core
// what executor/executor.cc does with a real host.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/world.h"

namespace hb::sim {
namespace {

using executor::ServiceStatus;
using State = ServiceStatus::State;

constexpr int kMaxRounds = 32;
constexpr Time kRecordRetry = 500 * kMillisecond;

const IpAddress& VipAddress(int i) {
  static const IpAddress kAddresses[] = {IpAddress::Parse("192.0.2.111").value(),
                                         IpAddress::Parse("2001:db8::111").value()};
  return kAddresses[i];
}

int VipIndex(const IpAddress& address) { return address == VipAddress(0) ? 0 : 1; }

}  // namespace

executor::Spec World::SpecFor(const ControllerProcess& c, int n) const {
  const Config& config = this->config(c);
  executor::Spec spec;
  spec.cluster = kCluster;
  for (int i = 0; i < config.vips; ++i) {
    spec.vips.push_back({{VipAddress(i), i == 0 ? 24 : 64}, "eth0"});
  }
  spec.service = "site";
  spec.on_expiry = config.on_expiry;
  if (config.on_expiry == OnExpiry::kWitness) {
    spec.witness = "gateway";
    spec.witness_interval = absl::Nanoseconds(config.witness_interval);
  }
  uint64_t revision = 1;
  for (int i = 0; i < plan_.nodes; ++i) {
    if ((config.members >> i & 1U) == 0) continue;
    revision += uint64_t{1} << (8U + static_cast<uint32_t>(i));
    if (i != n) spec.peers.push_back({HostName(i), HostName(i)});
  }
  revision += static_cast<uint64_t>(config.on_expiry) << 20U;
  spec.revision = revision * 16 + static_cast<uint64_t>(n);
  return spec;
}

MonoTime World::TickNode(int n) {
  Node& node = nodes_[n];
  const MonoTime now = BootTime(n);
  node.core->SetWaitClock(node.wait.Advance(now, hosts_[n].clock.RawTime(now_)));
  return now;
}

// ---- the process ----

void World::StartExecutor(int n) {
  Node& node = nodes_[n];
  if (node.running || !hosts_[n].up || node.disk_full) return;
  ++node.generation;
  node.running = true;
  node.paused = node.leaving = node.writing = node.disk_failed = false;
  node.to_write.reset();
  node.stream.reset();
  node.requests.clear();
  node.start_attempted = 0;
  node.timer = kNever;
  node.wait = WaitClock();
  node.core = std::make_unique<executor::Node>(++node.incarnation, node.records);
  if (tracing()) Say(absl::StrCat(HostName(n), ": executor starts"));
  std::map<IpAddress, executor::GateLease> gates;
  for (int i = 0; i < 2; ++i) {
    if (node.vips[i].gate) gates[VipAddress(i)] = *node.vips[i].gate;
  }
  const MonoTime now = TickNode(n);
  node.heard = now;
  executor::Acts later;
  for (executor::Act& act : node.core->Start(gates, now)) {
    if (std::holds_alternative<executor::SetGate>(act)) {
      Do_(n, act);
    } else {
      later.push_back(std::move(act));
    }
  }
  // Orphans are closed, leftovers taken off.
  const executor::Spec* spec = node.core->spec(kCluster);
  for (int i = 0; i < 2; ++i) {
    const bool named = spec != nullptr && i < static_cast<int>(spec->vips.size());
    if (!named && node.vips[i].gate) node.vips[i].gate = executor::GateLease{};
    if (!named || !node.core->Holds(kCluster, now)) node.vips[i].present = false;
    if (!named) node.vips[i].gate.reset();
  }
  Perform(n, std::move(later));
}

void World::KillExecutor(int n, bool say_so) {
  Node& node = nodes_[n];
  if (!node.running) return;
  // What was being written may have got there.
  if (node.writing && !node.disk_full && dice_.OneIn(2)) {
    node.records[kCluster] = node.being_written;
    node.highest_epoch = node.being_written.epoch;
  }
  node.running = false;
  node.paused = false;
  ++node.generation;
  node.stream.reset();
  node.backlog.clear();
  CloseStreams(-1, n, say_so);
  node.core.reset();
}

void World::LeaveExecutor(int n) {
  Node& node = nodes_[n];
  if (!node.running || node.paused || node.leaving || hosts_[n].frozen) return;
  node.leaving = true;
  Perform(n, node.core->Leave(TickNode(n)));
}

// ---- acts ----

void World::Perform(int n, executor::Acts acts) {
  Node& node = nodes_[n];
  int rounds = 0;
  do {
    for (const executor::Act& act : acts) Do_(n, act);
    acts.clear();
    if (++rounds > kMaxRounds) return Fail("no-rest", "acts bring no rest");
    if (node.core->spec(kCluster) != nullptr) {
      acts = node.core->Observe(kCluster, See(n), TickNode(n));
    }
  } while (!acts.empty());
  Settle(n);
}

void World::Do_(int n, const executor::Act& act) {
  Node& node = nodes_[n];
  const MonoTime now = BootTime(n);
  if (const auto* gate = std::get_if<executor::SetGate>(&act)) {
    std::optional<executor::GateLease>& written = node.vips[VipIndex(gate->vip)].gate;
    const bool goes_on = written && !written->closed(now) && written->epoch == gate->lease.epoch;
    written = gate->lease;
    if (!gate->lease.closed(now)) {
      if (!goes_on && gate->lease.epoch < node.highest_epoch) {
        Fail("stale-epoch", absl::StrCat(HostName(n), " opens its gate under epoch ",
                                         gate->lease.epoch, ", its disk has ", node.highest_epoch));
      }
      CheckOpened(n, goes_on);
    }
  } else if (const auto* persist = std::get_if<executor::PersistRecord>(&act)) {
    node.to_write = persist->record;
    if (!node.writing) WriteRecord(n);
  } else if (const auto* add = std::get_if<executor::AddVip>(&act)) {
    Vip& vip = node.vips[VipIndex(add->vip.address.address)];
    if (!vip.gate) Fail("address-before-gate", HostName(n));
    if (!node.link_up) return;
    vip.present = true;
    vip.valid_until = now + add->valid_for;
    CheckOpened(n, true);
  } else if (const auto* remove = std::get_if<executor::RemoveVip>(&act)) {
    Vip& vip = node.vips[VipIndex(remove->vip.address.address)];
    vip.present = false;
    const executor::Spec* spec = node.core->spec(kCluster);
    const bool named =
        spec != nullptr &&
        std::any_of(spec->vips.begin(), spec->vips.end(), [&](const executor::Vip& own) {
          return own.address.address == remove->vip.address.address;
        });
    if (!named) vip.gate.reset();
  } else if (const auto* start = std::get_if<executor::StartService>(&act)) {
    node.start_attempted = std::max(node.start_attempted, start->attempt);
    StartService(n);
  } else if (std::holds_alternative<executor::StopService>(act)) {
    StopService(n);
  } else if (std::holds_alternative<executor::AskWitness>(act)) {
    if (PacketPasses(n, kWitnessHost) && PacketPasses(kWitnessHost, n)) {
      Post(now_ + Latency(), Do::kNodeWitness, n, node.generation,
           static_cast<uint64_t>(now.nanoseconds()));
    }
  } else if (const auto* ask = std::get_if<executor::AskPromise>(&act)) {
    AskPromise(n, *ask);
  } else if (const auto* answer = std::get_if<executor::AnswerPromise>(&act)) {
    AnswerPromise(n, *answer);
  } else if (const auto* note = std::get_if<executor::Note>(&act)) {
    if (tracing()) Say(absl::StrCat(HostName(n), ": ", note->text));
  }
}

executor::Observation World::See(int n) {
  Node& node = nodes_[n];
  ExpireAddresses(n);
  const MonoTime now = BootTime(n);
  executor::Observation seen;
  const size_t vips = node.core->spec(kCluster)->vips.size();
  for (size_t i = 0; i < vips; ++i) {
    seen.vip_present.push_back(node.vips[i].present);
    seen.link_usable.push_back(node.link_up);
    seen.gate_closed.push_back(node.vips[i].gate && node.vips[i].gate->closed(now));
  }
  if (!node.link_up) seen.obstacles.emplace_back("eth0 has no carrier: check the cable");
  if (node.disk_failed && !node.core->Holds(kCluster, now)) {
    seen.obstacles.emplace_back("writing the cluster's record: No space left on device");
  }
  seen.service.state = node.service;
  seen.start_attempted = node.start_attempted;
  return seen;
}

void World::ExpireAddresses(int n) {
  for (Vip& vip : nodes_[n].vips) {
    if (vip.present && BootTime(n) >= vip.valid_until) vip.present = false;
  }
}

void World::Settle(int n) {
  Node& node = nodes_[n];
  const MonoTime now = BootTime(n);
  if (node.stream && node.core->ReportDue(now)) {
    Message message;
    message.kind = Message::Kind::kReport;
    message.report = node.core->Compose(now);
    Send(*node.stream, 1, std::move(message));
  }
  if (node.leaving && node.core->MayExit(now)) return KillExecutor(n, true);
  MonoTime next = node.core->NextDeadline(node.stream.has_value());
  for (const Vip& vip : node.vips) {
    if (vip.present) next = std::min(next, vip.valid_until);
  }
  const Time due = hosts_[n].clock.WhenBootTime(next, now_);
  if (due >= node.timer) return;
  node.timer = due;
  Post(due, Do::kNodeTimer, n, node.generation);
}

// ---- disk, service ----

void World::WriteRecord(int n) {
  Node& node = nodes_[n];
  node.writing = true;
  node.being_written = *node.to_write;
  Post(now_ + Takes(100'000, 4 * kMillisecond), Do::kRecordWritten, n, node.generation);
}

void World::StartService(int n) {
  Node& node = nodes_[n];
  if (node.service == State::kRunning || node.service == State::kStarting) return;
  ++node.service_generation;
  node.hung = false;
  node.service = State::kStarting;
  Post(now_ + Takes(5 * kMillisecond, 700 * kMillisecond), Do::kServiceStep, n,
       node.service_generation,
       static_cast<uint64_t>(node.broken ? State::kFailed : State::kRunning));
}

void World::StopService(int n) {
  Node& node = nodes_[n];
  if (node.service == State::kStopped || node.service == State::kStopping) return;
  ++node.service_generation;
  node.service = State::kStopping;
  Post(now_ + Takes(5 * kMillisecond, 100 * kMillisecond), Do::kServiceStep, n,
       node.service_generation, static_cast<uint64_t>(State::kStopped));
}

void World::SetService(int n, State state) {
  Node& node = nodes_[n];
  if (node.service == state) return;
  node.service = state;
  if (tracing()) Say(absl::StrCat(HostName(n), ": service is ", executor::ToString(state)));
  if (!node.running) return;
  if (node.paused || hosts_[n].frozen) {  // it sees it when it goes on
    node.backlog.push_back({now_, 0, Do::kNodeTimer, n, node.generation, 0, kForced});
    return;
  }
  Perform(n, {});
}

// ---- events ----

void World::NodeHears(int n, uint64_t stream_id, Message& message) {
  Node& node = nodes_[n];
  Stream& stream = streams_[stream_id];
  if (!node.running) {
    // Nobody listens: the kernel resets the connection.
    if (message.kind == Message::Kind::kHello) {
      Send(stream_id, 1, {Message::Kind::kClose, {}, {}});
    }
    return;
  }
  switch (message.kind) {
    case Message::Kind::kHello: {
      const std::string& identity = controllers_[stream.controller].store.identity;
      if (!node.core->CheckController(identity, node.heard, BootTime(n)).ok()) {
        return Send(stream_id, 1, {Message::Kind::kRefused, {}, {}});
      }
      if (node.stream) Send(*node.stream, 1, {Message::Kind::kClose, {}, {}});
      node.stream = stream_id;
      stream.node_open = true;
      Send(stream_id, 1, {Message::Kind::kHelloReply, {}, {}});
      node.heard = TickNode(n);
      node.core->StreamOpened(identity);
      Perform(n, {});
      return;
    }
    case Message::Kind::kOrders:
      if (node.stream != stream_id) return;
      node.heard = TickNode(n);
      Perform(n, node.core->Obey(message.orders, node.heard));
      return;
    case Message::Kind::kClose:
      if (node.stream != stream_id) return;
      node.stream.reset();
      node.core->StreamClosed();
      return Settle(n);
    case Message::Kind::kHelloReply:
    case Message::Kind::kReport:
    case Message::Kind::kRefused:
      return;
  }
}

void World::HandleNode(const Event& event) {
  const int n = event.who;
  Node& node = nodes_[n];
  if (event.what == Do::kServiceStep) {
    if (!hosts_[n].up || event.generation != node.service_generation) return;
    if (hosts_[n].frozen) return hosts_[n].backlog.push_back(event);
    return SetService(n, static_cast<State>(event.data));
  }
  const bool question = event.what == Do::kPromiseAsked;
  if (!node.running || (!question && event.generation != node.generation)) {
    if (question) promises_.erase(event.data);
    return;
  }
  if (node.paused || hosts_[n].frozen) {
    node.backlog.push_back(event);
    return;
  }
  switch (event.what) {
    case Do::kNodeTimer:
      if (event.at != node.timer && event.more != kForced) return;  // a later one stands for it
      node.timer = kNever;
      return Perform(n, node.core->Advance(TickNode(n)));
    case Do::kRecordWritten: {
      node.writing = false;
      node.disk_failed = node.disk_full;
      if (node.disk_full) {
        Post(now_ + kRecordRetry, Do::kRecordRetry, n, node.generation);
        return Perform(n, {});
      }
      const executor::Record record = node.being_written;
      node.records[kCluster] = record;
      if (record.epoch < node.highest_epoch) {
        Fail("epoch-fell", absl::StrCat(HostName(n), "'s disk goes from epoch ", node.highest_epoch,
                                        " to ", record.epoch));
      }
      node.highest_epoch = record.epoch;
      if (node.to_write == record) {
        node.to_write.reset();
      } else {
        WriteRecord(n);
      }
      return Perform(n, node.core->Stored(kCluster, record, TickNode(n)));
    }
    case Do::kRecordRetry:
      if (node.to_write && !node.writing) WriteRecord(n);
      return;
    case Do::kNodeWitness:
      return Perform(n, node.core->WitnessAnswered(
                            kCluster, MonoTime::FromNanoseconds(static_cast<int64_t>(event.data)),
                            TickNode(n)));
    case Do::kPromiseAsked: {
      const auto it = promises_.find(event.data);
      if (it == promises_.end() || node.leaving) return;
      executor::PromiseRequest request = it->second.request;
      request.id = node.next_request++;
      node.requests[request.id] = event.data;
      return Perform(n, node.core->PromiseAsked(request, TickNode(n)));
    }
    case Do::kPromiseAnswered: {
      const auto it = promises_.find(event.data);
      if (it == promises_.end()) return;
      const Promise promise = it->second;
      promises_.erase(it);
      return Perform(n, node.core->PromiseAnswered(kCluster, HostName(promise.to), promise.reply,
                                                   promise.asked, TickNode(n)));
    }
    default:
      return;
  }
}

}  // namespace hb::sim
