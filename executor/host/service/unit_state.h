// What systemd says of a unit, and what that means as a ServiceStatus. Pure: the bus is
// systemd.cc's.
#ifndef HB_EXECUTOR_HOST_SERVICE_UNIT_STATE_H_
#define HB_EXECUTOR_HOST_SERVICE_UNIT_STATE_H_

#include <string>

#include "executor/host/service/service.h"

namespace hb::executor {

// Properties of a unit, org.freedesktop.systemd1(5).
struct UnitState {
  std::string load_state;  // "loaded", "not-found", "masked", "bad-setting", "error"
  std::string
      active_state;  // "active", "activating", "deactivating", "inactive", "failed", "reloading"
  std::string sub_state;  // "running", "exited", "auto-restart", ...
  std::string result;     // of a service: "success", "exit-code", "signal", "timeout", ...
  int exit_code = 0;      // of its main process, as si_code; 0 while there was none
  int exit_status = 0;    // as si_status

  // Its processes live.
  bool active() const { return active_state == "active" || active_state == "reloading"; }
  // Nothing of it runs, and nothing is under way.
  bool at_rest() const { return active_state == "inactive" || active_state == "failed"; }
};

// What this executor has asked of the unit, and has seen of it.
struct UnitIntent {
  enum class Want {
    kNothing,  // nothing asked, and not seen active; also after a stop is done
    kRun,      // asked to run, or seen active
    kStop,     // being stopped
  };
  Want want = Want::kNothing;
  bool start_under_way = false;  // asked for, and systemd is not done with it yet
  bool others_job = false;       // somebody else started or stopped it since it was last at rest
  std::string start_error;       // why the last start was refused; empty if it was not
};

ServiceStatus InterpretUnit(const std::string& unit, const UnitState& state,
                            const UnitIntent& intent);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_UNIT_STATE_H_
