// See unit_state.h. Rules in order; the first that applies.
#include "executor/host/service/unit_state.h"

#include "absl/strings/str_cat.h"
#include "executor/host/service/signal_name.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using Want = UnitIntent::Want;

// ": killed by signal 9 (Killed)", or nothing.
std::string MainProcess(const UnitState& state) {
  if (state.exit_code == 0) return "";
  return absl::StrCat(": main process ", DescribeExit(state.exit_code, state.exit_status));
}

// Why the unit can't run at all; empty when it can.
std::string LoadProblem(const std::string& unit, const UnitState& state) {
  if (state.load_state == "loaded" || state.load_state == "merged") return "";
  if (state.load_state == "not-found") return absl::StrCat("there is no unit ", unit);
  if (state.load_state == "masked") return absl::StrCat(unit, " is masked");
  return absl::StrCat(unit, " can't be loaded (", state.load_state, ")");
}

ServiceStatus AtRest(const std::string& unit, const UnitState& state, const UnitIntent& intent) {
  const std::string problem = LoadProblem(unit, state);
  if (intent.want == Want::kStop) return {State::kStopped, problem};
  if (!problem.empty()) return {State::kFailed, problem};
  if (!intent.start_error.empty()) return {State::kFailed, intent.start_error};
  if (state.active_state == "failed") {
    return {State::kFailed, absl::StrCat(unit, " failed (", state.result, ")", MainProcess(state))};
  }
  if (intent.want == Want::kNothing) return {State::kStopped, ""};
  if (intent.others_job) return {State::kFailed, "stopped by somebody else"};
  return {State::kFailed, absl::StrCat("ended by itself", MainProcess(state))};
}

}  // namespace

ServiceStatus InterpretUnit(const std::string& unit, const UnitState& state,
                            const UnitIntent& intent) {
  const bool stopping = intent.want == Want::kStop;
  if (state.at_rest()) {
    if (intent.start_under_way && !stopping) return {State::kStarting, ""};
    return AtRest(unit, state, intent);
  }
  if (stopping) return {State::kStopping, ""};
  if (state.active()) {
    return {State::kRunning,
            state.sub_state == "exited" ? "active, though nothing of it runs" : ""};
  }
  if (state.active_state == "activating") {
    if (state.sub_state != "auto-restart") return {State::kStarting, ""};
    return {State::kStarting,
            absl::StrCat("systemd restarts it (", state.result, ")", MainProcess(state))};
  }
  if (state.active_state == "deactivating") {
    return {State::kStopping,
            intent.others_job ? "being stopped by somebody else" : "ending by itself"};
  }
  return {State::kFailed,
          absl::StrCat(unit, " is in the unknown state \"", state.active_state, "\"")};
}

}  // namespace hb::executor
