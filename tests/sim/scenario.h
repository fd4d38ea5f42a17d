// Scenario files: a dialogue with the simulated world. Blocks are separated by empty lines; each is
// what is done, a line "----", and what then happens, which `hb-scenario --rewrite` writes and a
// person reads. Lines with # are for people.
//
//   start [nodes=a,b] [controller=ctl1|a..e] [on_expiry=release|witness|hold] [ttl=1s]
//         [heartbeat=200ms] [witness=200ms] [standby=stopped|running] [failback=auto|manual]
//         [after=5s] [page=yes|no] [vips=1|2]
//   run 600ms               time passes
//   state                   what the controllers think, and who serves
//   FAULT [HOST] [HOST] [N] as in hb-sim's plans: isolate a, crash-host a, service-dies a,
//                           cut-link a b, switchover ctl1 b, clock-rate a 80000, ...
//   reload ctl1 KEY=VALUE...
#ifndef HB_TESTS_SIM_SCENARIO_H_
#define HB_TESTS_SIM_SCENARIO_H_

#include <string>

#include "absl/status/statusor.h"

namespace hb::sim {

// The whole file with its output halves as they come out now. InvalidArgument: line and why.
absl::StatusOr<std::string> Replay(const std::string& file);

}  // namespace hb::sim

#endif  // HB_TESTS_SIM_SCENARIO_H_
