// The faults of lab.h: packets dropped on the bridge by pairs of ports (an nftables set in the
// bridge's namespace), cables pulled (the bridge's end of the veth pair down), hosts without power.
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/boot_clock.h"
#include "tests/lab/lab.h"
#include "tests/lab/node_files.h"

namespace hb::lab {
namespace {

std::string PortOf(std::string_view host) { return std::string("p-").append(host); }

// As an element of an nftables set.
std::string PairOf(std::string_view from, std::string_view to) {
  return absl::StrCat("\"", PortOf(from), "\" . \"", PortOf(to), "\"");
}

}  // namespace

absl::Status Lab::CheckHosts(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    if (host(name) == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("lab ", name_, " has no host called \"", std::string(name), "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status Lab::ChangeElements(const std::string& set, const std::vector<std::string>& elements,
                                 bool add) {
  // Deleting what is not there is an error to nft, adding what is there is none: so add first.
  std::string commands;
  for (const std::string& element : elements) {
    const std::string change = absl::StrCat(" element bridge lab ", set, " { ", element, " }\n");
    absl::StrAppend(&commands, "add", change);
    if (!add) absl::StrAppend(&commands, "delete", change);
  }
  return lan_->RunOk({"nft", "-f", "-"}, absl::Seconds(20), commands);
}

absl::Status Lab::ChangeDrops(const std::vector<std::pair<std::string, std::string>>& pairs,
                              bool add) {
  std::vector<std::string> elements;
  elements.reserve(pairs.size());
  for (const auto& [from, to] : pairs) elements.push_back(PairOf(from, to));
  return ChangeElements("dropped", elements, add);
}

absl::Status Lab::ChangeTcpDrop(std::string_view from, std::string_view to, uint16_t port,
                                bool add) {
  if (absl::Status known = CheckHosts({from, to}); !known.ok()) return known;
  return ChangeElements("dropped_tcp", {absl::StrCat(PairOf(from, to), " . ", port)}, add);
}

absl::Status Lab::DropTcp(std::string_view from, std::string_view to, uint16_t port) {
  return ChangeTcpDrop(from, to, port, /*add=*/true);
}

absl::Status Lab::HealTcp(std::string_view from, std::string_view to, uint16_t port) {
  return ChangeTcpDrop(from, to, port, /*add=*/false);
}

absl::Status Lab::Cut(std::string_view a, std::string_view b) {
  if (absl::Status known = CheckHosts({a, b}); !known.ok()) return known;
  return ChangeDrops({{std::string(a), std::string(b)}, {std::string(b), std::string(a)}},
                     /*add=*/true);
}

absl::Status Lab::Drop(std::string_view from, std::string_view to) {
  if (absl::Status known = CheckHosts({from, to}); !known.ok()) return known;
  return ChangeDrops({{std::string(from), std::string(to)}}, /*add=*/true);
}

absl::Status Lab::Heal(std::string_view a, std::string_view b) {
  if (absl::Status known = CheckHosts({a, b}); !known.ok()) return known;
  return ChangeDrops({{std::string(a), std::string(b)}, {std::string(b), std::string(a)}},
                     /*add=*/false);
}

absl::Status Lab::Isolate(std::string_view name) {
  if (absl::Status known = CheckHosts({name}); !known.ok()) return known;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& other : host_names()) {
    if (other == name) continue;
    pairs.emplace_back(name, other);
    pairs.emplace_back(other, name);
  }
  return ChangeDrops(pairs, /*add=*/true);
}

absl::Status Lab::SetCable(std::string_view name, bool plugged) {
  if (absl::Status known = CheckHosts({name}); !known.ok()) return known;
  if (absl::Status set =
          lan_->RunOk({"ip", "link", "set", "dev", PortOf(name), plugged ? "up" : "down"});
      !set.ok()) {
    return set;
  }
  // The bridge starts to forward, and the host learns of its carrier, a moment later.
  const std::string wanted = plugged ? "1" : "0";
  const MonoTime deadline = BootNow() + absl::Seconds(5);
  while (true) {
    const absl::StatusOr<RunResult> carrier =
        host(name)->Run({"cat", "/sys/class/net/eth0/carrier"});
    if (!carrier.ok()) return carrier.status();
    if (!carrier->ok()) return absl::OkStatus();  // the host itself has taken eth0 down
    if (carrier->output.starts_with(wanted)) return absl::OkStatus();
    if (BootNow() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(std::string(name), ": carrier stays ", carrier->output));
    }
    Pause(absl::Milliseconds(1));
  }
}

absl::Status Lab::PullCable(std::string_view name) { return SetCable(name, /*plugged=*/false); }

absl::Status Lab::PlugCable(std::string_view name) { return SetCable(name, /*plugged=*/true); }

absl::Status Lab::PowerOff(std::string_view name) {
  if (absl::Status pulled = PullCable(name); !pulled.ok()) return pulled;
  return host(name)->KillAll();
}

absl::Status Lab::PowerOn(std::string_view name) {
  if (absl::Status known = CheckHosts({name}); !known.ok()) return known;
  Host& booted = *host(name);
  const std::vector<std::vector<std::string>> commands = {
      {"nft", "flush", "ruleset"},
      {"rm", "-rf", "/run/hb", "/run/hb-lab-apache2.pid"},
      {"umount", "/sys/fs/bpf"},
      {"mount", "-t", "bpf", "-o", "mode=700", "bpf", "/sys/fs/bpf"},
  };
  for (const std::vector<std::string>& command : commands) {
    if (absl::Status done = booted.RunOk(command); !done.ok()) return done;
  }
  // Refused when there is nothing to remove: then that is what was wanted.
  if (absl::Status ran = booted.Run({"tc", "qdisc", "del", "dev", "eth0", "clsact"}).status();
      !ran.ok()) {
    return ran;
  }
  if (absl::Status network = ConfigureNetwork(booted); !network.ok()) return network;
  return PlugCable(name);
}

absl::Status Lab::HealAll() {
  constexpr char kFlush[] =
      "flush set bridge lab dropped\n"
      "flush set bridge lab dropped_tcp\n";
  if (absl::Status flushed = lan_->RunOk({"nft", "-f", "-"}, absl::Seconds(20), kFlush);
      !flushed.ok()) {
    return flushed;
  }
  for (const std::string& name : host_names()) {
    if (absl::Status plugged = PlugCable(name); !plugged.ok()) return plugged;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Lab::Faults() {
  std::vector<std::string> result;
  for (const char* name : {"dropped", "dropped_tcp"}) {
    const absl::StatusOr<RunResult> set = lan_->Run({"nft", "list", "set", "bridge", "lab", name});
    if (!set.ok()) return set.status();
    // Its elements stand as "p-master" . "p-slave" between quotation marks, here with . 80 behind.
    const std::vector<std::string> pieces = absl::StrSplit(set->output, '"');
    for (size_t i = 1; i + 3 < pieces.size(); i += 4) {
      std::string fault =
          absl::StrCat("dropped: ", pieces[i].substr(2), " -> ", pieces[i + 2].substr(2));
      const std::string& behind = pieces[i + 3];
      if (behind.starts_with(" . ")) {
        const size_t end = behind.find_first_not_of("0123456789", 3);
        absl::StrAppend(&fault, " tcp ", behind.substr(3, end - 3));
      }
      result.push_back(std::move(fault));
    }
  }
  for (const std::string& name : host_names()) {
    const absl::StatusOr<RunResult> link =
        lan_->Run({"ip", "-o", "link", "show", "dev", PortOf(name), "up"});
    if (!link.ok()) return link.status();
    if (link->output.empty()) result.push_back(absl::StrCat("cable pulled: ", name));
  }
  return result;
}

}  // namespace hb::lab
