// The decision's frame: what each input changes, and which orders follow. Evidence, start and moves
// have files of their own beside this one.
#include "controller/core/decision.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/terms.h"

namespace hb::controller {
namespace {

// A failed start is tried again after 1, 2, 4, 8, then every 15 s.
constexpr Duration kFirstBackoff = absl::Seconds(1);
constexpr Duration kMaxBackoff = absl::Seconds(15);
// Answers whose being heard is waited for.
constexpr size_t kMaxAnswers = 256;

}  // namespace

const char* ToString(MoveCause cause) {
  switch (cause) {
    case MoveCause::kStart:
      return "start";
    case MoveCause::kFailover:
      return "failover";
    case MoveCause::kSwitchover:
      return "switchover";
    case MoveCause::kFailback:
      return "failback";
    case MoveCause::kHandover:
      return "handover";
  }
  return "move";
}

Decision::Decision(ClusterModel model, const Persistent& stored, MonoTime grants_until,
                   MonoTime now)
    : model_(std::move(model)),
      silence_(model_.heartbeat * kSilentHeartbeats),
      stored_(stored),
      now_(now),
      nodes_(model_.nodes.size()),
      book_(model_.nodes.size()),
      adopt_until_(grants_until) {
  Persistent confirmed = stored_;
  SetTerms(model_, &confirmed);
  if (stored_.terms_members.empty()) stored_ = confirmed;
  terms_confirmed_ = stored_ == confirmed;
  for (NodeState& node : nodes_) {
    node.seen_by.resize(nodes_.size());
    node.icmp = ProbeHealth(model_.icmp);
    node.http = ProbeHealth(model_.http.value_or(ClusterModel::Damping()));
  }
  book_.AssumeGrantsUntil(grants_until);
  next_deadline_ = now;
}

Actions Decision::Step(const Input& input, MonoTime now) {
  now_ = std::max(now_, now);
  next_deadline_ = MonoTime::Infinite();
  std::visit([this](const auto& i) { Take(i); }, input);
  for (NodeIndex i = 0; i < nodes_.size(); ++i) UpdateVerdict(i);
  if (!stored_.established) Establish();
  if (stored_.established) NoticeAllSeen();
  if (adopting_ && stored_.established) TryAdopt();
  if (!adopting_) {
    ConfirmTerms();
    if (!active_) AdoptLate();
    if (move_) AdvanceMove();
    if (!move_) Consider();
    DecideServices();
    SendOrders();
  }
  return std::exchange(actions_, {});
}

// --- Inputs ---

void Decision::Take(const ProbeSeen& input) {
  NodeState& node = nodes_[input.node];
  if (input.kind == ProbeKind::kIcmp) {
    const bool was_down = node.icmp.down();
    node.icmp.Seen(input.good, input.detail, now_);
    if (was_down && node.icmp.up() && node.page_expected) {
      // No page came while no ping did: that says nothing of the service.
      node.http.Reset(now_);
      actions_.push_back(ProbeNow{input.node});
    }
    return;
  }
  if (!node.page_expected) return;
  node.http.Seen(input.good, input.detail, now_);
  if (input.good && move_ && move_->to == input.node) move_->page_seen = true;
}

void Decision::Take(const VantageSeen& input) {
  if (!input.good || input.observer == input.node) return;
  NodeState::Sight& sight = nodes_[input.node].seen_by[input.observer];
  (input.kind == ProbeKind::kIcmp ? sight.icmp : sight.http) = now_;
}

void Decision::Take(const StreamOpened& input) {
  NodeState& node = nodes_[input.node];
  node.connected = true;
  node.connection_error.clear();
  node.reported = false;
  node.standing.reset();
  node.answers.clear();
  node.follows_until = MonoTime();
}

void Decision::Take(const StreamClosed& input) {
  NodeState& node = nodes_[input.node];
  node.connected = false;
  node.dialled = !input.redialling;
  node.reported = false;
  node.connection_error = input.error;
  node.standing.reset();
  node.follows_until = MonoTime();
  const bool mine = active_ && Follows(*active_);
  if (input.follows_another && !mine) FollowsAnother(input.node, "follows");
}

void Decision::Take(const ReportSeen& input) {
  NodeState& node = nodes_[input.node];
  if (!node.connected) return;
  if (input.report) NoticeReport(input.node, *input.report);
  if (!node.report) return;  // the first of a stream says everything; until then nothing is known
  node.reported = node.dialled = true;
  node.newest_report = input.id;
  node.last_report = now_;
  NoticeAnswered(node, input);
  // The shell answers every report, and that renews what stands.
  if (node.standing && node.standing->active) {
    book_.Granted(input.node, input.id, model_.ttl, now_);
  }
}

void Decision::FollowsAnother(NodeIndex i, const char* what) {
  if (!stored_.established) return;
  Say(Severity::kWarning, "followed_other", i,
      absl::StrCat(Name(i), " ", what, " another controller: taking stock of the nodes again"));
  stored_.established = false;
  SaveState();
  unfollowed_save_ = saves_;
  if (move_) AbandonMove("a node follows another controller");
  active_.reset();
  adopting_ = true;
  adopt_until_ = std::max(adopt_until_, now_ + WithClockMargin(kMaxTtl));
  book_.AssumeGrantsUntil(adopt_until_);
}

// Like a lease (L1, L2): it counts from the sending of what the node is known to have heard, on a
// clock that may be slower than the node's.
void Decision::NoticeAnswered(NodeState& node, const ReportSeen& input) {
  while (!node.answers.empty() && node.answers.front().first < input.answered) {
    node.answers.pop_front();
  }
  if (!node.answers.empty() && node.answers.front().first == input.answered) {
    node.follows_until =
        std::max(node.follows_until, node.answers.front().second + input.followed_for * 10 / 11);
  }
  // The shell answers this report now.
  node.answers.emplace_back(input.id.number, now_);
  if (node.answers.size() > kMaxAnswers) node.answers.pop_front();
}

bool Decision::Follows(NodeIndex i) {
  const NodeState& node = nodes_[i];
  if (Silent(i) || !node.report->follows || now_ >= node.follows_until) return false;
  WakeAt(node.follows_until);
  return true;
}

void Decision::NoticeReport(NodeIndex i, const NodeReport& report) {
  NodeState& node = nodes_[i];
  const ServiceState before =
      node.reported && node.report ? node.report->service : ServiceState::kUnknown;
  const bool first = !node.reported;
  if (!first && node.report && report.promises > node.report->promises) node.promised_at = now_;
  if (!first && node.report && report.conflicts > node.report->conflicts) {
    Say(Severity::kError, "conflict", i,
        absl::StrCat(report.conflict, ", which ", Name(i), " holds: it announces itself again"));
  }
  // A node that could not hold, its cable pulled perhaps, may be the one that this controller
  // itself sits on.
  if (node.report && !node.report->obstacles.empty() && report.obstacles.empty()) DoubtSilence();
  const bool mine = active_ && Follows(*active_);
  if (first && report.followed_other && !mine) FollowsAnother(i, "has followed");
  node.report = report;
  node.start_attempt = std::max(node.start_attempt, report.start_attempt);
  if (report.service == ServiceState::kRunning && before != ServiceState::kRunning) {
    node.running_since = now_;
  } else if (report.service != ServiceState::kRunning) {
    node.running_since = MonoTime::Infinite();
  }
  const bool started_elsewhere =
      report.service == ServiceState::kRunning && before != ServiceState::kRunning &&
      before != ServiceState::kStarting && before != ServiceState::kFailing;
  const bool ours = report.holding || WantsService(i) || adopting_ || (first && node.runs_service);
  if (started_elsewhere && !ours && !model_.standby_runs_service) {
    Say(Severity::kWarning, "standby_service_stopped", i,
        absl::StrCat(model_.service_label, " was running on standby ", Name(i),
                     " and is stopped there (standby: stopped)"));
  }
  if (report.highest_epoch <= stored_.epoch) return;
  if (move_ && move_->epoch && report.highest_epoch <= *move_->epoch) return;
  // Somebody granted under a higher epoch than this store knows (a restored backup, another
  // controller): start anew, above it.
  Say(Severity::kWarning, "epoch_behind", i,
      absl::StrCat(Name(i), " has seen epoch ", report.highest_epoch, ", the store's is ",
                   stored_.epoch, ": taking stock of the nodes again"));
  stored_.epoch = report.highest_epoch;
  raise_epoch_ = true;
  actions_.push_back(ReserveEpoch{report.highest_epoch + 1});
  if (move_) AbandonMove("a higher epoch appeared");
  if (active_ && *active_ == i && report.holding) return;
  active_.reset();
  adopting_ = true;
  // What that store knew of the longest ttl is not known here.
  adopt_until_ = std::max(adopt_until_, now_ + WithClockMargin(kMaxTtl));
  book_.AssumeGrantsUntil(adopt_until_);
}

void Decision::Take(const WitnessSeen& input) {
  if (input.good) witness_asked_ = std::max(witness_asked_, input.asked);
  if (!std::exchange(witness_seen_, input.good) && input.good) DoubtSilence();
}

void Decision::DoubtSilence() {
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    NodeState& node = nodes_[i];
    if (!Silent(i)) continue;
    node.doubted_at = now_;
    node.icmp.Reset(now_);
    node.http.Reset(now_);
  }
}

void Decision::Take(const EpochStored& input) {
  if (input.epoch <= stored_.epoch) return;
  if (std::exchange(raise_epoch_, false)) {
    stored_.epoch = input.epoch;
    // A move that waits for one as well asks again, for a higher one.
    if (move_ && !move_->epoch) move_->epoch_asked = false;
    return;
  }
  if (move_ && move_->epoch_asked) move_->epoch = input.epoch;
}

void Decision::Take(const Saved& input) { saved_ = std::max(saved_, input.save); }

void Decision::Take(const LoopLate& input) {
  // What was, or was not, seen in that time says something about this controller, not about the
  // nodes.
  for (NodeState& node : nodes_) {
    node.icmp.DropRun();
    node.http.DropRun();
    node.answers.clear();
    node.follows_until = MonoTime();
    // Who was silent before is silent still. (The step that came late may be the very one that was
    // to find a node silent.)
    const Duration before = now_ - input.by - node.last_report;
    if (!node.reported || before > silence_ + absl::Nanoseconds(1)) continue;
    node.last_report = now_;
    // Its stream may have broken of this lateness alone.
    if (input.by > silence_) node.doubted_at = now_;
  }
  Say(Severity::kWarning, "tilt", std::nullopt,
      absl::StrCat("The controller itself was late by ", HumanDuration(input.by),
                   ": the evidence of that time is thrown away"));
}

void Decision::Take(const TimePassed& /*input*/) {}

void Decision::Take(const Command& input) {
  switch (input.kind) {
    case Command::Kind::kPause:
    case Command::Kind::kResume: {
      const bool pause = input.kind == Command::Kind::kPause;
      if (stored_.paused != pause) {
        stored_.paused = pause;
        SaveState();
        // A holder that was ordered to release no longer serves: that move goes on.
        if (pause && move_ && move_->stage != Stage::kActivating && !move_->release_ordered) {
          AbandonMove("paused");
        }
        Say(Severity::kInfo, pause ? "paused" : "resumed", std::nullopt,
            pause ? "Paused by the operator: nothing moves until resumed"
                  : "Resumed by the operator");
      }
      return Answer(input.id, true, pause ? "paused" : "resumed");
    }
    case Command::Kind::kAck:
      if (stored_.flapping) {
        stored_.flapping = false;
        moves_.clear();
        SaveState();
        Say(Severity::kInfo, "flap_acknowledged", std::nullopt,
            "Acknowledged by the operator: automatic failback is allowed again");
      }
      return Answer(input.id, true, "acknowledged");
    case Command::Kind::kDrain:
    case Command::Kind::kUndrain:
      if (!input.to) return Answer(input.id, false, "no node is named");
      return SetDrained(*input.to, input.kind == Command::Kind::kDrain, input.id);
    case Command::Kind::kPin:
      if (!input.to) return Answer(input.id, false, "no node is named");
      return SetPinned(input.to, input.id);
    case Command::Kind::kUnpin:
      return SetPinned(std::nullopt, input.id);
    case Command::Kind::kSwitchover:
    case Command::Kind::kFailback:
      break;
  }
  const bool failback = input.kind == Command::Kind::kFailback;
  if (stored_.paused) {
    return Answer(input.id, false, "the cluster is paused; resume it first");
  }
  if (input.force) return ForceSwitchover(input);
  if (adopting_ || !active_) return Answer(input.id, false, "no node is active yet");
  if (move_) {
    return Answer(
        input.id, false,
        absl::StrCat("a ", ToString(move_->cause), " to ", Name(move_->to), " is under way"));
  }
  std::optional<NodeIndex> to = failback ? Preferred() : input.to;
  if (!to && failback) return Answer(input.id, false, "no node is preferred: priorities are equal");
  if (!to) to = Best(Fitness::kSuspect, active_);
  if (!to) return Answer(input.id, false, "no standby could take over; see hbctl status");
  if (*to == *active_) {
    return Answer(input.id, false, absl::StrCat(Name(*to), " is active already"));
  }
  if (FitnessOf(*to) == Fitness::kNo) {
    return Answer(input.id, false,
                  absl::StrCat(Name(*to), " could not take over: ", WhyUnfit(*to)));
  }
  if (!MayBeReplacedBy(*to, active_)) {
    return Answer(input.id, false,
                  absl::StrCat("the configuration that names ", Name(*to),
                               " is not confirmed yet, and a node that is silent may hold by an "
                               "older one"));
  }
  StartMove(failback ? MoveCause::kFailback : MoveCause::kSwitchover, *to,
            failback ? "Failback by the operator" : "Switchover by the operator", input.id);
}

bool Decision::IsDrained(NodeIndex i) const {
  return std::find(stored_.drained.begin(), stored_.drained.end(), Name(i)) !=
         stored_.drained.end();
}

void Decision::SetDrained(NodeIndex i, bool drained, uint64_t command) {
  if (IsDrained(i) != drained) {
    if (drained) {
      stored_.drained.push_back(Name(i));
    } else {
      std::erase(stored_.drained, Name(i));
    }
    SaveState();
    Say(Severity::kInfo, drained ? "drained" : "undrained", i,
        absl::StrCat(Name(i), drained ? " is drained by the operator: it is to give no service"
                                      : " may give service again"));
  }
  Answer(command, true, drained ? "drained" : "undrained");
}

void Decision::SetPinned(std::optional<NodeIndex> i, uint64_t command) {
  const std::string name = i ? Name(*i) : "";
  if (stored_.pinned != name) {
    stored_.pinned = name;
    stored_.placed = false;
    SaveState();
    Say(Severity::kInfo, i ? "pinned" : "unpinned", i,
        i ? absl::StrCat("Pinned by the operator: ", name, " is preferred, whatever the priorities")
          : "Unpinned by the operator: priorities count again");
  }
  Answer(command, true, i ? "pinned" : "unpinned");
}

// --- Orders ---

bool Decision::WantsService(NodeIndex i) const {
  if (model_.standby_runs_service && !IsDrained(i)) return true;
  if (move_ && move_->to == i) return true;
  if (active_ == i && !(move_ && move_->release_ordered && move_->from == i)) return true;
  // Nobody serves and nothing healthier is known: whoever gets its service to run again is it.
  return !move_ && !stored_.paused && active_ && nodes_[i].suspect && nodes_[*active_].suspect &&
         nodes_[*active_].verdict == Verdict::kServiceDown;
}

void Decision::DecideServices() {
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    NodeState& node = nodes_[i];
    node.runs_service = WantsService(i);
    const bool starting = move_ && move_->to == i;
    if (!node.runs_service || (stored_.paused && !starting) || Silent(i) || !Acted(i)) continue;
    if (node.report->service != ServiceState::kStopped &&
        node.report->service != ServiceState::kFailed) {
      continue;
    }
    if (now_ < node.next_attempt) {
      WakeAt(node.next_attempt);
      continue;
    }
    ++node.start_attempt;
    node.backoff = std::clamp(node.backoff * 2, kFirstBackoff, kMaxBackoff);
    node.next_attempt = now_ + node.backoff;
  }
}

void Decision::SendOrders() {
  // The first epoch of all, or one above what a node has seen, is on its way to the disk.
  if (stored_.epoch == 0 || raise_epoch_ || !MayIntroduce()) return;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    NodeState& node = nodes_[i];
    if (!node.connected || !node.reported || !node.report->knows_spec) continue;
    const bool releasing = move_ && move_->release_ordered && move_->from == i;
    Order order;
    order.active = active_ == i && !releasing;
    order.epoch = stored_.epoch;
    if (move_ && move_->seized && move_->to == i && active_ != i) order.epoch = *move_->epoch;
    order.service_running = node.runs_service;
    order.start_attempt = node.start_attempt;
    if (order.active) order.on_leave = WhenLeaving(i);
    const bool forced = order.active && std::exchange(node.force_once, false);
    if (node.standing == order && !forced) continue;
    node.standing = order;
    order.force = forced;
    if (order.active) book_.Granted(i, node.newest_report, model_.ttl, now_);
    actions_.push_back(SendOrder{i, order});
  }
}

OnLeave Decision::WhenLeaving(NodeIndex i) const {
  if (stored_.paused) return OnLeave::kKeep;
  const bool under_way = move_ && move_->from == i && IsPlanned(move_->cause);
  return under_way || Best(Fitness::kPresumed, i) ? OnLeave::kWait : OnLeave::kRelease;
}

void Decision::RecordHolder(NodeIndex i) {
  if (stored_.holder == model_.nodes[i].id) return;
  stored_.holder = model_.nodes[i].id;
  SaveState();
}

// --- For the shell ---

void Decision::Say(Severity severity, const std::string& type, std::optional<NodeIndex> node,
                   const std::string& reason) {
  actions_.push_back(Event{severity, type, node, stored_.epoch, reason, ""});
}

void Decision::Tell(uint64_t command, const std::string& text) {
  actions_.push_back(Progress{command, text, false, false});
}

void Decision::Answer(uint64_t command, bool succeeded, const std::string& text) {
  actions_.push_back(Progress{command, text, true, succeeded});
}

void Decision::WakeAt(MonoTime when) { next_deadline_ = std::min(next_deadline_, when); }

bool Decision::Serving() const {
  if (!active_) return false;
  const NodeState& node = nodes_[*active_];
  return node.report && node.report->holding && node.report->service == ServiceState::kRunning &&
         (node.verdict == Verdict::kHealthy || node.verdict == Verdict::kPathDown ||
          node.verdict == Verdict::kAgentDown);
}

Decision::NodeView Decision::View(NodeIndex i) const {
  const NodeState& node = nodes_[i];
  return {node.connected, node.connection_error, node.icmp,   node.http,   node.verdict,
          node.reason,    node.suspect,          node.report, book_.End(i)};
}

std::string Decision::Summary() const {
  if (!stored_.established) {
    for (NodeIndex i = 0; i < nodes_.size(); ++i) {
      if (!Silent(i) && nodes_[i].report->follows && now_ < nodes_[i].follows_until) continue;
      return absl::StrCat(
          "Nobody is made active before every node follows this controller: ", Name(i),
          " does not (hbctl switchover ", model_.name, " --to NODE --force overrides)");
    }
  }
  if (adopting_) {
    return now_ < adopt_until_
               ? "Just started: waiting for every node's report, or for earlier leases to run out"
               : "Just started";
  }
  if (move_) {
    const char* stage = move_->stage == Stage::kPreparing   ? "preparing it"
                        : move_->stage == Stage::kReleasing ? "waiting for the release"
                                                            : "activating it";
    return absl::StrCat(move_->reason, ": ", ToString(move_->cause), " to ", Name(move_->to), ", ",
                        stage);
  }
  if (!stuck_.empty()) return stuck_;
  if (!active_) return "No node is fit to serve";
  std::string summary = absl::StrCat(Name(*active_), Serving() ? " serves" : " is active");
  if (stored_.terms_policy != model_.on_expiry) {
    absl::StrAppend(&summary, "; it has not confirmed the new on_expiry yet, the old one counts");
  }
  return summary;
}

}  // namespace hb::controller
