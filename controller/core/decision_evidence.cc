// The part of the decision that turns evidence into verdicts, and verdicts into who is fit to be
// active.
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/decision.h"

namespace hb::controller {
namespace {

// A failed start is forgotten once the service has run for so long.
constexpr Duration kBackoffForgiven = absl::Seconds(10);

// A node whose service failed is no candidate for so long, unless nobody serves.
constexpr Duration kSuspectFor = absl::Minutes(1);

bool IsBad(Verdict verdict) { return verdict != Verdict::kHealthy && verdict != Verdict::kUnknown; }

const char* EventType(Verdict verdict) {
  switch (verdict) {
    case Verdict::kServiceDown:
      return "service_down";
    case Verdict::kNodeDown:
      return "node_down";
    case Verdict::kAgentDown:
      return "agent_down";
    case Verdict::kPathDown:
      return "path_down";
    case Verdict::kUnable:
      return "node_unable";
    case Verdict::kHealthy:
    case Verdict::kUnknown:
      break;
  }
  return "node_well";
}

}  // namespace

bool Decision::Silent(NodeIndex i) const {
  const NodeState& node = nodes_[i];
  return !node.connected || !node.reported || now_ - node.last_report > silence_;
}

bool Decision::Acted(NodeIndex i) const {
  const NodeState& node = nodes_[i];
  return node.report && node.report->start_attempt >= node.start_attempt;
}

bool Decision::SeenElsewhere(NodeIndex i, ProbeKind kind) {
  const NodeState& node = nodes_[i];
  const bool icmp = kind == ProbeKind::kIcmp;
  const MonoTime failing_since = (icmp ? node.icmp : node.http).failing_since();
  for (NodeIndex observer = 0; observer < nodes_.size(); ++observer) {
    const NodeState::Sight& sight = node.seen_by[observer];
    const MonoTime seen = icmp ? sight.icmp : sight.http;
    if (seen <= failing_since || Silent(observer)) continue;
    const MonoTime until = seen + std::max(model_.ttl, silence_);
    if (now_ >= until) continue;
    WakeAt(until);
    return true;
  }
  return false;
}

Evidence Decision::Gather(NodeIndex i) {
  const NodeState& node = nodes_[i];
  Evidence evidence;
  evidence.icmp = node.icmp.state();
  // A page from before the pings ceased proves nothing of now.
  const bool outdated = (node.icmp.down() || node.icmp.failing()) && node.http.up() &&
                        node.http.answered() < node.icmp.failing_since();
  if (node.page_expected && !outdated) evidence.http = node.http.state();
  evidence.icmp_failing = node.icmp.up() && node.icmp.failing();
  evidence.silent = Silent(i);
  evidence.host_seen_elsewhere = node.icmp.down() && SeenElsewhere(i, ProbeKind::kIcmp);
  evidence.page_seen_elsewhere = node.http.down() && SeenElsewhere(i, ProbeKind::kHttp);
  evidence.dialling = !node.dialled;
  if (!node.report) return evidence;
  evidence.service = node.report->service;
  evidence.has_obstacles = !node.report->obstacles.empty();
  // A service that was found running and died was never started by us.
  evidence.service_expected = node.runs_service && Acted(i) &&
                              (node.start_attempt > 0 || evidence.service == ServiceState::kFailed);
  return evidence;
}

void Decision::ExpectPage(NodeIndex i) {
  NodeState& node = nodes_[i];
  const bool served = node.report && (node.report->service == ServiceState::kRunning ||
                                      node.report->service == ServiceState::kFailing);
  const bool expected =
      model_.http && node.runs_service && (node.page_expected || (Acted(i) && served));
  if (expected == node.page_expected) return;
  node.page_expected = expected;
  node.http.Reset(now_);
  if (expected) actions_.push_back(ProbeNow{i});
}

void Decision::UpdateVerdict(NodeIndex i) {
  NodeState& node = nodes_[i];
  if (!Silent(i)) {
    WakeAt(node.last_report + silence_ + absl::Nanoseconds(1));
  }
  ExpectPage(i);
  const Evidence evidence = Gather(i);
  Verdict verdict = Judge(evidence);
  // A service that is being started again is down until it runs.
  if (verdict == Verdict::kHealthy && node.verdict == Verdict::kServiceDown && node.runs_service &&
      node.report->service != ServiceState::kRunning) {
    verdict = Verdict::kServiceDown;
  }
  const bool vouched = active_ == i &&
                       (verdict == Verdict::kNodeDown || verdict == Verdict::kAgentDown) &&
                       Vouched(i);
  if (vouched) verdict = Verdict::kPathDown;
  node.reason = Explain(verdict, Name(i), model_.service_label);
  if (vouched) {
    node.reason = absl::StrCat("The controller's own path to ", Name(i),
                               " is bad: the other nodes hear it and have promised to stay away");
  }
  if (verdict == Verdict::kUnable) {
    absl::StrAppend(&node.reason, ": ", absl::StrJoin(node.report->obstacles, "; "));
  }
  if (verdict != node.verdict) ChangeVerdict(i, verdict, evidence);
  if (verdict != Verdict::kHealthy) {
    node.well_since = MonoTime::Infinite();
    return;
  }
  if (node.well_since == MonoTime::Infinite()) node.well_since = now_;
  // It may be tried again where nothing else is left.
  if (node.suspect && !node.runs_service && now_ - node.suspect_since > kSuspectFor) {
    node.suspect = false;
  }
  const bool proven = Acted(i) && node.report->service == ServiceState::kRunning &&
                      (!model_.http || (node.page_expected && node.http.up()));
  if (!proven) return;
  node.suspect = false;
  if (now_ - node.running_since > kBackoffForgiven) {
    node.backoff = absl::ZeroDuration();
    node.next_attempt = now_;
  }
}

void Decision::ChangeVerdict(NodeIndex i, Verdict verdict, const Evidence& evidence) {
  NodeState& node = nodes_[i];
  const bool was_bad = IsBad(std::exchange(node.verdict, verdict));
  std::string detail;
  MonoTime since = now_;
  switch (verdict) {
    case Verdict::kServiceDown:
      node.suspect = true;
      node.suspect_since = now_;
      if (node.http.down()) since = node.http.failing_since();
      detail = evidence.service_expected && evidence.service != ServiceState::kRunning
                   ? node.report->service_detail
                   : node.http.detail();
      break;
    case Verdict::kNodeDown:
      since = node.icmp.failing_since();
      detail = node.icmp.detail();
      break;
    case Verdict::kPathDown:
      detail = node.icmp.detail();
      break;
    case Verdict::kAgentDown:
      detail = node.connection_error;
      break;
    case Verdict::kUnknown:
    case Verdict::kHealthy:
    case Verdict::kUnable:
      break;
  }
  if (IsBad(verdict) && !was_bad) node.bad_since = since;
  if (!IsBad(verdict) && !was_bad) return;
  Say(IsBad(verdict) ? Severity::kWarning : Severity::kInfo, EventType(verdict), i, node.reason);
  std::get<Event>(actions_.back()).detail = detail;
}

Fitness Decision::FitnessOf(NodeIndex i) const {
  const NodeState& node = nodes_[i];
  if (Silent(i) || !node.report->knows_spec || !node.report->obstacles.empty() ||
      node.report->leaving || IsDrained(i)) {
    return Fitness::kNo;
  }
  if (node.verdict == Verdict::kServiceDown || node.suspect) return Fitness::kSuspect;
  if (node.page_expected && node.http.up() && node.report->service == ServiceState::kRunning) {
    return Fitness::kProven;
  }
  return Fitness::kPresumed;
}

std::string Decision::WhyUnfit(NodeIndex i) const {
  return IsDrained(i) ? "it is drained" : nodes_[i].reason;
}

std::optional<NodeIndex> Decision::Best(Fitness at_least, std::optional<NodeIndex> except) const {
  std::optional<NodeIndex> best;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (i == except || FitnessOf(i) < at_least || !MayBeReplacedBy(i)) continue;
    const auto rank = [this](NodeIndex n) {
      return std::make_tuple(FitnessOf(n), !nodes_[n].report->bound, Preference(n));
    };
    if (!best || rank(i) > rank(*best)) best = i;
  }
  return best;
}

uint64_t Decision::Preference(NodeIndex i) const {
  return Name(i) == stored_.pinned ? UINT64_MAX : model_.nodes[i].priority;
}

std::optional<NodeIndex> Decision::Preferred() const {
  std::optional<NodeIndex> preferred;
  bool tie = false;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (!preferred || Preference(i) > Preference(*preferred)) {
      preferred = i;
      tie = false;
    } else if (Preference(i) == Preference(*preferred)) {
      tie = true;
    }
  }
  return tie ? std::nullopt : preferred;
}

}  // namespace hb::controller
