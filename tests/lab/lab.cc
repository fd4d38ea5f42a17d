// See lab.h.
// How a lab is made, found again and taken down. The faults stand in faults.cc, what is written on
// the nodes in node_files.cc. The bridge lives in a namespace of its own ("<name>-lan") with one
// port a host ("p-master").
#include "tests/lab/lab.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tests/lab/holder.h"
#include "tests/lab/node_files.h"
#include "tests/lab/program.h"

namespace hb::lab {
namespace {

constexpr char kLan[] = "lan";
constexpr char kOwnNamePrefix[] = "hblab-";
constexpr char kStateFile[] = "lab";

struct Place {
  const char* name;
  int last_octet;
  bool node;
};
constexpr Place kPlaces[] = {
    {"master", 1, true},    {"slave", 2, true},      {"watch", 3, false},
    {"client", 100, false}, {"gateway", 254, false},
};

HostSpec SpecOf(const std::string& lab, const Place& place) {
  HostSpec spec;
  spec.name = place.name;
  spec.net_name = absl::StrCat(lab, "-", place.name);
  spec.address = *IpAddress::Parse(absl::StrCat("192.168.0.", place.last_octet));
  spec.address6 = *IpAddress::Parse(absl::StrCat("fd00:68:62::", place.last_octet));
  spec.mac = absl::StrFormat("02:68:62:00:00:%02x", place.last_octet);
  return spec;
}

std::string RootDirectory(const std::string& given) {
  if (!given.empty()) return given;
  const char* environment = getenv("HB_LAB_DIR");
  return environment != nullptr && *environment != '\0' ? environment : "/run/hb-lab";
}

absl::Status CheckName(const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= 64 && name[0] != '-' &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
      });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("not a name for a lab (letters, digits, - and _): \"", name, "\""));
}

std::string NewName() {
  static std::atomic<int> count{0};
  const int number = count.fetch_add(1);
  const std::string base = absl::StrCat(kOwnNamePrefix, getpid());
  return number == 0 ? base : absl::StrCat(base, "-", number);
}

struct SavedHost {
  std::string name;
  ProcessId holder;
};

std::vector<SavedHost> ReadState(const std::string& directory) {
  std::vector<SavedHost> result;
  std::ifstream file(absl::StrCat(directory, "/", kStateFile));
  SavedHost host;
  while (file >> host.name >> host.holder.pid >> host.holder.start_time) result.push_back(host);
  return result;
}

std::string Tail(const std::string& path, size_t bytes) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() <= bytes ? all : absl::StrCat("[...]", all.substr(all.size() - bytes));
}

}  // namespace

Lab::Lab(std::string name, std::string directory, bool owner)
    : name_(std::move(name)), directory_(std::move(directory)), owner_(owner) {}

Lab::~Lab() {
  if (owner_) (void)Down();
}

absl::StatusOr<std::unique_ptr<Lab>> Lab::Up(const LabOptions& options) {
  if (geteuid() != 0) return absl::PermissionDeniedError("a lab needs root");
  const std::string root = RootDirectory(options.root_directory);
  const std::string name = options.name.empty() ? NewName() : options.name;
  if (absl::Status good = CheckName(name); !good.ok()) return good;
  if (absl::Status swept = SweepDeadLabs(root); !swept.ok()) return swept;
  if (absl::Status removed = Remove(name, root); !removed.ok()) return removed;
  std::error_code error;
  std::filesystem::create_directories(absl::StrCat(root, "/", name), error);
  if (error) return ErrnoStatus(absl::StrCat("create ", root, "/", name), error.value());
  std::unique_ptr<Lab> lab(new Lab(name, absl::StrCat(root, "/", name), /*owner=*/true));
  if (absl::Status built = lab->Build(options); !built.ok()) return built;
  lab->owner_ = !options.keep;
  return lab;
}

absl::StatusOr<std::unique_ptr<Lab>> Lab::Attach(const std::string& name,
                                                 const std::string& root_directory) {
  if (absl::Status good = CheckName(name); !good.ok()) return good;
  const std::string directory = absl::StrCat(RootDirectory(root_directory), "/", name);
  std::unique_ptr<Lab> lab(new Lab(name, directory, /*owner=*/false));
  for (const SavedHost& saved : ReadState(directory)) {
    HostSpec spec{.name = saved.name, .net_name = absl::StrCat(name, "-", saved.name)};
    for (const Place& place : kPlaces) {
      if (saved.name == place.name) spec = SpecOf(name, place);
    }
    absl::StatusOr<std::unique_ptr<Host>> host = Host::Create(spec, saved.holder, directory);
    if (!host.ok()) return host.status();
    if (saved.name == kLan) {
      lab->lan_ = *std::move(host);
    } else {
      lab->hosts_[saved.name] = *std::move(host);
    }
  }
  if (lab->lan_ == nullptr || lab->hosts_.empty()) {
    return absl::NotFoundError(absl::StrCat("no lab called ", name, " (", directory, ")"));
  }
  return lab;
}

absl::Status Lab::Remove(const std::string& name, const std::string& root_directory) {
  if (absl::Status good = CheckName(name); !good.ok()) return good;
  const std::string directory = absl::StrCat(RootDirectory(root_directory), "/", name);
  absl::Status result;
  for (const SavedHost& saved : ReadState(directory)) {
    result.Update(EndHolder(saved.holder, absl::StrCat(name, "-", saved.name)));
  }
  // And what a lab that was never completed has left.
  result.Update(RemoveNetName(absl::StrCat(name, "-", kLan)));
  for (const Place& place : kPlaces) {
    result.Update(RemoveNetName(absl::StrCat(name, "-", place.name)));
  }
  std::error_code error;
  std::error_code ignored;
  // Another run may be sweeping the same dead lab away: what it takes first is no error.
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    std::filesystem::remove_all(directory, error);
    if (!error || !std::filesystem::exists(directory, ignored)) break;
  }
  if (error && std::filesystem::exists(directory, ignored))
    result.Update(ErrnoStatus(absl::StrCat("remove ", directory), error.value()));
  return result;
}

// Labs that are named after a process die with it, but for their directories (and names, if a
// holder was killed by force).
absl::Status Lab::SweepDeadLabs(const std::string& root_directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(root_directory, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kOwnNamePrefix)) continue;
    const std::vector<std::string> parts = absl::StrSplit(name, '-');
    pid_t pid = 0;
    if (!absl::SimpleAtoi(parts[1], &pid) || pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
      continue;
    if (absl::Status removed = Remove(name, root_directory); !removed.ok()) return removed;
  }
  return absl::OkStatus();
}

absl::Status Lab::Down() {
  owner_ = false;
  absl::Status result;
  for (auto& [name, host] : hosts_) result.Update(host->KillAll());  // reaps what is ours
  result.Update(Remove(name_, std::filesystem::path(directory_).parent_path()));
  return result;
}

absl::Status Lab::Build(const LabOptions& options) {
  if (!options.keep) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe", errno);
    lifeline_read_ = UniqueFd(ends[0]);
    lifeline_write_ = UniqueFd(ends[1]);
  }
  if (absl::Status started = StartHosts(options); !started.ok()) return started;
  if (absl::Status wired = Wire(); !wired.ok()) return wired;
  for (const Place& place : kPlaces) {
    Host* const node = host(place.name);
    if (!place.node || node == nullptr) continue;
    if (absl::Status prepared = WriteNodeFiles(*node); !prepared.ok()) return prepared;
  }
  return absl::OkStatus();
}

absl::Status Lab::StartHosts(const LabOptions& options) {
  const auto start = [&](HostSpec spec) -> absl::StatusOr<std::unique_ptr<Host>> {
    const absl::StatusOr<ProcessId> holder = StartHolder(
        {.host_name = spec.name, .net_name = spec.net_name, .lifeline = lifeline_read_.get()});
    if (!holder.ok()) return holder.status();
    std::ofstream(absl::StrCat(directory_, "/", kStateFile), std::ios::app)
        << spec.name << ' ' << holder->pid << ' ' << holder->start_time << '\n';
    return Host::Create(std::move(spec), *holder, directory_);
  };
  absl::StatusOr<std::unique_ptr<Host>> lan =
      start({.name = kLan, .net_name = absl::StrCat(name_, "-", kLan)});
  if (!lan.ok()) return lan.status();
  lan_ = *std::move(lan);
  for (const Place& place : kPlaces) {
    if (std::string_view(place.name) == "watch" && !options.third_host) continue;
    absl::StatusOr<std::unique_ptr<Host>> made = start(SpecOf(name_, place));
    if (!made.ok()) return made.status();
    hosts_[place.name] = *std::move(made);
  }
  return absl::OkStatus();
}

absl::Status Lab::Wire() {
  std::string ports = "link add name br0 type bridge mcast_snooping 0\nlink set dev br0 up\n";
  for (const auto& [name, host] : hosts_) {
    absl::StrAppend(&ports, "link add name p-", name, " type veth peer name eth0 address ",
                    host->spec().mac, " netns ", host->spec().net_name, "\nlink set dev p-", name,
                    " master br0 up\n");
  }
  if (absl::Status wired = RunOrFail({"ip", "-n", lan_->spec().net_name, "-batch", "-"}, ports);
      !wired.ok()) {
    return wired;
  }
  constexpr char kFilter[] =
      "table bridge lab {\n"
      "  set dropped { type ifname . ifname; }\n"
      "  set dropped_tcp { type ifname . ifname . inet_service; }\n"
      "  chain forward {\n"
      "    type filter hook forward priority 0; policy accept;\n"
      "    iifname . oifname @dropped drop\n"
      "    iifname . oifname . tcp sport @dropped_tcp drop\n"
      "    iifname . oifname . tcp dport @dropped_tcp drop\n"
      "  }\n"
      "}\n";
  if (absl::Status filter = lan_->RunOk({"nft", "-f", "-"}, absl::Seconds(20), kFilter);
      !filter.ok()) {
    return filter;
  }
  for (const auto& [name, host] : hosts_) {
    if (absl::Status addressed = ConfigureNetwork(*host); !addressed.ok()) return addressed;
  }
  return absl::OkStatus();
}

Host* Lab::host(std::string_view name) const {
  const auto found = hosts_.find(name);
  return found == hosts_.end() ? nullptr : found->second.get();
}

std::vector<std::string> Lab::host_names() const {
  std::vector<std::string> names;
  for (const auto& [name, host] : hosts_) names.push_back(name);
  return names;
}

std::string Lab::HostOfMac(std::string_view mac) const {
  for (const auto& [name, host] : hosts_) {
    if (host->spec().mac == mac) return name;
  }
  return std::string(mac);
}

std::string Lab::Outputs(size_t bytes_each) const {
  std::string result;
  for (const auto& [name, host] : hosts_) {
    for (const std::string& daemon : host->SpawnedNames()) {
      absl::StrAppend(&result, "--- ", daemon, " on ", name, "\n",
                      Tail(host->output_file(daemon), bytes_each), "\n");
    }
  }
  return result;
}

}  // namespace hb::lab
