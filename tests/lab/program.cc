// See program.h.
// The child's half of the work stands in Child(): everything that it needs is laid out before fork,
// and it tells what failed through a pipe that closes itself at exec.
#include "tests/lab/program.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/boot_clock.h"

namespace hb::lab {
namespace {

constexpr size_t kOutputLimit = size_t{1} << 20;
constexpr size_t kInputLimit = size_t{64} << 10;  // what a pipe takes without a reader

enum class Step : int { kPid, kStreams, kNamespaces, kUser, kCapabilities, kExec };
constexpr const char* kStepNames[] = {"learn the pid of",         "open the standard streams of",
                                      "enter the namespaces for", "become the user of",
                                      "set the capabilities of",  "execute"};

// What the child tells: kPid with its pid if it is detached, any other step with the errno.
struct Message {
  Step step = Step::kExec;
  int value = 0;
};

struct ChildPlan {
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  int input = -1;  // -1: as the caller's
  int output = -1;
  const Namespaces* inside = nullptr;
  uid_t user = 0;
  uint64_t capabilities = 0;
  bool own_session = true;
  bool detached = false;
  int message_pipe = -1;
};

[[noreturn]] void Fail(const ChildPlan& plan, Step step) {
  const Message failure{.step = step, .value = errno};
  [[maybe_unused]] const ssize_t written = write(plan.message_pipe, &failure, sizeof(failure));
  _exit(127);
}

// glibc's own calls would try to reach the threads that only the parent has.
bool BecomeUser(uid_t user) {
  return syscall(SYS_setgroups, 0, nullptr) == 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_setresgid, user, user, user) == 0 &&
         syscall(SYS_setresuid, user, user, user) == 0;
}

bool KeepOnly(uint64_t capabilities) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; ++half) {
    const auto bits = static_cast<uint32_t>(capabilities >> (32 * half));
    data[half] = {.effective = bits, .permitted = bits, .inheritable = bits};
  }
  if (syscall(SYS_capset, &header, data) != 0) return false;
  for (int capability = 0; capability < 64; ++capability) {
    if (((capabilities >> capability) & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return false;
  }
  return true;
}

bool Enter(const Namespaces& inside) {
  const std::pair<int, int> kinds[] = {{inside.network.get(), CLONE_NEWNET},
                                       {inside.uts.get(), CLONE_NEWUTS},
                                       {inside.ipc.get(), CLONE_NEWIPC},
                                       {inside.mount.get(), CLONE_NEWNS}};
  return std::all_of(std::begin(kinds), std::end(kinds), [](const auto& kind) {
    return kind.first < 0 || setns(kind.first, kind.second) == 0;
  });
}

// The process goes on in a child of its own, whose parent ends at once: then the host's first
// process is its parent. Its pid as the caller sees it is what the caller's /proc says.
void Detach(const ChildPlan& plan) {
  const auto child = syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0);
  if (child < 0) Fail(plan, Step::kPid);
  if (child > 0) _exit(0);
  char digits[32];
  const ssize_t size = readlink("/proc/self", digits, sizeof(digits));
  Message message{.step = Step::kPid, .value = 0};
  for (ssize_t i = 0; i < size; ++i) message.value = message.value * 10 + (digits[i] - '0');
  if (size <= 0 || write(plan.message_pipe, &message, sizeof(message)) < 0) Fail(plan, Step::kPid);
}

[[noreturn]] void Child(const ChildPlan& plan) {
  if (plan.detached) Detach(plan);
  if (plan.own_session) setsid();
  if (plan.input >= 0 && dup2(plan.input, STDIN_FILENO) < 0) Fail(plan, Step::kStreams);
  if (plan.output >= 0 &&
      (dup2(plan.output, STDOUT_FILENO) < 0 || dup2(plan.output, STDERR_FILENO) < 0)) {
    Fail(plan, Step::kStreams);
  }
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (plan.inside != nullptr && !Enter(*plan.inside)) Fail(plan, Step::kNamespaces);
  if (plan.user != 0) {
    if (!BecomeUser(plan.user)) Fail(plan, Step::kUser);
    if (!KeepOnly(plan.capabilities)) Fail(plan, Step::kCapabilities);
  }
  execvpe(plan.argv[0], plan.argv, plan.environment);
  Fail(plan, Step::kExec);
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

// The caller's environment, with `added` in the place of what has the same key.
std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view key = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(added.begin(), added.end(), [&](const std::string& a) {
      return a.compare(0, key.size(), key) == 0;
    });
    if (!replaced) result.emplace_back(text);
  }
  result.insert(result.end(), added.begin(), added.end());
  return result;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus("pipe", errno);
  return Pipe{.read = UniqueFd(fds[0]), .write = UniqueFd(fds[1])};
}

// fork() into the host's pid namespace: that namespace is a property of the calling thread, set
// back at once.
absl::StatusOr<pid_t> ForkInto(const ChildPlan& plan) {
  const bool other = plan.inside != nullptr && plan.inside->pid.valid();
  UniqueFd own;
  if (other) {
    own = UniqueFd(open("/proc/thread-self/ns/pid", O_RDONLY | O_CLOEXEC));
    if (!own.valid()) return ErrnoStatus("open own pid namespace", errno);
    if (setns(plan.inside->pid.get(), CLONE_NEWPID) != 0) {
      return ErrnoStatus("enter the host's pid namespace", errno);
    }
  }
  const pid_t pid = fork();
  if (pid == 0) Child(plan);
  const int fork_error = errno;
  if (other && setns(own.get(), CLONE_NEWPID) != 0) {
    return ErrnoStatus("return to own pid namespace", errno);
  }
  if (pid < 0) return ErrnoStatus("fork", fork_error);
  return pid;
}

int StatusOf(const siginfo_t& info) {
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

struct Started {
  pid_t pid = 0;
  UniqueFd pidfd;
};

int PidFd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// Nothing once the program has been executed.
std::optional<Message> Receive(int pipe) {
  Message message;
  ssize_t size = 0;
  do {
    size = read(pipe, &message, sizeof(message));
  } while (size < 0 && errno == EINTR);
  if (size != static_cast<ssize_t>(sizeof(message))) return std::nullopt;
  return message;
}

// `input` and `output`: descriptors for the program, or -1 to keep the caller's.
absl::StatusOr<Started> Launch(const std::vector<std::string>& argv, const ProgramOptions& options,
                               const Namespaces* inside, int input, int output) {
  if (argv.empty()) return absl::InvalidArgumentError("a program needs a name");
  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = Environment(options.environment);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  absl::StatusOr<Pipe> messages = MakePipe();
  if (!messages.ok()) return messages.status();
  ChildPlan plan{.argv = argument_pointers.data(),
                 .environment = environment_pointers.data(),
                 .input = input,
                 .output = output,
                 .inside = inside,
                 .user = options.user,
                 .own_session = !options.terminal,
                 .detached = options.detached,
                 .message_pipe = messages->write.get()};
  for (const int capability : options.ambient_capabilities) {
    plan.capabilities |= uint64_t{1} << capability;
  }
  const absl::StatusOr<pid_t> forked = ForkInto(plan);
  if (!forked.ok()) return forked.status();
  messages->write.Reset();
  Started started{.pid = *forked, .pidfd = UniqueFd(PidFd(*forked))};
  for (std::optional<Message> m = Receive(messages->read.get()); m;
       m = Receive(messages->read.get())) {
    if (m->step == Step::kPid && options.detached && m->value > 0) {
      started = {.pid = m->value, .pidfd = UniqueFd(PidFd(m->value))};
      continue;
    }
    waitpid(*forked, nullptr, 0);
    return ErrnoStatus(absl::StrCat(kStepNames[static_cast<int>(m->step)], " ", argv[0]), m->value);
  }
  if (options.detached) waitpid(*forked, nullptr, 0);
  if (!started.pidfd.valid()) {
    return absl::NotFoundError(absl::StrCat(argv[0], " ended before it was seen"));
  }
  return started;
}

absl::StatusOr<UniqueFd> InputOf(const ProgramOptions& options) {
  if (options.input.empty()) {
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null.valid()) return ErrnoStatus("/dev/null", errno);
    return null;
  }
  if (options.input.size() > kInputLimit) {
    return absl::InvalidArgumentError("more than 64 KiB of standard input");
  }
  absl::StatusOr<Pipe> pipe = MakePipe();
  if (!pipe.ok()) return pipe.status();
  if (write(pipe->write.get(), options.input.data(), options.input.size()) !=
      static_cast<ssize_t>(options.input.size())) {
    return ErrnoStatus("write standard input", errno);
  }
  return std::move(pipe->read);
}

// Reads what is there. False at the end.
bool Drain(int fd, std::string* output) {
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size == 0) return false;
    if (size < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN;
    }
    const size_t room = kOutputLimit - output->size();
    output->append(buffer.data(), std::min(room, static_cast<size_t>(size)));
  }
}

// Until the program ends. A child that it leaves behind may hold the pipe open: that is not waited
// for.
bool CollectUntilEnd(int pidfd, int output_fd, MonoTime deadline, std::string* output) {
  std::array<pollfd, 2> watched = {pollfd{.fd = pidfd, .events = POLLIN, .revents = 0},
                                   pollfd{.fd = output_fd, .events = POLLIN, .revents = 0}};
  while (true) {
    const Duration left = deadline - BootNow();
    if (left <= absl::ZeroDuration()) return false;
    const timespec timeout = absl::ToTimespec(left);
    if (ppoll(watched.data(), watched.size(), &timeout, nullptr) < 0 && errno != EINTR)
      return false;
    if (watched[1].revents != 0 && !Drain(output_fd, output)) watched[1].fd = -1;
    if (watched[0].revents != 0) {
      Drain(output_fd, output);
      return true;
    }
  }
}

}  // namespace

absl::StatusOr<Namespaces> Namespaces::Of(pid_t pid) {
  Namespaces result;
  const std::pair<const char*, UniqueFd*> kinds[] = {{"mnt", &result.mount},
                                                     {"net", &result.network},
                                                     {"pid", &result.pid},
                                                     {"uts", &result.uts},
                                                     {"ipc", &result.ipc}};
  for (const auto& [kind, fd] : kinds) {
    const std::string path = absl::StrCat("/proc/", pid, "/ns/", kind);
    *fd = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd->valid()) return ErrnoStatus(path, errno);
  }
  return result;
}

Process::Process(ProcessId id, UniqueFd pidfd, bool child)
    : id_(id), pidfd_(std::move(pidfd)), child_(child) {}

absl::StatusOr<std::unique_ptr<Process>> Process::Attach(const ProcessId& id) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, id.pid, 0)));
  if (!pidfd.valid() || !IsAlive(id)) {
    return absl::NotFoundError(absl::StrCat("process ", id.pid, " has ended"));
  }
  return std::unique_ptr<Process>(new Process(id, std::move(pidfd), /*child=*/false));
}

bool Process::Running() { return absl::IsDeadlineExceeded(Wait(absl::ZeroDuration()).status()); }

absl::Status Process::Signal(int signal) {
  if (!Running()) return absl::NotFoundError(absl::StrCat("process ", id_.pid, " has ended"));
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) != 0) {
    return ErrnoStatus(absl::StrCat("signal ", signal, " to process ", id_.pid), errno);
  }
  return absl::OkStatus();
}

absl::Status Process::Kill() {
  if (absl::Status sent = Signal(SIGKILL); !sent.ok()) return sent;
  return Wait(absl::Seconds(10)).status();
}

absl::Status Process::Stop() {
  if (absl::Status sent = Signal(SIGSTOP); !sent.ok()) return sent;
  const MonoTime deadline = BootNow() + absl::Seconds(10);
  while (ProcessState(id_.pid) != 'T') {
    if (!Running()) return absl::NotFoundError(absl::StrCat("process ", id_.pid, " has ended"));
    if (BootNow() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("process ", id_.pid, " does not stop"));
    }
    Pause(absl::Microseconds(200));
  }
  return absl::OkStatus();
}

absl::Status Process::Continue() { return Signal(SIGCONT); }

absl::StatusOr<int> Process::Wait(Duration limit) {
  if (ended_) return status_;
  const MonoTime deadline = BootNow() + limit;
  while (true) {
    const Duration left = std::max(absl::ZeroDuration(), deadline - BootNow());
    pollfd watched{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    const timespec timeout = absl::ToTimespec(left);
    const int ready = ppoll(&watched, 1, &timeout, nullptr);
    if (ready < 0 && errno != EINTR) return ErrnoStatus("poll", errno);
    if (ready > 0) break;
    if (ready == 0) {
      return absl::DeadlineExceededError(absl::StrCat("process ", id_.pid, " is still running"));
    }
  }
  if (child_) {
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
      return ErrnoStatus(absl::StrCat("wait for process ", id_.pid), errno);
    }
    status_ = StatusOf(info);
  }
  ended_ = true;
  return status_;
}

absl::StatusOr<std::unique_ptr<Process>> StartProgram(const std::vector<std::string>& argv,
                                                      const ProgramOptions& options,
                                                      const Namespaces* inside) {
  absl::StatusOr<UniqueFd> input = InputOf(options);
  if (!input.ok()) return input.status();
  UniqueFd output;
  if (!options.terminal) {
    const char* path = options.output_file.empty() ? "/dev/null" : options.output_file.c_str();
    output = UniqueFd(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!output.valid()) return ErrnoStatus(path, errno);
  }
  absl::StatusOr<Started> started =
      Launch(argv, options, inside, options.terminal ? -1 : input->get(), output.get());
  if (!started.ok()) return started.status();
  const absl::StatusOr<ProcessId> id = IdentifyProcess(started->pid);
  if (!id.ok()) return id.status();
  return std::unique_ptr<Process>(
      new Process(*id, std::move(started->pidfd), /*child=*/!options.detached));
}

absl::StatusOr<RunResult> RunProgram(const std::vector<std::string>& argv,
                                     const ProgramOptions& options, const Namespaces* inside,
                                     Duration limit) {
  absl::StatusOr<UniqueFd> input = InputOf(options);
  if (!input.ok()) return input.status();
  absl::StatusOr<Pipe> output = MakePipe();
  if (!output.ok()) return output.status();
  fcntl(output->read.get(), F_SETFL, O_NONBLOCK);
  absl::StatusOr<Started> started =
      Launch(argv, options, inside, input->get(), output->write.get());
  if (!started.ok()) return started.status();
  output->write.Reset();
  RunResult result;
  const bool ended =
      CollectUntilEnd(started->pidfd.get(), output->read.get(), BootNow() + limit, &result.output);
  if (!ended) syscall(SYS_pidfd_send_signal, started->pidfd.get(), SIGKILL, nullptr, 0);
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(started->pidfd.get()), &info, WEXITED) != 0) {
    return ErrnoStatus(absl::StrCat("wait for ", argv[0]), errno);
  }
  if (!ended) {
    return absl::DeadlineExceededError(absl::StrCat(absl::StrJoin(argv, " "), ": not done within ",
                                                    absl::FormatDuration(limit), ": ",
                                                    result.output));
  }
  result.status = StatusOf(info);
  return result;
}

absl::Status RunOrFail(const std::vector<std::string>& argv, const std::string& input) {
  ProgramOptions options;
  options.input = input;
  const absl::StatusOr<RunResult> result = RunProgram(argv, options, nullptr, absl::Seconds(20));
  if (!result.ok()) return result.status();
  if (!result->ok()) {
    return absl::InternalError(
        absl::StrCat(absl::StrJoin(argv, " "), ": status ", result->status, ": ", result->output));
  }
  return absl::OkStatus();
}

}  // namespace hb::lab
