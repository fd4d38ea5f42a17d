// What /proc says about the processes of a lab: which live in a namespace, what they are called,
// whether a remembered pid is still the process that it was. Reads /proc of the caller's pid
// namespace only; signals go through a pidfd after a second look, so that a pid that was used anew
// is never hit.
#ifndef HB_TESTS_LAB_PROC_H_
#define HB_TESTS_LAB_PROC_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/time.h"

namespace hb::lab {

// A file descriptor that closes itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();
  void Reset();

 private:
  int fd_ = -1;
};

// A pid, and when it was started (clock ticks since boot): together they name one process for good.
struct ProcessId {
  pid_t pid = 0;
  uint64_t start_time = 0;

  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// NotFound when there is no such process.
[[nodiscard]] absl::StatusOr<ProcessId> IdentifyProcess(pid_t pid);

// False also for zombies.
bool IsAlive(const ProcessId& process);

// The letter of proc(5): 'R', 'S', 'T' (stopped), 'Z' (zombie) ...; 0 when there is no such
// process.
char ProcessState(pid_t pid);

// As in /proc/PID/comm ("apache2"); empty when it is gone.
std::string ProcessName(pid_t pid);

// The inode of a namespace file (/proc/PID/ns/net, /run/netns/NAME). NotFound when it is gone.
[[nodiscard]] absl::StatusOr<ino_t> NamespaceInode(const std::string& path);

// Every living process (no zombies) whose main thread is in the network namespace, in order of pid.
// `name` empty: any; else only those called so.
std::vector<pid_t> ProcessesInNetNamespace(ino_t net_namespace, std::string_view name = {});

// Sends `signal` to `pid` if it is (still) in the network namespace; Ok also when it is gone.
[[nodiscard]] absl::Status SignalInNetNamespace(pid_t pid, ino_t net_namespace, int signal);

// Sends SIGKILL to every process in the network namespace but `except`, until none is left.
// DeadlineExceeded when some is left after `limit`.
[[nodiscard]] absl::Status KillNetNamespace(ino_t net_namespace, pid_t except, Duration limit);

// Until `pid` has ended (it may be a zombie). False when `limit` passes first.
bool WaitForEnd(const ProcessId& process, Duration limit);

// Lets `pause` pass, without regard to signals.
void Pause(Duration pause);

// "what: No such file or directory", with the code that fits the errno.
absl::Status ErrnoStatus(std::string_view what, int error);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_PROC_H_
