// The words that the executor's core and its hands (executor/host) share. Plain data; pure.
#ifndef HB_EXECUTOR_CORE_TYPES_H_
#define HB_EXECUTOR_CORE_TYPES_H_

#include <cstdint>
#include <map>
#include <ostream>
#include <set>
#include <string>

#include "common/ip_address.h"
#include "common/time.h"

namespace hb::executor {

// A floating address and the interface that carries it.
struct Vip {
  IpPrefix address;
  std::string interface;

  std::string ToString() const { return address.ToString() + " on " + interface; }
  friend auto operator<=>(const Vip&, const Vip&) = default;
};

// What stands in the kernel's gate for one floating address (rule L8): packets pass before `until`.
// The rest lets an executor that restarts take up the lease that it finds.
struct GateLease {
  MonoTime until;      // MonoTime(): closed; Infinite(): open until it is closed
  uint64_t epoch = 0;  // of the lease; 0: none
  Duration ttl;

  bool closed(MonoTime now) const { return until <= now; }
  friend bool operator==(const GateLease&, const GateLease&) = default;
};

// A MAC that is none of this node's own claimed a floating address (ARP, neighbour advertisement).
struct Conflict {
  Vip vip;
  std::string mac;  // "02:68:62:00:00:01"
  friend auto operator<=>(const Conflict&, const Conflict&) = default;
};

// Another node of the cluster.
struct Peer {
  std::string name;
  std::string executor;  // ADDRESS:PORT
  friend bool operator==(const Peer&, const Peer&) = default;
};

// What was observed of a service, whatever runs it.
struct ServiceStatus {
  enum class State {
    kStopped,   // not running, and nothing went wrong (or not since it was stopped)
    kStarting,  // not yet alive and checked
    kRunning,   // alive, and its local checks pass
    kFailing,   // alive, but a local check fails
    kStopping,
    kFailed,  // died by itself, or did not start
  };
  State state = State::kStopped;
  std::string detail;  // for people: "exited with status 1"; empty when there is nothing to say

  friend bool operator==(const ServiceStatus&, const ServiceStatus&) = default;
};
const char* ToString(ServiceStatus::State state);
std::ostream& operator<<(std::ostream& out, const ServiceStatus& status);

// Who may reach a node's own addresses; the rules of all clusters together.
struct FirewallRules {
  struct Protected {
    bool restrict_icmp_echo = false;
    std::set<IpPrefix> icmp_echo_sources;
    // Port to those who may connect.
    std::map<uint16_t, std::set<IpPrefix>> tcp_sources;
    friend bool operator==(const Protected&, const Protected&) = default;
  };
  std::map<IpAddress, Protected> own_addresses;

  bool empty() const { return own_addresses.empty(); }
  friend bool operator==(const FirewallRules&, const FirewallRules&) = default;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_CORE_TYPES_H_
