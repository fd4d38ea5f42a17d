// An IPv4 or IPv6 address as a value, without scope. Pure.
#ifndef HB_COMMON_IP_ADDRESS_H_
#define HB_COMMON_IP_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hb {

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0

  // "192.168.0.1" or "fd00::1". InvalidArgument for anything else (names, ports, prefixes, scopes).
  [[nodiscard]] static absl::StatusOr<IpAddress> Parse(std::string_view text);
  static IpAddress V4(const in_addr& address);
  static IpAddress V6(const in6_addr& address);

  bool is_v4() const { return family_ == AF_INET; }
  bool is_v6() const { return family_ == AF_INET6; }
  int family() const { return family_; }
  int bits() const { return is_v4() ? 32 : 128; }
  // Network order; 4 or 16 of them are meaningful.
  const uint8_t* bytes() const { return bytes_.data(); }
  size_t size() const { return is_v4() ? 4 : 16; }
  // Fills a socket address and returns its length. `port` in host order.
  socklen_t ToSockaddr(uint16_t port, sockaddr_storage* out) const;

  std::string ToString() const;
  // "192.168.0.1:80" or "[fd00::1]:80".
  std::string ToStringWithPort(uint16_t port) const;
  // "192.168.0.1" or "[fd00::1]", as a URL's host is written.
  std::string ToUrlHost() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.family_, a.bytes_);
  }

 private:
  int family_ = AF_INET;
  std::array<uint8_t, 16> bytes_{};
};

// An address with the length of its network prefix: "192.168.0.111/24".
struct IpPrefix {
  IpAddress address;
  int length = 32;

  // The length may be left out: then it is the whole address. InvalidArgument otherwise.
  [[nodiscard]] static absl::StatusOr<IpPrefix> Parse(std::string_view text);
  bool Contains(const IpAddress& other) const;
  std::string ToString() const;
  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

}  // namespace hb

#endif  // HB_COMMON_IP_ADDRESS_H_
