// See the header.
#include "common/config/shared_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace hb {

void CheckTransport(const ConfigScope& file) {
  if (file.report()->Has("tls")) {
    file.Refuse("tls", "tls is not supported yet; remove the block and set insecure: true");
    return;
  }
  if (!file.Require("insecure",
                    "there is no tls yet, so set insecure: true to say that whoever"
                    " reaches the listener is believed")) {
    return;
  }
  if (!file.Boolean("insecure")) {
    file.Refuse("insecure", "must be true: tls is not supported yet");
  }
}

void CheckPace(const ConfigScope& probe, Duration interval, Duration longest_timeout) {
  constexpr Duration kMin = absl::Milliseconds(10);
  constexpr Duration kMax = absl::Seconds(60);
  interval = probe.DurationOr("interval", interval, kMin, kMax);
  const Duration timeout =
      probe.DurationOr("timeout", std::min(interval, longest_timeout), kMin, kMax);
  if (timeout > interval && probe.Sound("interval") && probe.Sound("timeout")) {
    probe.Refuse(
        "timeout",
        absl::StrCat(absl::FormatDuration(timeout), " is longer than the interval (",
                     absl::FormatDuration(interval), "); lower timeout or raise interval"));
  }
}

}  // namespace hb
