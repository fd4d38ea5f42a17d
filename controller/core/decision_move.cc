// The part of the decision that moves the service: when, whereto, and the stages of a move
// (preparing, for planned moves only -> releasing -> activating).
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/decision.h"
#include "controller/core/terms.h"

namespace hb::controller {
namespace {

// A planned move whose target has not got its service to answer by then is given up, and so is an
// activation.
constexpr Duration kPrepareLimit = absl::Seconds(90);
// After a failback, or a handover of a drained node, that failed the next is tried after 2, 4, 8,
// then every 15 s.
constexpr Duration kFirstPlannedBackoff = absl::Seconds(2);
constexpr Duration kMaxPlannedBackoff = absl::Seconds(15);

// A controller that was cut off itself reaches an executor that lives by then: an attempt to
// connect and the pause before it take a second each.
constexpr Duration kRedialWithin = absl::Milliseconds(2500);

}  // namespace

bool IsPlanned(MoveCause cause) {
  return cause == MoveCause::kSwitchover || cause == MoveCause::kFailback ||
         cause == MoveCause::kHandover;
}

void Decision::Consider() {
  const std::string was_stuck = std::exchange(stuck_, {});
  if (active_) {
    ConsiderFailover(*active_);
    if (!move_ && stuck_.empty()) ConsiderFailback(*active_);
  } else if (const std::optional<NodeIndex> held = KeptByPromises(); held && HolderIsMember()) {
    stuck_ = absl::StrCat("A node that is out of reach here goes on by ", Name(*held),
                          "'s promise to stay away");
  } else if (!HolderIsMember() &&
             (Policy() != OnExpiry::kRelease || !Best(Fitness::kSuspect, std::nullopt))) {
    // It goes on by itself for as long as its on_expiry has it, and can't be asked any more.
    stuck_ =
        absl::StrCat("The last holder, ", stored_.holder,
                     ", is no node of the cluster any more and may go on by on_expiry: make it "
                     "one again and switch over, or force it (hbctl switchover ",
                     model_.name, " --to NODE --force)");
  } else if (stored_.paused) {
    // The last holder may be granted again, and nobody else (L10).
    for (NodeIndex i = 0; i < nodes_.size(); ++i) {
      if (!Names(stored_.holder, model_.nodes[i]) || FitnessOf(i) < Fitness::kSuspect) continue;
      return StartMove(MoveCause::kStart, i, "No node is active; paused: the last holder goes on",
                       std::nullopt);
    }
    stuck_ = "No node is active, and the cluster is paused";
  } else if (const std::optional<NodeIndex> best = Best(Fitness::kSuspect, std::nullopt)) {
    StartMove(MoveCause::kStart, *best, "No node is active", std::nullopt);
  } else {
    stuck_ = "No node is active, and none is fit to be";
  }
  if (!stuck_.empty() && stuck_ != was_stuck) {
    Say(Severity::kError, "stuck", active_, stuck_);
  }
}

void Decision::ConsiderFailover(NodeIndex a) {
  const NodeState& active = nodes_[a];
  Fitness needed = Fitness::kPresumed;
  switch (active.verdict) {
    case Verdict::kServiceDown:
      break;
    case Verdict::kUnable:
      // Nobody serves.
      if (!active.report->holding || !active.report->vips_present) needed = Fitness::kSuspect;
      break;
    case Verdict::kNodeDown:
      // A live host whose service failed once is still better than a dead host.
      needed = Fitness::kSuspect;
      break;
    case Verdict::kAgentDown:
      // It may come back, and serves meanwhile: its lease is waited for.
      if (const MonoTime until = WaitForAgent(a); now_ < until) return WakeAt(until);
      // Then nobody serves.
      if (Policy() != OnExpiry::kHold) needed = Fitness::kSuspect;
      break;
    case Verdict::kUnknown:
    case Verdict::kHealthy:
    case Verdict::kPathDown:
      return HandOver(a);
  }
  if (stored_.paused) {
    stuck_ = absl::StrCat(active.reason, ", but the cluster is paused");
    return;
  }
  if (Silent(a) && WitnessMissing(a)) {
    stuck_ = absl::StrCat(active.reason,
                          ", but the witness does not answer here either: it may be this "
                          "controller that is cut off");
    return;
  }
  const std::optional<NodeIndex> best = Best(needed, a);
  if (!best) {
    stuck_ = absl::StrCat(active.reason, ", and no other node is healthier: staying put");
    return;
  }
  StartMove(MoveCause::kFailover, *best, active.reason, std::nullopt);
}

void Decision::HandOver(NodeIndex a) {
  if (Silent(a) || stored_.paused) return;
  const bool leaving = nodes_[a].report->leaving;
  if (!leaving && !IsDrained(a)) return;
  if (!leaving && now_ < next_planned_) return WakeAt(next_planned_);
  const std::optional<NodeIndex> best = Best(Fitness::kPresumed, a);
  if (!best) {
    if (!leaving) {
      stuck_ = absl::StrCat(Name(a), " is drained, and no other node could take over: staying put");
    }
    return;
  }
  StartMove(MoveCause::kHandover, *best,
            absl::StrCat(Name(a), leaving ? " executor is stopping" : " is drained"), std::nullopt);
}

std::optional<NodeIndex> Decision::KeptByPromises() {
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (!PromisedLately(i)) continue;
    return i;
  }
  return std::nullopt;
}

bool Decision::PromisedLately(NodeIndex i) {
  const NodeState& node = nodes_[i];
  if (Silent(i) || node.promised_at == MonoTime() || !node.report->bound) return false;
  // A holder that lives by promises asks again several times a ttl.
  const MonoTime until = node.promised_at + model_.ttl;
  if (now_ >= until) return false;
  WakeAt(until);
  return true;
}

bool Decision::Vouched(NodeIndex holder) {
  bool any = false;
  bool all = true;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (i == holder || Silent(i)) continue;
    const bool promised = PromisedLately(i);
    any = any || promised;
    all = all && promised;
  }
  // Under `release` it needs the promise of every one, or it gives up.
  return Policy() == OnExpiry::kRelease ? any && all : any;
}

void Decision::ForceSwitchover(const Command& command) {
  const std::optional<NodeIndex> to = command.to ? command.to : Best(Fitness::kSuspect, active_);
  if (!to) return Answer(command.id, false, "no standby could take over; see hbctl status");
  if (active_ == *to) {
    return Answer(command.id, false, absl::StrCat(Name(*to), " is active already"));
  }
  if (FitnessOf(*to) == Fitness::kNo) {
    return Answer(command.id, false,
                  absl::StrCat(Name(*to), " could not take over: ", WhyUnfit(*to)));
  }
  if (move_) AbandonMove("an operator forces another");
  adopting_ = false;
  if (!stored_.established) {
    stored_.established = true;
    SaveState();
  }
  StartMove(MoveCause::kSwitchover, *to,
            absl::StrCat("Switchover forced by ", command.by,
                         ": whoever is out of reach is not waited for"),
            command.id, true);
}

void Decision::ConsiderFailback(NodeIndex a) {
  if (Silent(a)) return;
  const bool wanted = model_.auto_failback || !stored_.pinned.empty();
  if (!wanted || stored_.paused || stored_.placed || stored_.flapping) return;
  std::optional<NodeIndex> best;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (Preference(i) <= Preference(a) || FitnessOf(i) == Fitness::kNo ||
        nodes_[i].well_since == MonoTime::Infinite() || !MayBeReplacedBy(i, a)) {
      continue;
    }
    if (!best || Preference(i) > Preference(*best)) best = i;
  }
  if (!best) return;
  const MonoTime due = std::max(nodes_[*best].well_since + model_.failback_after, next_planned_);
  if (now_ < due) return WakeAt(due);
  StartMove(
      MoveCause::kFailback, *best,
      absl::StrCat(Explain(Verdict::kHealthy, Name(*best), model_.service_label), " and preferred"),
      std::nullopt);
}

void Decision::StartMove(MoveCause cause, NodeIndex to, const std::string& reason,
                         std::optional<uint64_t> command, bool forced) {
  NodeState& target = nodes_[to];
  Move move{};
  move.cause = cause;
  move.from = active_;
  move.to = to;
  move.stage = IsPlanned(cause) && !forced ? Stage::kPreparing : Stage::kReleasing;
  move.forced = forced;
  move.reason = reason;
  move.command = command;
  move.since = cause == MoveCause::kFailover ? nodes_[*active_].bad_since : now_;
  move.give_up_at = now_ + kPrepareLimit;
  move.page_seen = target.page_expected && target.http.up();
  target.next_attempt = now_;
  move_ = move;
  Say(IsPlanned(cause) && !forced ? Severity::kInfo : Severity::kWarning, ToString(cause), to,
      reason);
  std::get<Event>(actions_.back()).detail =
      active_ ? absl::StrCat("from ", Name(*active_), " to ", Name(to))
              : absl::StrCat("to ", Name(to));
  if (command) Tell(*command, absl::StrCat("preparing ", Name(to), ": ", model_.service_label));
  AdvanceMove();
}

void Decision::AdvanceMove() {
  // Each stage may end in the next within one step.
  if (move_ && move_->stage == Stage::kPreparing) AdvancePreparing();
  if (move_ && move_->stage == Stage::kReleasing) AdvanceReleasing();
  if (move_ && move_->stage == Stage::kActivating) AdvanceActivating();
}

void Decision::AdvancePreparing() {
  const NodeState& target = nodes_[move_->to];
  const NodeState& from = nodes_[*move_->from];
  if (FitnessOf(move_->to) == Fitness::kNo) return AbandonMove(WhyUnfit(move_->to));
  if (from.verdict == Verdict::kServiceDown || from.verdict == Verdict::kNodeDown ||
      from.verdict == Verdict::kUnable) {
    return AbandonMove(from.reason);
  }
  if (from.verdict == Verdict::kAgentDown) {
    const MonoTime until = WaitForAgent(*move_->from);
    if (now_ >= until) return AbandonMove(from.reason);
    WakeAt(until);
  }
  if (target.runs_service && target.verdict == Verdict::kServiceDown) {
    const std::string& detail = target.report->service == ServiceState::kRunning
                                    ? target.http.detail()
                                    : target.report->service_detail;
    return AbandonMove(detail.empty() ? target.reason : absl::StrCat(target.reason, ": ", detail));
  }
  if (now_ >= move_->give_up_at) {
    return AbandonMove(absl::StrCat(model_.service_label, " did not answer on ", Name(move_->to),
                                    " within ", HumanDuration(kPrepareLimit)));
  }
  WakeAt(move_->give_up_at);
  if (!target.runs_service || !Acted(move_->to) ||
      target.report->service != ServiceState::kRunning) {
    return;
  }
  if (model_.http && !move_->page_seen) return;
  if (target.report->bound) return;  // it could not take over yet
  if (move_->command) {
    Tell(*move_->command,
         absl::StrCat(Name(move_->to), " is ready: its ", model_.service_label,
                      model_.http ? " serves the page on its own address" : " runs"));
  }
  move_->stage = Stage::kReleasing;
}

void Decision::AdvanceReleasing() {
  Move& move = *move_;
  if (FitnessOf(move.to) == Fitness::kNo) return AbandonMove(WhyUnfit(move.to));
  if (!move.epoch_asked) {
    uint64_t highest = stored_.epoch;
    for (const NodeState& node : nodes_) {
      if (node.report) highest = std::max(highest, node.report->highest_epoch);
    }
    move.epoch_asked = true;
    actions_.push_back(ReserveEpoch{highest + 1});
  }
  if (move.from && !move.release_ordered) {
    const NodeState& from = nodes_[*move.from];
    if (Silent(*move.from)) {
      if (IsPlanned(move.cause) && !move.forced) return AbandonMove(from.reason);
      if (from.verdict == Verdict::kPathDown && !move.forced) return AbandonMove(from.reason);
    } else if (IsPlanned(move.cause) || from.verdict == Verdict::kServiceDown ||
               from.verdict == Verdict::kUnable) {
      // Nothing is taken from a holder that serves before the next can be made active.
      const bool serves = from.verdict != Verdict::kServiceDown;
      const bool clear = OthersClear(move.to, move.from) ||
                         (move.forced && OnlySilentOnesLeft(move.to, move.from));
      if (serves && !(move.epoch && clear)) {
        if (now_ < move.give_up_at) return WakeAt(move.give_up_at);
        return AbandonMove(move.epoch ? "another node may still hold a lease"
                                      : "the new epoch could not be stored");
      }
      move.release_ordered = true;
      if (move.command) Tell(*move.command, absl::StrCat("releasing ", Name(*move.from)));
    } else {
      return AbandonMove(absl::StrCat(Name(*move.from), " came back before its lease ran out"));
    }
  }
  if (!move.epoch) return;
  const bool bound = nodes_[move.to].report->bound && !move.forced;
  // The epoch goes ahead only to a node whose promise keeps a holder that can't be reached.
  const bool reachable = move.from && !Silent(*move.from);
  if (bound && !reachable) move.seized = true;
  const bool clear = OthersClear(move.to);
  if ((clear || (move.forced && OnlySilentOnesLeft(move.to))) && !(bound && move.seized)) {
    Activate();
  }
}

bool Decision::OnlySilentOnesLeft(NodeIndex to, std::optional<NodeIndex> but) const {
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (i != to && i != but && !Silent(i) && nodes_[i].report->holding) return false;
  }
  return true;
}

MonoTime Decision::WaitForAgent(NodeIndex i) const {
  const NodeState& node = nodes_[i];
  if (node.doubted_at == MonoTime()) return ClearAt(i);
  return std::max(ClearAt(i),
                  node.doubted_at + std::max(WithClockMargin(model_.ttl), kRedialWithin));
}

MonoTime Decision::ClearAt(NodeIndex i) const {
  const MonoTime end = book_.End(i);
  const OnExpiry policy = Policy();
  // Whoever speaks says itself whether it holds.
  if (policy == OnExpiry::kRelease || end == MonoTime() || !Silent(i)) return end;
  // By witness or hold an executor goes on without grants, and the gate with it: for ttl beyond its
  // last question to the witness, or its death (L7, L8). Either comes at most one interval after
  // the last sign of life that was had of it here.
  const NodeState& node = nodes_[i];
  MonoTime life = node.last_report;
  if (node.icmp.down()) life = std::max(life, node.icmp.answered());
  if (node.icmp.down() && node.http.down()) life = std::max(life, node.http.answered());
  const Duration interval = policy == OnExpiry::kWitness
                                ? std::max(model_.witness_interval, model_.heartbeat)
                                : model_.heartbeat;
  const Duration ttl = WithClockMargin(model_.ttl);
  if (node.doubted_at != MonoTime()) {
    life = std::max(life, node.doubted_at + std::max(kRedialWithin - ttl, absl::ZeroDuration()));
  }
  return std::max(end, life + ttl + interval);
}

bool Decision::OthersClear(NodeIndex to, std::optional<NodeIndex> but) {
  bool clear = MayBeReplacedBy(to, but);
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (i == to || i == but || book_.ReleaseProven(i, nodes_[i].report)) continue;
    // It says so itself; or it may be this controller that is cut off, and the witness keeps the
    // holder.
    const bool holds = !Silent(i) && nodes_[i].report->holding;
    const bool kept = Silent(i) && book_.End(i) != MonoTime() && WitnessMissing(i);
    const bool outstanding = now_ < ClearAt(i);
    if (outstanding && !holds) WakeAt(ClearAt(i));
    if (holds || outstanding || kept) clear = false;
  }
  return clear;
}

bool Decision::MayBeReplacedBy(NodeIndex to, std::optional<NodeIndex> but) const {
  if (NamedBy(stored_.terms_members, model_.nodes[to])) return true;
  // The last holder's spec does not name it: it has promised that holder nothing, and time proves
  // nothing (L3).
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    const bool never = book_.End(i) == MonoTime();
    if (i != to && i != but && !never && !book_.ReleaseProven(i, nodes_[i].report)) return false;
  }
  return HolderIsMember();
}

bool Decision::HolderIsMember() const {
  return stored_.holder.empty() ||
         std::any_of(model_.nodes.begin(), model_.nodes.end(),
                     [this](const NodeModel& node) { return Names(stored_.holder, node); });
}

OnExpiry Decision::Policy() const {
  const bool witness =
      model_.on_expiry == OnExpiry::kWitness || stored_.terms_policy == OnExpiry::kWitness;
  return witness ? OnExpiry::kWitness : std::max(model_.on_expiry, stored_.terms_policy);
}

bool Decision::WitnessMissing(NodeIndex i) const {
  if (Policy() != OnExpiry::kWitness) return false;
  return !witness_seen_ || witness_asked_ <= nodes_[i].last_report;
}

void Decision::Activate() {
  Move& move = *move_;
  stored_.epoch = *move.epoch;
  active_ = move.to;
  RecordHolder(move.to);
  nodes_[move.to].force_once = move.forced;
  move.stage = Stage::kActivating;
  move.give_up_at = now_ + kPrepareLimit;
  if (move.command) {
    Tell(*move.command, absl::StrCat("activating ", Name(move.to), " under epoch ", stored_.epoch));
  }
  if (move.cause == MoveCause::kFailover || (move.cause == MoveCause::kFailback && !move.command)) {
    CountMove();
  }
  if (move.cause == MoveCause::kFailover && stored_.placed) {
    stored_.placed = false;
    SaveState();
  }
}

void Decision::AdvanceActivating() {
  const NodeState& target = nodes_[move_->to];
  if (target.runs_service && target.verdict != Verdict::kHealthy &&
      target.verdict != Verdict::kPathDown && target.verdict != Verdict::kUnknown) {
    return AbandonMove(target.reason);
  }
  if (target.report && target.report->holding && target.report->vips_present &&
      target.report->epoch == stored_.epoch && target.report->service == ServiceState::kRunning) {
    FinishMove();
  } else if (now_ >= move_->give_up_at) {
    // Until its service runs it is down, whatever it is about.
    nodes_[move_->to].reason =
        Explain(Verdict::kServiceDown, Name(move_->to), model_.service_label);
    ChangeVerdict(move_->to, Verdict::kServiceDown, Gather(move_->to));
    AbandonMove(absl::StrCat(Name(move_->to), " does not serve ", HumanDuration(kPrepareLimit),
                             " after its activation"));
  } else {
    WakeAt(move_->give_up_at);
  }
}

void Decision::FinishMove() {
  const Move move = *move_;
  move_.reset();
  next_planned_ = now_;
  planned_backoff_ = absl::ZeroDuration();
  Say(Severity::kInfo, "serving", move.to,
      absl::StrCat(model_.name, " serves from ", Name(move.to)));
  if (move.cause == MoveCause::kFailover) {
    std::get<Event>(actions_.back()).detail =
        absl::StrCat(HumanDuration(now_ - move.since), " after the first evidence");
  }
  if (IsPlanned(move.cause)) {
    bool better_exists = false;
    for (NodeIndex i = 0; i < nodes_.size(); ++i) {
      better_exists = better_exists || Preference(i) > Preference(move.to);
    }
    const bool placed = move.cause == MoveCause::kSwitchover && better_exists;
    if (placed != stored_.placed) {
      stored_.placed = placed;
      SaveState();
    }
  }
  if (move.command) {
    Answer(*move.command, true, absl::StrCat(model_.name, " serves from ", Name(move.to)));
  }
}

void Decision::AbandonMove(const std::string& why) {
  const Move move = *move_;
  move_.reset();
  // The target has seen that epoch: who goes on, goes on under it.
  if (move.seized && move.stage != Stage::kActivating) stored_.epoch = *move.epoch;
  Say(Severity::kWarning, "move_abandoned", move.to,
      absl::StrCat("The ", ToString(move.cause), " to ", Name(move.to), " is given up: ", why));
  if (move.cause == MoveCause::kFailback || move.cause == MoveCause::kHandover) {
    planned_backoff_ = std::clamp(planned_backoff_ * 2, kFirstPlannedBackoff, kMaxPlannedBackoff);
    next_planned_ = now_ + planned_backoff_;
  }
  if (move.command) Answer(*move.command, false, why);
}

void Decision::CountMove() {
  moves_.push_back(now_);
  while (now_ - moves_.front() > model_.flap_window) moves_.pop_front();
  if (static_cast<int>(moves_.size()) <= model_.flap_max || stored_.flapping) return;
  stored_.flapping = true;
  SaveState();
  Say(Severity::kError, "flapping", active_,
      absl::StrCat(moves_.size(), " moves within ", HumanDuration(model_.flap_window),
                   ": no automatic failback until it is acknowledged (hbctl ack ", model_.name,
                   ")"));
}

}  // namespace hb::controller
