#include "tests/unit/executor/core_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;

bool Contains(const std::string& line, const std::string& what) {
  return line.find(what) != std::string::npos;
}

bool IsNoise(const std::string& line) {
  return Contains(line, " note ") || Contains(line, " witness ");
}

void Append(Acts& acts, Acts more) {
  acts.insert(acts.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

}  // namespace

Vip MakeVip(std::string_view address, std::string_view interface) {
  return {IpPrefix::Parse(address).value(), std::string(interface)};
}

Spec MakeSpec(std::string_view cluster, uint64_t revision, OnExpiry on_expiry) {
  Spec spec;
  spec.cluster = cluster;
  spec.revision = revision;
  spec.vips = {MakeVip()};
  spec.service = kSite;
  spec.on_expiry = on_expiry;
  spec.witness = "192.168.0.254";
  spec.witness_interval = absl::Milliseconds(200);
  return spec;
}

Order Active(uint64_t epoch, std::string_view cluster) {
  Order order = Standby(epoch, cluster);
  order.active = true;
  order.ttl = absl::Seconds(1);
  order.service_running = true;
  order.start_attempt = 1;
  return order;
}

Order Standby(uint64_t epoch, std::string_view cluster) {
  Order order;
  order.cluster = cluster;
  order.spec_revision = kRevision;
  order.epoch = epoch;
  return order;
}

World::World(const std::map<std::string, Record>& records, uint64_t incarnation,
             const std::map<IpAddress, GateLease>& found)
    : node(incarnation, records), gates(found), disk(records), incarnation_(incarnation) {
  Tick();
  Do(node.Start(found, now));
}

std::map<std::string, Record> World::RecordsOf(const std::map<std::string, uint64_t>& epochs) {
  std::map<std::string, Record> records;
  for (const auto& [cluster, epoch] : epochs) records[cluster].epoch = epoch;
  return records;
}

void World::Tick() { node.SetWaitClock(now - (wait_offset - MonoTime())); }

uint64_t World::AskedToPromise(uint64_t epoch, Duration d, const std::string& cluster) {
  PromiseRequest request;
  request.id = next_request_++;
  request.cluster = cluster;
  request.from = "slave";
  request.epoch = epoch;
  request.vips = {MakeVip().address.address};
  request.d = d;
  Tick();
  Do(node.PromiseAsked(request, now));
  ReportIfDue();
  return request.id;
}

void World::PromiseAnswers(const std::string& peer, const PromiseReply& reply, MonoTime asked,
                           const std::string& cluster) {
  Tick();
  Do(node.PromiseAnswered(cluster, peer, reply, asked, now));
  ReportIfDue();
}

void World::DiskHas(uint64_t epoch, const std::string& cluster) {
  Record record = told_disk[cluster];
  record.epoch = epoch;
  disk[cluster] = record;
  Tick();
  Do(node.Stored(cluster, record, now));
}

void World::Connect(const std::string& controller) {
  node.StreamOpened(controller);
  connected_ = true;
  newest_ = 0;
  reported.clear();
  reports.clear();
  stamps.clear();
  ReportIfDue();
}

void World::Disconnect() {
  node.StreamClosed();
  connected_ = false;
}

void World::Send(std::vector<Order> orders, std::vector<Spec> specs) {
  SendAnswering(Newest(), std::move(orders), std::move(specs));
}

void World::SendAnswering(ReportId answers, std::vector<Order> orders, std::vector<Spec> specs) {
  Orders message;
  message.answers = answers;
  message.orders = std::move(orders);
  message.specs = std::move(specs);
  SendMessage(message);
}

void World::SendForgetting(std::vector<Spec> specs, std::vector<Order> orders) {
  Orders message;
  message.answers = Newest();
  message.forget = {kWeb};
  message.specs = std::move(specs);
  message.orders = std::move(orders);
  SendMessage(message);
}

void World::SendMessage(const Orders& orders) {
  Tick();
  Do(node.Obey(orders, now));
  ReportIfDue();
}

void World::Run(Duration d) {
  const MonoTime end = now + d;
  int turns_without_progress = 0;
  while (true) {
    const MonoTime before = now;
    const MonoTime next = every_millisecond ? now + absl::Milliseconds(1) : node.NextDeadline();
    if (next > end) break;
    now = std::max(now, next);
    Tick();
    if (Acts acts = node.Advance(now); !acts.empty()) Do(std::move(acts));
    ReportIfDue();
    turns_without_progress = now == before ? turns_without_progress + 1 : 0;
    ASSERT_LT(turns_without_progress, 3) << "spins at " << now;
  }
  now = end;
}

void World::RunRenewed(Duration d) {
  const MonoTime end = now + d;
  while (now < end) {
    const size_t before = reports.size();
    Run(std::min(end - now, absl::Milliseconds(50)));
    if (reports.size() > before) Renew();
  }
}

void World::TakeOver(uint64_t epoch, const Spec& spec) {
  Connect();
  Order order = Active(epoch, spec.cluster);
  order.spec_revision = spec.revision;
  Send({order}, {spec});
  Do(node.Advance(now));
  ASSERT_TRUE(node.Holds(spec.cluster, now));
  for (const Vip& vip : spec.vips) ASSERT_TRUE(Has(vip)) << vip.ToString();
  ReportIfDue();
  log_.clear();
}

void World::SetService(State state, const std::string& service) {
  services[service] = state;
  Do({});
  ReportIfDue();
}

void World::DropVip(const Vip& vip) {
  vips.erase(vip);
  Do({});
  ReportIfDue();
}

void World::SetLink(const std::string& interface, bool usable) {
  if (usable) {
    dead_links.erase(interface);
  } else {
    dead_links.insert(interface);
  }
  Do({});
  ReportIfDue();
}

void World::WitnessAnswers(MonoTime asked, const std::string& cluster) {
  Do(node.WitnessAnswered(cluster, asked, now));
  ReportIfDue();
}

void World::Do(Acts acts) {
  Tick();
  for (int round = 0; round < 20; ++round) {
    Acts next;
    for (const Act& act : acts) {
      if (on_act) on_act(act);
      Perform(act, next);
    }
    for (const std::string& cluster : node.clusters()) {
      Append(next, node.Observe(cluster, See(cluster), now));
    }
    if (next.empty() && stored_.empty()) return;
    if (next.empty()) {
      const PersistRecord stored = stored_.front();
      stored_.erase(stored_.begin());
      disk[stored.cluster] = stored.record;
      if (on_stored) on_stored(stored.record);
      next = node.Stored(stored.cluster, stored.record, now);
    }
    acts = std::move(next);
  }
  ADD_FAILURE() << "acts follow acts without end";
}

Observation World::See(const std::string& cluster) const {
  const Spec& spec = *node.spec(cluster);
  Observation seen;
  for (const Vip& vip : spec.vips) {
    seen.vip_present.push_back(vips.contains(vip));
    seen.link_usable.push_back(!dead_links.contains(vip.interface));
    const auto gate = gates.find(vip.address.address);
    seen.gate_closed.push_back(gate != gates.end() && gate->second.closed(now));
  }
  seen.gate_stands = gate_stands;
  if (const auto it = services.find(spec.service); it != services.end()) {
    seen.service.state = it->second;
  }
  if (const auto it = attempted.find(cluster); it != attempted.end()) {
    seen.start_attempted = it->second;
  }
  return seen;
}

void World::Perform(const Act& act, Acts& next) {
  if (const auto* persist = std::get_if<PersistRecord>(&act)) {
    Line(absl::StrCat("persist ", persist->cluster, " ", persist->record.epoch));
    told_disk[persist->cluster] = persist->record;
    if (disk_answers) stored_.push_back(*persist);
  } else if (const auto* gate = std::get_if<SetGate>(&act)) {
    const bool was_open = gates.contains(gate->vip) && gates[gate->vip].until > now;
    const bool opens = gate->lease.until > now;
    if (opens != was_open) {
      Line(absl::StrCat(opens ? "open " : "close ", gate->vip.ToString()));
    }
    if (!gate_fails) gates[gate->vip] = gate->lease;
  } else if (const auto* question = std::get_if<AskPromise>(&act)) {
    Line(absl::StrCat("ask ", question->peer.name, " epoch ", question->epoch));
    if (peers_answer) {
      Append(next,
             node.PromiseAnswered(question->cluster, question->peer.name, *peers_answer, now, now));
    }
  } else if (const auto* answer = std::get_if<AnswerPromise>(&act)) {
    Line(answer->given ? "promise given" : absl::StrCat("promise refused: ", answer->refusal));
    promise_answers[answer->request] = *answer;
  } else if (const auto* add = std::get_if<AddVip>(&act)) {
    Line(absl::StrCat("add ", add->vip.ToString(), " for ", absl::FormatDuration(add->valid_for)));
    if (!adding_fails) vips.insert(add->vip);
  } else if (const auto* remove = std::get_if<RemoveVip>(&act)) {
    Line(absl::StrCat("remove ", remove->vip.ToString()));
    EXPECT_FALSE(remove->reason.empty());
    if (!removing_fails) vips.erase(remove->vip);
  } else if (const auto* announce = std::get_if<Announce>(&act)) {
    Line(absl::StrCat("announce ", announce->vip.ToString()));
    EXPECT_TRUE(vips.contains(announce->vip)) << "announces what is not there";
  } else if (const auto* start = std::get_if<StartService>(&act)) {
    Line(absl::StrCat("start ", start->service, " #", start->attempt));
    attempted[start->cluster] = std::max(attempted[start->cluster], start->attempt);
    State& state = services[start->service];
    if (state != State::kRunning) state = starts_at_once ? State::kRunning : State::kStarting;
  } else if (const auto* stop = std::get_if<StopService>(&act)) {
    Line(absl::StrCat("stop ", stop->service));
    EXPECT_FALSE(stop->reason.empty());
    services[stop->service] = State::kStopped;
  } else if (const auto* firewall = std::get_if<ApplyFirewall>(&act)) {
    Line("firewall applied");
    rules = firewall->rules;
  } else if (const auto* ask = std::get_if<AskWitness>(&act)) {
    Line(absl::StrCat("witness ", ask->witness));
    if (witness_answers) Append(next, node.WitnessAnswered(ask->cluster, now, now));
  } else if (const auto* note = std::get_if<Note>(&act)) {
    Line(absl::StrCat("note ", note->warning ? "warning: " : "", note->text));
  }
}

void World::ReportIfDue() {
  if (!connected_ || !node.ReportDue(now)) return;
  const Report report = node.Compose(now);
  newest_ = last_number = report.number;
  stamps[report.number] = now;
  for (const ClusterReport& cluster : report.clusters) reported[cluster.cluster] = cluster;
  reports.push_back(report);
}

void World::Line(const std::string& text) {
  log_.push_back(absl::StrCat(Milliseconds(), " ", text));
}

int64_t World::Milliseconds() const { return absl::ToInt64Milliseconds(now - began_); }

std::vector<std::string> World::Log(bool all) {
  std::vector<std::string> log = std::exchange(log_, {});
  if (!all) log.erase(std::remove_if(log.begin(), log.end(), IsNoise), log.end());
  return log;
}

std::vector<std::string> World::LogOf(const std::string& what) {
  std::vector<std::string> log;
  for (std::string& line : std::exchange(log_, {})) {
    if (Contains(line, absl::StrCat(" ", what, " "))) log.push_back(std::move(line));
  }
  return log;
}

}  // namespace hb::executor
