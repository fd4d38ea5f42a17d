#include "controller/core/terms.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace hb::controller {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

// The first VIP of `model` that the last holder of `state` may have; empty: none.
std::string SharedVip(const ClusterModel& model, const Persistent& state) {
  if (state.holder.empty()) return "";
  for (const std::string& vip : model.vips) {
    if (Contains(state.terms_vips, vip)) return vip;
  }
  return "";
}

// A holder that is taken out could neither be asked to release nor be judged.
absl::Status CheckHolderStays(const ClusterModel& model, const std::string& name,
                              const KnownCluster& known) {
  const auto holds = [&known](const NodeModel& node) { return Names(known.state.holder, node); };
  if (std::none_of(known.nodes.begin(), known.nodes.end(), holds) ||
      std::any_of(model.nodes.begin(), model.nodes.end(), holds)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "cluster ", model.name, ": ", known.state.holder,
      " held last and can't be taken out, nor get another executor address; move the service first "
      "(hbctl switchover ",
      name, "; with --to NODE --force if it is off for good)"));
}

}  // namespace

bool Names(const std::string& id, const NodeModel& node) {
  return id == node.id || id == node.name;
}

bool NamedBy(const std::vector<std::string>& ids, const NodeModel& node) {
  return std::any_of(ids.begin(), ids.end(),
                     [&node](const std::string& id) { return Names(id, node); });
}

void SetTerms(const ClusterModel& model, Persistent* state) {
  state->terms_policy = model.on_expiry;
  state->terms_members.clear();
  for (const NodeModel& node : model.nodes) state->terms_members.push_back(node.id);
  state->terms_vips = model.vips;
}

void Widen(const ClusterModel& model, Persistent* state) {
  // No node is called that: nobody is named by both.
  static constexpr char kNobody[] = "-";
  const Persistent before = *state;
  SetTerms(model, state);
  if (!before.holder.empty()) {
    for (const std::string& vip : before.terms_vips) {
      if (!Contains(state->terms_vips, vip)) state->terms_vips.push_back(vip);
    }
  }
  if (before.terms_members.empty()) return;
  // The enumerators stand in the order of looseness.
  state->terms_policy = std::max(before.terms_policy, model.on_expiry);
  state->terms_members.clear();
  for (const NodeModel& node : model.nodes) {
    if (state->holder == node.name) state->holder = node.id;
    if (NamedBy(before.terms_members, node)) state->terms_members.push_back(node.id);
  }
  if (state->terms_members.empty()) state->terms_members.emplace_back(kNobody);
}

absl::StatusOr<std::vector<Beginning>> Begin(const std::vector<ClusterModel>& wanted,
                                             const KnownClusters& known) {
  const auto goes_on = [&wanted](const std::string& name) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&name](const ClusterModel& model) { return model.name == name; });
  };
  std::vector<Beginning> beginnings;
  for (const ClusterModel& model : wanted) {
    const auto named = known.find(model.name);
    // A record of a cluster that nobody ever held stands in no other's way.
    const bool idle =
        named != known.end() && named->second.nodes.empty() && named->second.state.holder.empty();
    auto own = idle ? known.end() : named;
    for (auto other = known.begin(); other != known.end(); ++other) {
      const auto& [name, theirs] = *other;
      const std::string vip = name == model.name ? std::string() : SharedVip(model, theirs.state);
      if (vip.empty()) continue;
      if (goes_on(name) || own != known.end()) {
        const std::string first = goes_on(name) ? "take it out there and reload, and add it here"
                                                : "that cluster is removed; add it here";
        const std::string again = goes_on(name) ? "" : "make that a cluster again, ";
        return absl::FailedPreconditionError(
            absl::StrCat("cluster ", model.name, ": ", theirs.state.holder, " may still hold ", vip,
                         " for cluster ", name, "; ", first,
                         " when that node has been reached (if it is off for "
                         "good: ",
                         again, "hbctl switchover ", name, " --to NODE --force first)"));
      }
      own = other;
    }
    if (own == known.end()) own = named;
    Beginning beginning;
    // Where there is no record, the longest lease that the schema allows may be out.
    beginning.longest_ttl = kMaxTtl;
    if (own != known.end()) {
      const auto& [name, found] = *own;
      if (absl::Status status = CheckHolderStays(model, name, found); !status.ok()) return status;
      beginning.state = found.state;
      // A record that is older than the config (a restored backup) says little.
      if (found.longest_ttl >= model.ttl) beginning.longest_ttl = found.longest_ttl;
      if (own != named) beginning.renamed_from = name;
    }
    Widen(model, &beginning.state);
    // What another of them is given from here on, is waited for there.
    std::erase_if(beginning.state.terms_vips, [&](const std::string& vip) {
      return std::any_of(wanted.begin(), wanted.end(), [&](const ClusterModel& other) {
        return other.name != model.name && Contains(other.vips, vip);
      });
    });
    beginnings.push_back(std::move(beginning));
  }
  return beginnings;
}

}  // namespace hb::controller
