// What people type, made into values; see arguments.h. Refuses rather than guesses. No I/O, no
// clock.
#include "client/arguments.h"

#include <sys/un.h>

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hb::client {
namespace {

constexpr Duration kLongestSpan = absl::Hours(24 * 36500);

absl::StatusOr<ServerAddress> ParseUnix(const std::string& text, const std::string& path) {
  if (path.size() < 2 || path[0] != '/' || path.back() == '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' must name a socket by its absolute path (like ", kDefaultServer, ")"));
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "': a socket's path has at most ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  ServerAddress result;
  result.text = text;
  result.unix_path = path;
  return result;
}

absl::Status NotAServer(const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is neither unix:///path nor ADDRESS:PORT (like 192.168.0.2:7400 ",
                   "or [fd00::2]:7400)"));
}

}  // namespace

absl::StatusOr<ServerAddress> ParseServer(const std::string& text) {
  static constexpr char kUnixScheme[] = "unix://";
  if (absl::StartsWith(text, kUnixScheme)) {
    return ParseUnix(text, text.substr(sizeof kUnixScheme - 1));
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return NotAServer(text);
  std::string host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  absl::StatusOr<IpAddress> address = IpAddress::Parse(host);
  if (!address.ok() || address->is_v6() != bracketed) return NotAServer(text);
  const std::string port_text = text.substr(colon + 1);
  uint32_t port = 0;
  if (port_text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(port_text[0])) ||
      !absl::SimpleAtoi(port_text, &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "': the port must be 1 to 65535"));
  }
  ServerAddress result;
  result.text = text;
  result.address = *address;
  result.port = static_cast<uint16_t>(port);
  return result;
}

absl::StatusOr<Duration> ParseSpan(const std::string& text) {
  Duration span;
  int64_t days = 0;
  bool parsed = false;
  if (absl::EndsWith(text, "d")) {
    parsed = absl::SimpleAtoi(text.substr(0, text.size() - 1), &days);
    span = absl::Hours(24) * days;
  } else {
    parsed = absl::ParseDuration(text, &span);
  }
  if (!parsed || span <= absl::ZeroDuration() || span > kLongestSpan) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not a time span above zero (like 500ms, 10m, 1h30m or 2d)"));
  }
  return span;
}

absl::StatusOr<absl::Time> ParseSince(const std::string& text, absl::Time now,
                                      absl::TimeZone zone) {
  absl::StatusOr<Duration> span = ParseSpan(text);
  if (span.ok()) return now - *span;
  absl::Time time;
  std::string ignored;
  const bool parsed = absl::ParseTime(absl::RFC3339_full, text, &time, &ignored) ||
                      absl::ParseTime("%Y-%m-%d %H:%M:%E*S", text, zone, &time, &ignored) ||
                      absl::ParseTime("%Y-%m-%d %H:%M", text, zone, &time, &ignored);
  // The wire has years 1 to 9999; this also turns away "infinite-past", which absl knows.
  if (!parsed || time < absl::FromCivil(absl::CivilYear(1), absl::UTCTimeZone()) ||
      time >= absl::FromCivil(absl::CivilYear(10000), absl::UTCTimeZone())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' is neither a time span (like 10m) nor a time (like 2026-11-23T00:43:26Z, or ",
        "'2026-11-23 00:43' in local time)"));
  }
  return time;
}

}  // namespace hb::client
