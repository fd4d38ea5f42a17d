// The forms that single values of the config have, apart from any file: names, addresses, URLs.
// Pure. Every refusal is InvalidArgument, one line that says what is wrong with the value and what
// would be right.
#ifndef HB_COMMON_CONFIG_CONFIG_VALUES_H_
#define HB_COMMON_CONFIG_CONFIG_VALUES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"

namespace hb {

// An address and a TCP port: "192.168.0.1:7401", "[fd00::1]:7401".
struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  std::string ToString() const { return address.ToStringWithPort(port); }
};

// Any address; the port is 1 to 65535. Names are not resolved.
[[nodiscard]] absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// NAME: letters, digits, '-', '_', '.'; the first a letter or digit; at most 63. Safe as a file's
// name.
[[nodiscard]] absl::Status CheckName(std::string_view text);

// As the kernel takes a network interface's name.
[[nodiscard]] absl::Status CheckInterface(std::string_view text);

// PATH: absolute, one line, not ending in '/'.
[[nodiscard]] absl::Status CheckPath(std::string_view text);

// An address that one host has: not unspecified, multicast, broadcast, IPv6 link-local or
// IPv4-mapped.
[[nodiscard]] absl::StatusOr<IpAddress> ParseHostAddress(std::string_view text);
[[nodiscard]] absl::Status CheckHostAddress(const IpAddress& address);

// A host's address with the length of its network, 1 to 32 or 128; not IPv4's network or broadcast
// address.
[[nodiscard]] absl::StatusOr<IpPrefix> ParseVip(std::string_view text);

// A network, without bits beyond its length, or a single address.
[[nodiscard]] absl::StatusOr<IpPrefix> ParseNetwork(std::string_view text);

// An http:// or https:// URL. `placeholder`: {address} must stand in it; otherwise it must not.
[[nodiscard]] absl::Status CheckHttpUrl(std::string_view text, bool placeholder);

// A Host header: a name or address, with or without a port.
[[nodiscard]] absl::Status CheckHttpHost(std::string_view text);

// "200", "200-399", "200,301-302".
[[nodiscard]] absl::Status CheckHttpStatuses(std::string_view text);

// A systemd unit with its suffix.
[[nodiscard]] absl::Status CheckUnit(std::string_view text);

// A signal that asks a program to stop: "SIGTERM" and its like, not SIGKILL.
[[nodiscard]] absl::Status CheckStopSignal(std::string_view text);

bool IsLoopback(const IpAddress& address);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_CONFIG_VALUES_H_
