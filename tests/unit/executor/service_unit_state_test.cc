// What a unit's properties mean as a service's status: every rule of
// executor/host/service/unit_state.cc.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "executor/host/service/unit_state.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using Want = UnitIntent::Want;

struct Case {
  std::string name;
  UnitState state;
  UnitIntent intent;
  ServiceStatus expected;
};

UnitState Unit(const std::string& active, const std::string& sub,
               const std::string& result = "success", int code = 0, int status = 0) {
  return {"loaded", active, sub, result, code, status};
}

UnitState NotLoaded(const std::string& load_state) {
  return {load_state, "inactive", "dead", "", 0, 0};
}

UnitIntent Wants(Want want) { return {want, false, false, ""}; }

class UnitStateTest : public testing::TestWithParam<Case> {};

TEST_P(UnitStateTest, MeansThis) {
  const Case& c = GetParam();
  EXPECT_EQ(InterpretUnit("web.service", c.state, c.intent), c.expected);
}

const Case kCases[] = {
    {"Active", Unit("active", "running"), Wants(Want::kRun), {State::kRunning, ""}},
    {"Reloading", Unit("reloading", "reload"), Wants(Want::kRun), {State::kRunning, ""}},
    {"StartedBySomebodyElse",
     Unit("active", "running"),
     Wants(Want::kNothing),
     {State::kRunning, ""}},
    {"ActiveWithoutProcess",
     Unit("active", "exited"),
     Wants(Want::kRun),
     {State::kRunning, "active, though nothing of it runs"}},
    {"ActiveThoughItsFileIsMaskedNow",
     {"masked", "active", "running", "success", 0, 0},
     Wants(Want::kRun),
     {State::kRunning, ""}},
    {"Activating", Unit("activating", "start"), Wants(Want::kRun), {State::kStarting, ""}},
    {"AutoRestart",
     Unit("activating", "auto-restart", "signal", CLD_KILLED, SIGKILL),
     Wants(Want::kRun),
     {State::kStarting, "systemd restarts it (signal): main process killed by signal 9 (Killed)"}},
    {"DeactivatingAsAsked",
     Unit("deactivating", "stop-sigterm"),
     Wants(Want::kStop),
     {State::kStopping, ""}},
    {"StillActiveThoughAskedToStop",
     Unit("active", "running"),
     Wants(Want::kStop),
     {State::kStopping, ""}},
    {"DeactivatedByOthers",
     Unit("deactivating", "stop-sigterm"),
     {Want::kRun, false, true, ""},
     {State::kStopping, "being stopped by somebody else"}},
    {"EndingByItself",
     Unit("deactivating", "final-sigterm"),
     Wants(Want::kRun),
     {State::kStopping, "ending by itself"}},
    {"NeverStarted", Unit("inactive", "dead"), Wants(Want::kNothing), {State::kStopped, ""}},
    {"Stopped", Unit("inactive", "dead"), Wants(Want::kStop), {State::kStopped, ""}},
    {"FailedWhileStopping",
     Unit("failed", "failed", "timeout", CLD_KILLED, SIGKILL),
     Wants(Want::kStop),
     {State::kStopped, ""}},
    {"StoppedByOthers",
     Unit("inactive", "dead", "success", CLD_EXITED, 0),
     {Want::kRun, false, true, ""},
     {State::kFailed, "stopped by somebody else"}},
    {"EndedByItself",
     Unit("inactive", "dead", "success", CLD_EXITED, 0),
     Wants(Want::kRun),
     {State::kFailed, "ended by itself: main process exited with status 0"}},
    {"Failed",
     Unit("failed", "failed", "exit-code", CLD_EXITED, 1),
     Wants(Want::kRun),
     {State::kFailed, "web.service failed (exit-code): main process exited with status 1"}},
    {"FailedBeforeItsMainProcess",
     Unit("failed", "failed", "start-limit-hit"),
     Wants(Want::kRun),
     {State::kFailed, "web.service failed (start-limit-hit)"}},
    {"FailedBeforeAnybodyAsked",
     Unit("failed", "failed", "core-dump", CLD_DUMPED, SIGSEGV),
     Wants(Want::kNothing),
     {State::kFailed,
      "web.service failed (core-dump): main process killed by signal 11 (Segmentation fault), core "
      "dumped"}},
    {"StartUnderWay",
     Unit("inactive", "dead"),
     {Want::kRun, true, false, ""},
     {State::kStarting, ""}},
    {"StartUnderWayAfterAFailure",
     Unit("failed", "failed", "signal", CLD_KILLED, SIGKILL),
     {Want::kRun, true, false, ""},
     {State::kStarting, ""}},
    {"StartRefused",
     Unit("inactive", "dead"),
     {Want::kRun, false, false, "systemd could not start it: job result dependency"},
     {State::kFailed, "systemd could not start it: job result dependency"}},
    {"NoSuchUnit",
     NotLoaded("not-found"),
     Wants(Want::kNothing),
     {State::kFailed, "there is no unit web.service"}},
    {"NoSuchUnitAfterStop",
     NotLoaded("not-found"),
     Wants(Want::kStop),
     {State::kStopped, "there is no unit web.service"}},
    {"Masked", NotLoaded("masked"), Wants(Want::kRun), {State::kFailed, "web.service is masked"}},
    {"BadFile",
     NotLoaded("bad-setting"),
     Wants(Want::kNothing),
     {State::kFailed, "web.service can't be loaded (bad-setting)"}},
    {"UnknownState",
     Unit("maintenance", ""),
     Wants(Want::kRun),
     {State::kFailed, "web.service is in the unknown state \"maintenance\""}},
};

INSTANTIATE_TEST_SUITE_P(, UnitStateTest, testing::ValuesIn(kCases),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace hb::executor
