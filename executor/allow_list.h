// What executor.yaml lets a controller make this node touch (`allow`), and the check of a spec
// against it. Pure. A spec that breaks one rule is refused whole; the message names the rule.
#ifndef HB_EXECUTOR_ALLOW_LIST_H_
#define HB_EXECUTOR_ALLOW_LIST_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ip_address.h"
#include "executor/core/node.h"

namespace hb::executor {

struct AllowList {
  std::set<std::string> interfaces;
  std::vector<IpPrefix> vips;
  std::set<uint16_t> firewall_tcp;
  // Where the executor listens: no VIP may be this address. 0.0.0.0 or ::, and it says nothing.
  IpAddress own_address;
};

// PermissionDenied: an interface, VIP or port that the list does not have; or a VIP that is the
// node's own address, or in the way of another cluster's spec of `others` (by cluster), or that
// the firewall is told to protect as an own address.
[[nodiscard]] absl::Status CheckSpec(const Spec& spec, const AllowList& allow,
                                     const std::map<std::string, const Spec*>& others);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_ALLOW_LIST_H_
