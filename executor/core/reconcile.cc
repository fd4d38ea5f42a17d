#include "executor/core/reconcile.h"

#include <algorithm>

namespace hb::executor {
namespace {

using State = ServiceStatus::State;

}  // namespace

bool Observation::AnyVipPresent() const {
  return std::find(vip_present.begin(), vip_present.end(), true) != vip_present.end();
}

bool Observation::AllVipsPresent() const {
  return std::find(vip_present.begin(), vip_present.end(), false) == vip_present.end();
}

bool Observation::AnyVipExposed() const {
  for (size_t i = 0; i < vip_present.size(); ++i) {
    const bool kept_in = gate_stands && i < gate_closed.size() && gate_closed[i];
    if (vip_present[i] && !kept_in) return true;
  }
  return false;
}

std::vector<Step> Reconcile(const Wanted& wanted, const Observation& seen) {
  std::vector<Step> steps;
  if (!wanted.hold) {
    for (size_t i = 0; i < seen.vip_present.size(); ++i) {
      if (seen.vip_present[i]) steps.push_back({StepKind::kRemoveVip, i});
    }
  }
  const State service = seen.service.state;
  if (wanted.service_running) {
    // Also when it runs already, which changes nothing but uses the attempt up: otherwise a service
    // that dies later would be started again without anyone having asked for it.
    if (wanted.start_attempt > seen.start_attempted) steps.push_back({StepKind::kStartService});
  } else if (!wanted.hold && !seen.AnyVipPresent() && wanted.may_stop_service &&
             service != State::kStopped && service != State::kStopping) {
    steps.push_back({StepKind::kStopService});
  }
  // The address follows the service. Once it has been up it stays with this node for as long as the
  // lease does, also when the service dies: the controller moves it, or has the service started
  // again here.
  if (wanted.hold && (wanted.taken_over || service == State::kRunning)) {
    for (size_t i = 0; i < seen.vip_present.size(); ++i) {
      if (!seen.vip_present[i] && seen.link_usable[i]) steps.push_back({StepKind::kAddVip, i});
    }
  }
  return steps;
}

}  // namespace hb::executor
