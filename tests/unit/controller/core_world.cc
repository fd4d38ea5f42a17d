// The nodes, the disk and the probes of the decision's tests; see the header.
#include "tests/unit/controller/core_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::controller {
namespace {

constexpr Duration kTick = absl::Milliseconds(50);
constexpr int kReportTicks = 4;  // heartbeat, and ICMP
constexpr int kPageTicks = 20;

}  // namespace

ClusterModel MakeModel(size_t nodes) {
  ClusterModel model;
  model.name = "web";
  model.nodes = {{"master", 100}, {"slave", 50}, {"third", 10}};
  model.nodes.resize(nodes);
  model.service = "website";
  model.service_label = "apache service";
  model.on_expiry = OnExpiry::kRelease;
  model.http = ClusterModel::Damping{2, 2};
  return model;
}

namespace {

Persistent With(const Persistent& stored, bool established) {
  Persistent changed = stored;
  changed.established = established;
  return changed;
}

}  // namespace

World::World(ClusterModel model, const Persistent& stored, Duration wait, bool established)
    : decision(std::move(model), With(stored, established), now + wait, now),
      nodes(decision.model().nodes.size()),
      disk_epoch(stored.epoch),
      streams_(nodes.size()) {}

void World::Connect(NodeIndex i) {
  FakeNode& node = nodes[i];
  node.connected = true;
  node.standing.reset();
  node.stamps.clear();
  node.answered = 0;
  ++streams_[i];
  newest_.erase(i);
  Step(StreamOpened{i});
  node.changed = true;
  Report(i);
  Pump();
}

void World::ConnectAll() {
  for (NodeIndex i = 0; i < nodes.size(); ++i) Connect(i);
}

void World::Disconnect(NodeIndex i, const std::string& error) {
  nodes[i].connected = false;
  nodes[i].standing.reset();
  nodes[i].stamps.clear();
  ++streams_[i];
  newest_.erase(i);
  Step(StreamClosed{i, error});
}

void World::PowerOff(NodeIndex i) {
  FakeNode& node = nodes[i];
  node.reachable = node.pingable = node.taken = false;
  node.service = ServiceState::kUnknown;
  ++streams_[i];
}

void World::Boot(NodeIndex i, bool service_running) {
  FakeNode& node = nodes[i];
  if (node.connected) Disconnect(i, "timed out");
  node.reachable = node.pingable = true;
  ++node.incarnation;
  node.number = node.attempt = node.epoch = 0;
  node.void_before = {node.incarnation, 1};
  node.newest_obeyed = {};
  node.taken = false;
  node.service = service_running ? ServiceState::kRunning : ServiceState::kStopped;
}

void World::Cut(NodeIndex i) { nodes[i].reachable = nodes[i].pingable = false; }

void World::Heal(NodeIndex i) { nodes[i].reachable = nodes[i].pingable = true; }

void World::ServiceDies(NodeIndex i, const std::string& detail) {
  nodes[i].service = ServiceState::kFailed;
  nodes[i].service_detail = detail;
  nodes[i].changed = true;
  Report(i);
  Pump();
}

void World::Serve(NodeIndex i) {
  ConnectAll();
  ASSERT_TRUE(RunUntilServes(i));
  Run(absl::Seconds(3));
  Forget();
}

void World::MakeHolder(NodeIndex i, uint64_t epoch, Duration left) {
  FakeNode& node = nodes[i];
  node.taken = true;
  node.lease_end = now + left;
  node.epoch = epoch;
  node.highest_epoch = std::max(node.highest_epoch, epoch);
  node.service = ServiceState::kRunning;
  node.attempt = 3;
  node.changed = true;
}

void World::Step(const Input& input) {
  std::map<NodeIndex, Order> orders;
  Perform(decision.Step(input, now), orders);
  for (const auto& [node, order] : orders) Flush(node, order);
  Check();
  Pump();
}

uint64_t World::Ask(Command::Kind kind, std::optional<NodeIndex> to, bool force) {
  const uint64_t id = ++commands_;
  Step(Command{id, kind, to, force, "the tester"});
  return id;
}

std::string World::Outcome(uint64_t id) const {
  for (const Progress& p : progress) {
    if (p.command == id && p.done) return absl::StrCat(p.succeeded ? "ok " : "refused ", p.text);
  }
  return "";
}

void World::Run(Duration d) {
  const MonoTime end = now + d;
  Pump();
  while (now < end) {
    MonoTime next = std::min({end, next_tick_, std::max(decision.NextDeadline(), now)});
    for (const Message& m : messages_) next = std::min(next, std::max(m.due, now));
    for (const FakeNode& node : nodes) {
      if (node.taken && node.lease_end > now) next = std::min(next, node.lease_end);
      if (node.started > now) next = std::min(next, node.started);
    }
    const bool due = decision.NextDeadline() <= now;
    if (due) {
      Step(TimePassed{});
      ASSERT_GT(decision.NextDeadline(), now) << "a deadline that never ends";
    }
    now = due ? now : next;
    for (NodeIndex i = 0; i < nodes.size(); ++i) Live(i);
    Pump();
    if (now < next_tick_) continue;
    next_tick_ = next_tick_ + kTick;
    ++ticks_;
    for (NodeIndex i = 0; i < nodes.size(); ++i) {
      if (ticks_ % kReportTicks == 0 || nodes[i].changed) Report(i);
    }
    Pump();
    if (probing) Probe();
  }
}

bool World::RunUntil(const std::function<bool()>& done, Duration limit) {
  for (const MonoTime end = now + limit; !done(); Run(absl::Milliseconds(100))) {
    if (now >= end || testing::Test::HasFatalFailure()) return false;
  }
  return true;
}

bool World::RunUntilServes(NodeIndex i, Duration limit) {
  return RunUntil([&] { return Serves(i); }, limit);
}

bool World::Serves(NodeIndex i) const {
  return Holds(i) && nodes[i].service == ServiceState::kRunning && decision.active() == i &&
         !decision.moving() && decision.Serving();
}

bool World::OrderedActive(NodeIndex i) const {
  const std::optional<Order>& order = decision.standing(i);
  return order && order->active;
}

size_t World::Said(const std::string& type) const {
  return std::count_if(events.begin(), events.end(),
                       [&](const Event& event) { return event.type == type; });
}

std::string World::Reason(const std::string& type) const {
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->type == type) return event->reason;
  }
  return "";
}

void World::AnswerDisk() {
  for (const uint64_t epoch : std::exchange(asked_of_disk_, {})) Step(EpochStored{epoch});
  for (const uint64_t number : std::exchange(to_save_, {})) Step(Saved{number});
}

void World::Post(NodeIndex i, bool to_node, std::function<void()> deliver) {
  MonoTime& busy_until = channel_[{i, to_node}];
  busy_until = std::max(busy_until, now + (latency ? latency() : Duration()));
  messages_.push_back({busy_until, ++posted_, i, streams_[i], std::move(deliver)});
}

void World::Pump() {
  for (int delivered = 0;; ++delivered) {
    ASSERT_LT(delivered, 500) << "the decision and a node talk without end";
    auto next = messages_.end();
    for (auto m = messages_.begin(); m != messages_.end(); ++m) {
      if (m->due > now) continue;
      if (next == messages_.end() ||
          std::pair(m->due, m->order) < std::pair(next->due, next->order))
        next = m;
    }
    if (next == messages_.end()) return;
    const Message message = std::move(*next);
    messages_.erase(next);
    if (message.stream == streams_[message.node] && nodes[message.node].reachable) {
      message.deliver();
      Check();
    }
  }
}

void World::Perform(const Actions& actions, std::map<NodeIndex, Order>& orders) {
  for (const Action& action : actions) {
    if (const auto* send = std::get_if<SendOrder>(&action)) {
      const Order& order = send->order;
      EXPECT_GE(order.epoch, last_epoch_) << "epochs never fall";
      last_epoch_ = std::max(last_epoch_, order.epoch);
      if (order.active) {
        uint64_t known = disk_epoch;
        for (const FakeNode& node : nodes) known = std::max(known, node.highest_epoch);
        EXPECT_LE(order.epoch, known) << "an epoch that is on no disk";
        EXPECT_EQ(activated_.emplace(order.epoch, send->node).first->second, send->node)
            << "two nodes made active under epoch " << order.epoch;
      }
      orders[send->node] = order;
      sent.push_back({now, send->node, order});
    } else if (const auto* reserve = std::get_if<ReserveEpoch>(&action)) {
      disk_epoch = std::max({disk_epoch + 1, reserve->at_least, wall_seconds});
      asked_of_disk_.push_back(disk_epoch);
    } else if (const auto* save = std::get_if<Save>(&action)) {
      saves.push_back(save->state);
      to_save_.push_back(save->number);
    } else if (const auto* event = std::get_if<Event>(&action)) {
      events.push_back(*event);
    } else if (const auto* probe = std::get_if<ProbeNow>(&action)) {
      fetch_now_.insert(probe->node);
    } else if (const auto* told = std::get_if<Progress>(&action)) {
      progress.push_back(*told);
    }
  }
  if (!disk_answers) return;
  // Answered later, as a disk does: after the orders of this step.
  std::vector<Input> answers;
  for (const uint64_t epoch : std::exchange(asked_of_disk_, {})) {
    answers.emplace_back(EpochStored{epoch});
  }
  for (const uint64_t number : std::exchange(to_save_, {})) answers.emplace_back(Saved{number});
  for (const Input& answer : answers) {
    std::map<NodeIndex, Order> more;
    Perform(decision.Step(answer, now), more);
    for (const auto& [node, order] : more) orders[node] = order;
  }
}

void World::Flush(NodeIndex i, const std::optional<Order>& order) {
  const auto newest = newest_.find(i);
  ASSERT_NE(newest, newest_.end()) << "an order before the first report of the stream";
  Post(i, true, [this, i, order, answers = newest->second] { Receive(i, order, answers); });
}

void World::Promises(NodeIndex i) {
  nodes[i].bound = true;
  ++nodes[i].promises;
  Tell(i);
}

void World::SetWitness(bool answers) {
  witness = answers;
  Step(WitnessSeen{answers, now});
}

void World::Unbind(NodeIndex i) {
  nodes[i].bound = false;
  Tell(i);
}

void World::Tell(NodeIndex i) {
  nodes[i].changed = true;
  Report(i);
  Pump();
}

void World::Report(NodeIndex i) {
  FakeNode& node = nodes[i];
  if (!node.connected || !node.reachable) return;
  const ReportId id{node.incarnation, ++node.number};
  node.stamps[id] = now;
  std::optional<NodeReport> body;
  if (std::exchange(node.changed, false)) {
    body.emplace();
    body->knows_spec = node.knows_spec;
    body->holding = Holds(i);
    body->vips_present = Holds(i) && node.announces_vips;
    body->epoch = node.epoch;
    body->highest_epoch = node.highest_epoch;
    body->void_before = node.void_before;
    body->service = node.service;
    body->service_detail = node.service_detail;
    body->start_attempt = node.attempt;
    body->obstacles = node.obstacles;
    body->follows = node.follows;
    body->followed_other = node.followed_other;
    body->spec_stored = node.spec_stored;
    body->bound = node.bound;
    body->promises = node.promises;
    body->leaving = node.leaving;
    body->conflicts = node.conflicts;
    body->conflict = node.conflict;
  }
  Post(i, false, [this, i, id, body, answered = node.answered] {
    newest_[i] = id;
    std::map<NodeIndex, Order> orders;
    Perform(decision.Step(ReportSeen{i, id, body, answered, absl::Seconds(1)}, now), orders);
    for (const auto& [other, order] : orders) {
      if (other != i) Flush(other, order);
    }
    const auto own = orders.find(i);
    Flush(i, own == orders.end() ? std::nullopt : std::optional(own->second));
  });
}

void World::Receive(NodeIndex i, const std::optional<Order>& order, ReportId answers) {
  FakeNode& node = nodes[i];
  if (!node.connected || !node.obeys) return;
  node.answered = std::max(node.answered, answers.number);
  if (order) {
    if (order->epoch < node.highest_epoch) return;
    if (order->epoch > node.highest_epoch) node.changed = true;
    node.highest_epoch = order->epoch;
    node.standing = order;
    if (!order->active) GiveUp(i);
    ObeyService(i, *order);
  }
  const bool held = Holds(i);
  const auto stamp = node.stamps.find(answers);
  if (node.standing && node.standing->active && answers >= node.void_before &&
      answers >= node.newest_obeyed && stamp != node.stamps.end() &&
      stamp->second + decision.model().ttl > now) {
    node.taken = true;
    node.lease_end = stamp->second + decision.model().ttl;
    if (!held || node.epoch != node.standing->epoch) node.changed = true;
    node.epoch = node.standing->epoch;
    node.newest_obeyed = answers;
  }
  if (node.changed) Report(i);
}

void World::GiveUp(NodeIndex i) {
  nodes[i].taken = false;
  nodes[i].void_before = {nodes[i].incarnation, nodes[i].number + 1};
  nodes[i].changed = true;
}

void World::ObeyService(NodeIndex i, const Order& order) {
  FakeNode& node = nodes[i];
  if (!order.service_running) {
    if (node.service != ServiceState::kStopped) node.changed = true;
    node.service = ServiceState::kStopped;
    node.started = MonoTime::Infinite();
    return;
  }
  if (order.start_attempt <= node.attempt) return;
  node.attempt = order.start_attempt;
  node.changed = true;
  if (node.service == ServiceState::kRunning) return;
  starts.push_back({now, i});
  node.service = ServiceState::kStarting;
  node.started = now + node.start_takes;
  if (node.start_takes == Duration()) Live(i);
}

void World::Live(NodeIndex i) {
  FakeNode& node = nodes[i];
  if (node.taken && now >= node.lease_end) {
    GiveUp(i);
    Report(i);
  }
  if (node.service == ServiceState::kStarting && now >= node.started) {
    Report(i);  // it says that it starts, then what came of it
    node.started = MonoTime::Infinite();
    node.service = node.starts ? ServiceState::kRunning : ServiceState::kFailed;
    node.service_detail = node.starts ? "" : "exited with status 1";
    node.changed = true;
    Report(i);
    if (node.starts && !node.stays_up) {
      node.service = ServiceState::kFailed;
      node.service_detail = "exited with status 2";
      node.changed = true;
      Report(i);
    }
  }
}

void World::Probe() {
  if (decision.NeedsWitness() && ticks_ % kReportTicks == 1) Step(WitnessSeen{witness, now});
  for (NodeIndex i = 0; i < nodes.size(); ++i) {
    const FakeNode& node = nodes[i];
    if (ticks_ % kReportTicks == 2) {
      Step(ProbeSeen{i, ProbeKind::kIcmp, node.pingable, node.pingable ? "0.2 ms" : "timed out"});
    }
    const bool due = fetch_now_.erase(i) > 0 || ticks_ % kPageTicks == 10;
    if (due && decision.ExpectsPage(i)) {
      const bool good = node.pingable && node.page && node.service == ServiceState::kRunning;
      Step(ProbeSeen{i, ProbeKind::kHttp, good, good ? "200" : "connection refused"});
    }
  }
}

void World::Check() {
  size_t holders = 0;
  size_t ordered = 0;
  for (NodeIndex i = 0; i < nodes.size(); ++i) {
    holders += Holds(i) ? 1 : 0;
    ordered += OrderedActive(i) ? 1 : 0;
  }
  EXPECT_LE(holders, 1U) << "two holders at +" << absl::FormatDuration(Elapsed());
  EXPECT_LE(ordered, 1U) << "two ACTIVE orders stand at +" << absl::FormatDuration(Elapsed());
}

}  // namespace hb::controller
