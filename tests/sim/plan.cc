#include "tests/sim/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/random.h"

namespace hb::sim {
namespace {

// Long enough for a lease of any ttl here, and its margin, to end while a fault lasts; short enough
// for many faults to overlap.
Time SomeWhile(Random& dice) {
  switch (dice.Below(4)) {
    case 0:
      return dice.Between(1, 300) * kMillisecond;
    case 1:
      return dice.Between(300, 1'500) * kMillisecond;
    case 2:
      return dice.Between(1'500, 6'000) * kMillisecond;
    default:
      return dice.Between(6, 25) * kSecond;
  }
}

Config MakeConfig(Random& dice, const Plan& plan, OnExpiry on_expiry) {
  Config config;
  config.members = (1U << static_cast<uint32_t>(plan.nodes)) - 1;
  config.on_expiry = on_expiry;
  switch (dice.Below(3)) {
    case 0:
      config.ttl = 300 * kMillisecond;
      config.heartbeat = 50 * kMillisecond;
      break;
    case 1:
      break;
    default:
      config.ttl = 3 * kSecond;
      config.heartbeat = dice.Between(200, 900) * kMillisecond;
      break;
  }
  config.witness_interval = dice.OneIn(2) ? config.heartbeat : 100 * kMillisecond;
  config.standby_runs = dice.OneIn(3);
  config.auto_failback = !dice.OneIn(4);
  config.failback_after = dice.Between(0, 5) * kSecond;
  config.fetch_page = !dice.OneIn(5);
  config.vips = dice.OneIn(3) ? 2 : 1;
  return config;
}

// Draws the faults of one plan, most of them in pairs: a fault and its end.
class Faults {
 public:
  Faults(Random* dice, Plan* plan) : dice_(*dice), plan_(*plan) {
    // Two holders are documented under witness where hosts see it but not each other: such networks
    // are left out there.
    strict_network_ = plan_.configs[0].on_expiry == OnExpiry::kWitness;
  }

  void Draw(int count) {
    for (int i = 0; i < count; ++i) DrawOne();
    std::stable_sort(plan_.faults.begin(), plan_.faults.end(),
                     [](const Fault& x, const Fault& y) { return x.at < y.at; });
  }

 private:
  int Node() { return static_cast<int>(dice_.Below(plan_.nodes)); }
  int Controller() { return static_cast<int>(dice_.Below(plan_.controllers)); }
  int AnyHost() {
    if (dice_.OneIn(3)) return plan_.controller_host[Controller()];
    return Node();
  }
  // Braces are evaluated in their order whatever compiles them; arguments are not.
  void Add(const Fault& fault) {
    if (fault.at < plan_.chaos) plan_.faults.push_back(fault);
  }
  // And its end, a while later.
  void Pair(FaultKind begin, FaultKind end, int a, int64_t value = 0) {
    const Time at = Start();
    Add({at, begin, a, -1, value});
    Add({at + SomeWhile(dice_), end, a});
  }
  Time Start() { return dice_.Between(500, plan_.chaos / kMillisecond) * kMillisecond; }

  void DrawOne() {
    const int64_t kind = dice_.Below(100);
    if (kind < 26) return Network();
    if (kind < 50) return Processes();
    if (kind < 64) return Hosts();
    if (kind < 80) return Services();
    if (kind < 92) return Operators();
    Storage();
  }

  void Network() {
    switch (dice_.Below(strict_network_ ? 4 : 8)) {
      case 0:
      case 1:
        return Pair(FaultKind::kIsolate, FaultKind::kRejoin, AnyHost());
      case 2:
        return Pair(FaultKind::kIsolateOut, FaultKind::kRejoin, AnyHost());
      case 3:
        return Pair(FaultKind::kIsolateIn, FaultKind::kRejoin, AnyHost());
      case 4:
        Add({Start(), FaultKind::kLoss, -1, -1, dice_.Between(1, 40)});
        return Add({Start(), FaultKind::kLoss, -1, -1, 0});
      case 5:
        Add({Start(), FaultKind::kDelay, -1, -1, dice_.Between(1, 900) * kMillisecond});
        return Add({Start(), FaultKind::kDelay, -1, -1, kMillisecond});
      default: {
        const int a = AnyHost();
        const int b = dice_.OneIn(4) ? kWitnessHost : AnyHost();
        const Time at = Start();
        const Time end = at + SomeWhile(dice_);
        Add({at, FaultKind::kCutLink, a, b});
        Add({end, FaultKind::kMendLink, a, b});
        if (dice_.OneIn(2)) return;
        Add({at, FaultKind::kCutLink, b, a});
        return Add({end, FaultKind::kMendLink, b, a});
      }
    }
  }

  void Processes() {
    switch (dice_.Below(8)) {
      case 0:
      case 1:
        return Pair(FaultKind::kKillExecutor, FaultKind::kStartExecutor, Node());
      case 2:
        return Pair(FaultKind::kStopExecutor, FaultKind::kStartExecutor, Node());
      case 3:
      case 4:
        return Pair(FaultKind::kPauseExecutor, FaultKind::kContinueExecutor, Node());
      case 5:
      case 6:
        return Pair(FaultKind::kKillController, FaultKind::kStartController, Controller());
      default:
        return Pair(FaultKind::kPauseController, FaultKind::kContinueController, Controller());
    }
  }

  void Hosts() {
    switch (dice_.Below(5)) {
      case 0:
      case 1:
        return Pair(FaultKind::kCrashHost, FaultKind::kBootHost, AnyHost());
      case 2: {
        // Who has lost its promises must not be back before they have run out: no disk, no promise.
        const int node = Node();
        const Time at = Start();
        Add({at, FaultKind::kCrashHost, node});
        return Add({at + 4 * kSecond + SomeWhile(dice_), FaultKind::kBootHost, node, -1, 1});
      }
      case 3:
        return Pair(FaultKind::kFreezeHost, FaultKind::kThawHost, AnyHost());
      default:
        return Add({Start(), FaultKind::kClockRate, AnyHost(), -1, dice_.Between(-80'000, 80'000)});
    }
  }

  void Services() {
    switch (dice_.Below(8)) {
      case 0:
      case 1:
        return Add({Start(), FaultKind::kServiceDies, Node()});
      case 2:
        return Pair(FaultKind::kServiceHangs, FaultKind::kServiceMends, Node());
      case 3:
        return Pair(FaultKind::kServiceBreaks, FaultKind::kServiceMends, Node());
      case 4:
        return Pair(FaultKind::kLinkDown, FaultKind::kLinkUp, Node());
      case 5:
        return Add({Start(), FaultKind::kDropVip, Node()});
      default: {
        const int node = Node();
        const int from = plan_.controller_host[Controller()];
        const Time at = Start();
        Add({at, dice_.OneIn(2) ? FaultKind::kBlockPing : FaultKind::kBlockPage, node, from});
        return Add({at + SomeWhile(dice_), FaultKind::kUnblock, node, from});
      }
    }
  }

  void Operators() {
    const int c = Controller();
    switch (dice_.Below(9)) {
      case 0:
      case 1:
        return Add({Start(), FaultKind::kSwitchover, c, dice_.OneIn(3) ? -1 : Node()});
      case 2:
        return Add({Start(), FaultKind::kFailback, c});
      case 3:
        return Pair(FaultKind::kPause, FaultKind::kResume, c);
      case 4:
        return Add({Start(), FaultKind::kAck, c});
      case 5: {
        const int node = Node();
        const Time at = Start();
        Add({at, FaultKind::kDrain, c, node});
        return Add({at + SomeWhile(dice_), FaultKind::kUndrain, c, node});
      }
      case 6: {
        const int node = Node();
        const Time at = Start();
        Add({at, FaultKind::kPin, c, node});
        return Add({at + SomeWhile(dice_), FaultKind::kUnpin, c, node});
      }
      case 7: {
        Config changed = plan_.configs[0];
        if (dice_.OneIn(2)) changed.ttl = dice_.Between(3, 10) * changed.heartbeat;
        if (dice_.OneIn(3)) changed.standby_runs = !changed.standby_runs;
        if (plan_.nodes > 2 && dice_.OneIn(2)) changed.members &= ~(1U << Node());
        plan_.configs.push_back(changed);
        const Time at = Start();
        Add({at, FaultKind::kReload, c, -1, static_cast<int64_t>(plan_.configs.size() - 1)});
        if (changed.members == plan_.configs[0].members && dice_.OneIn(2)) return;
        return Add({at + SomeWhile(dice_), FaultKind::kReload, c, -1, 0});
      }
      default:
        return Pair(FaultKind::kVantage, FaultKind::kVantage, c, 1);
    }
  }

  void Storage() {
    const int c = Controller();
    switch (dice_.Below(plan_.forced_store ? 4 : 2)) {
      case 0:
        return Pair(FaultKind::kDiskFull, FaultKind::kDiskFree, Node());
      case 1:
        return Pair(FaultKind::kStoreFull, FaultKind::kStoreFree, c);
      case 2: {
        const Time at = Start();
        Add({at, FaultKind::kKillController, c});
        Add({at + kMillisecond, FaultKind::kRestoreStore, c, -1, dice_.Between(1, 6)});
        return Add({at + SomeWhile(dice_), FaultKind::kStartController, c});
      }
      default: {
        const Time at = Start();
        Add({at, FaultKind::kKillController, c});
        Add({at + kMillisecond, FaultKind::kEmptyStore, c});
        return Add({at + SomeWhile(dice_), FaultKind::kStartController, c});
      }
    }
  }

  Random& dice_;
  Plan& plan_;
  bool strict_network_ = false;
};

}  // namespace

Plan MakePlan(uint64_t seed, const PlanOptions& options) {
  Random dice(Random(seed ^ 0x68622d73696dULL).Next());
  Plan plan;
  plan.seed = seed;
  plan.nodes =
      options.nodes.value_or(dice.OneIn(2) ? 2 : static_cast<int>(dice.Between(3, kMaxNodes)));
  plan.controllers = options.controllers.value_or(dice.OneIn(6) ? 2 : 1);
  for (int c = 0; c < plan.controllers; ++c) {
    const bool own = dice.OneIn(2);
    plan.controller_host[c] =
        own ? kMaxNodes + c : static_cast<int>(plan.nodes - 1 - dice.Below(plan.nodes));
  }
  const OnExpiry policies[] = {OnExpiry::kRelease, OnExpiry::kRelease, OnExpiry::kRelease,
                               OnExpiry::kWitness, OnExpiry::kWitness, OnExpiry::kHold};
  plan.configs.push_back(
      MakeConfig(dice, plan, options.on_expiry.value_or(policies[dice.Below(6)])));
  const Time delays[] = {1, 1, 1, 1, 30, 150, 400, 900};
  plan.slowest = delays[dice.Below(8)] * kMillisecond;
  // Nor one so slow that streams do not stand while pings are answered.
  if (plan.configs[0].on_expiry == OnExpiry::kWitness) {
    plan.slowest = std::min(plan.slowest, 30 * kMillisecond);
  }
  plan.duplicates = dice.OneIn(2);
  plan.forced_store = plan.controllers > 1 || dice.OneIn(5);
  plan.chaos = dice.Between(10, 90) * kSecond;
  plan.recover = 90 * kSecond;
  for (int64_t& ppm : plan.first_ppm) {
    ppm = dice.OneIn(2) ? 0 : dice.Between(-80'000, 80'000);
  }
  Faults(&dice, &plan).Draw(static_cast<int>(dice.Between(3, 40)));
  // What is left: the controller, and all nodes but one.
  bool may_lose = plan.controllers == 1 && !plan.forced_store;
  // Where members change while the holder is out of reach, only it, or an operator, can go on (L3).
  for (const Config& config : plan.configs) {
    may_lose = may_lose && config.members == plan.configs[0].members;
  }
  if (may_lose && dice.OneIn(2)) {
    const int dead = static_cast<int>(dice.Below(plan.nodes));
    if (dead != plan.controller_host[0]) plan.left_dead = dead;
  }
  return plan;
}

Plan QuietPlan(Time length) {
  Plan plan;
  plan.controller_host[0] = kMaxNodes;
  plan.configs.push_back({});
  plan.configs[0].members = 3;
  plan.configs[0].fetch_page = false;
  plan.probes = false;
  plan.chaos = length;
  plan.recover = 10 * kSecond;
  plan.settle = kSecond;
  return plan;
}

std::string HostName(int host) {
  if (host < 0) return "-";
  if (host < kMaxNodes) return std::string(1, static_cast<char>('a' + host));
  if (host == kWitnessHost) return "witness";
  return absl::StrCat("ctl", host - kMaxNodes + 1);
}

namespace {

// In the order of FaultKind.
constexpr std::string_view kFaultNames[] = {
    "isolate",
    "isolate-out",
    "isolate-in",
    "rejoin",
    "cut-link",
    "mend-link",
    "heal-network",
    "loss",
    "delay",
    "kill-executor",
    "stop-executor",
    "start-executor",
    "pause-executor",
    "continue-executor",
    "crash-host",
    "boot-host",
    "freeze-host",
    "thaw-host",
    "kill-controller",
    "start-controller",
    "pause-controller",
    "continue-controller",
    "restore-store",
    "empty-store",
    "service-dies",
    "service-hangs",
    "service-breaks",
    "service-mends",
    "clock-rate",
    "link-down",
    "link-up",
    "disk-full",
    "disk-free",
    "store-full",
    "store-free",
    "switchover",
    "failback",
    "pause",
    "resume",
    "ack",
    "drain",
    "undrain",
    "pin",
    "unpin",
    "reload",
    "vantage",
    "block-ping",
    "block-page",
    "unblock",
    "drop-vip",
};

}  // namespace

const char* ToString(FaultKind kind) { return kFaultNames[static_cast<size_t>(kind)].data(); }

std::optional<FaultKind> FaultKindOf(std::string_view name) {
  for (size_t i = 0; i < std::size(kFaultNames); ++i) {
    if (kFaultNames[i] == name) return static_cast<FaultKind>(i);
  }
  return std::nullopt;
}

bool IsOfController(FaultKind kind) {
  return (kind >= FaultKind::kKillController && kind <= FaultKind::kEmptyStore) ||
         kind == FaultKind::kStoreFull || kind == FaultKind::kStoreFree ||
         (kind >= FaultKind::kSwitchover && kind <= FaultKind::kVantage);
}

std::string Describe(const Fault& fault, const Plan& plan) {
  std::string line =
      absl::StrFormat("%9.3f s  %s", static_cast<double>(fault.at) / kSecond, ToString(fault.kind));
  const bool of_controller = IsOfController(fault.kind);
  if (fault.a >= 0) {
    absl::StrAppend(&line, " ",
                    of_controller ? absl::StrCat("controller ", fault.a + 1) : HostName(fault.a));
  }
  if (fault.b >= 0) absl::StrAppend(&line, " ", HostName(fault.b));
  if (fault.kind == FaultKind::kReload) {
    const Config& config = plan.configs[static_cast<size_t>(fault.value)];
    absl::StrAppend(&line, " ttl=", config.ttl / kMillisecond, "ms members=", config.members,
                    " standby_runs=", config.standby_runs);
  } else if (fault.value != 0) {
    absl::StrAppend(&line, " ", fault.value);
  }
  return line;
}

std::string Describe(const Plan& plan) {
  const Config& c = plan.configs[0];
  static constexpr const char* kPolicies[] = {"release", "witness", "hold"};
  std::string text =
      absl::StrCat("seed=", plan.seed, " nodes=", plan.nodes,
                   " on_expiry=", kPolicies[static_cast<int>(c.on_expiry)],
                   " ttl=", c.ttl / kMillisecond, "ms heartbeat=", c.heartbeat / kMillisecond,
                   "ms standby=", c.standby_runs ? "running" : "stopped", " vips=", c.vips,
                   " page=", c.fetch_page, " probes=", plan.probes,
                   " slowest=", plan.slowest / kMillisecond, "ms");
  for (int i = 0; i < plan.controllers; ++i) {
    absl::StrAppend(&text, " controller", i + 1, "=", HostName(plan.controller_host[i]));
  }
  for (int i = 0; i < kMaxHosts; ++i) {
    if (plan.first_ppm[i] != 0 && (i < plan.nodes || i >= kMaxNodes)) {
      absl::StrAppend(&text, " clock_", HostName(i), "=", plan.first_ppm[i], "ppm");
    }
  }
  if (plan.left_dead >= 0) absl::StrAppend(&text, " left_dead=", HostName(plan.left_dead));
  absl::StrAppend(&text, "\n");
  for (const Fault& fault : plan.faults) absl::StrAppend(&text, Describe(fault, plan), "\n");
  return text;
}

}  // namespace hb::sim
