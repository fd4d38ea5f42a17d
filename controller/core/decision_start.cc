// The part of the decision that takes stock after a start (L5), and again when a report shows a
// higher epoch than the store's: adopt the node that holds, undisturbed; or learn that nobody does;
// or wait until whatever an earlier run granted has run out. Nothing is ordered before that.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/decision.h"

namespace hb::controller {

void Decision::Establish() {
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (Follows(i)) continue;
    if (now_ < adopt_until_) return WakeAt(adopt_until_);
    if (!std::exchange(said_not_followed_, true))
      Say(Severity::kError, "not_followed", i, Summary());
    return;
  }
  stored_.established = true;
  SaveState();
}

void Decision::ConfirmTerms() {
  std::vector<std::string> members;
  for (const NodeModel& node : model_.nodes) members.push_back(node.name);
  if (stored_.terms_policy == model_.on_expiry && stored_.terms_members == members) return;
  if (active_) {
    const NodeState& node = nodes_[*active_];
    if (Silent(*active_) || !node.report->knows_spec || !node.report->spec_stored ||
        !node.report->holding || node.report->epoch != stored_.epoch) {
      return;
    }
  } else {
    if (!HolderIsMember()) return;
    for (NodeIndex i = 0; i < nodes_.size(); ++i) {
      const bool outstanding = now_ < book_.End(i) && !book_.ReleaseProven(i, nodes_[i].report);
      if (Silent(i) || nodes_[i].report->holding || outstanding) return;
    }
  }
  stored_.terms_policy = model_.on_expiry;
  stored_.terms_members = members;
  SaveState();
}

void Decision::TryAdopt() {
  std::optional<NodeIndex> holder;
  // One that is no member any more says nothing, and may hold still.
  bool all_seen = HolderIsMember();
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (Silent(i)) {
      all_seen = false;
      continue;
    }
    const NodeReport& report = *nodes_[i].report;
    if (!report.knows_spec) all_seen = false;
    if (report.holding && (!holder || report.epoch > nodes_[*holder].report->epoch)) holder = i;
  }
  const bool waited = now_ >= adopt_until_;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (all_seen && !nodes_[i].report->holding) book_.NothingAssumed(i);
  }
  if (holder && (all_seen || waited || nodes_[*holder].report->epoch >= stored_.epoch)) {
    Adopt(*holder);
  } else if (waited || (!holder && all_seen)) {
    adopting_ = false;
  } else {
    WakeAt(adopt_until_);
  }
}

void Decision::Adopt(NodeIndex i) {
  adopting_ = false;
  active_ = i;
  nodes_[i].runs_service = true;
  RecordHolder(i);
  // An address that somebody put there by hand, before the first epoch of all.
  if (stored_.epoch == 0 && !raise_epoch_) {
    raise_epoch_ = true;
    actions_.push_back(ReserveEpoch{1});
  }
  // The epoch stays: the holder does not change. It is never below the node's own.
  Say(Severity::kInfo, "adopted", i, absl::StrCat(Name(i), " holds already and goes on"));
}

void Decision::AdoptLate() {
  std::optional<NodeIndex> holder;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (Silent(i) || !nodes_[i].report->holding) continue;
    if (!holder || nodes_[i].report->epoch > nodes_[*holder].report->epoch) holder = i;
  }
  if (!holder) return;
  if (move_) AbandonMove(absl::StrCat(Name(*holder), " holds already"));
  Adopt(*holder);
}

}  // namespace hb::controller
