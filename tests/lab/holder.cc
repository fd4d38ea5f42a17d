// See holder.h.
// The holder is forked from a process that may have many threads and never execs, so Hold() and all
// that it calls are plain system calls on what was laid out before.
#include "tests/lab/holder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "tests/lab/program.h"

namespace hb::lab {
namespace {

struct Failure {
  int step = 0;
  int error = 0;
};

struct Plan {
  const char* host_name = nullptr;
  size_t host_name_size = 0;
  const char* net_path = nullptr;
  int lifeline = -1;
  int report_pipe = -1;
  int outer_mounts = -1;
};

struct Mount {
  const char* source;
  const char* target;
  const char* type;
  unsigned long flags;
  const char* data;
};

constexpr const char* kOverlayDirectories[] = {
    "/run/.hb-lab",     "/run/.hb-lab/etc",      "/run/.hb-lab/etc-work",
    "/run/.hb-lab/var", "/run/.hb-lab/var-work", "/run/hb",
    "/run/lock",
};
constexpr Mount kFirstMounts[] = {
    {"none", "/", nullptr, MS_REC | MS_SLAVE, nullptr},
    {"proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
    {"sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
    {"bpf", "/sys/fs/bpf", "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700"},
    {"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=256m"},
};
constexpr Mount kOverlays[] = {
    {"overlay", "/etc", "overlay", 0,
     "lowerdir=/etc,upperdir=/run/.hb-lab/etc,workdir=/run/.hb-lab/etc-work"},
    {"overlay", "/var", "overlay", 0,
     "lowerdir=/var,upperdir=/run/.hb-lab/var,workdir=/run/.hb-lab/var-work"},
};
constexpr const char* kHostDirectories[] = {"/etc/hb", "/etc/hb-lab", "/var/lib/hb", "/var/log"};

// What the numbers of Failure::step stand for.
enum Steps : int {
  kStepName = 1,
  kStepFirstMounts = 10,
  kStepDirectories = 20,
  kStepOverlays = 30,
  kStepHostDirectories = 40,
  kStepReady = 100,
};

std::string DescribeStep(int step) {
  if (step >= kStepHostDirectories) {
    return absl::StrCat("create ", kHostDirectories[step - kStepHostDirectories]);
  }
  if (step >= kStepOverlays) return absl::StrCat("mount ", kOverlays[step - kStepOverlays].target);
  if (step >= kStepDirectories) {
    return absl::StrCat("create ", kOverlayDirectories[step - kStepDirectories]);
  }
  if (step >= kStepFirstMounts) {
    return absl::StrCat("mount ", kFirstMounts[step - kStepFirstMounts].target);
  }
  return "set the host name";
}

[[noreturn]] void Report(const Plan& plan, int step) {
  const Failure failure{.step = step, .error = errno};
  [[maybe_unused]] const ssize_t written = write(plan.report_pipe, &failure, sizeof(failure));
  _exit(1);
}

template <size_t n>
void MountAll(const Plan& plan, const Mount (&mounts)[n], int first_step) {
  for (size_t i = 0; i < n; ++i) {
    const Mount& m = mounts[i];
    if (mount(m.source, m.target, m.type, m.flags, m.data) != 0) {
      Report(plan, first_step + static_cast<int>(i));
    }
  }
}

template <size_t n>
void CreateAll(const Plan& plan, const char* const (&paths)[n], int first_step) {
  for (size_t i = 0; i < n; ++i) {
    if (mkdir(paths[i], 0755) != 0 && errno != EEXIST) {
      Report(plan, first_step + static_cast<int>(i));
    }
  }
}

// Only the three descriptors of the plan stay open: above all not the lifelines' other ends.
void CloseOthers(Plan* plan) {
  constexpr int kBase = 512;
  for (int* fd : {&plan->lifeline, &plan->report_pipe, &plan->outer_mounts}) {
    if (*fd >= 0) *fd = fcntl(*fd, F_DUPFD, kBase);
  }
  close_range(0, kBase - 1, 0);
  close_range(kBase + 3, ~0U, 0);
}

[[noreturn]] void Hold(Plan plan) {
  setsid();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all,
              nullptr);  // the first process of a pid namespace: SIGKILL still works
  struct sigaction reap {};
  reap.sa_handler = SIG_IGN;  // orphans of the host are reaped by the kernel
  sigaction(SIGCHLD, &reap, nullptr);
  CloseOthers(&plan);
  umask(022);
  if (sethostname(plan.host_name, plan.host_name_size) != 0) Report(plan, kStepName);
  MountAll(plan, kFirstMounts, kStepFirstMounts);
  CreateAll(plan, kOverlayDirectories, kStepDirectories);
  MountAll(plan, kOverlays, kStepOverlays);
  CreateAll(plan, kHostDirectories, kStepHostDirectories);
  if (chdir("/") != 0) Report(plan, kStepOverlays);
  const Failure ready{.step = kStepReady, .error = 0};
  if (write(plan.report_pipe, &ready, sizeof(ready)) != static_cast<ssize_t>(sizeof(ready)))
    _exit(1);
  close(plan.report_pipe);
  while (plan.lifeline < 0) pause();
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(plan.lifeline, &byte, 1);
  } while (got > 0 || (got < 0 && errno == EINTR));
  if (setns(plan.outer_mounts, CLONE_NEWNS) == 0) {
    umount2(plan.net_path, MNT_DETACH);
    unlink(plan.net_path);
  }
  _exit(0);
}

absl::Status AwaitReady(int report_pipe, const std::string& host_name) {
  Failure report;
  ssize_t got = 0;
  do {
    got = read(report_pipe, &report, sizeof(report));
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof(report))) {
    return absl::InternalError(absl::StrCat("host ", host_name, ": its holder died at the start"));
  }
  if (report.step != kStepReady) {
    return ErrnoStatus(absl::StrCat("host ", host_name, ": ", DescribeStep(report.step)),
                       report.error);
  }
  return absl::OkStatus();
}

}  // namespace

std::string NetNamePath(const std::string& net_name) {
  return absl::StrCat("/run/netns/", net_name);
}

absl::StatusOr<ProcessId> StartHolder(const HolderOptions& options) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return ErrnoStatus("pipe", errno);
  const UniqueFd report_read(report[0]);
  UniqueFd report_write(report[1]);
  const UniqueFd mounts(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (!mounts.valid()) return ErrnoStatus("open own mount namespace", errno);
  const std::string net_path = NetNamePath(options.net_name);
  const Plan plan{.host_name = options.host_name.c_str(),
                  .host_name_size = options.host_name.size(),
                  .net_path = net_path.c_str(),
                  .lifeline = options.lifeline,
                  .report_pipe = report_write.get(),
                  .outer_mounts = mounts.get()};
  constexpr unsigned long kNew =
      CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
  const auto pid =
      static_cast<pid_t>(syscall(SYS_clone, kNew | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid == 0) Hold(plan);
  if (pid < 0) {
    return ErrnoStatus(absl::StrCat("namespaces of host ", options.host_name), errno);
  }
  report_write.Reset();
  absl::Status made = AwaitReady(report_read.get(), options.host_name);
  if (made.ok()) {
    made = RunOrFail({"ip", "netns", "attach", options.net_name, absl::StrCat(pid)});
  }
  const absl::StatusOr<ProcessId> id = IdentifyProcess(pid);
  if (!made.ok() || !id.ok()) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return made.ok() ? id.status() : made;
  }
  return *id;
}

namespace {

// Its namespaces go early at its end; the process itself may stay until somebody has waited for
// each process that was started in it from outside.
bool WaitForNamespacesToGo(const ProcessId& holder) {
  const std::string path = absl::StrCat("/proc/", holder.pid, "/ns/net");
  constexpr int kRounds = 10'000;
  for (int round = 0; round < kRounds; ++round) {
    if (!IsAlive(holder) || !NamespaceInode(path).ok()) return true;
    Pause(absl::Milliseconds(1));
  }
  return false;
}

}  // namespace

absl::Status EndHolder(const ProcessId& holder, const std::string& net_name) {
  if (IsAlive(holder)) kill(holder.pid, SIGKILL);
  const bool ended = WaitForNamespacesToGo(holder);
  waitpid(holder.pid, nullptr, WNOHANG);
  absl::Status removed = RemoveNetName(net_name);
  if (!ended) {
    return absl::DeadlineExceededError(absl::StrCat("holder ", holder.pid, " does not end"));
  }
  return removed;
}

absl::Status RemoveNetName(const std::string& net_name) {
  const std::string path = NetNamePath(net_name);
  struct statfs filesystem {};
  if (statfs(path.c_str(), &filesystem) != 0) return absl::OkStatus();
  if (filesystem.f_type == NSFS_MAGIC) {  // else it is the bare file of a name that was taken away
    const absl::StatusOr<ino_t> inode = NamespaceInode(path);
    const absl::StatusOr<ino_t> own = NamespaceInode("/proc/self/ns/net");
    if (!inode.ok() || !own.ok() || *inode == *own) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is not a namespace of a lab"));
    }
    absl::Status killed = KillNetNamespace(*inode, /*except=*/0, absl::Seconds(10));
    if (!killed.ok()) {
      return absl::Status(killed.code(), absl::StrCat(net_name, ": ", killed.message()));
    }
  }
  if (umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
    return ErrnoStatus(absl::StrCat("unmount ", path), errno);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return ErrnoStatus(absl::StrCat("remove ", path), errno);
  return absl::OkStatus();
}

}  // namespace hb::lab
