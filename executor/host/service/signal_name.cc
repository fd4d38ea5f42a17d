// See signal_name.h. The names and descriptions are the C library's own (sigabbrev_np(3),
// sigdescr_np(3)).
#include "executor/host/service/signal_name.h"

#include <signal.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace hb::executor {

absl::StatusOr<int> ParseSignalName(std::string_view name) {
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* abbreviation = sigabbrev_np(signal);
    if (abbreviation != nullptr && name.substr(0, 3) == "SIG" && name.substr(3) == abbreviation) {
      return signal;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", std::string(name), "\" is not the name of a signal; one is SIGTERM"));
}

std::string SignalName(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  if (abbreviation == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", abbreviation);
}

std::string DescribeExit(int code, int status) {
  if (code == CLD_EXITED) return absl::StrCat("exited with status ", status);
  if (code != CLD_KILLED && code != CLD_DUMPED) return "ended";
  const char* description = sigdescr_np(status);
  return absl::StrCat("killed by signal ", status,
                      description == nullptr ? "" : absl::StrCat(" (", description, ")"),
                      code == CLD_DUMPED ? ", core dumped" : "");
}

}  // namespace hb::executor
