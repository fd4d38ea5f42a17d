// A simulated controller: its store, its links to the executors, its probes, and around the real
// core what controller/controller.cc and cluster.cc do.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/terms.h"
#include "tests/sim/world.h"

namespace hb::sim {
namespace {

using controller::NodeIndex;
using controller::ServiceState;

constexpr Time kStoreRetry = kSecond;
constexpr uint64_t kWallSeconds = 1'000'000;
constexpr Duration kFirstBackoff = absl::Milliseconds(100);
constexpr Duration kMaxBackoff = absl::Seconds(1);

ServiceState Read(executor::ServiceStatus::State state) {
  switch (state) {
    case executor::ServiceStatus::State::kStopped:
      return ServiceState::kStopped;
    case executor::ServiceStatus::State::kStarting:
      return ServiceState::kStarting;
    case executor::ServiceStatus::State::kRunning:
      return ServiceState::kRunning;
    case executor::ServiceStatus::State::kFailing:
      return ServiceState::kFailing;
    case executor::ServiceStatus::State::kStopping:
      return ServiceState::kStopping;
    case executor::ServiceStatus::State::kFailed:
      return ServiceState::kFailed;
  }
  return ServiceState::kUnknown;
}

controller::NodeReport Read(const executor::ClusterReport& report, uint64_t revision) {
  controller::NodeReport out;
  out.knows_spec = report.spec_revision == revision;
  out.holding = report.holding;
  out.beyond_lease = report.beyond_lease;
  out.epoch = report.epoch;
  out.highest_epoch = report.highest_epoch;
  out.void_before = report.void_before;
  out.service = Read(report.seen.service.state);
  out.service_detail = report.seen.service.detail;
  out.start_attempt = report.seen.start_attempted;
  out.obstacles = report.seen.obstacles;
  if (!report.refusal.empty()) out.obstacles.push_back("refused: " + report.refusal);
  out.follows = report.follows;
  out.followed_other = report.followed_other;
  out.spec_stored = report.spec_stored;
  out.bound = report.bound;
  out.promises = report.promises;
  out.leaving = report.leaving;
  out.conflicts = report.conflicts;
  out.conflict = report.conflict;
  out.vips_present = !report.seen.vip_present.empty() && report.seen.AllVipsPresent();
  return out;
}

}  // namespace

controller::ClusterModel World::ModelOf(const Config& config, std::vector<int>* members) const {
  controller::ClusterModel model;
  model.name = kCluster;
  members->clear();
  for (int i = 0; i < plan_.nodes; ++i) {
    if ((config.members >> i & 1U) == 0) continue;
    members->push_back(i);
    model.nodes.push_back({HostName(i), static_cast<uint32_t>(100 - 10 * i)});
  }
  model.service = "site";
  model.service_label = "site";
  model.standby_runs_service = config.standby_runs;
  model.heartbeat = absl::Nanoseconds(config.heartbeat);
  model.ttl = absl::Nanoseconds(config.ttl);
  model.on_expiry = config.on_expiry;
  model.witness_interval = absl::Nanoseconds(config.witness_interval);
  if (config.fetch_page && plan_.probes) model.http = controller::ClusterModel::Damping{2, 2};
  model.auto_failback = config.auto_failback;
  model.failback_after = absl::Nanoseconds(config.failback_after);
  return model;
}

std::optional<NodeIndex> World::IndexOf(const ControllerProcess& c, int n) const {
  const auto it = std::find(c.members.begin(), c.members.end(), n);
  if (it == c.members.end()) return std::nullopt;
  return static_cast<NodeIndex>(it - c.members.begin());
}

MonoTime World::WaitTime(int c) {
  ControllerProcess& process = controllers_[c];
  return process.wait.Advance(BootTime(process.host), hosts_[process.host].clock.RawTime(now_));
}

// ---- the process ----

void World::StartController(int c) {
  ControllerProcess& process = controllers_[c];
  if (process.running || !hosts_[process.host].up) return;
  ++process.generation;
  process.running = true;
  process.paused = false;
  process.jobs.clear();
  process.working = false;
  process.vantage = false;
  process.wait = WaitClock();
  process.lead = absl::InfiniteDuration();
  process.timer = kNever;
  process.decision.reset();
  process.pause_noted = false;
  for (Link& link : process.links) link = Link();
  if (process.store.identity.empty()) process.store.identity = absl::StrCat("id", ++identities_);
  if (tracing()) Say(absl::StrCat("ctl", c + 1, ": starts, store ", process.store.identity));
  if (!Configure(c)) return KillController(c, true);
  NotePause(c);
}

void World::KillController(int c, bool say_so) {
  ControllerProcess& process = controllers_[c];
  if (!process.running) return;
  process.running = process.paused = false;
  ++process.generation;
  process.backlog.clear();
  CloseStreams(c, -1, say_so);
  process.decision.reset();
}

// As Controller::Configure with a config that has changed: false when the store takes nothing.
bool World::Configure(int c) {
  ControllerProcess& process = controllers_[c];
  if (process.store_full) return false;
  const Config& config = this->config(process);
  const Duration ttl = absl::Nanoseconds(config.ttl);
  controller::ClusterModel model = ModelOf(config, &process.members);
  Store& store = process.store;
  controller::Persistent state;
  Duration longest = kMaxTtl;
  if (store.known) {
    // What the worker had still to write is written first.
    for (const Job& job : process.jobs) {
      if (job.save) store.state = job.save->state;
    }
    std::erase_if(process.jobs, [](const Job& job) { return job.save.has_value(); });
    state = store.state;
    state.epoch = store.epoch;
    if (store.longest_ttl >= ttl) longest = store.longest_ttl;
  }
  controller::Widen(model, &state);
  store.longest_ttl = store.known ? std::max(store.longest_ttl, ttl) : ttl;
  store.known = true;
  store.state = state;
  RememberStore(c);
  const MonoTime now = WaitTime(c);
  process.decision = std::make_unique<controller::Decision>(std::move(model), state,
                                                            now + WithClockMargin(longest), now);
  process.armed = MonoTime::Infinite();
  ++process.probing;
  StartProbing(c);
  Step(c, controller::TimePassed{});
  for (int n = 0; n < plan_.nodes; ++n) {
    Link& link = process.links[n];
    if (link.stream || link.dial != 0) {
      // A fresh stream introduces what has changed.
      if (link.stream) Send(*link.stream, 0, {Message::Kind::kClose, {}, {}});
      link.stream.reset();
      link.open = link.reported = false;
      link.pending.reset();
      if (const auto index = IndexOf(process, n)) {
        Step(c, controller::StreamClosed{*index, "reloading", false, true});
      }
    }
    if (IndexOf(process, n)) {
      Dial(c, n);
    } else {
      link = Link();
    }
  }
  return true;
}

// ---- steps ----

void World::Step(int c, const controller::Input& input) {
  ControllerProcess& process = controllers_[c];
  const MonoTime now = WaitTime(c);
  const Duration budget = std::max(process.decision->model().heartbeat, absl::Milliseconds(50));
  Duration late = process.armed == MonoTime::Infinite() ? Duration() : now - process.armed;
  const Duration lead = BootTime(process.host) - now;
  late = std::max(late, lead - std::exchange(process.lead, lead));
  if (late > budget) StepOnce(c, controller::LoopLate{late}, now);
  StepOnce(c, input, now);
}

void World::StepOnce(int c, const controller::Input& input, MonoTime now) {
  ControllerProcess& process = controllers_[c];
  const controller::Actions actions = process.decision->Step(input, now);
  for (const controller::Action& action : actions) ActOn(c, action);
  ExpectPages(c);
  process.armed = process.decision->NextDeadline();
  if (process.armed != MonoTime::Infinite()) {
    const Duration left = std::max(process.armed - now, absl::ZeroDuration());
    const Time due = hosts_[process.host].clock.WhenBootTime(BootTime(process.host) + left, now_);
    if (due < process.timer) {
      process.timer = due;
      Post(due, Do::kControllerTimer, c, process.generation);
    }
  }
  if (process.handling_report) return;
  for (const int n : process.members) {
    if (process.links[n].pending) Flush(c, n, false);
  }
}

void World::ActOn(int c, const controller::Action& action) {
  ControllerProcess& process = controllers_[c];
  if (const auto* send = std::get_if<controller::SendOrder>(&action)) {
    process.links[process.members[send->node]].pending = send->order;
  } else if (const auto* reserve = std::get_if<controller::ReserveEpoch>(&action)) {
    process.jobs.push_back({reserve->at_least, std::nullopt});
    RunJobs(c);
  } else if (const auto* save = std::get_if<controller::Save>(&action)) {
    process.jobs.push_back({std::nullopt, *save});
    RunJobs(c);
  } else if (const auto* event = std::get_if<controller::Event>(&action)) {
    NoteEvent(c, *event);
  } else if (const auto* progress = std::get_if<controller::Progress>(&action)) {
    if (tracing()) Say(absl::StrCat("ctl", c + 1, ": to the operator: ", progress->text));
  } else if (const auto* probe = std::get_if<controller::ProbeNow>(&action)) {
    const int n = process.members[probe->node];
    if (process.fetching[n]) {
      Post(now_, Do::kHttpTick, c, process.probing, static_cast<uint64_t>(n), 1);
    }
  }
}

void World::NoteEvent(int c, const controller::Event& event) {
  if (tracing()) {
    const ControllerProcess& process = controllers_[c];
    Say(absl::StrCat("ctl", c + 1, ": ", event.type,
                     event.node ? " " + HostName(process.members[*event.node]) : "",
                     " epoch=", event.epoch, " \"", event.reason, "\""));
  }
  CheckMove(c, event);
}

void World::Flush(int c, int n, bool answer) {
  ControllerProcess& process = controllers_[c];
  Link& link = process.links[n];
  if (!link.open || !link.reported || !link.stream) return;
  if (!answer && !link.pending) return;
  Message message;
  message.kind = Message::Kind::kOrders;
  executor::Orders& orders = message.orders;
  orders.answers = link.newest;
  if (link.introduce) {
    orders.heartbeat = process.decision->model().heartbeat;
    link.introduce = !process.decision->MayIntroduce();
    if (!link.introduce) orders.specs.push_back(SpecFor(process, n));
  }
  if (const auto pending = std::exchange(link.pending, std::nullopt)) {
    executor::Order order;
    order.cluster = kCluster;
    order.spec_revision = SpecFor(process, n).revision;
    order.active = pending->active;
    order.epoch = pending->epoch;
    if (pending->active) order.ttl = process.decision->model().ttl;
    order.service_running = pending->service_running;
    order.start_attempt = pending->start_attempt;
    order.on_leave = pending->on_leave;
    order.force = pending->force;
    if (tracing()) {
      Say(absl::StrCat("ctl", c + 1, ": orders ", HostName(n),
                       order.active ? " ACTIVE" : " STANDBY", " epoch=", order.epoch,
                       order.service_running ? " service #" : " no service #", order.start_attempt,
                       " answering ", link.newest.incarnation, ".", link.newest.number));
    }
    orders.orders.push_back(order);
  }
  Send(*link.stream, 0, std::move(message));
}

// ---- links ----

void World::Dial(int c, int n) {
  ControllerProcess& process = controllers_[c];
  Link& link = process.links[n];
  ++link.dial;
  link.open = link.reported = false;
  link.last_message = BootTime(process.host);
  const uint64_t id = next_stream_++;
  Stream& stream = streams_[id];
  stream.controller = c;
  stream.node = n;
  link.stream = id;
  const Duration silence = std::max(absl::Seconds(1), process.decision->model().heartbeat * 5);
  Post(hosts_[process.host].clock.WhenBootTime(link.last_message + silence, now_), Do::kLinkWatch,
       c, process.generation, static_cast<uint64_t>(n), link.dial);
  Send(id, 0, {Message::Kind::kHello, {}, {}});
}

void World::CloseLink(int c, int n, const std::string& why, bool refused) {
  ControllerProcess& process = controllers_[c];
  Link& link = process.links[n];
  if (link.stream) Send(*link.stream, 0, {Message::Kind::kClose, {}, {}});
  link.stream.reset();
  link.open = link.reported = false;
  link.pending.reset();
  ++link.dial;
  link.backoff = std::clamp(link.backoff * 2, kFirstBackoff, kMaxBackoff);
  Post(now_ + absl::ToInt64Nanoseconds(link.backoff), Do::kRedial, c, process.generation,
       static_cast<uint64_t>(n), link.dial);
  if (const auto index = IndexOf(process, n)) {
    Step(c, controller::StreamClosed{*index, why, refused});
  }
}

void World::ControllerHears(int c, uint64_t stream_id, Message& message) {
  ControllerProcess& process = controllers_[c];
  const auto it = streams_.find(stream_id);
  if (it == streams_.end() || !process.running) return;
  const int n = it->second.node;
  Link& link = process.links[n];
  if (link.stream != stream_id) {
    if (message.kind >= Message::Kind::kClose) streams_.erase(it);
    return;
  }
  link.last_message = BootTime(process.host);
  const auto index = IndexOf(process, n);
  if (!index) return;
  switch (message.kind) {
    case Message::Kind::kHelloReply:
      link.open = true;
      link.backoff = absl::ZeroDuration();
      link.incarnation = nodes_[n].incarnation;
      link.introduce = true;
      link.pending.reset();
      return Step(c, controller::StreamOpened{*index});
    case Message::Kind::kReport:
      if (link.open) OnReport(c, n, message.report);
      return;
    case Message::Kind::kClose:
    case Message::Kind::kRefused: {
      const bool refused = message.kind == Message::Kind::kRefused;
      streams_.erase(stream_id);
      link.stream.reset();
      return CloseLink(c, n, refused ? "refused" : "the executor ended the stream", refused);
    }
    case Message::Kind::kHello:
    case Message::Kind::kOrders:
      return;
  }
}

void World::OnReport(int c, int n, const executor::Report& report) {
  ControllerProcess& process = controllers_[c];
  Link& link = process.links[n];
  const bool first = !std::exchange(link.reported, true);
  link.newest = {link.incarnation, report.number};
  controller::ReportSeen seen{*IndexOf(process, n), link.newest, std::nullopt, report.answered,
                              report.followed_for};
  for (const executor::ClusterReport& part : report.clusters) {
    seen.report = Read(part, SpecFor(process, n).revision);
  }
  if (first && !seen.report) seen.report = controller::NodeReport{};
  process.handling_report = true;
  Step(c, seen);
  process.handling_report = false;
  for (const int other : process.members) {
    if (other != n && process.links[other].pending) Flush(c, other, false);
  }
  Flush(c, n, true);
}

// ---- the store ----

void World::RememberStore(int c) {
  std::vector<Store>& history = controllers_[c].history;
  history.push_back(controllers_[c].store);
  if (history.size() > 8) history.erase(history.begin());
}

void World::RunJobs(int c) {
  ControllerProcess& process = controllers_[c];
  if (process.working || process.jobs.empty()) return;
  process.working = true;
  Post(now_ + Takes(200'000, 6 * kMillisecond), Do::kStoreDone, c, process.generation);
}

void World::StoreDone(int c) {
  ControllerProcess& process = controllers_[c];
  process.working = false;
  if (process.jobs.empty()) return;
  const Job job = process.jobs.front();
  process.jobs.pop_front();
  Store& store = process.store;
  std::optional<uint64_t> reserved;
  std::optional<uint64_t> saved;
  if (process.store_full) {
    if (job.reserve) {
      Post(now_ + kStoreRetry, Do::kEpochRetry, c, process.generation, *job.reserve);
    } else {
      Post(now_ + kStoreRetry, Do::kSaveRetry, c, process.generation, job.save->number);
    }
  } else if (job.save) {
    store.state = job.save->state;
    saved = job.save->number;
    RememberStore(c);
  } else {
    const uint64_t wall = kWallSeconds + static_cast<uint64_t>(now_ / kSecond);
    store.epoch = std::max({store.epoch + 1, *job.reserve, wall});
    reserved = store.epoch;
    RememberStore(c);
  }
  RunJobs(c);
  if (reserved) Step(c, controller::EpochStored{*reserved});
  if (saved) Step(c, controller::Saved{*saved});
}

// ---- events ----

void World::Ask(int c, controller::Command command) {
  ControllerProcess& process = controllers_[c];
  if (!process.running || process.paused || hosts_[process.host].frozen) return;
  command.id = process.next_command++;
  Step(c, command);
}

void World::HandleController(const Event& event) {
  const int c = event.who;
  ControllerProcess& process = controllers_[c];
  const bool probe = event.what >= Do::kIcmpTick;
  if (!process.running || event.generation != (probe ? process.probing : process.generation)) {
    return;
  }
  if (process.paused || hosts_[process.host].frozen) {
    process.backlog.push_back(event);
    return;
  }
  if (probe) return Probe(c, event);
  const int n = static_cast<int>(event.data);
  switch (event.what) {
    case Do::kControllerTimer:
      if (event.at != process.timer && event.more != kForced) return;  // a later one stands for it
      process.timer = kNever;
      return Step(c, controller::TimePassed{});
    case Do::kStoreDone:
      return StoreDone(c);
    case Do::kEpochRetry:
      process.jobs.push_back({event.data, std::nullopt});
      return RunJobs(c);
    case Do::kSaveRetry:
      process.jobs.push_back(
          {std::nullopt, controller::Save{process.decision->persistent(), event.data}});
      return RunJobs(c);
    case Do::kRedial:
      if (event.more == process.links[n].dial && IndexOf(process, n)) Dial(c, n);
      return;
    case Do::kLinkWatch: {
      Link& link = process.links[n];
      if (event.more != link.dial || !link.stream) return;
      const Duration silence = std::max(absl::Seconds(1), process.decision->model().heartbeat * 5);
      const MonoTime end = link.last_message + silence;
      if (BootTime(process.host) >= end) return CloseLink(c, n, "silent");
      Post(hosts_[process.host].clock.WhenBootTime(end, now_), Do::kLinkWatch, c,
           process.generation, event.data, event.more);
      return;
    }
    default:
      return;
  }
}

// ---- probes ----

void World::StartProbing(int c) {
  ControllerProcess& process = controllers_[c];
  process.unanswered = 0;
  for (bool& fetching : process.fetching) fetching = false;
  if (process.decision->NeedsWitness()) Post(now_, Do::kWitnessTick, c, process.probing);
  if (!plan_.probes) return;
  for (const int n : process.members) {
    Post(now_, Do::kIcmpTick, c, process.probing, static_cast<uint64_t>(n));
  }
  Post(now_, Do::kVantageTick, c, process.probing);
}

void World::ExpectPages(int c) {
  ControllerProcess& process = controllers_[c];
  for (NodeIndex i = 0; i < process.members.size(); ++i) {
    const int n = process.members[i];
    const bool expected = plan_.probes && process.decision->ExpectsPage(i);
    if (expected && !process.fetching[n]) {
      Post(now_, Do::kHttpTick, c, process.probing, static_cast<uint64_t>(n));
    }
    process.fetching[n] = expected;
  }
}

bool World::PageComes(int n) const {
  const Node& node = nodes_[n];
  return hosts_[n].up && !hosts_[n].frozen && !node.hung &&
         (node.service == executor::ServiceStatus::State::kRunning ||
          node.service == executor::ServiceStatus::State::kFailing);
}

void World::Probe(int c, const Event& event) {
  ControllerProcess& process = controllers_[c];
  const int n = static_cast<int>(event.data);
  const Time interval = config(process).heartbeat;
  const auto reaches = [&](int from, int to) {
    return PacketPasses(from, to) && !hosts_[to].frozen && PacketPasses(to, from);
  };
  const auto index = IndexOf(process, n);
  switch (event.what) {
    case Do::kIcmpTick: {
      const bool good = reaches(process.host, n) && !ping_blocked_[n][process.host];
      Post(good ? now_ + 2 * Latency() : now_ + interval, Do::kIcmpResult, c, process.probing,
           event.data, good);
      return Post(now_ + interval, Do::kIcmpTick, c, process.probing, event.data);
    }
    case Do::kIcmpResult:
      return Step(c, controller::ProbeSeen{*index, controller::ProbeKind::kIcmp, event.more != 0,
                                           event.more != 0 ? "" : "timed out"});
    case Do::kHttpTick: {
      if (!process.fetching[n]) return;
      const bool reached = reaches(process.host, n) && !page_blocked_[n][process.host];
      const bool good = reached && PageComes(n);
      const bool refused = reached && !good && !nodes_[n].hung;
      Post(good || refused ? now_ + 2 * Latency() : now_ + 3 * interval, Do::kHttpResult, c,
           process.probing, event.data, good);
      if (event.more == 0) {
        Post(now_ + 3 * interval, Do::kHttpTick, c, process.probing, event.data);
      }
      return;
    }
    case Do::kHttpResult:
      if (!process.fetching[n]) return;
      return Step(c, controller::ProbeSeen{*index, controller::ProbeKind::kHttp, event.more != 0,
                                           event.more != 0 ? "" : "no page"});
    case Do::kWitnessTick: {
      const Time every = config(process).witness_interval;
      const bool good = reaches(process.host, kWitnessHost);
      Post(good ? now_ + 2 * Latency() : now_ + every * 9 / 10, Do::kWitnessResult, c,
           process.probing, 0, good);
      return Post(now_ + every, Do::kWitnessTick, c, process.probing);
    }
    case Do::kWitnessResult: {
      const bool good = event.more != 0;
      process.unanswered = good ? 0 : std::min(process.unanswered + 1, 3);
      if (!good && process.unanswered < 3) return;
      const Duration every = absl::Nanoseconds(config(process).witness_interval);
      return Step(c, controller::WitnessSeen{good, WaitTime(c) - every});
    }
    case Do::kVantageTick: {
      Post(now_ + 3 * interval, Do::kVantageTick, c, process.probing);
      if (!process.vantage) return;
      for (NodeIndex i = 0; i < process.members.size(); ++i) {
        const int observer = process.members[i];
        const Node& eyes = nodes_[observer];
        if (!process.links[observer].open || !eyes.running || eyes.paused) continue;
        for (NodeIndex j = 0; j < process.members.size(); ++j) {
          const int target = process.members[j];
          if (i == j) continue;
          const bool host = reaches(observer, target) && !ping_blocked_[target][observer];
          Step(c, controller::VantageSeen{i, j, controller::ProbeKind::kIcmp, host});
          Step(c, controller::VantageSeen{
                      i, j, controller::ProbeKind::kHttp,
                      host && PageComes(target) && !page_blocked_[target][observer]});
        }
      }
      return;
    }
    default:
      return;
  }
}

}  // namespace hb::sim
