// See spawn.h. _Fork(3) rather than fork(3): no pthread_atfork handlers of libraries run, neither
// here nor in the child. vfork and posix_spawn are not used: they would halt the event loop until
// the exec is done, and an exec from a hung file system is never done.
#include "executor/host/service/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

// What the child tells when it can't go on.
enum class Step : int { kInput, kOutput, kDirectory, kDescriptors, kExec };
struct Failure {
  Step step;
  int error;
};

// Everything that the child needs, laid out before the fork.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  const char* output = nullptr;  // null: inherited
  int channel = -1;
  int parents_channel = -1;
};

[[noreturn]] void FailChild(const ChildPlan& plan, Step step) {
  const Failure failure{step, errno};
  while (write(plan.channel, &failure, sizeof failure) < 0 && errno == EINTR) {
  }
  _exit(127);
}

// Async-signal-safe calls only. All signals are blocked on entry.
[[noreturn]] void RunChild(const ChildPlan& plan) {
  setsid();
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &by_default, nullptr);

  close(plan.parents_channel);
  char go = 0;
  ssize_t got = 0;
  do {
    got = read(plan.channel, &go, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) _exit(127);  // the parent has gone, or has thought better of it

  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || dup2(input, STDIN_FILENO) < 0) FailChild(plan, Step::kInput);
  if (plan.output != nullptr) {
    const int output =
        open(plan.output, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0640);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) {
      FailChild(plan, Step::kOutput);
    }
  }
  if (chdir("/") != 0) FailChild(plan, Step::kDirectory);
  umask(022);
  if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) FailChild(plan, Step::kDescriptors);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(plan.argv[0], plan.argv.data(), plan.environment.data());
  FailChild(plan, Step::kExec);
}

// Points into `strings`.
std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const SpawnRequest& request) {
  std::map<std::string, std::string> variables = request.environment;
  variables.try_emplace("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  variables.try_emplace("LANG", "C");
  std::vector<std::string> out;
  out.reserve(variables.size());
  for (const auto& [name, value] : variables) out.push_back(absl::StrCat(name, "=", value));
  return out;
}

absl::Status Refused(const SpawnRequest& request, const char* call) {
  return absl::UnavailableError(
      absl::StrCat("can't start ", request.argv[0], ": ", call, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<Spawned> Spawn(const SpawnRequest& request) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return Refused(request, "socketpair");
  }
  Spawned child;
  child.channel = UniqueFd(pair[0]);
  UniqueFd childs_end(pair[1]);
  if (childs_end.get() < 3) {  // not where the child puts its stdin and output
    childs_end = UniqueFd(fcntl(childs_end.get(), F_DUPFD_CLOEXEC, 3));
    if (!childs_end.valid()) return Refused(request, "fcntl");
  }

  std::vector<std::string> argv = request.argv;
  std::vector<std::string> environment = Environment(request);
  ChildPlan plan;
  plan.argv = Pointers(argv);
  plan.environment = Pointers(environment);
  plan.output = request.output.empty() ? nullptr : request.output.c_str();
  plan.channel = childs_end.get();
  plan.parents_channel = child.channel.get();

  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours runs in the child
  child.pid = _Fork();
  if (child.pid == 0) RunChild(plan);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  if (child.pid < 0) return Refused(request, "fork");

  // Not reaped yet, so this number is still its own.
  child.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
  if (child.pidfd.valid()) return child;
  absl::Status refused = Refused(request, "pidfd_open");
  child.channel.Close();  // it waits for nothing else, so it ends at once
  while (waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return refused;
}

absl::Status Release(const Spawned& child) {
  const char go = 1;
  ssize_t sent = 0;
  do {
    sent = send(child.channel.get(), &go, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent == 1) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("release of process ", child.pid, ": ", std::strerror(errno)));
}

std::optional<absl::Status> SpawnOutcome(const SpawnRequest& request, const UniqueFd& channel) {
  Failure failure{};
  ssize_t got = 0;
  do {
    got = recv(channel.get(), &failure, sizeof failure, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return std::nullopt;
  if (got != sizeof failure) return absl::OkStatus();
  std::string what = request.argv[0];
  switch (failure.step) {
    case Step::kExec:
      break;
    case Step::kInput:
      what += ": /dev/null";
      break;
    case Step::kOutput:
      what += ": output file " + request.output;
      break;
    case Step::kDirectory:
      what += ": chdir /";
      break;
    case Step::kDescriptors:
      what += ": close_range";
      break;
  }
  return absl::UnavailableError(
      absl::StrCat("can't start ", what, ": ", std::strerror(failure.error)));
}

}  // namespace hb::executor
