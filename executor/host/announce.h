// Telling the LAN which MAC a floating address has now: building the frames (pure), and sending
// them. Part of LinuxHost. The socket is bound to no protocol, so it receives nothing; it sends to
// the broadcast and all-nodes addresses only, once a call; repeating is the caller's.
#ifndef HB_EXECUTOR_HOST_ANNOUNCE_H_
#define HB_EXECUTOR_HOST_ANNOUNCE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "executor/host/address_table.h"

namespace hb::executor {

using MacAddress = std::array<uint8_t, 6>;
using EthernetFrame = std::vector<uint8_t>;

// The announcement of RFC 5227 §2.3 for an IPv4 address: an ARP request (kRequest) or a reply,
// broadcast, with the address as its sender and its target.
enum class ArpKind : uint16_t { kRequest = 1, kReply = 2 };
EthernetFrame BuildGratuitousArp(ArpKind kind, const IpAddress& address, const MacAddress& mac);

// The unsolicited neighbour advertisement of RFC 4861 §7.2.6 for an IPv6 address: to all nodes,
// from the address itself, override flag set. `router`: whether the node forwards IPv6, which the R
// flag must say.
EthernetFrame BuildUnsolicitedAdvertisement(const IpAddress& address, const MacAddress& mac,
                                            bool router);

class Announcer {
 public:
  // PermissionDenied without CAP_NET_RAW; Unavailable when the kernel refuses for another reason.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Announcer>> Create();
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  // Sends all frames for `address` on `link` once. Ok, with nothing sent, on a link whose
  // neighbours do not resolve addresses. Unimplemented: the link's hardware addresses are not 6
  // bytes long. Unavailable: the kernel did not take a frame (the link is down, its queue is full).
  [[nodiscard]] absl::Status Announce(const LinkRecord& link, const IpAddress& address);

 private:
  explicit Announcer(int socket) : socket_(socket) {}
  const int socket_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_ANNOUNCE_H_
