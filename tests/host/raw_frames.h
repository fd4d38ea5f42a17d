// Frames written by hand, sent on one side of the cable and looked for on the other: for what no
// ordinary tool sends (truncated ARP, extension headers, tags within tags, data outside the linear
// part). A frame is recognised by its source MAC, so any of it may be malformed.
#ifndef HB_TESTS_HOST_RAW_FRAMES_H_
#define HB_TESTS_HOST_RAW_FRAMES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "executor/host/announce.h"
#include "executor/host/service/unique_fd.h"
#include "tests/host/namespaces.h"

namespace hb::executor {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b);
// `count` bytes from the start.
Bytes First(const Bytes& bytes, size_t count);
MacAddress MakeMac(uint8_t last);  // 02:00:00:00:00:LAST

// An Ethernet frame around `payload`: broadcast, the source is filled in when it is sent.
Bytes Ethernet(uint16_t type, const Bytes& payload);
// The same behind VLAN tags of these types (0x8100, 0x88a8), outermost first.
Bytes Tagged(const std::vector<uint16_t>& tags, uint16_t type, const Bytes& payload);

Bytes Arp(uint16_t operation, const MacAddress& sender_mac, const std::string& sender,
          const std::string& target);
Bytes Ip4(const std::string& from, const std::string& to, uint16_t fragment = 0);  // UDP
// `next`: the protocol number of what `rest` begins with.
Bytes Ip6(const std::string& from, const std::string& to, uint8_t next, const Bytes& rest);
Bytes Solicitation(const std::string& target);   // an ICMPv6 message, checksum zero
Bytes Advertisement(const std::string& target);  // likewise, without options
// An extension header of 8 bytes.
Bytes Extension(uint8_t next);
Bytes FragmentHeader(uint8_t next, uint16_t offset_in_8_bytes, bool more);

// A packet socket on eth0 of the namespace that the calling thread stands in.
class FrameSocket {
 public:
  // `protocol`: ETH_P_ALL sees frames before tc does, a single protocol what tc has let in.
  explicit FrameSocket(uint16_t protocol);
  void Send(const Bytes& frame) const;
  // Sends it with nothing but the Ethernet header in the linear part.
  void SendPaged(const Bytes& frame) const;
  // Waits until a frame with the source `until` has come from the other side; whether one with the
  // source `wanted` came before it. Fails the test after 5 s.
  bool SawBefore(const MacAddress& wanted, const MacAddress& until) const;

 private:
  UniqueFd fd_;
};

// Both directions of the cable between node and peer, seen from the node's gate.
class GateTest : public HostTest {
 protected:
  void SetUp() override;

  // Whether the node's stack gets the frame that the peer sends; `control`, sent after it, must
  // arrive. `paged`: see SendPaged.
  bool ComesIn(const Bytes& frame, const Bytes& control, bool paged = false);
  // Whether the peer gets the frame that the node sends.
  bool GoesOut(const Bytes& frame, const Bytes& control);

  void SetGate(const std::string& vip, MonoTime until, uint64_t epoch = 1);
  void Open(const std::string& vip) { SetGate(vip, MonoTime::Infinite()); }
  void CloseGate(const std::string& vip) { SetGate(vip, MonoTime()); }
  // Adds the address to eth0, by ip(8), for ever.
  void AddAddress(const std::string& address);
  // From the peer.
  bool Pings(const std::string& address);
  bool Arpings(const std::string& address);

 private:
  MacAddress NextSource();
  uint16_t sources_ = 0;
};

}  // namespace hb::executor

#endif  // HB_TESTS_HOST_RAW_FRAMES_H_
