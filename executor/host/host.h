// What the executor may do to the machine it runs on: floating addresses, their announcement,
// iptables. The interface is implemented by LinuxHost (netlink, AF_PACKET, iptables-restore) and by
// a recording fake in tests. Every act is idempotent; everything observed comes from the kernel,
// not from what was asked for. All of it belongs to the event loop's thread; nothing here blocks
// for longer than a netlink round trip.
#ifndef HB_EXECUTOR_HOST_HOST_H_
#define HB_EXECUTOR_HOST_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "executor/core/types.h"

namespace hb::executor {

struct LinkState {
  bool exists = false;
  bool admin_up = false;
  bool carrier = false;
  int index = 0;
  std::vector<uint8_t> mac;  // empty where the link has none

  bool usable() const { return exists && admin_up && carrier; }
  friend bool operator==(const LinkState&, const LinkState&) = default;
};

class Host {
 public:
  virtual ~Host() = default;

  // Puts the address on its interface for `valid_for` (rounded up to whole seconds, as the kernel
  // counts; at least 1 s), or extends its lifetime if it is there; the kernel removes it by itself
  // afterwards. IPv6 addresses are added without duplicate address detection. NotFound: no such
  // interface; PermissionDenied; Unavailable: another refusal of the kernel.
  [[nodiscard]] virtual absl::Status AddVip(const Vip& vip, Duration valid_for) = 0;

  // Takes the address off its interface. Ok when it is not there, or the interface is not.
  [[nodiscard]] virtual absl::Status RemoveVip(const Vip& vip) = 0;

  // Whether the kernel has the address on that interface now (any prefix length).
  virtual bool HasVip(const Vip& vip) const = 0;

  virtual LinkState Link(const std::string& interface) const = 0;

  // Tells the LAN once where the address is: IPv4 a gratuitous ARP request and a reply, IPv6 an
  // unsolicited neighbour advertisement with the override flag (RFC 5227 §2.3, RFC 4861 §7.2.6).
  // Repeats are the caller's.
  [[nodiscard]] virtual absl::Status Announce(const Vip& vip) = 0;

  // The gate (rule L8): a tc program on every interface that could answer for a floating address
  // lets ARP, NDP and packets for it pass only before the instant that its map holds. What is not
  // in the map passes. Each of these is one or two map accesses (some µs) and no more.
  //
  // Writes the entry, new or not, and reads it back. Internal: it reads otherwise; Unavailable: the
  // kernel refuses. An entry never passes more than was asked for, whatever fails.
  [[nodiscard]] virtual absl::Status SetGate(const IpAddress& vip, const GateLease& lease) = 0;
  // As the map has it now. NotFound: no entry, all of its packets pass.
  virtual absl::StatusOr<GateLease> ReadGate(const IpAddress& vip) const = 0;
  // Takes the entry away. Ok when there is none. For addresses that no interface has any more.
  [[nodiscard]] virtual absl::Status RemoveGate(const IpAddress& vip) = 0;
  // All entries, those that an earlier process left included.
  virtual std::map<IpAddress, GateLease> Gates() const = 0;
  // Makes the gate stand, both ways and first in the chain, on every interface where it has to, and
  // says where it does not: one sentence each, with its remedy; empty: it stands. Cheap while
  // nothing changed; call it every heartbeat. What was mended is logged.
  virtual std::vector<std::string> CheckGate() = 0;

  // Watches these floating addresses, and no others any more, for claims by MACs that are none of
  // this node's (rule L9). `seen` is called on the loop for each, at most once in 100 ms a pair of
  // address and MAC. An interface that does not exist is watched once it does.
  virtual void WatchConflicts(const std::set<Vip>& vips,
                              std::function<void(const Conflict&)> seen) = 0;

  // Makes hb's own chains hold exactly these rules (none: removes the chains), for iptables and
  // ip6tables. `done` is called later, on the loop. One at a time; a newer call replaces one that
  // still waits.
  virtual void ApplyFirewall(const FirewallRules& rules,
                             std::function<void(absl::Status)> done) = 0;

  // Next hop of the default route with the lowest metric, IPv4 first. NotFound where there is none.
  virtual absl::StatusOr<IpAddress> DefaultGateway() const = 0;

  // Called on the loop, a moment after any address or link changed (by whomever).
  virtual void OnChange(std::function<void()> changed) = 0;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_HOST_H_
