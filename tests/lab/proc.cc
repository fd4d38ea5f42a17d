// See proc.h.
// Everything here tolerates processes that end while they are looked at: that is the normal case in
// a lab that kills them.
#include "tests/lab/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/boot_clock.h"

namespace hb::lab {
namespace {

std::string ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return "";
  char buffer[4096];
  const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
}

struct Stat {
  char state = 0;
  uint64_t start_time = 0;
};

// The name in /proc/PID/stat may hold spaces and parentheses: the fields are counted from its last
// ')'.
std::optional<Stat> ReadStat(pid_t pid) {
  const std::string text = ReadSmallFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(close + 1), ' ', absl::SkipEmpty());
  constexpr size_t kState = 0;
  constexpr size_t kStartTime = 19;
  Stat result;
  if (fields.size() <= kStartTime || !absl::SimpleAtoi(fields[kStartTime], &result.start_time)) {
    return std::nullopt;
  }
  result.state = fields[kState][0];
  return result;
}

absl::StatusOr<ino_t> NetNamespaceOf(pid_t pid) {
  return NamespaceInode(absl::StrCat("/proc/", pid, "/ns/net"));
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

int UniqueFd::Release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<ProcessId> IdentifyProcess(pid_t pid) {
  const std::optional<Stat> stat = ReadStat(pid);
  if (!stat) return absl::NotFoundError(absl::StrCat("no process ", pid));
  return ProcessId{.pid = pid, .start_time = stat->start_time};
}

bool IsAlive(const ProcessId& process) {
  const std::optional<Stat> stat = ReadStat(process.pid);
  return stat && stat->start_time == process.start_time && stat->state != 'Z' && stat->state != 'X';
}

char ProcessState(pid_t pid) {
  const std::optional<Stat> stat = ReadStat(pid);
  return stat ? stat->state : '\0';
}

std::string ProcessName(pid_t pid) {
  std::string text = ReadSmallFile(absl::StrCat("/proc/", pid, "/comm"));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

absl::StatusOr<ino_t> NamespaceInode(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path, errno);
  return info.st_ino;
}

std::vector<pid_t> ProcessesInNetNamespace(ino_t net_namespace, std::string_view name) {
  std::vector<pid_t> result;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (directory == nullptr) return result;
  while (const dirent* entry = readdir(directory.get())) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    const absl::StatusOr<ino_t> inode = NetNamespaceOf(pid);
    if (!inode.ok() || *inode != net_namespace) continue;
    if (!name.empty() && ProcessName(pid) != name) continue;
    const char state = ProcessState(pid);
    if (state != '\0' && state != 'Z' && state != 'X') result.push_back(pid);
  }
  std::sort(result.begin(), result.end());
  return result;
}

absl::Status SignalInNetNamespace(pid_t pid, ino_t net_namespace, int signal) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    if (errno == ESRCH) return absl::OkStatus();
    return ErrnoStatus(absl::StrCat("pidfd of process ", pid), errno);
  }
  const absl::StatusOr<ino_t> inode = NetNamespaceOf(pid);
  if (!inode.ok() || *inode != net_namespace) return absl::OkStatus();
  if (syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
    return ErrnoStatus(absl::StrCat("signal ", signal, " to process ", pid), errno);
  }
  return absl::OkStatus();
}

absl::Status KillNetNamespace(ino_t net_namespace, pid_t except, Duration limit) {
  const MonoTime deadline = BootNow() + limit;
  while (true) {
    std::vector<pid_t> left = ProcessesInNetNamespace(net_namespace);
    std::erase(left, except);
    if (left.empty()) return absl::OkStatus();
    if (BootNow() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(left.size(), " processes survive SIGKILL, first ", left.front()));
    }
    for (const pid_t pid : left) {
      if (absl::Status sent = SignalInNetNamespace(pid, net_namespace, SIGKILL); !sent.ok()) {
        return sent;
      }
    }
    Pause(absl::Milliseconds(2));
  }
}

bool WaitForEnd(const ProcessId& process, Duration limit) {
  const MonoTime deadline = BootNow() + limit;
  while (IsAlive(process)) {
    if (BootNow() >= deadline) return false;
    Pause(absl::Milliseconds(1));
  }
  return true;
}

void Pause(Duration pause) {
  const timespec time = absl::ToTimespec(pause);
  ppoll(nullptr, 0, &time, nullptr);
}

absl::Status ErrnoStatus(std::string_view what, int error) {
  return absl::ErrnoToStatus(error, std::string(what));
}

}  // namespace hb::lab
