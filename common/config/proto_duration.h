// Durations as protobuf carries them, in config messages and on the wire, to and from hb's own. It
// knows no limits of its own: whoever reads one checks its range.
#ifndef HB_COMMON_CONFIG_PROTO_DURATION_H_
#define HB_COMMON_CONFIG_PROTO_DURATION_H_

#include <google/protobuf/duration.pb.h>

#include <cstdint>

#include "common/time.h"

namespace hb {

// Any two numbers give a Duration: what comes from the wire may be malformed, but does not
// overflow.
inline Duration FromProtoDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// Truncated to nanoseconds; both parts have the same sign. An infinite one becomes the largest.
inline google::protobuf::Duration ToProtoDuration(Duration duration) {
  google::protobuf::Duration result;
  result.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  const bool infinite =
      duration == absl::InfiniteDuration() || duration == -absl::InfiniteDuration();
  result.set_nanos(infinite ? 0 : static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return result;
}

}  // namespace hb

#endif  // HB_COMMON_CONFIG_PROTO_DURATION_H_
