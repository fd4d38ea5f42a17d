// What happens to the simulated world: each fault of a plan, and how everything is mended.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/sim/world.h"

namespace hb::sim {
namespace {

using controller::Command;
using executor::ServiceStatus;

// Who has lost its disk has lost its promises: it must not be back before they have run out.
constexpr Time kForgotten = 70 * kSecond;

}  // namespace

void World::Isolate(int host, bool out, bool in, bool cut) {
  for (int other = 0; other < kMaxHosts; ++other) {
    if (other == host) continue;
    if (out) cut_[host][other] = cut;
    if (in) cut_[other][host] = cut;
  }
}

std::vector<int> World::ControllersOn(int host) const {
  std::vector<int> controllers;
  for (int c = 0; c < plan_.controllers; ++c) {
    if (controllers_[c].host == host) controllers.push_back(c);
  }
  return controllers;
}

// What was to happen while it stood still happens now, in its order.
void World::Resume(std::vector<Event>& backlog) {
  for (const Event& event : std::exchange(backlog, {})) {
    const bool timer = event.what == Do::kNodeTimer || event.what == Do::kControllerTimer;
    Post(now_, event.what, event.who, event.generation, event.data, timer ? kForced : event.more);
  }
}

void World::CrashHost(int host) {
  if (!hosts_[host].up) return;
  hosts_[host].up = hosts_[host].frozen = false;
  hosts_[host].down_since = now_;
  hosts_[host].backlog.clear();
  for (const int c : ControllersOn(host)) KillController(c, false);
  if (host >= kMaxNodes) return;
  KillExecutor(host, false);
  Node& node = nodes_[host];
  for (Vip& vip : node.vips) vip = Vip();
  node.service = ServiceStatus::State::kStopped;
  ++node.service_generation;
  node.hung = false;
  node.backlog.clear();
}

void World::BootHost(int host, bool lost_disk) {
  if (hosts_[host].up) return;
  const Time down_for = now_ - hosts_[host].down_since;
  hosts_[host].up = true;
  hosts_[host].clock.Boot(now_);
  if (host < kMaxNodes) {
    Node& node = nodes_[host];
    if (lost_disk && down_for >= kForgotten) {
      node.records.clear();
      node.incarnation = 0;
      node.highest_epoch = 0;
    }
    if (dice_.OneIn(4)) node.service = ServiceStatus::State::kRunning;  // enabled at boot
    StartExecutor(host);
  }
  for (const int c : ControllersOn(host)) StartController(c);
}

void World::Apply(const Fault& fault) {
  if (tracing())
    Say(absl::StrCat("fault: ",
                     absl::StripLeadingAsciiWhitespace(Describe(fault, plan_).substr(11))));
  const int a = fault.a;
  switch (fault.kind) {
    case FaultKind::kIsolate:
      return Isolate(a, true, true, true);
    case FaultKind::kIsolateOut:
      return Isolate(a, true, false, true);
    case FaultKind::kIsolateIn:
      return Isolate(a, false, true, true);
    case FaultKind::kRejoin:
      return Isolate(a, true, true, false);
    case FaultKind::kCutLink:
      if (a != fault.b) cut_[a][fault.b] = true;
      return;
    case FaultKind::kMendLink:
      cut_[a][fault.b] = false;
      return;
    case FaultKind::kHealNetwork:
      for (auto& row : cut_) std::fill(std::begin(row), std::end(row), false);
      return;
    case FaultKind::kLoss:
      loss_ = fault.value;
      return;
    case FaultKind::kDelay:
      slowest_ = fault.value;
      return;
    case FaultKind::kKillExecutor:
      return KillExecutor(a, true);
    case FaultKind::kStopExecutor:
      return LeaveExecutor(a);
    case FaultKind::kStartExecutor:
      return StartExecutor(a);
    case FaultKind::kPauseExecutor:
      nodes_[a].paused = nodes_[a].running;
      return;
    case FaultKind::kContinueExecutor:
      nodes_[a].paused = false;
      return Resume(nodes_[a].backlog);
    case FaultKind::kCrashHost:
      return CrashHost(a);
    case FaultKind::kBootHost:
      return BootHost(a, fault.value != 0);
    case FaultKind::kFreezeHost:
      hosts_[a].frozen = hosts_[a].up;
      return;
    case FaultKind::kThawHost:
      hosts_[a].frozen = false;
      Resume(hosts_[a].backlog);
      if (a < kMaxNodes) Resume(nodes_[a].backlog);
      for (const int c : ControllersOn(a)) Resume(controllers_[c].backlog);
      return;
    case FaultKind::kKillController:
      return KillController(a, true);
    case FaultKind::kStartController:
      return StartController(a);
    case FaultKind::kPauseController:
      controllers_[a].paused = controllers_[a].running;
      return;
    case FaultKind::kContinueController:
      controllers_[a].paused = false;
      return Resume(controllers_[a].backlog);
    case FaultKind::kRestoreStore: {
      ControllerProcess& c = controllers_[a];
      if (c.running || c.history.empty()) return;
      const size_t back = std::min(static_cast<size_t>(fault.value), c.history.size() - 1);
      c.store = c.history[c.history.size() - 1 - back];
      return;
    }
    case FaultKind::kEmptyStore:
      if (!controllers_[a].running) controllers_[a].store = Store();
      return;
    case FaultKind::kServiceDies:
      if (!hosts_[a].up || nodes_[a].service == ServiceStatus::State::kStopped) return;
      ++nodes_[a].service_generation;
      return SetService(a, ServiceStatus::State::kFailed);
    case FaultKind::kServiceHangs:
      nodes_[a].hung = true;
      return;
    case FaultKind::kServiceBreaks:
      nodes_[a].broken = true;
      if (!hosts_[a].up || nodes_[a].service == ServiceStatus::State::kStopped) return;
      ++nodes_[a].service_generation;
      return SetService(a, ServiceStatus::State::kFailed);
    case FaultKind::kServiceMends:
      nodes_[a].broken = nodes_[a].hung = false;
      return;
    case FaultKind::kClockRate:
      return hosts_[a].clock.SetRate(fault.value, now_);
    case FaultKind::kLinkDown:
    case FaultKind::kLinkUp:
      nodes_[a].link_up = fault.kind == FaultKind::kLinkUp;
      if (nodes_[a].running && !nodes_[a].paused && !hosts_[a].frozen) Perform(a, {});
      return;
    case FaultKind::kDiskFull:
      nodes_[a].disk_full = true;
      return;
    case FaultKind::kDiskFree:
      nodes_[a].disk_full = false;
      return StartExecutor(a);
    case FaultKind::kStoreFull:
      controllers_[a].store_full = true;
      return;
    case FaultKind::kStoreFree:
      controllers_[a].store_full = false;
      return StartController(a);
    case FaultKind::kReload: {
      ControllerProcess& c = controllers_[a];
      if (!c.running || c.paused || hosts_[c.host].frozen || c.store_full) return;
      const size_t index = static_cast<size_t>(fault.value);
      if (plan_.configs[index] == config(c)) return;
      // As CheckRemovedHolders has it.
      for (int n = 0; n < plan_.nodes; ++n) {
        const bool held = c.decision->persistent().holder == HostName(n);
        if (held && IndexOf(c, n) && (plan_.configs[index].members >> n & 1U) == 0) return;
      }
      c.config = index;
      Configure(a);
      return;
    }
    case FaultKind::kBlockPing:
      ping_blocked_[a][fault.b] = true;
      return;
    case FaultKind::kBlockPage:
      page_blocked_[a][fault.b] = true;
      return;
    case FaultKind::kUnblock:
      ping_blocked_[a][fault.b] = page_blocked_[a][fault.b] = false;
      return;
    case FaultKind::kDropVip:
      for (Vip& vip : nodes_[a].vips) vip.present = false;
      if (nodes_[a].running && !nodes_[a].paused && !hosts_[a].frozen) Perform(a, {});
      return;
    case FaultKind::kVantage:
      controllers_[a].vantage = fault.value != 0;
      return;
    default:
      return Operate(fault);
  }
}

void World::Operate(const Fault& fault) {
  ControllerProcess& c = controllers_[fault.a];
  if (!c.running) return;
  Command command{0, Command::Kind::kAck, std::nullopt, false, "root"};
  if (fault.b >= 0) {
    command.to = IndexOf(c, fault.b);
    if (!command.to) return;
  }
  switch (fault.kind) {
    case FaultKind::kSwitchover:
      command.kind = Command::Kind::kSwitchover;
      break;
    case FaultKind::kFailback:
      command.kind = Command::Kind::kFailback;
      break;
    case FaultKind::kPause:
      command.kind = Command::Kind::kPause;
      break;
    case FaultKind::kResume:
      command.kind = Command::Kind::kResume;
      break;
    case FaultKind::kDrain:
      command.kind = Command::Kind::kDrain;
      break;
    case FaultKind::kUndrain:
      command.kind = Command::Kind::kUndrain;
      break;
    case FaultKind::kPin:
      command.kind = Command::Kind::kPin;
      break;
    case FaultKind::kUnpin:
      command.kind = Command::Kind::kUnpin;
      command.to.reset();
      break;
    default:
      break;
  }
  Ask(fault.a, command);
  if (fault.kind == FaultKind::kPause && c.running && !c.paused) NotePause(fault.a);
}

void World::MendAll() {
  if (tracing()) Say("all faults end");
  mended_ = true;
  // Where not every node has followed the controller yet, none may stay away (L11).
  const int left_dead = controllers_[0].store.state.established ? plan_.left_dead : -1;
  loss_ = 0;
  slowest_ = kMillisecond;
  for (auto& row : cut_) std::fill(std::begin(row), std::end(row), false);
  for (auto& row : ping_blocked_) std::fill(std::begin(row), std::end(row), false);
  for (auto& row : page_blocked_) std::fill(std::begin(row), std::end(row), false);
  for (int host = 0; host < kMaxHosts; ++host) {
    if (host == left_dead) continue;
    Apply({now_, FaultKind::kThawHost, host});
    if (host < plan_.nodes) {
      Node& node = nodes_[host];
      node.disk_full = node.broken = node.hung = false;
      if (!node.link_up) Apply({now_, FaultKind::kLinkUp, host});
      if (node.paused) Apply({now_, FaultKind::kContinueExecutor, host});
      if (node.leaving) KillExecutor(host, true);
      BootHost(host, false);
      StartExecutor(host);
    } else {
      BootHost(host, false);
    }
  }
  if (left_dead >= 0) CrashHost(left_dead);
  for (int c = 1; c < plan_.controllers; ++c) KillController(c, true);
  ControllerProcess& first = controllers_[0];
  first.store_full = first.vantage = false;
  if (first.paused) Apply({now_, FaultKind::kContinueController, 0});
  StartController(0);
  Apply({now_, FaultKind::kResume, 0});
  Apply({now_, FaultKind::kUnpin, 0});
  Apply({now_, FaultKind::kAck, 0});
  for (int n = 0; n < plan_.nodes; ++n) Apply({now_, FaultKind::kUndrain, 0, n});
}

}  // namespace hb::sim
