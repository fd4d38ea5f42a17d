// What one run of the simulator does: the cluster's configuration, the network, and the faults with
// their times. Made from a seed; everything in it can be printed, and a fault taken out (that is
// how a failing run is shrunk).
#ifndef HB_TESTS_SIM_PLAN_H_
#define HB_TESTS_SIM_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/lease_terms.h"
#include "tests/sim/host_clock.h"

namespace hb::sim {

inline constexpr Time kMillisecond = 1'000'000;
inline constexpr Time kSecond = 1'000 * kMillisecond;
inline constexpr int kMaxNodes = 5;
inline constexpr int kMaxControllers = 2;
// Hosts: the nodes, then one for each controller that has a host of its own, then the witness.
inline constexpr int kMaxHosts = kMaxNodes + kMaxControllers + 1;
inline constexpr int kWitnessHost = kMaxHosts - 1;

// What a controller's configuration file says.
struct Config {
  uint32_t members = 0;  // a bit a node
  OnExpiry on_expiry = OnExpiry::kRelease;
  Time ttl = kSecond;
  Time heartbeat = 200 * kMillisecond;
  Time witness_interval = 200 * kMillisecond;
  bool standby_runs = false;
  bool auto_failback = true;
  Time failback_after = 5 * kSecond;
  bool fetch_page = true;
  int vips = 1;
  friend bool operator==(const Config&, const Config&) = default;
};

enum class FaultKind {
  kIsolate,     // host a, both ways
  kIsolateOut,  // what a sends is dropped
  kIsolateIn,   // what a is sent is dropped
  kRejoin,      // a's links are whole again
  kCutLink,     // what a sends to b is dropped
  kMendLink,
  kHealNetwork,  // all links
  kLoss,         // value: percent of all packets
  kDelay,        // value: the longest one-way delay in ns
  kKillExecutor,
  kStopExecutor,  // SIGTERM
  kStartExecutor,
  kPauseExecutor,  // SIGSTOP
  kContinueExecutor,
  kCrashHost,
  kBootHost,    // value 1: with its state directory lost
  kFreezeHost,  // nothing runs on it; its clocks go on
  kThawHost,
  kKillController,
  kStartController,
  kPauseController,
  kContinueController,
  kRestoreStore,  // of a stopped controller: as it was `value` saves ago
  kEmptyStore,
  kServiceDies,
  kServiceHangs,
  kServiceBreaks,  // and does not start any more
  kServiceMends,
  kClockRate,  // value: ppm
  kLinkDown,   // a's interface has no carrier
  kLinkUp,
  kDiskFull,  // of node a
  kDiskFree,
  kStoreFull,  // of controller a
  kStoreFree,
  kSwitchover,  // controller a is asked; b: the node, or -1
  kFailback,
  kPause,
  kResume,
  kAck,
  kDrain,
  kUndrain,
  kPin,
  kUnpin,
  kReload,     // controller a; value: index into Plan::configs
  kVantage,    // nodes probe each other for controller a (value 1), or no more (0)
  kBlockPing,  // host b's pings of node a are dropped, by a firewall say
  kBlockPage,  // and its fetches of a's page
  kUnblock,
  kDropVip,  // somebody takes a's floating addresses off
};
const char* ToString(FaultKind kind);
std::optional<FaultKind> FaultKindOf(std::string_view name);
// It is done to a controller, by its number, not to a host.
bool IsOfController(FaultKind kind);

struct Fault {
  Time at = 0;
  FaultKind kind = FaultKind::kHealNetwork;
  int a = -1;
  int b = -1;
  int64_t value = 0;
};

struct Plan {
  uint64_t seed = 0;
  int nodes = 2;
  int controllers = 1;
  int controller_host[kMaxControllers] = {};
  std::vector<Config> configs;  // the first is the one that is begun with
  Time slowest = kMillisecond;  // the longest one-way delay to begin with
  bool probes = true;
  bool duplicates = false;
  bool steady = false;         // everything takes as long as ever: for scenarios
  bool forced_store = false;   // a store is restored, emptied, or there are two
  Time chaos = 60 * kSecond;   // faults happen before; then all is mended
  Time recover = 0;            // within which service must have returned
  Time settle = 60 * kSecond;  // and then nothing may move
  int left_dead = -1;          // a node that is not mended
  int64_t first_ppm[kMaxHosts] = {};
  std::vector<Fault> faults;
};

// What may be fixed from outside.
struct PlanOptions {
  std::optional<OnExpiry> on_expiry;
  std::optional<int> nodes;
  std::optional<int> controllers;
};

Plan MakePlan(uint64_t seed, const PlanOptions& options);
// Nothing ever fails: two nodes, heartbeats, nothing else. For the bench.
Plan QuietPlan(Time length);

std::string HostName(int host);  // "a" to "e", "ctl1", "ctl2", "witness"
std::string Describe(const Plan& plan);
std::string Describe(const Fault& fault, const Plan& plan);

}  // namespace hb::sim

#endif  // HB_TESTS_SIM_PLAN_H_
