// Which address a frame claims, and for which MAC: ARP and neighbour discovery read from the bytes
// of an Ethernet frame. Pure. It decides nothing: whether the claim is a conflict is for
// conflict_watch.h.
#ifndef HB_EXECUTOR_HOST_CLAIM_H_
#define HB_EXECUTOR_HOST_CLAIM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "common/ip_address.h"
#include "executor/host/announce.h"

namespace hb::executor {

struct Claim {
  IpAddress address;
  MacAddress named{};   // by the message; where it names none, the frame's source
  MacAddress source{};  // of the frame

  friend bool operator==(const Claim&, const Claim&) = default;
};

// Claims are: ARP with the address as its sender (RFC 5227: a probe, whose sender is 0.0.0.0, is
// none); a neighbour advertisement by its target; a neighbour solicitation without a source address
// by its target, for whoever asks so is about to take the address. nullopt for all others, for
// tagged frames, and for what receivers would not accept.
std::optional<Claim> ReadClaim(const uint8_t* frame, size_t bytes);

// "02:68:62:00:00:01"
std::string ToString(const MacAddress& mac);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_CLAIM_H_
