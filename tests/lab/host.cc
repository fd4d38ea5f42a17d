// See host.h.
// Files are reached through the holder's root directory with openat2(RESOLVE_IN_ROOT): absolute
// symbolic links
// (/var/run) resolve inside the host, as they do for its own programs.
#include "tests/lab/host.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace hb::lab {
namespace {

constexpr Duration kKillLimit = absl::Seconds(10);

absl::Status WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(absl::StrCat("write ", path), errno);
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::string ReadOuterFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Host::Host(HostSpec spec, const ProcessId& holder, std::string directory)
    : spec_(std::move(spec)), holder_(holder), directory_(std::move(directory)) {}

absl::StatusOr<std::unique_ptr<Host>> Host::Create(HostSpec spec, const ProcessId& holder,
                                                   std::string directory) {
  std::unique_ptr<Host> host(new Host(std::move(spec), holder, std::move(directory)));
  absl::StatusOr<Namespaces> namespaces = Namespaces::Of(holder.pid);
  if (!namespaces.ok()) return namespaces.status();
  host->namespaces_ = *std::move(namespaces);
  const absl::StatusOr<ino_t> inode = NamespaceInode(absl::StrCat("/proc/", holder.pid, "/ns/net"));
  if (!inode.ok()) return inode.status();
  host->net_inode_ = *inode;
  const std::string root = absl::StrCat("/proc/", holder.pid, "/root");
  host->root_ = UniqueFd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!host->root_.valid()) return ErrnoStatus(root, errno);
  if (!IsAlive(holder)) {
    return absl::NotFoundError(absl::StrCat("host ", host->name(), " is not up"));
  }
  return host;
}

absl::StatusOr<RunResult> Host::Run(const std::vector<std::string>& argv, Duration limit,
                                    const std::string& input) {
  ProgramOptions options;
  options.input = input;
  return RunProgram(argv, options, &namespaces_, limit);
}

absl::Status Host::RunOk(const std::vector<std::string>& argv, Duration limit,
                         const std::string& input) {
  const absl::StatusOr<RunResult> result = Run(argv, limit, input);
  if (!result.ok()) return result.status();
  if (!result->ok()) {
    return absl::InternalError(absl::StrCat("on ", name(), ": ", absl::StrJoin(argv, " "),
                                            ": status ", result->status, ": ", result->output));
  }
  return absl::OkStatus();
}

std::string Host::output_file(const std::string& name) const {
  return absl::StrCat(directory_, "/", spec_.name, ".", name, ".log");
}

std::string Host::pid_file(const std::string& name) const {
  return absl::StrCat(directory_, "/", spec_.name, ".", name, ".pid");
}

absl::StatusOr<Process*> Host::Spawn(const std::string& name, const std::vector<std::string>& argv,
                                     ProgramOptions options) {
  if (name.empty() || name.find('/') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("not a name for a process: \"", name, "\""));
  }
  if (const absl::StatusOr<Process*> running = Find(name); running.ok() && (*running)->Running()) {
    return absl::AlreadyExistsError(absl::StrCat(name, " runs on ", spec_.name));
  }
  if (options.output_file.empty()) options.output_file = output_file(name);
  absl::StatusOr<std::unique_ptr<Process>> process = StartProgram(argv, options, &namespaces_);
  if (!process.ok()) {
    return absl::Status(process.status().code(),
                        absl::StrCat(name, " on ", spec_.name, ": ", process.status().message()));
  }
  const ProcessId& id = (*process)->id();
  std::ofstream(pid_file(name)) << id.pid << ' ' << id.start_time << '\n';
  return (processes_[name] = *std::move(process)).get();
}

absl::StatusOr<Process*> Host::Find(const std::string& name) {
  if (const auto found = processes_.find(name); found != processes_.end())
    return found->second.get();
  ProcessId id;
  if (!(std::ifstream(pid_file(name)) >> id.pid >> id.start_time)) {
    return absl::NotFoundError(
        absl::StrCat("nothing called ", name, " was started on ", spec_.name));
  }
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Attach(id);
  if (!process.ok()) {
    return absl::NotFoundError(absl::StrCat(name, " on ", spec_.name, " has ended"));
  }
  return (processes_[name] = *std::move(process)).get();
}

std::string Host::Output(const std::string& name) const { return ReadOuterFile(output_file(name)); }

std::vector<std::string> Host::SpawnedNames() const {
  std::vector<std::string> names;
  const std::string prefix = absl::StrCat(spec_.name, ".");
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    const std::string file = entry.path().filename();
    if (file.starts_with(prefix) && entry.path().extension() == ".pid") {
      names.push_back(entry.path().stem().string().substr(prefix.size()));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<UniqueFd> Host::OpenFile(const std::string& path, int flags, mode_t mode) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT;
  UniqueFd fd(static_cast<int>(syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof(how))));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat(path, " on ", spec_.name), errno);
  return fd;
}

absl::Status Host::MakeDirectory(const std::string& path, mode_t mode, uid_t owner) {
  if (const absl::StatusOr<UniqueFd> there = OpenFile(path, O_DIRECTORY); there.ok()) {
    return absl::OkStatus();
  }
  const std::filesystem::path whole(path);
  if (!whole.is_absolute() || !whole.has_relative_path()) {
    return absl::InvalidArgumentError(absl::StrCat("not an absolute path: ", path));
  }
  if (whole.has_parent_path() && whole.parent_path() != whole.root_path()) {
    if (absl::Status made = MakeDirectory(whole.parent_path()); !made.ok()) return made;
  }
  const absl::StatusOr<UniqueFd> parent = OpenFile(whole.parent_path(), O_DIRECTORY);
  if (!parent.ok()) return parent.status();
  const std::string last = whole.filename();
  if (mkdirat(parent->get(), last.c_str(), mode) != 0 ||
      fchmodat(parent->get(), last.c_str(), mode, 0) != 0 ||
      fchownat(parent->get(), last.c_str(), owner, owner, 0) != 0) {
    return ErrnoStatus(absl::StrCat("create ", path, " on ", spec_.name), errno);
  }
  return absl::OkStatus();
}

absl::Status Host::WriteFile(const std::string& path, std::string_view content, mode_t mode,
                             uid_t owner) {
  if (absl::Status made = MakeDirectory(std::filesystem::path(path).parent_path()); !made.ok()) {
    return made;
  }
  const absl::StatusOr<UniqueFd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (!fd.ok()) return fd.status();
  if (fchmod(fd->get(), mode) != 0 || fchown(fd->get(), owner, owner) != 0) {
    return ErrnoStatus(absl::StrCat("owner and mode of ", path), errno);
  }
  return WriteAll(fd->get(), content, path);
}

absl::Status Host::AppendFile(const std::string& path, std::string_view content) {
  const absl::StatusOr<UniqueFd> fd = OpenFile(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (!fd.ok()) return fd.status();
  return WriteAll(fd->get(), content, path);
}

absl::StatusOr<std::string> Host::ReadFile(const std::string& path) const {
  const absl::StatusOr<UniqueFd> fd = OpenFile(path, O_RDONLY);
  if (!fd.ok()) return fd.status();
  std::string content;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t size = read(fd->get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(absl::StrCat("read ", path, " on ", spec_.name), errno);
    if (size == 0) return content;
    content.append(buffer.data(), static_cast<size_t>(size));
  }
}

absl::Status Host::RemoveFile(const std::string& path) {
  const std::filesystem::path whole(path);
  const absl::StatusOr<UniqueFd> parent = OpenFile(whole.parent_path(), O_DIRECTORY);
  if (!parent.ok()) return parent.status();
  if (unlinkat(parent->get(), whole.filename().c_str(), 0) != 0) {
    return ErrnoStatus(absl::StrCat("remove ", path, " on ", spec_.name), errno);
  }
  return absl::OkStatus();
}

bool Host::FileExists(const std::string& path) const { return OpenFile(path, O_PATH).ok(); }

std::vector<pid_t> Host::ProcessesNamed(std::string_view name) const {
  std::vector<pid_t> result = ProcessesInNetNamespace(net_inode_, name);
  std::erase(result, holder_.pid);
  return result;
}

absl::Status Host::SignalService(std::string_view name, int signal) const {
  const std::vector<pid_t> pids = ProcessesNamed(name);
  if (pids.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no process called ", std::string(name), " on ", spec_.name));
  }
  for (const pid_t pid : pids) {
    if (absl::Status sent = SignalInNetNamespace(pid, net_inode_, signal); !sent.ok()) return sent;
  }
  return absl::OkStatus();
}

// All of them are stopped before the first is killed, so that none forks another in between; what
// somebody starts anew afterwards is left alone.
absl::Status Host::KillService(std::string_view name) const {
  constexpr int kRounds = 100;
  std::vector<pid_t> doomed;
  for (int round = 0; round < kRounds; ++round) {
    if (absl::Status stopped = SignalService(name, SIGSTOP); !stopped.ok()) return stopped;
    std::vector<pid_t> now = ProcessesNamed(name);
    const bool stable = now == doomed;
    doomed = std::move(now);
    if (stable) break;
  }
  std::vector<ProcessId> ids;
  for (const pid_t pid : doomed) {
    if (const absl::StatusOr<ProcessId> id = IdentifyProcess(pid); id.ok()) ids.push_back(*id);
  }
  for (const pid_t pid : doomed) {
    if (absl::Status sent = SignalInNetNamespace(pid, net_inode_, SIGKILL); !sent.ok()) return sent;
  }
  for (const ProcessId& id : ids) {
    if (!WaitForEnd(id, kKillLimit)) {
      return absl::DeadlineExceededError(
          absl::StrCat(std::string(name), " on ", spec_.name, " survives SIGKILL"));
    }
  }
  return absl::OkStatus();
}

absl::Status Host::KillAll() {
  absl::Status killed = KillNetNamespace(net_inode_, holder_.pid, kKillLimit);
  for (auto& [name, process] : processes_) (void)process->Running();  // reaps it
  return killed;
}

}  // namespace hb::lab
