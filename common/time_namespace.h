// Whether this process's clocks are the host's. In a time namespace with offsets they are not, and
// then no lease can be kept: time_namespaces(7).
#ifndef HB_COMMON_TIME_NAMESPACE_H_
#define HB_COMMON_TIME_NAMESPACE_H_

#include <string_view>

#include "absl/status/status.h"

namespace hb {

// For the start of a daemon, before anything else. FailedPrecondition: the process is in a time
// namespace that shifts CLOCK_MONOTONIC or CLOCK_BOOTTIME; Unavailable: that can't be found out.
// Ok on a kernel without time namespaces.
[[nodiscard]] absl::Status CheckTimeNamespace();

// The same of the text of /proc/self/timens_offsets. FailedPrecondition also for a line about one
// of the two clocks that can't be understood. Lines about other clocks say nothing.
[[nodiscard]] absl::Status CheckTimeOffsets(std::string_view text);

}  // namespace hb

#endif  // HB_COMMON_TIME_NAMESPACE_H_
