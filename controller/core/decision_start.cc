// The part of the decision that takes stock after a start (L5), and again when a report shows a
// higher epoch than the store's: adopt the node that holds, undisturbed; or learn that nobody does;
// or wait until whatever an earlier run granted has run out. Nothing is ordered before that.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/decision.h"
#include "controller/core/terms.h"

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
  if (terms_confirmed_) return;
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
      if (Silent(i) || !nodes_[i].report->knows_spec || nodes_[i].report->holding || outstanding) {
        return;
      }
    }
  }
  terms_confirmed_ = true;
  SetTerms(model_, &stored_);
  SaveState();
}

void Decision::TryAdopt() {
  const std::optional<NodeIndex> holder = Holder();
  const bool waited = now_ >= adopt_until_;
  const bool all_seen = AllSeen();
  if (holder && (all_seen || waited || nodes_[*holder].report->epoch >= stored_.epoch)) {
    Adopt(*holder);
  } else if (waited || (!holder && all_seen)) {
    adopting_ = false;
  } else {
    WakeAt(adopt_until_);
  }
}

std::optional<NodeIndex> Decision::Holder() const {
  std::optional<NodeIndex> holder;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (Silent(i) || !nodes_[i].report->holding) continue;
    if (!holder || nodes_[i].report->epoch > nodes_[*holder].report->epoch) holder = i;
  }
  return holder;
}

void Decision::NoticeAllSeen() {
  if (now_ >= adopt_until_ || !AllSeen()) return;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].report->holding) book_.NothingAssumed(i);
  }
}

bool Decision::AllSeen() const {
  // A holder that is no member any more says nothing, and may hold still.
  if (!HolderIsMember()) return false;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (Silent(i) || !nodes_[i].report->knows_spec) return false;
  }
  return true;
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
  const std::optional<NodeIndex> holder = Holder();
  if (!holder) return;
  if (move_) AbandonMove(absl::StrCat(Name(*holder), " holds already"));
  Adopt(*holder);
}

}  // namespace hb::controller
