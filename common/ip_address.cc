// IpAddress and IpPrefix: text, bytes and socket addresses, by inet_pton(3) and inet_ntop(3). No
// name is ever resolved here, and nothing but the address itself is taken for one.
#include "common/ip_address.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hb {

absl::StatusOr<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string copy(text);
  IpAddress result;
  const bool whole = copy.find('\0') == std::string::npos;  // inet_pton reads up to a NUL
  if (whole && inet_pton(AF_INET, copy.c_str(), result.bytes_.data()) == 1) return result;
  result.family_ = AF_INET6;
  if (whole && inet_pton(AF_INET6, copy.c_str(), result.bytes_.data()) == 1) return result;
  return absl::InvalidArgumentError(
      absl::StrCat("'", copy, "' is not an IPv4 or IPv6 address (like 192.168.0.1 or fd00::1)"));
}

IpAddress IpAddress::V4(const in_addr& address) {
  IpAddress result;
  std::memcpy(result.bytes_.data(), &address, sizeof address);
  return result;
}

IpAddress IpAddress::V6(const in6_addr& address) {
  IpAddress result;
  result.family_ = AF_INET6;
  std::memcpy(result.bytes_.data(), &address, sizeof address);
  return result;
}

socklen_t IpAddress::ToSockaddr(uint16_t port, sockaddr_storage* out) const {
  *out = {};
  if (is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(out);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, bytes_.data(), 4);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  std::memcpy(&v6->sin6_addr, bytes_.data(), 16);
  return sizeof *v6;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(family_, bytes_.data(), text, sizeof text);
}

std::string IpAddress::ToUrlHost() const {
  return is_v4() ? ToString() : absl::StrCat("[", ToString(), "]");
}

std::string IpAddress::ToStringWithPort(uint16_t port) const {
  return absl::StrCat(ToUrlHost(), ":", port);
}

absl::StatusOr<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  absl::StatusOr<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
  if (!address.ok()) return address.status();
  IpPrefix result{*address, address->bits()};
  if (slash == std::string_view::npos) return result;
  const std::string length(text.substr(slash + 1));
  // SimpleAtoi would take spaces, signs and leading zeros; what is written back must be what was
  // read.
  if (!absl::SimpleAtoi(length, &result.length) || absl::StrCat(result.length) != length ||
      result.length < 0 || result.length > address->bits()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", std::string(text), "': the prefix length must be 0 to ", address->bits()));
  }
  return result;
}

bool IpPrefix::Contains(const IpAddress& other) const {
  if (other.family() != address.family()) return false;
  int left = length;
  for (size_t i = 0; i < address.size() && left > 0; ++i, left -= 8) {
    const uint8_t mask = left >= 8 ? 0xff : static_cast<uint8_t>(0xff << (8 - left));
    if ((address.bytes()[i] & mask) != (other.bytes()[i] & mask)) return false;
  }
  return true;
}

std::string IpPrefix::ToString() const { return absl::StrCat(address.ToString(), "/", length); }

}  // namespace hb
