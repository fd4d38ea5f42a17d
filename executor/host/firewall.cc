// The chain's text and the sequence of firewall.h: list INPUT, build one transaction on what was
// found, run it, and begin again when somebody else changed INPUT in between. IPv4 first, then
// IPv6. The tools' output is not interpreted beyond the jumps in INPUT.
#include "executor/host/firewall.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hb::executor {
namespace {

constexpr char kJump[] = "-A INPUT -j HB-INPUT";
constexpr int kMaxAttempts = 3;
// A listing of INPUT; the longest that is seen in practice is a fraction of it.
constexpr size_t kListingLimitBytes = size_t{4} * 1024 * 1024;

const char* Tool(IpFamily family) { return family == IpFamily::kIpv4 ? "iptables" : "ip6tables"; }

bool InFamily(const IpAddress& address, IpFamily family) {
  return address.is_v4() == (family == IpFamily::kIpv4);
}

// "accept from `sources`, drop from anyone else" for the packets that `match` describes.
void AllowOnly(const std::set<IpPrefix>& sources, IpFamily family, const std::string& match,
               std::vector<std::string>* chain) {
  for (const IpPrefix& source : sources) {
    if (!InFamily(source.address, family)) continue;
    chain->push_back(absl::StrCat("-A HB-INPUT -s ", source.ToString(), " ", match, " -j ACCEPT"));
  }
  chain->push_back(absl::StrCat("-A HB-INPUT ", match, " -j DROP"));
}

// A kernel without IPv6 has no rules of ours either.
bool KernelHas(IpFamily family) {
  return family == IpFamily::kIpv4 || access("/proc/net/if_inet6", F_OK) == 0;
}

}  // namespace

std::vector<std::string> FirewallChain(const FirewallRules& rules, IpFamily family) {
  std::vector<std::string> chain;
  for (const auto& [address, protection] : rules.own_addresses) {
    if (!InFamily(address, family)) continue;
    const std::string to = absl::StrCat("-d ", address.ToString(), "/", address.bits());
    if (protection.restrict_icmp_echo) {
      const char* const echo = family == IpFamily::kIpv4
                                   ? " -p icmp -m icmp --icmp-type 8"
                                   : " -p ipv6-icmp -m icmp6 --icmpv6-type 128";
      AllowOnly(protection.icmp_echo_sources, family, absl::StrCat(to, echo), &chain);
    }
    for (const auto& [port, sources] : protection.tcp_sources) {
      AllowOnly(sources, family, absl::StrCat(to, " -p tcp -m tcp --dport ", port), &chain);
    }
  }
  if (!chain.empty()) chain.insert(chain.begin(), "-A HB-INPUT -i lo -j RETURN");
  return chain;
}

FirewallJumps ParseFirewallJumps(std::string_view input_rules) {
  FirewallJumps jumps;
  bool is_first_rule = true;
  for (const absl::string_view raw :
       absl::StrSplit(absl::string_view(input_rules.data(), input_rules.size()), '\n')) {
    const std::string_view line(raw.data(), raw.size());
    if (line.substr(0, 3) != "-A ") continue;
    if (line == kJump) {
      ++jumps.count;
      if (is_first_rule) jumps.first = true;
    }
    is_first_rule = false;
  }
  return jumps;
}

std::string FirewallRestoreText(const std::vector<std::string>& chain, const FirewallJumps& found) {
  // Declaring the chain creates it, or empties it.
  std::string text = "*filter\n:HB-INPUT - [0:0]\n";
  const bool keep_jump = !chain.empty() && found.first && found.count == 1;
  if (!keep_jump) {
    for (int i = 0; i < found.count; ++i) absl::StrAppend(&text, "-D INPUT -j HB-INPUT\n");
    absl::StrAppend(&text, chain.empty() ? "-X HB-INPUT\n" : "-I INPUT 1 -j HB-INPUT\n");
  }
  for (const std::string& rule : chain) absl::StrAppend(&text, rule, "\n");
  absl::StrAppend(&text, "COMMIT\n");
  return text;
}

void Firewall::Apply(const FirewallRules& rules, Done done) {
  if (waiting_.has_value()) {
    // The replaced caller is told on the loop, like everyone.
    loop_->Post([replaced = std::move(waiting_->done)] {
      replaced(absl::CancelledError("firewall: newer rules came before these were applied"));
    });
  }
  waiting_ = Job{rules, std::move(done)};
  if (!current_.has_value()) begin_ = loop_->After(absl::ZeroDuration(), [this] { StartNext(); });
}

void Firewall::StartNext() {
  if (current_.has_value() || !waiting_.has_value()) return;
  current_ = std::exchange(waiting_, std::nullopt);
  outcome_ = absl::OkStatus();
  family_ = IpFamily::kIpv4;
  StartFamily();
}

void Firewall::StartFamily() {
  chain_ = FirewallChain(current_->rules, family_);
  failed_on_.reset();
  failure_.clear();
  attempts_ = 0;
  if (removing() && !KernelHas(family_)) {
    FinishFamily(absl::OkStatus());
    return;
  }
  List();
}

void Firewall::List() {
  ++attempts_;
  Run({Tool(family_), "-w", "-S", "INPUT"}, "", &Firewall::OnListed);
}

void Firewall::OnListed(const CommandResult& result) {
  if (!result.ok() || result.truncated) {
    FinishFamily(absl::UnavailableError(
        absl::StrCat("listing INPUT: ", Tool(family_), " ",
                     result.ok() ? std::string("printed more than 4 MiB") : result.Describe())));
    return;
  }
  jumps_ = ParseFirewallJumps(result.out);
  if (failed_on_ == jumps_) {
    // Nobody interfered: asking again would fail again.
    FinishFamily(absl::UnavailableError(failure_));
    return;
  }
  if (removing() && jumps_.count == 0) {
    Run({Tool(family_), "-w", "-S", "HB-INPUT"}, "", &Firewall::OnChainListed);
    return;
  }
  Restore();
}

void Firewall::OnChainListed(const CommandResult& result) {
  if (result.ok()) {
    Restore();
    return;
  }
  FinishFamily(absl::OkStatus());  // there is no such chain, as it should be
}

void Firewall::Restore() {
  Run({absl::StrCat(Tool(family_), "-restore"), "-w", "--noflush"},
      FirewallRestoreText(chain_, jumps_), &Firewall::OnRestored);
}

void Firewall::OnRestored(const CommandResult& result) {
  if (result.ok()) {
    FinishFamily(absl::OkStatus());
    return;
  }
  failure_ = absl::StrCat(Tool(family_), "-restore ", result.Describe());
  failed_on_ = jumps_;
  if (attempts_ >= kMaxAttempts) {
    FinishFamily(absl::UnavailableError(failure_));
    return;
  }
  // Someone may have changed INPUT between the listing and the transaction.
  List();
}

void Firewall::Run(std::vector<std::string> argv, std::string input, Next next) {
  CommandSpec spec{.argv = std::move(argv),
                   .input = std::move(input),
                   .timeout = absl::Seconds(5),
                   .output_limit_bytes = kListingLimitBytes};
  absl::StatusOr<std::unique_ptr<Command>> started = Command::Start(
      loop_, std::move(spec), [this, next](const absl::StatusOr<CommandResult>& result) {
        command_.reset();
        if (result.ok()) {
          (this->*next)(*result);
        } else {
          FinishFamily(result.status());
        }
      });
  if (started.ok()) {
    command_ = *std::move(started);
  } else if (absl::IsNotFound(started.status()) && removing()) {
    FinishFamily(absl::OkStatus());  // without the tool there are no rules of ours
  } else {
    FinishFamily(started.status());
  }
}

void Firewall::FinishFamily(const absl::Status& status) {
  if (!status.ok()) {
    outcome_ = outcome_.ok()
                   ? absl::Status(status.code(), absl::StrCat("firewall: ", status.message()))
                   : absl::Status(outcome_.code(),
                                  absl::StrCat(outcome_.message(), "; ", status.message()));
  }
  if (family_ == IpFamily::kIpv4) {
    family_ = IpFamily::kIpv6;
    StartFamily();
    return;
  }
  const Done done = std::move(current_->done);
  const absl::Status outcome = outcome_;
  current_.reset();
  begin_ = loop_->After(absl::ZeroDuration(), [this] { StartNext(); });
  done(outcome);  // may have destroyed this
}

}  // namespace hb::executor
