// See the header. Checks of URLs and status codes are of their form alone; libcurl and the prober
// have the last word on what they mean.
#include "common/config/config_values.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/config/config_report.h"

namespace hb {
namespace {

constexpr std::string_view kPlaceholder = "{address}";

constexpr std::array<std::string_view, 7> kStopSignals = {"SIGTERM", "SIGINT",  "SIGQUIT", "SIGHUP",
                                                          "SIGUSR1", "SIGUSR2", "SIGWINCH"};

constexpr std::array<std::string_view, 10> kUnitSuffixes = {
    ".service", ".target",    ".socket", ".timer", ".path",
    ".mount",   ".automount", ".swap",   ".slice", ".scope"};

template <typename... Parts>
absl::Status Invalid(std::string_view value, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(QuoteForError(value), parts...));
}

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

bool AllOf(std::string_view text, std::string_view besides_alnum) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return IsAlnum(c) || besides_alnum.find(c) != std::string_view::npos;
  });
}

// A decimal number of at most five digits, nothing else.
std::optional<int> SmallNumber(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<uint16_t> Port(std::string_view text) {
  const std::optional<int> port = SmallNumber(text);
  if (!port || *port < 1 || *port > 65535) return std::nullopt;
  return static_cast<uint16_t>(*port);
}

// "HOST", "HOST:PORT" or "HOST:" cut in two; IPv6 stays in its brackets. No ':' means no port part.
std::pair<std::string_view, std::optional<std::string_view>> SplitPort(std::string_view text) {
  const size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  const size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// "example.org", "192.168.0.1", "[fd00::1]".
bool IsUrlHost(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(host.substr(1, host.size() - 2));
    return address.ok() && address->is_v6();
  }
  return !host.empty() && host.size() <= 253 && AllOf(host, "-._");
}

// Parses "ADDRESS[/LENGTH]" with the length written in plain digits.
absl::StatusOr<IpPrefix> ParsePrefix(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos && !SmallNumber(text.substr(slash + 1))) {
    return Invalid(text, ": the prefix length after '/' must be a number");
  }
  if (!IpAddress::Parse(text.substr(0, slash)).ok()) {
    return Invalid(text,
                   " is no IPv4 or IPv6 address, with or without a prefix length"
                   " (like 192.168.0.111/24 or fd00::111/64)");
  }
  return IpPrefix::Parse(text);
}

// Whether the bits beyond the prefix are all zero (`ones` false) or all one.
bool HostBitsAre(const IpPrefix& prefix, bool ones) {
  for (int bit = prefix.length; bit < prefix.address.bits(); ++bit) {
    const uint8_t byte = prefix.address.bytes()[bit / 8];
    if (((byte >> (7 - bit % 8) & 1) != 0) != ones) return false;
  }
  return true;
}

IpAddress Network(const IpPrefix& prefix) {
  std::array<uint8_t, 16> bytes{};
  for (int bit = 0; bit < prefix.length; ++bit) {
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] |
                                          (prefix.address.bytes()[bit / 8] & (0x80 >> (bit % 8))));
  }
  in_addr v4{};
  in6_addr v6{};
  std::copy_n(bytes.begin(), sizeof v4, reinterpret_cast<uint8_t*>(&v4));
  std::copy_n(bytes.begin(), sizeof v6, reinterpret_cast<uint8_t*>(&v6));
  return prefix.address.is_v4() ? IpAddress::V4(v4) : IpAddress::V6(v6);
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  const auto [host, port_text] = SplitPort(text);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  const absl::StatusOr<IpAddress> address =
      IpAddress::Parse(brackets ? host.substr(1, host.size() - 2) : host);
  if (!port_text || !address.ok() || address->is_v6() != brackets) {
    return Invalid(
        text,
        " is not ADDRESS:PORT (like 192.168.0.1:7401 or [fd00::1]:7401; names are not resolved)");
  }
  const std::optional<uint16_t> port = Port(*port_text);
  if (!port) return Invalid(text, ": the port must be 1 to 65535");
  return Endpoint{*address, *port};
}

absl::Status CheckName(std::string_view text) {
  if (text.empty() || text.size() > 63 || !AllOf(text, "-_.") || !IsAlnum(text[0])) {
    return Invalid(text,
                   " is no name; use 1 to 63 letters, digits, '-', '_' and '.', the first a"
                   " letter or digit");
  }
  return absl::OkStatus();
}

absl::Status CheckInterface(std::string_view text) {
  const bool space = std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isspace(static_cast<unsigned char>(c));
  });
  if (text.empty() || text.size() > 15 || space || text == "." || text == ".." ||
      text.find_first_of("/:") != std::string_view::npos) {
    return Invalid(text,
                   " is no interface's name; use 1 to 15 characters without space, '/' and"
                   " ':' (ip link shows them)");
  }
  return absl::OkStatus();
}

absl::Status CheckPath(std::string_view text) {
  if (!text.starts_with('/') || text.ends_with('/') ||
      text.find_first_of("\n\t") != std::string_view::npos) {
    return Invalid(text, " is no absolute path; it starts with '/' and does not end with it");
  }
  return absl::OkStatus();
}

bool IsLoopback(const IpAddress& address) {
  if (address.is_v4()) return address.bytes()[0] == 127;
  in6_addr v6{};
  std::copy_n(address.bytes(), 16, reinterpret_cast<uint8_t*>(&v6));
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckHostAddress(const IpAddress& address) {
  const uint8_t* bytes = address.bytes();
  const std::string text = address.ToString();
  if (std::all_of(bytes, bytes + address.size(), [](uint8_t b) { return b == 0; })) {
    return Invalid(text, " is the unspecified address; name a host's own");
  }
  if (address.is_v4()) {
    if (bytes[0] >= 224 && bytes[0] < 240) {
      return Invalid(text, " is a multicast address; name a host's own");
    }
    if (bytes[0] == 0 || bytes[0] >= 240) {
      return Invalid(text, " is no host's address (0.0.0.0/8, 240.0.0.0/4); name a host's own");
    }
    return absl::OkStatus();
  }
  in6_addr v6{};
  std::copy_n(bytes, 16, reinterpret_cast<uint8_t*>(&v6));
  if (IN6_IS_ADDR_MULTICAST(&v6)) {
    return Invalid(text, " is a multicast address; name a host's own");
  }
  if (IN6_IS_ADDR_LINKLOCAL(&v6)) {
    return Invalid(text, " is a link-local address; use a global or unique local one (fd00::/8)");
  }
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    return Invalid(text, " is an IPv4-mapped address; write the IPv4 address");
  }
  return absl::OkStatus();
}

absl::StatusOr<IpAddress> ParseHostAddress(std::string_view text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  if (!address.ok()) {
    return Invalid(text, " is no IPv4 or IPv6 address (like 192.168.0.1 or fd00::1)");
  }
  if (absl::Status status = CheckHostAddress(*address); !status.ok()) return status;
  return *address;
}

absl::StatusOr<IpPrefix> ParseVip(std::string_view text) {
  absl::StatusOr<IpPrefix> prefix = ParsePrefix(text);
  if (!prefix.ok()) return prefix;
  if (absl::Status status = CheckHostAddress(prefix->address); !status.ok()) return status;
  if (prefix->length < 1) return Invalid(text, ": the prefix length must be at least 1");
  if (prefix->address.is_v4() && prefix->length <= 30) {
    if (HostBitsAre(*prefix, false)) {
      return Invalid(text, " is the network's own address; name a host's in it");
    }
    if (HostBitsAre(*prefix, true)) {
      return Invalid(text, " is the network's broadcast address; name a host's in it");
    }
  }
  return prefix;
}

absl::StatusOr<IpPrefix> ParseNetwork(std::string_view text) {
  absl::StatusOr<IpPrefix> prefix = ParsePrefix(text);
  if (!prefix.ok() || HostBitsAre(*prefix, false)) return prefix;
  const IpPrefix network{Network(*prefix), prefix->length};
  return Invalid(text, " has bits beyond its length; write ", network.ToString(),
                 " for the network or ", prefix->address.ToString(), " for the one address");
}

absl::Status CheckHttpUrl(std::string_view text, bool placeholder) {
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!printable || text.size() > 2048) {
    return Invalid(text,
                   " is no URL: at most 2048 printable ASCII characters without spaces"
                   " (write %20 for a space)");
  }
  // An address in the place of {address}, so that what remains is an ordinary URL.
  std::string url;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with(kPlaceholder)) {
      found = true;
      url += "192.0.2.1";
      at += kPlaceholder.size();
    } else {
      url += text[at++];
    }
  }
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else {
    return Invalid(text, " is no URL of http:// or https://");
  }
  if (placeholder && !found) {
    return Invalid(text, " must contain {address}, else it says nothing about the node");
  }
  if (!placeholder && found) {
    return Invalid(text,
                   " has {address} in it, which only the controller's probes know; write the"
                   " address, like http://127.0.0.1/");
  }
  if (url.find_first_of("{}") != std::string::npos) {
    return Invalid(text, placeholder ? ": the only placeholder is {address}"
                                     : " has a brace in it; write %7B or %7D");
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    // Not quoted: the message goes to logs.
    return absl::InvalidArgumentError(
        "the URL has a user or password in it, which is not supported; remove it");
  }
  const auto [host, port] = SplitPort(authority);
  if (!IsUrlHost(host)) return Invalid(text, " names no host (IPv6 stands in brackets)");
  if (port && !Port(*port)) return Invalid(text, ": the port must be 1 to 65535");
  return absl::OkStatus();
}

absl::Status CheckHttpHost(std::string_view text) {
  const auto [host, port] = SplitPort(text);
  if (!IsUrlHost(host) || (port && !Port(*port))) {
    return Invalid(text, " is no host's name (like www.example.org or www.example.org:8080)");
  }
  return absl::OkStatus();
}

absl::Status CheckHttpStatuses(std::string_view text) {
  const auto code = [](std::string_view digits) {
    const std::optional<int> value = digits.size() == 3 ? SmallNumber(digits) : std::nullopt;
    return value && *value >= 100 && *value <= 599 ? *value : 0;
  };
  const std::string copy(text);
  for (const std::string& item : std::vector<std::string>(absl::StrSplit(copy, ','))) {
    const size_t dash = item.find('-');
    const int first = code(std::string_view(item).substr(0, dash));
    const int last =
        dash == std::string::npos ? first : code(std::string_view(item).substr(dash + 1));
    if (first == 0 || last < first) {
      return Invalid(item, item == copy ? "" : absl::StrCat(" in ", QuoteForError(copy)),
                     " is no HTTP status from 100 to 599 and no range of them (like 200, 200-399 or"
                     " 200,301-302)");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUnit(std::string_view text) {
  const auto suffix = std::find_if(kUnitSuffixes.begin(), kUnitSuffixes.end(),
                                   [&](std::string_view s) { return text.ends_with(s); });
  if (suffix == kUnitSuffixes.end()) {
    return Invalid(text, " has no unit suffix; write for example ",
                   QuoteForError(std::string(text).append(".service")));
  }
  const std::string_view stem = text.substr(0, text.size() - suffix->size());
  if (stem.empty() || text.size() > 255 || !AllOf(stem, ":-_.\\@")) {
    return Invalid(text, " is no unit's name; letters, digits and : - _ . \\ @, at most 255");
  }
  if (stem.ends_with('@')) {
    return Invalid(text, " is a template; name an instance of it, like ",
                   QuoteForError(std::string(stem).append("web").append(*suffix)));
  }
  return absl::OkStatus();
}

absl::Status CheckStopSignal(std::string_view text) {
  if (std::find(kStopSignals.begin(), kStopSignals.end(), text) != kStopSignals.end()) {
    return absl::OkStatus();
  }
  std::vector<std::string> names(kStopSignals.begin(), kStopSignals.end());
  return Invalid(text, " does not ask a program to stop; use one of ", absl::StrJoin(names, ", "));
}

}  // namespace hb
