// The frames of announce.h, written out field by field, and the packet socket that sends them.
// Nothing is kept between two calls: which MAC a link has, and whether the node forwards IPv6, is
// looked up each time.
#include "executor/host/announce.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr MacAddress kAllNodesMac = {0x33, 0x33, 0, 0, 0, 1};
constexpr std::array<uint8_t, 16> kAllNodes = {0xff, 0x02, 0, 0, 0, 0, 0, 0,
                                               0,    0,    0, 0, 0, 0, 0, 1};
constexpr uint8_t kTargetLinkLayerAddress = 2;  // the option of RFC 4861 §4.6.1
constexpr uint8_t kRouterFlag = 0x80;
constexpr uint8_t kOverrideFlag = 0x20;
constexpr size_t kShortestFrame = 60;  // without the checksum that the hardware adds

void Put16(EthernetFrame* frame, uint16_t value) {
  frame->push_back(static_cast<uint8_t>(value >> 8));
  frame->push_back(static_cast<uint8_t>(value & 0xff));
}
template <typename Bytes>
void Put(EthernetFrame* frame, const Bytes& bytes) {
  frame->insert(frame->end(), bytes.begin(), bytes.end());
}
void Put(EthernetFrame* frame, const IpAddress& address) {
  frame->insert(frame->end(), address.bytes(), address.bytes() + address.size());
}

EthernetFrame StartFrame(const MacAddress& to, const MacAddress& from, uint16_t type) {
  EthernetFrame frame;
  Put(&frame, to);
  Put(&frame, from);
  Put16(&frame, type);
  return frame;
}

// The Internet checksum over the pseudo header of IPv6 and `message`.
uint16_t Icmp6Checksum(const IpAddress& from, const std::array<uint8_t, 16>& to,
                       const EthernetFrame& message) {
  EthernetFrame all;
  Put(&all, from);
  Put(&all, to);
  Put16(&all, 0);
  Put16(&all, static_cast<uint16_t>(message.size()));
  Put16(&all, 0);
  Put16(&all, IPPROTO_ICMPV6);
  Put(&all, message);
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < all.size(); i += 2) sum += (uint32_t{all[i]} << 8) | all[i + 1];
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum & 0xffff);
}

bool ForwardsIpv6(const std::string& interface) {
  const std::string path = absl::StrCat("/proc/sys/net/ipv6/conf/", interface, "/forwarding");
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char value = '0';
  const ssize_t size = read(fd, &value, 1);
  close(fd);
  return size == 1 && value != '0';
}

}  // namespace

EthernetFrame BuildGratuitousArp(ArpKind kind, const IpAddress& address, const MacAddress& mac) {
  EthernetFrame frame = StartFrame(kBroadcast, mac, ETHERTYPE_ARP);
  Put16(&frame, 1);  // Ethernet
  Put16(&frame, ETHERTYPE_IP);
  frame.push_back(sizeof(MacAddress));
  frame.push_back(4);
  Put16(&frame, static_cast<uint16_t>(kind));
  Put(&frame, mac);
  Put(&frame, address);
  Put(&frame, kind == ArpKind::kRequest ? MacAddress{} : mac);
  Put(&frame, address);
  frame.resize(kShortestFrame);
  return frame;
}

EthernetFrame BuildUnsolicitedAdvertisement(const IpAddress& address, const MacAddress& mac,
                                            bool router) {
  EthernetFrame message = {ND_NEIGHBOR_ADVERT, 0, 0, 0};
  message.push_back(static_cast<uint8_t>(kOverrideFlag | (router ? kRouterFlag : 0)));
  message.insert(message.end(), 3, 0);
  Put(&message, address);
  message.push_back(kTargetLinkLayerAddress);
  message.push_back(1);  // in units of 8 bytes
  Put(&message, mac);
  const uint16_t checksum = Icmp6Checksum(address, kAllNodes, message);
  message[2] = static_cast<uint8_t>(checksum >> 8);
  message[3] = static_cast<uint8_t>(checksum & 0xff);

  EthernetFrame frame = StartFrame(kAllNodesMac, mac, ETHERTYPE_IPV6);
  frame.insert(frame.end(), {0x60, 0, 0, 0});  // version 6, no class, no flow
  Put16(&frame, static_cast<uint16_t>(message.size()));
  frame.push_back(IPPROTO_ICMPV6);
  frame.push_back(255);  // receivers take nothing that has passed a router
  Put(&frame, address);
  Put(&frame, kAllNodes);
  Put(&frame, message);
  return frame;
}

absl::StatusOr<std::unique_ptr<Announcer>> Announcer::Create() {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) return std::unique_ptr<Announcer>(new Announcer(fd));
  if (errno == EPERM || errno == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat("sending announcements needs CAP_NET_RAW: ", std::strerror(errno)));
  }
  return absl::UnavailableError(absl::StrCat("packet socket: ", std::strerror(errno)));
}

Announcer::~Announcer() { close(socket_); }

absl::Status Announcer::Announce(const LinkRecord& link, const IpAddress& address) {
  if (!link.resolves_neighbours) return absl::OkStatus();
  const std::string what = absl::StrCat("announcing ", address.ToString(), " on ", link.name);
  MacAddress mac{};
  if (link.state.mac.size() != mac.size()) {
    return absl::UnimplementedError(
        absl::StrCat(what, ": its hardware addresses have ", link.state.mac.size(), " bytes"));
  }
  std::copy(link.state.mac.begin(), link.state.mac.end(), mac.begin());
  std::vector<EthernetFrame> frames;
  if (address.is_v4()) {
    frames.push_back(BuildGratuitousArp(ArpKind::kRequest, address, mac));
    frames.push_back(BuildGratuitousArp(ArpKind::kReply, address, mac));
  } else {
    frames.push_back(BuildUnsolicitedAdvertisement(address, mac, ForwardsIpv6(link.name)));
  }
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = link.state.index;
  to.sll_halen = ETH_ALEN;
  to.sll_protocol = htons(address.is_v4() ? ETHERTYPE_ARP : ETHERTYPE_IPV6);
  for (const EthernetFrame& frame : frames) {
    std::copy_n(frame.begin(), ETH_ALEN, to.sll_addr);
    ssize_t sent = 0;
    do {
      sent = sendto(socket_, frame.data(), frame.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&to), sizeof to);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace hb::executor
