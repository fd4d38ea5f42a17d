// The entries of the gate: which floating address may pass until when. One hash map in the kernel,
// read by the programs of gate.bpf.c for every packet and written here; the kernel keeps it when
// this process ends. Part of Gate. It attaches nothing and reads no clock.
#ifndef HB_EXECUTOR_HOST_GATE_MAP_H_
#define HB_EXECUTOR_HOST_GATE_MAP_H_

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "executor/core/types.h"
#include "executor/host/gate_layout.h"
#include "executor/host/service/unique_fd.h"

namespace hb::executor {

// Both ways between our words and the map's. An instant before the boot is closed, as is the boot
// itself; Infinite() is the map's "always".
hb_gate_key ToGateKey(const IpAddress& address);
IpAddress FromGateKey(const hb_gate_key& key);
hb_gate_value ToGateValue(const GateLease& lease);
GateLease FromGateValue(const hb_gate_value& value);

class GateMap {
 public:
  // `map`: of the layout of gate_layout.h.
  explicit GateMap(UniqueFd map) : map_(std::move(map)) {}

  // As Host::SetGate, Host::ReadGate, Host::RemoveGate and Host::Gates.
  [[nodiscard]] absl::Status Set(const IpAddress& vip, const GateLease& lease);
  absl::StatusOr<GateLease> Read(const IpAddress& vip) const;
  [[nodiscard]] absl::Status Remove(const IpAddress& vip);
  std::map<IpAddress, GateLease> All() const;

 private:
  UniqueFd map_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_GATE_MAP_H_
