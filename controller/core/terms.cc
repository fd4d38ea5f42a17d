#include "controller/core/terms.h"

#include <algorithm>

namespace hb::controller {

void Widen(const ClusterModel& model, Persistent* state) {
  // No node is called that: nobody is named by both.
  static constexpr char kNobody[] = "-";
  std::vector<std::string> members;
  for (const NodeModel& node : model.nodes) {
    const auto& before = state->terms_members;
    if (before.empty() || std::find(before.begin(), before.end(), node.name) != before.end()) {
      members.push_back(node.name);
    }
  }
  if (members.empty()) members.emplace_back(kNobody);
  // The enumerators stand in the order of looseness.
  state->terms_policy = state->terms_members.empty()
                            ? model.on_expiry
                            : std::max(state->terms_policy, model.on_expiry);
  state->terms_members = std::move(members);
}

}  // namespace hb::controller
