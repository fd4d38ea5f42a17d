// What must hold in the simulated world, whatever happened; judged from the gates, never from what
// a core believes.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/world.h"

namespace hb::sim {

using controller::NodeIndex;
using controller::Verdict;

void World::Fail(const std::string& property, const std::string& text) {
  if (violation_) return;
  violation_ = {property, text, now_};
  if (!tracing()) return;
  Say(absl::StrCat("VIOLATION ", property, ": ", text));
  for (int c = 0; c < plan_.controllers; ++c) SayWhatItThinks(c);
}

void World::SayWhatItThinks(int c) {
  const ControllerProcess& process = controllers_[c];
  if (!process.decision) return;
  Say(absl::StrCat("ctl", c + 1, ": ", process.decision->Summary()));
  for (NodeIndex i = 0; i < process.members.size(); ++i) {
    const controller::Decision::NodeView view = process.decision->View(i);
    std::string line =
        absl::StrCat("ctl", c + 1, ": ", HostName(process.members[i]), ": ", view.reason,
                     view.connected ? "" : ", not connected", view.suspect ? ", suspect" : "");
    if (view.report) {
      const controller::NodeReport& report = *view.report;
      absl::StrAppend(&line, report.holding ? ", holds" : "", report.bound ? ", bound" : "",
                      report.follows ? "" : ", follows another", " epoch=", report.epoch,
                      " highest=", report.highest_epoch,
                      " void_before=", report.void_before.incarnation, ".",
                      report.void_before.number);
    }
    Say(line);
  }
}

bool World::GateOpen(int n) {
  if (!hosts_[n].up) return false;
  ExpireAddresses(n);
  const MonoTime now = BootTime(n);
  return std::any_of(std::begin(nodes_[n].vips), std::end(nodes_[n].vips), [now](const Vip& vip) {
    return vip.gate ? !vip.gate->closed(now) : vip.present;
  });
}

bool World::Serves(int n) {
  const Node& node = nodes_[n];
  if (!hosts_[n].up || !node.link_up || !GateOpen(n) || !PageComes(n)) return false;
  const MonoTime now = BootTime(n);
  for (int i = 0; i < plan_.configs[0].vips; ++i) {
    const Vip& vip = node.vips[i];
    if (!vip.present || !vip.gate || vip.gate->closed(now)) return false;
  }
  return true;
}

// A gate was opened, or an address came up behind it.
void World::CheckOpened(int n, bool goes_on) {
  if (!GateOpen(n)) return;
  Node& node = nodes_[n];
  if (plan_.configs[0].on_expiry != OnExpiry::kHold) {
    for (int other = 0; other < plan_.nodes; ++other) {
      if (other == n || !GateOpen(other)) continue;
      Fail("two-holders",
           absl::StrCat(HostName(n), " and ", HostName(other), " answer for the same address"));
    }
  }
  uint64_t epoch = 0;
  for (const Vip& vip : node.vips) {
    if (vip.gate) epoch = std::max(epoch, vip.gate->epoch);
  }
  if (epoch < highest_opened_ && plan_.configs[0].on_expiry != OnExpiry::kHold) {
    Fail("epoch-fell",
         absl::StrCat(HostName(n), " opens under epoch ", epoch, " after ", highest_opened_));
  }
  if (epoch == highest_opened_ && last_opened_ >= 0 && last_opened_ != n &&
      plan_.configs[0].on_expiry != OnExpiry::kHold) {
    Fail("epoch-shared", absl::StrCat(HostName(n), " opens under epoch ", epoch, ", which was ",
                                      HostName(last_opened_), "'s"));
  }
  highest_opened_ = std::max(highest_opened_, epoch);
  // Two that hold by `hold` renew in turn.
  if (goes_on || last_opened_ == n) return;
  if (tracing()) Say(absl::StrCat(HostName(n), ": gate open, epoch ", epoch));
  ++moves_;
  if (recovered_ != kNever) ++moves_since_;
  for (int c = 0; c < plan_.controllers && plan_.controllers == 1; ++c) {
    const ControllerProcess& process = controllers_[c];
    if (!process.pause_noted || !process.decision || !process.decision->persistent().paused) {
      continue;
    }
    const std::vector<int>& may = process.may_hold_paused;
    if (std::find(may.begin(), may.end(), n) == may.end()) {
      Fail("moved-while-paused", absl::StrCat("to ", HostName(n)));
    }
  }
  last_opened_ = n;
}

// From here on only these may take over: who is active by order, and who held last.
void World::NotePause(int c) {
  ControllerProcess& process = controllers_[c];
  if (!process.decision || !process.decision->persistent().paused) return;
  // By `hold` another may go on all the same, and be adopted.
  process.pause_noted = !process.decision->moving() && !plan_.forced_store &&
                        plan_.configs[0].on_expiry != OnExpiry::kHold;
  process.may_hold_paused.clear();
  if (last_opened_ >= 0) process.may_hold_paused.push_back(last_opened_);
  if (const auto active = process.decision->active()) {
    process.may_hold_paused.push_back(process.members[*active]);
  }
  for (int n = 0; n < plan_.nodes; ++n) {
    if (process.decision->persistent().holder == HostName(n)) process.may_hold_paused.push_back(n);
  }
}

// The controller has decided upon a move.
void World::CheckMove(int c, const controller::Event& event) {
  static constexpr const char* kByItself[] = {"failover", "failback", "start", "handover"};
  const bool move = std::any_of(std::begin(kByItself), std::end(kByItself),
                                [&event](const char* type) { return event.type == type; });
  if (!move || !event.node) return;
  const controller::Decision& decision = *controllers_[c].decision;
  const std::vector<std::string>& drained = decision.persistent().drained;
  const auto is_drained = [&](NodeIndex i) {
    return std::find(drained.begin(), drained.end(), decision.model().nodes[i].name) !=
           drained.end();
  };
  const NodeIndex to = *event.node;
  // Paused, the last holder is the only choice.
  const bool paused = decision.persistent().paused;
  if (event.reason.ends_with("by the operator")) return;
  if (is_drained(to) && !paused) {
    Fail("moved-to-drained",
         absl::StrCat(event.type, " to ", HostName(controllers_[c].members[to])));
  }
  const auto known_bad = [&](NodeIndex i) {
    const controller::Decision::NodeView view = decision.View(i);
    return view.verdict == Verdict::kServiceDown || view.verdict == Verdict::kNodeDown ||
           view.verdict == Verdict::kUnable || !view.connected;
  };
  if (!known_bad(to) || paused || plan_.configs.size() > 1) return;
  for (NodeIndex i = 0; i < decision.model().nodes.size(); ++i) {
    const controller::Decision::NodeView view = decision.View(i);
    const bool well = view.verdict == Verdict::kHealthy && !view.suspect && view.connected &&
                      view.report && view.report->knows_spec && view.report->obstacles.empty() &&
                      !view.report->leaving && !is_drained(i);
    if (i == to || i == decision.active() || !well) continue;
    Fail("moved-to-unhealthy",
         absl::StrCat(event.type, " to ", HostName(controllers_[c].members[to]), " while ",
                      HostName(controllers_[c].members[i]), " is well"));
  }
}

// After all faults have ended: service returns, and stays.
void World::CheckRecovery() {
  int serving = -1;
  for (int n = 0; n < plan_.nodes; ++n) {
    if (Serves(n)) serving = n;
  }
  if (recovered_ == kNever) {
    if (serving >= 0) {
      recovered_ = now_;
      if (tracing()) Say(absl::StrCat(HostName(serving), " serves again"));
    } else if (now_ > plan_.chaos + plan_.recover) {
      Fail("no-service", absl::StrCat("nobody serves ", plan_.recover / kSecond,
                                      " s after everything was mended"));
    }
    return;
  }
  // One may be the end of what was under way, then a failback to each node that is preferred to the
  // one before.
  if (moves_since_ > plan_.nodes)
    Fail("flaps", absl::StrCat(moves_since_, " moves without a fault"));
  if (serving >= 0) {
    unserved_since_ = kNever;
  } else if (unserved_since_ == kNever) {
    unserved_since_ = now_;
  } else if (now_ - unserved_since_ > 30 * kSecond) {
    Fail("service-lost", "nobody serves, and nothing has failed");
  }
}

}  // namespace hb::sim
