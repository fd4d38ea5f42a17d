// What to do next on one node for one cluster, given what is wanted and what is observed. Called
// again after every change; it repeats nothing that is under way and undoes what somebody else did.
// Pure.
#ifndef HB_EXECUTOR_CORE_RECONCILE_H_
#define HB_EXECUTOR_CORE_RECONCILE_H_

#include <cstdint>
#include <vector>

#include "executor/core/types.h"

namespace hb::executor {

struct Wanted {
  bool hold = false;        // the lease holds
  bool taken_over = false;  // the VIPs have been up under this lease
  bool service_running = false;
  bool may_stop_service = true;  // no other cluster of this node wants it
  // Start it unless it runs, once for each higher number; one that runs uses the number up.
  uint64_t start_attempt = 0;
};

struct Observation {
  std::vector<bool> vip_present;  // one for each VIP of the spec
  std::vector<bool> link_usable;
  std::vector<bool> gate_closed;  // the kernel's gate knows the VIP and lets nothing pass now
  bool gate_stands = true;        // on every interface where it has to
  ServiceStatus service;
  uint64_t start_attempted = 0;  // the highest start_attempt acted upon
  std::vector<std::string> obstacles;

  bool AnyVipPresent() const;
  bool AllVipsPresent() const;
  // A VIP is there that the gate does not keep in.
  bool AnyVipExposed() const;
  friend bool operator==(const Observation&, const Observation&) = default;
};

enum class StepKind { kRemoveVip, kAddVip, kStartService, kStopService };

struct Step {
  StepKind kind;
  size_t vip = 0;  // index into the spec's VIPs, for the first two
  friend bool operator==(const Step&, const Step&) = default;
};

// In the order in which they are to be done: giving up comes before everything else, and the
// service is stopped only once no VIP is left.
std::vector<Step> Reconcile(const Wanted& wanted, const Observation& seen);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_CORE_RECONCILE_H_
