// Map accesses by bpf(2). An entry that exists is written in place under its lock, never exchanged
// for another: the kernel hands an exchanged one out again at once, and a program that still looks
// at it would judge by another address's instant.
#include "executor/host/gate_map.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

constexpr uint64_t kAlways = std::numeric_limits<uint64_t>::max();
// How ::ffff:a.b.c.d begins.
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

absl::Status Refused(const char* act, const IpAddress& vip, int error) {
  const std::string what = absl::StrCat(act, " the gate of ", vip.ToString(), ": ");
  if (error == E2BIG) {
    return absl::UnavailableError(
        absl::StrCat(what, "it has ", HB_GATE_MAX_ENTRIES, " entries and no room for more"));
  }
  return absl::UnavailableError(absl::StrCat(what, std::strerror(error)));
}

}  // namespace

hb_gate_key ToGateKey(const IpAddress& address) {
  hb_gate_key key{};
  auto* const bytes = reinterpret_cast<uint8_t*>(&key);
  if (address.is_v4()) {
    std::memcpy(bytes, kMappedPrefix, sizeof kMappedPrefix);
    std::memcpy(bytes + sizeof kMappedPrefix, address.bytes(), address.size());
  } else {
    std::memcpy(bytes, address.bytes(), address.size());
  }
  return key;
}

IpAddress FromGateKey(const hb_gate_key& key) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&key);
  if (std::memcmp(bytes, kMappedPrefix, sizeof kMappedPrefix) == 0) {
    in_addr address{};
    std::memcpy(&address, bytes + sizeof kMappedPrefix, sizeof address);
    return IpAddress::V4(address);
  }
  in6_addr address{};
  std::memcpy(&address, bytes, sizeof address);
  return IpAddress::V6(address);
}

hb_gate_value ToGateValue(const GateLease& lease) {
  hb_gate_value value{};
  value.until_ns = lease.until == MonoTime::Infinite()
                       ? kAlways
                       : static_cast<uint64_t>(std::max<int64_t>(lease.until.nanoseconds(), 0));
  value.epoch = lease.epoch;
  value.ttl_ns = static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Nanoseconds(lease.ttl), 0));
  return value;
}

GateLease FromGateValue(const hb_gate_value& value) {
  constexpr uint64_t kLongest = std::numeric_limits<int64_t>::max();
  GateLease lease;
  lease.until =
      MonoTime::FromNanoseconds(static_cast<int64_t>(std::min<uint64_t>(value.until_ns, kLongest)));
  lease.epoch = value.epoch;
  lease.ttl = absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(value.ttl_ns, kLongest)));
  return lease;
}

absl::Status GateMap::Set(const IpAddress& vip, const GateLease& lease) {
  const hb_gate_key key = ToGateKey(vip);
  const hb_gate_value value = ToGateValue(lease);
  if (bpf_map_update_elem(map_.get(), &key, &value, BPF_ANY | BPF_F_LOCK) != 0) {
    return Refused("setting", vip, errno);
  }
  hb_gate_value found{};
  if (bpf_map_lookup_elem_flags(map_.get(), &key, &found, BPF_F_LOCK) != 0) {
    return absl::InternalError(absl::StrCat("the gate of ", vip.ToString(),
                                            " was set and cannot be read: ", std::strerror(errno)));
  }
  if (found.until_ns == value.until_ns && found.epoch == value.epoch &&
      found.ttl_ns == value.ttl_ns) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("the gate of ", vip.ToString(),
                                          " reads otherwise than it was set: somebody else writes"
                                          " to its map"));
}

absl::StatusOr<GateLease> GateMap::Read(const IpAddress& vip) const {
  const hb_gate_key key = ToGateKey(vip);
  hb_gate_value value{};
  if (bpf_map_lookup_elem_flags(map_.get(), &key, &value, BPF_F_LOCK) == 0) {
    return FromGateValue(value);
  }
  if (errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("the gate has no entry for ", vip.ToString()));
  }
  return Refused("reading", vip, errno);
}

absl::Status GateMap::Remove(const IpAddress& vip) {
  const hb_gate_key key = ToGateKey(vip);
  if (bpf_map_delete_elem(map_.get(), &key) == 0 || errno == ENOENT) return absl::OkStatus();
  return Refused("removing", vip, errno);
}

std::map<IpAddress, GateLease> GateMap::All() const {
  std::map<IpAddress, GateLease> all;
  hb_gate_key key{};
  const hb_gate_key* previous = nullptr;
  // The bound is for a map that another process changes meanwhile: then the walk starts again.
  for (int i = 0; i < 2 * HB_GATE_MAX_ENTRIES; ++i) {
    hb_gate_key next{};
    if (bpf_map_get_next_key(map_.get(), previous, &next) != 0) break;
    hb_gate_value value{};
    if (bpf_map_lookup_elem_flags(map_.get(), &next, &value, BPF_F_LOCK) == 0) {
      all[FromGateKey(next)] = FromGateValue(value);
    }
    key = next;
    previous = &key;
  }
  return all;
}

}  // namespace hb::executor
