// The wall clock of one daemon, which is stepped while it runs, by a library of the lab in front of
// the C library (stepped_clock.cc). The boot and monotonic clocks stay true, and nobody else's
// clock is touched.
#ifndef HB_TESTS_LAB_FAKE_CLOCK_H_
#define HB_TESTS_LAB_FAKE_CLOCK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/time.h"
#include "tests/lab/host.h"

namespace hb::lab {

// What a daemon that is called `name` on the host needs in its environment at its start. A clock
// that was set before stays set; a new one is true.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> FakeClockEnvironment(
    Host& host, const std::string& name);

// The wall clock of `name` shows the true time plus `offset` (whole seconds) from now on, and
// whoever waits by it wakes early or late, as after a step of a real one. After
// FakeClockEnvironment.
[[nodiscard]] absl::Status SetFakeClock(Host& host, const std::string& name, Duration offset);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_FAKE_CLOCK_H_
