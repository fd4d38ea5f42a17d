// The formats of RFC 826 and RFC 4861 as far as claim.h needs them. Every length is checked before
// it is used: the bytes come from whoever is on the LAN.
#include "executor/host/claim.h"

#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

constexpr size_t kEthernetBytes = 14;
constexpr size_t kArpBytes = 28;
constexpr size_t kIp6Bytes = 40;
constexpr size_t kNeighbourBytes = 24;  // of a solicitation or advertisement without options
constexpr uint8_t kUnrouted = 255;      // the hop limit of what no router has passed on
constexpr uint8_t kTargetLinkLayerAddress = 2;

uint16_t Read16(const uint8_t* at) { return static_cast<uint16_t>((at[0] << 8) | at[1]); }

MacAddress ReadMac(const uint8_t* at) {
  MacAddress mac{};
  std::copy_n(at, mac.size(), mac.begin());
  return mac;
}

std::optional<Claim> ReadArp(const uint8_t* arp, size_t bytes, const MacAddress& source) {
  constexpr uint16_t kEthernetHardware = 1;
  if (bytes < kArpBytes || Read16(arp) != kEthernetHardware || Read16(arp + 2) != ETHERTYPE_IP ||
      arp[4] != sizeof(MacAddress) || arp[5] != sizeof(in_addr)) {
    return std::nullopt;
  }
  in_addr sender{};
  std::memcpy(&sender, arp + 14, sizeof sender);
  if (sender.s_addr == 0) return std::nullopt;
  return Claim{IpAddress::V4(sender), ReadMac(arp + 8), source};
}

// The MAC of the option that names the target's, if there is one.
std::optional<MacAddress> TargetOption(const uint8_t* options, size_t bytes) {
  while (bytes >= 8) {
    const size_t length = size_t{options[1]} * 8;
    if (length == 0 || length > bytes) return std::nullopt;
    if (options[0] == kTargetLinkLayerAddress) return ReadMac(options + 2);
    options += length;
    bytes -= length;
  }
  return std::nullopt;
}

std::optional<Claim> ReadNeighbourDiscovery(const uint8_t* packet, size_t bytes,
                                            const MacAddress& source) {
  if (bytes < kIp6Bytes + kNeighbourBytes || packet[6] != IPPROTO_ICMPV6 ||
      packet[7] != kUnrouted) {
    return std::nullopt;
  }
  // What follows the packet in a short frame is padding.
  const size_t payload = std::min<size_t>(Read16(packet + 4), bytes - kIp6Bytes);
  if (payload < kNeighbourBytes) return std::nullopt;
  const uint8_t* const message = packet + kIp6Bytes;
  in6_addr target{};
  std::memcpy(&target, message + 8, sizeof target);
  Claim claim{IpAddress::V6(target), source, source};
  if (message[0] == ND_NEIGHBOR_ADVERT) {
    claim.named =
        TargetOption(message + kNeighbourBytes, payload - kNeighbourBytes).value_or(source);
    return claim;
  }
  const uint8_t* const sender = packet + 8;
  const bool without_source =
      std::all_of(sender, sender + sizeof(in6_addr), [](uint8_t byte) { return byte == 0; });
  if (message[0] == ND_NEIGHBOR_SOLICIT && without_source) return claim;
  return std::nullopt;
}

}  // namespace

std::optional<Claim> ReadClaim(const uint8_t* frame, size_t bytes) {
  if (bytes < kEthernetBytes) return std::nullopt;
  const MacAddress source = ReadMac(frame + ETH_ALEN);
  const uint8_t* const payload = frame + kEthernetBytes;
  const size_t payload_bytes = bytes - kEthernetBytes;
  switch (Read16(frame + 12)) {
    case ETHERTYPE_ARP:
      return ReadArp(payload, payload_bytes, source);
    case ETHERTYPE_IPV6:
      return ReadNeighbourDiscovery(payload, payload_bytes, source);
    default:
      return std::nullopt;
  }
}

std::string ToString(const MacAddress& mac) {
  std::string text;
  for (const uint8_t byte : mac) {
    absl::StrAppend(&text, text.empty() ? "" : ":", absl::Hex(byte, absl::kZeroPad2));
  }
  return text;
}

}  // namespace hb::executor
