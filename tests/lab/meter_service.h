// The meter in the background, so that a shell script can mark a moment, break something, and ask
// what the client suffered since: one process a lab, asked over a socket in the lab's directory. It
// ends with its lab.
#ifndef HB_TESTS_LAB_METER_SERVICE_H_
#define HB_TESTS_LAB_METER_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/time.h"
#include "tests/lab/lab.h"
#include "tests/lab/meter.h"

namespace hb::lab {

// Forks; returns when the child measures. AlreadyExists when the lab has one. Call from a process
// of one thread.
[[nodiscard]] absl::Status StartMeterService(const std::string& lab_name,
                                             const std::string& root_directory,
                                             const MeterOptions& options);

// Questions, and what is answered:
//   mark          ""; reports count from here (at first: from the start)
//   text, json    the report since the mark
//   outage        the longest HTTP outage since the mark, in whole milliseconds, rounded up
//   wait NODE MS  "" once NODE serves the VIP; DeadlineExceeded after MS milliseconds
//   stop          the last report since the mark, as text; the service ends
// NotFound when no meter runs for the lab; else the service's own errors.
[[nodiscard]] absl::StatusOr<std::string> AskMeterService(const Lab& lab,
                                                          const std::string& question);

// Until the service that the directory's pid file names has ended; Ok when there is none.
[[nodiscard]] absl::Status AwaitMeterServiceEnd(const std::string& lab_directory, Duration limit);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_METER_SERVICE_H_
