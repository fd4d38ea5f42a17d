// Frames and sockets of raw_frames.h. Addresses are given as text, lengths and offsets by the
// formats' own definitions; checksums that no judge here looks at are left zero.
#include "tests/host/raw_frames.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"

namespace hb::executor {
namespace {

void Append16(Bytes* bytes, uint16_t value) {
  bytes->push_back(static_cast<uint8_t>(value >> 8));
  bytes->push_back(static_cast<uint8_t>(value & 0xff));
}
void Append(Bytes* bytes, const std::string& address) {
  const IpAddress parsed = Address(address);
  bytes->insert(bytes->end(), parsed.bytes(), parsed.bytes() + parsed.size());
}

Bytes NeighbourMessage(uint8_t type, const std::string& target) {
  Bytes message = {type, 0, 0, 0, 0, 0, 0, 0};
  Append(&message, target);
  return message;
}

}  // namespace

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes First(const Bytes& bytes, size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count)};
}

MacAddress MakeMac(uint8_t last) { return {2, 0, 0, 0, 0, last}; }

Bytes Ethernet(uint16_t type, const Bytes& payload) { return Tagged({}, type, payload); }

Bytes Tagged(const std::vector<uint16_t>& tags, uint16_t type, const Bytes& payload) {
  Bytes frame(ETH_ALEN, 0xff);
  frame.insert(frame.end(), ETH_ALEN, 0);
  for (const uint16_t tag : tags) {
    Append16(&frame, tag);
    Append16(&frame, 5);
  }
  Append16(&frame, type);
  return frame + payload;
}

Bytes Arp(uint16_t operation, const MacAddress& sender_mac, const std::string& sender,
          const std::string& target) {
  Bytes arp = {0, 1, 8, 0, ETH_ALEN, 4};
  Append16(&arp, operation);
  arp.insert(arp.end(), sender_mac.begin(), sender_mac.end());
  Append(&arp, sender);
  arp.insert(arp.end(), ETH_ALEN, 0);
  Append(&arp, target);
  return arp;
}

Bytes Ip4(const std::string& from, const std::string& to, uint16_t fragment) {
  Bytes packet = {0x45, 0};
  Append16(&packet, 28);
  Append16(&packet, 1);
  Append16(&packet, fragment);
  packet.insert(packet.end(), {64, IPPROTO_UDP, 0, 0});
  Append(&packet, from);
  Append(&packet, to);
  return packet + Bytes(8, 0);
}

Bytes Ip6(const std::string& from, const std::string& to, uint8_t next, const Bytes& rest) {
  Bytes packet = {0x60, 0, 0, 0};
  Append16(&packet, static_cast<uint16_t>(rest.size()));
  packet.insert(packet.end(), {next, 255});
  Append(&packet, from);
  Append(&packet, to);
  return packet + rest;
}

Bytes Solicitation(const std::string& target) {
  return NeighbourMessage(ND_NEIGHBOR_SOLICIT, target);
}
Bytes Advertisement(const std::string& target) {
  return NeighbourMessage(ND_NEIGHBOR_ADVERT, target);
}
// PadN fills the header.
Bytes Extension(uint8_t next) { return {next, 0, 1, 4, 0, 0, 0, 0}; }
Bytes FragmentHeader(uint8_t next, uint16_t offset_in_8_bytes, bool more) {
  Bytes header = {next, 0};
  Append16(&header, static_cast<uint16_t>((offset_in_8_bytes << 3) | (more ? 1 : 0)));
  return header + Bytes{0, 0, 0, 7};
}

FrameSocket::FrameSocket(uint16_t protocol)
    : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(protocol);
  at.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
  EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
}

void FrameSocket::Send(const Bytes& frame) const {
  EXPECT_EQ(send(fd_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
      << std::strerror(errno);
}

void FrameSocket::SendPaged(const Bytes& frame) const {
  const UniqueFd ring_socket(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  const int version = TPACKET_V2;
  ASSERT_EQ(setsockopt(ring_socket.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version), 0);
  tpacket_req request{};
  request.tp_block_size = 4096;
  request.tp_block_nr = 1;
  request.tp_frame_size = 4096;
  request.tp_frame_nr = 1;
  ASSERT_EQ(setsockopt(ring_socket.get(), SOL_PACKET, PACKET_TX_RING, &request, sizeof request), 0);
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
  ASSERT_EQ(bind(ring_socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  void* const ring = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring_socket.get(), 0);
  ASSERT_NE(ring, MAP_FAILED);
  auto* const header = static_cast<tpacket2_hdr*>(ring);
  std::copy(frame.begin(), frame.end(),
            static_cast<uint8_t*>(ring) + TPACKET2_HDRLEN - sizeof(sockaddr_ll));
  header->tp_len = static_cast<uint32_t>(frame.size());
  header->tp_status = TP_STATUS_SEND_REQUEST;
  EXPECT_GT(send(ring_socket.get(), nullptr, 0, 0), 0) << std::strerror(errno);
  munmap(ring, 4096);
}

bool FrameSocket::SawBefore(const MacAddress& wanted, const MacAddress& until) const {
  bool saw = false;
  const MonoTime end = BootNow() + absl::Seconds(5);
  while (BootNow() < end) {
    pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    std::array<uint8_t, 2048> frame{};
    sockaddr_ll from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t size = recvfrom(fd_.get(), frame.data(), frame.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (size < ETH_HLEN || from.sll_pkttype == PACKET_OUTGOING) continue;
    const auto source = frame.begin() + ETH_ALEN;
    if (std::equal(wanted.begin(), wanted.end(), source)) saw = true;
    if (std::equal(until.begin(), until.end(), source)) return saw;
  }
  ADD_FAILURE() << "the control frame did not arrive";
  return saw;
}

void GateTest::SetUp() {
  HostTest::SetUp();
  EXPECT_EQ(host_->CheckGate(), std::vector<std::string>{});
}

MacAddress GateTest::NextSource() {
  ++sources_;
  return {2, 0x77, 0, 0, static_cast<uint8_t>(sources_ >> 8), static_cast<uint8_t>(sources_)};
}

bool GateTest::ComesIn(const Bytes& frame, const Bytes& control, bool paged) {
  Bytes first = frame;
  Bytes second = control;
  const MacAddress wanted = NextSource();
  const MacAddress until = NextSource();
  std::copy(wanted.begin(), wanted.end(), first.begin() + ETH_ALEN);
  std::copy(until.begin(), until.end(), second.begin() + ETH_ALEN);
  // The control's type, behind its tags.
  size_t type_at = 12;
  while (second[type_at] == 0x81 || second[type_at] == 0x88) type_at += 4;
  const FrameSocket stack(static_cast<uint16_t>((second[type_at] << 8) | second[type_at + 1]));
  {
    const Namespace::Inside inside(peer_);
    const FrameSocket cable(ETH_P_LOOPBACK);
    if (paged) {
      cable.SendPaged(first);
      cable.SendPaged(second);
    } else {
      cable.Send(first);
      cable.Send(second);
    }
  }
  return stack.SawBefore(wanted, until);
}

bool GateTest::GoesOut(const Bytes& frame, const Bytes& control) {
  Bytes first = frame;
  Bytes second = control;
  const MacAddress wanted = NextSource();
  const MacAddress until = NextSource();
  std::copy(wanted.begin(), wanted.end(), first.begin() + ETH_ALEN);
  std::copy(until.begin(), until.end(), second.begin() + ETH_ALEN);
  const auto open_cable = [this] {
    const Namespace::Inside inside(peer_);
    return FrameSocket(ETH_P_ALL);
  };
  const FrameSocket cable = open_cable();
  // Not Send(): what tc drops is an error to the sender.
  const UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
  to.sll_protocol = htons(static_cast<uint16_t>((first[12] << 8) | first[13]));
  (void)sendto(fd.get(), first.data(), first.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
  to.sll_protocol = htons(static_cast<uint16_t>((second[12] << 8) | second[13]));
  (void)sendto(fd.get(), second.data(), second.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to);
  return cable.SawBefore(wanted, until);
}

void GateTest::SetGate(const std::string& vip, MonoTime until, uint64_t epoch) {
  const absl::Status status = host_->SetGate(Address(vip), {until, epoch, absl::Seconds(1)});
  ASSERT_TRUE(status.ok()) << status;
}

void GateTest::AddAddress(const std::string& address) {
  Sh(absl::StrCat("ip addr add ", address, " dev eth0",
                  address.find(':') != std::string::npos ? " nodad" : ""));
}

bool GateTest::Pings(const std::string& address) {
  int status = 0;
  RunOnPeer("ping -c 1 -W 0.3 " + address, &status);
  return status == 0;
}

bool GateTest::Arpings(const std::string& address) {
  int status = 0;
  RunOnPeer("arping -f -c 1 -w 1 -I eth0 " + address, &status);
  return status == 0;
}

}  // namespace hb::executor
