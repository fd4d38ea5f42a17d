// Signals by the names that configs use ("SIGWINCH"), and how a process ended, in words. Pure.
#ifndef HB_EXECUTOR_HOST_SERVICE_SIGNAL_NAME_H_
#define HB_EXECUTOR_HOST_SERVICE_SIGNAL_NAME_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hb::executor {

// "SIGTERM", "SIGWINCH", ... Real-time signals and numbers are not names. InvalidArgument: no such
// signal.
[[nodiscard]] absl::StatusOr<int> ParseSignalName(std::string_view name);

// "SIGTERM"; "signal 40" for what has no name.
std::string SignalName(int signal);

// `code` and `status` as in siginfo_t of a child (CLD_EXITED, CLD_KILLED, CLD_DUMPED):
// "exited with status 1", "killed by signal 9 (Killed)".
std::string DescribeExit(int code, int status);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_SIGNAL_NAME_H_
