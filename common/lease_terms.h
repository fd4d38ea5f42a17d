// The words of the lease that both cores share. Pure.
#ifndef HB_COMMON_LEASE_TERMS_H_
#define HB_COMMON_LEASE_TERMS_H_

#include <cstdint>
#include <ostream>

#include "common/time.h"

namespace hb {

// Numbers a report across restarts of its executor. {0, 0} is before every report.
struct ReportId {
  uint64_t incarnation = 0;
  uint64_t number = 0;
  friend auto operator<=>(const ReportId&, const ReportId&) = default;
  friend std::ostream& operator<<(std::ostream& out, const ReportId& id) {
    return out << id.incarnation << "." << id.number;
  }
};

// What a holder does when its lease runs out unrenewed (design rule L7).
enum class OnExpiry { kRelease, kWitness, kHold };

// What a holder that is told to stop does with its lease, as its controller's order has it.
enum class OnLeave {
  kKeep,     // leave it as it is: whoever is started next takes it up
  kWait,     // hold on: another node is being made ready
  kRelease,  // give up: no other node could take over
};

// No lease is longer; the schema and both cores enforce it.
inline constexpr Duration kMaxTtl = absl::Seconds(60);

// Epochs are 1 to this: what is above leaves no room to go on.
inline constexpr uint64_t kMaxEpoch = uint64_t{1} << 62;

// How much longer than its nominal length whoever waits for a lease to end has to wait: NTP may
// slew one boot clock against another by up to 8.3 %.
inline Duration WithClockMargin(Duration d) { return d * 11 / 10; }

}  // namespace hb

#endif  // HB_COMMON_LEASE_TERMS_H_
