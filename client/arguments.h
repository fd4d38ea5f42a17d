// What people type, made into values: where the controller is, durations, points in time. Pure:
// "now" is handed in. Every refusal says what is expected; hbctl exits with 2 on it.
#ifndef HB_CLIENT_ARGUMENTS_H_
#define HB_CLIENT_ARGUMENTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ip_address.h"
#include "common/time.h"

namespace hb::client {

inline constexpr char kDefaultServer[] = "unix:///run/hb/controller.sock";

// Where a controller is served.
struct ServerAddress {
  std::string text;       // as it was given, for messages
  std::string unix_path;  // absolute; empty: `address` and `port`
  IpAddress address;
  uint16_t port = 0;
};

// "unix:///path", "192.168.0.2:7400" or "[fd00::2]:7400". InvalidArgument otherwise (host names,
// too).
[[nodiscard]] absl::StatusOr<ServerAddress> ParseServer(const std::string& text);

// "10m", "1h30m", "2d", "1.5s": positive, at most 100 years. InvalidArgument otherwise.
[[nodiscard]] absl::StatusOr<Duration> ParseSpan(const std::string& text);

// A span before `now` ("10m"), an RFC 3339 time ("2026-11-23T00:43:26Z"), or a time as hbctl prints
// it, in `zone` ("2026-11-23 00:43:26"; the seconds may be left out). InvalidArgument otherwise.
[[nodiscard]] absl::StatusOr<absl::Time> ParseSince(const std::string& text, absl::Time now,
                                                    absl::TimeZone zone);

}  // namespace hb::client

#endif  // HB_CLIENT_ARGUMENTS_H_
