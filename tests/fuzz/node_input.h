// What node_fuzz reads of the fuzzer's bytes: specs as executor/wire lets them through, records as
// executor/record does, observations of any kind.
#ifndef HB_TESTS_FUZZ_NODE_INPUT_H_
#define HB_TESTS_FUZZ_NODE_INPUT_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "executor/core/node.h"
#include "tests/fuzz/byte_source.h"

namespace hb::executor {

using fuzz::ByteSource;

inline constexpr size_t kClusters = 3;

inline constexpr std::array<Duration, 18> kWaits = {
    absl::ZeroDuration(),     absl::Nanoseconds(1),     absl::Milliseconds(1),
    absl::Milliseconds(5),    absl::Milliseconds(20),   absl::Milliseconds(100),
    absl::Milliseconds(200),  absl::Milliseconds(250),  absl::Milliseconds(500),
    absl::Milliseconds(1000), absl::Milliseconds(1100), absl::Seconds(2),
    absl::Seconds(5),         absl::Seconds(30),        absl::Seconds(60),
    absl::Seconds(67),        absl::Minutes(5),         absl::Hours(30)};
inline constexpr std::array<Duration, 5> kTtls = {absl::Seconds(1), absl::Milliseconds(30),
                                                  absl::Seconds(5), kMaxTtl, absl::Nanoseconds(1)};

inline std::string ClusterName(size_t index) {
  return std::string(1, static_cast<char>('a' + index));
}

inline IpAddress Address(size_t index) {
  return IpAddress::V4({htonl(0xc0a80064 + static_cast<uint32_t>(index))});
}

// Addresses of a cluster are its own: executor/allow_list.h sees to it.
inline Spec ReadSpec(ByteSource& bytes, size_t cluster) {
  Spec spec;
  spec.cluster = ClusterName(cluster);
  const uint8_t flags = bytes.Byte();
  spec.revision = 1 + (flags & 3);
  const size_t vips = 1 + (flags >> 2 & 1);
  for (size_t i = 0; i < vips; ++i) {
    const size_t number = cluster * 3 + (flags >> 3 & 1) + i;
    spec.vips.push_back({{Address(number), 24}, i == 0 ? "eth0" : "eth1"});
  }
  spec.service = (flags >> 4 & 1) != 0 ? "website" : "mail";
  spec.on_expiry = static_cast<OnExpiry>(bytes.Below(3));
  if (spec.on_expiry == OnExpiry::kWitness) {
    spec.witness = "gateway";
    spec.witness_interval = (flags >> 5 & 1) != 0 ? absl::Seconds(10) : absl::Milliseconds(10);
  }
  const size_t peers = flags >> 6;
  for (size_t i = 0; i < peers; ++i) {
    spec.peers.push_back({std::string(1, static_cast<char>('p' + i)), "192.168.0.1:7401"});
  }
  if ((flags & 0x41) == 0x41) {
    spec.firewall = FirewallSpec{Address(200), {{Address(201), 32}}, true, {80}};
  }
  return spec;
}

inline std::map<std::string, Record> ReadRecords(ByteSource& bytes) {
  std::map<std::string, Record> records;
  const uint8_t which = bytes.Byte();
  for (size_t i = 0; i < kClusters; ++i) {
    if ((which >> i & 1) == 0) continue;
    Record record;
    record.epoch = std::min(bytes.Number(), kMaxEpoch);
    const uint8_t flags = bytes.Byte();
    if ((flags & 1) != 0) record.longest_promise = bytes.Pick(kTtls);
    if ((flags & 2) != 0) record.controller = "one";
    if ((flags & 8) != 0) record.followed_for = absl::Seconds(10);
    if ((flags & 4) != 0) record.spec = ReadSpec(bytes, i);
    records[ClusterName(i)] = record;
  }
  return records;
}

inline Observation ReadObservation(ByteSource& bytes) {
  Observation seen;
  const uint8_t flags = bytes.Byte();
  for (size_t i = 0; i < (flags & 3U); ++i) {
    const uint8_t of = bytes.Byte();
    seen.vip_present.push_back((of & 1) != 0);
    seen.link_usable.push_back((of & 2) != 0);
    if ((of & 0xf0) != 0xf0) seen.gate_closed.push_back((of & 4) != 0);
  }
  seen.gate_stands = (flags & 4) != 0;
  seen.service.state = static_cast<ServiceStatus::State>(bytes.Below(6));
  seen.start_attempted = bytes.Number();
  return seen;
}

}  // namespace hb::executor

#endif  // HB_TESTS_FUZZ_NODE_INPUT_H_
