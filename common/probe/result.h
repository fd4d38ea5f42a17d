// What a probe found.
#ifndef HB_COMMON_PROBE_RESULT_H_
#define HB_COMMON_PROBE_RESULT_H_

#include <string>

#include "common/time.h"

namespace hb {

struct ProbeResult {
  bool good = false;
  std::string detail;  // for people: "200", "404, expected 200-399", "timed out after 1 s"
  Duration round_trip;
};

}  // namespace hb

#endif  // HB_COMMON_PROBE_RESULT_H_
