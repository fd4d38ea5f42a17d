// iptables on the node: who may ping the node's own addresses and connect to their protected ports.
// Text for iptables-restore is built by pure functions; Firewall runs the tools. Part of LinuxHost.
// hb owns the chain HB-INPUT and the one jump to it, first in INPUT; it refuses to touch any other
// rule. Only echo requests and the named TCP ports are judged: path MTU and neighbour discovery,
// and floating addresses, pass through untouched.
#ifndef HB_EXECUTOR_HOST_FIREWALL_H_
#define HB_EXECUTOR_HOST_FIREWALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "executor/host/command.h"
#include "executor/host/host.h"

namespace hb::executor {

enum class IpFamily : uint8_t { kIpv4, kIpv6 };

// The rules of HB-INPUT for one family, in order, as iptables-restore reads them ("-A HB-INPUT
// ..."). Packets on the loopback interface leave the chain first. Empty when nothing is protected
// in that family.
std::vector<std::string> FirewallChain(const FirewallRules& rules, IpFamily family);

// The jumps to HB-INPUT that stand in INPUT.
struct FirewallJumps {
  int count = 0;
  bool first = false;  // one of them is INPUT's first rule
  friend bool operator==(const FirewallJumps&, const FirewallJumps&) = default;
};
// Reads them from the output of `iptables -S INPUT`.
FirewallJumps ParseFirewallJumps(std::string_view input_rules);

// The input for iptables-restore --noflush that makes the chain hold exactly `chain`, and INPUT
// jump to it once and first, in one transaction. An empty `chain` removes the jumps and HB-INPUT.
std::string FirewallRestoreText(const std::vector<std::string>& chain, const FirewallJumps& found);

class Firewall {
 public:
  using Done = std::function<void(absl::Status)>;

  // `loop` must outlive it.
  explicit Firewall(EventLoop* loop) : loop_(loop) {}
  // Kills a tool that runs; waiting callbacks are not called.
  ~Firewall() = default;
  Firewall(const Firewall&) = delete;
  Firewall& operator=(const Firewall&) = delete;

  // As Host::ApplyFirewall. Both families are tried even when one fails; the error names each.
  // Cancelled: a newer call replaced this one before it began. NotFound: iptables is not installed.
  // DeadlineExceeded: a tool took longer than 5 s. A family without rules whose tool or kernel part
  // is missing is fine.
  void Apply(const FirewallRules& rules, Done done);

 private:
  struct Job {
    FirewallRules rules;
    Done done;
  };
  using Next = void (Firewall::*)(const CommandResult&);

  void StartNext();
  void StartFamily();
  void List();
  void OnListed(const CommandResult& result);
  void OnChainListed(const CommandResult& result);
  void Restore();
  void OnRestored(const CommandResult& result);
  // Runs a tool; its result goes to `next`, its failure to run ends the family.
  void Run(std::vector<std::string> argv, std::string input, Next next);
  void FinishFamily(const absl::Status& status);
  bool removing() const { return chain_.empty(); }

  EventLoop* const loop_;
  std::optional<Job> waiting_;
  std::optional<Job> current_;
  IpFamily family_ = IpFamily::kIpv4;
  std::vector<std::string> chain_;
  FirewallJumps jumps_;
  // What the last failed restore was built on; unset while none has failed.
  std::optional<FirewallJumps> failed_on_;
  std::string failure_;
  int attempts_ = 0;
  absl::Status outcome_;
  std::unique_ptr<Command> command_;
  EventLoop::Handle begin_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_FIREWALL_H_
