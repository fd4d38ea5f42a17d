// The controller's messages as hbctl shows them: tables for people, protobuf's JSON for programs.
// Pure; text from the network reaches the terminal only through table.h, which escapes it.
#ifndef HB_CLIENT_PRINT_H_
#define HB_CLIENT_PRINT_H_

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/table.h"
#include "common/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "hb/v1/controller.pb.h"

namespace hb::client {

// Out-of-range values are clamped.
Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToProto(absl::Time time);

// "2026-11-23 00:43:26.123" in `zone`.
std::string TimeText(absl::Time time, absl::TimeZone zone);
// As HumanDuration, but of a probe's answer: "0.35 ms", "12 ms", "1.2 s".
std::string RoundTripText(Duration duration);

// The verdict in words: "healthy", "service down", ...
std::string VerdictText(v1::NodeVerdict verdict);

// Each cluster: a headline, its summary, and a table of its nodes; an empty line between clusters.
std::string FormatStatus(const v1::Status& status, const Style& style);
// FormatStatus under a line that names the time and the controller.
std::string FormatWatch(const v1::Status& status, const Style& style);

// Lines of the event log: "2026-11-23 00:43:26.123  web  failover  master  reason".
class EventFormatter {
 public:
  explicit EventFormatter(const Style& style) : style_(style) {}

  // Makes the columns wide enough for `events`. Otherwise they grow as wider events come.
  void Widen(std::span<const v1::Event> events);
  // One line, with its line break.
  std::string Format(const v1::Event& event);

 private:
  const Style style_;
  size_t cluster_width_ = 0;
  size_t type_width_ = 0;
  size_t node_width_ = 0;
};

// A step of a planned move, one line; the last one says how it ended.
std::string FormatMove(const v1::MoveProgress& progress, const Style& style);

// Protobuf's JSON with the names of the .proto file and fields at their default included. `pretty`:
// over several lines; otherwise one line, without its line break. Internal for a message that JSON
// can't express (a point in time beyond the year 9999).
[[nodiscard]] absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message,
                                                 bool pretty);

}  // namespace hb::client

#endif  // HB_CLIENT_PRINT_H_
