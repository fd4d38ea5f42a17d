// The child process of command.h: spawning, collecting, killing, reaping.
// The input is a file in memory rather than a pipe: nothing has to be fed, and a program that does
// not read it costs no SIGPIPE.
#include "executor/host/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/log.h"

namespace hb::executor {
namespace {

constexpr std::array<const char*, 4> kDirectories = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
// How long a killed program may take to go: on the loop, and in the destructor, where the loop
// waits.
const Duration kGraceAfterKill = absl::Seconds(1);
constexpr int kDestructorGraceMilliseconds = 100;
// Reads in a row before other work of the loop gets its turn.
constexpr int kMaxReadsAtOnce = 64;

absl::Status FromErrno(const std::string& what, int error) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (absl::StrContains(name, "/")) return name;
  for (const char* directory : kDirectories) {
    std::string path = absl::StrCat(directory, "/", name);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return absl::NotFoundError(
      absl::StrCat(name, ": no such program in /usr/sbin, /usr/bin, /sbin, /bin"));
}

void CloseFd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// A descriptor from which `text` can be read.
absl::StatusOr<int> InputFile(const std::string& text) {
  int fd = memfd_create("hb-command-input", MFD_CLOEXEC);
  if (fd < 0) return FromErrno("memfd_create", errno);
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t size = write(fd, text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      const int error = errno;
      CloseFd(&fd);
      return FromErrno("writing the input", error);
    }
    written += static_cast<size_t>(size);
  }
  if (lseek(fd, 0, SEEK_SET) < 0) {
    const int error = errno;
    CloseFd(&fd);
    return FromErrno("rewinding the input", error);
  }
  return fd;
}

// The descriptors of the program's side, closed in ours at the end.
struct ChildFds {
  int in = -1;
  int out = -1;
  int err = -1;
  ChildFds() = default;
  ChildFds(const ChildFds&) = delete;
  ChildFds& operator=(const ChildFds&) = delete;
  ~ChildFds() {
    CloseFd(&in);
    CloseFd(&out);
    CloseFd(&err);
  }
};

absl::Status MakePipe(int* ours, int* theirs) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return FromErrno("pipe", errno);
  *ours = ends[0];
  *theirs = ends[1];
  if (fcntl(*ours, F_SETFL, O_NONBLOCK) != 0) return FromErrno("pipe", errno);
  return absl::OkStatus();
}

// posix_spawn(3) with a clean slate; returns 0 or the errno.
int SpawnClean(const std::string& path, const std::vector<std::string>& argv, const ChildFds& fds,
               pid_t* pid) {
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::string search = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::string locale = "LC_ALL=C";
  std::array<char*, 3> environment = {search.data(), locale.data(), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (const int error = posix_spawn_file_actions_init(&actions); error != 0) return error;
  if (const int error = posix_spawnattr_init(&attributes); error != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return error;
  }
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawn_file_actions_adddup2(&actions, fds.in, STDIN_FILENO);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, fds.out, STDOUT_FILENO);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, fds.err, STDERR_FILENO);
  if (error == 0) error = posix_spawnattr_setsigmask(&attributes, &none);
  if (error == 0) error = posix_spawnattr_setsigdefault(&attributes, &all);
  if (error == 0) error = posix_spawnattr_setpgroup(&attributes, 0);
  if (error == 0) {
    error = posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  if (error == 0) {
    error =
        posix_spawn(pid, path.c_str(), &actions, &attributes, arguments.data(), environment.data());
  }
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::string CommandResult::Describe() const {
  std::string text = signal != 0 ? absl::StrCat("was killed by signal ", signal)
                                 : absl::StrCat("exited with status ", exit_status);
  std::string_view said = err;
  while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.remove_suffix(1);
  const size_t line = said.rfind('\n');
  if (line != std::string_view::npos) said.remove_prefix(line + 1);
  if (!said.empty()) absl::StrAppend(&text, ": ", std::string(said));
  return text;
}

Command::Command(EventLoop* loop, const CommandSpec& spec, Done done)
    : loop_(loop),
      program_(spec.argv.front()),
      timeout_(spec.timeout),
      output_limit_bytes_(spec.output_limit_bytes),
      done_(std::move(done)) {}

absl::StatusOr<std::unique_ptr<Command>> Command::Start(EventLoop* loop, CommandSpec spec,
                                                        Done done) {
  if (spec.argv.empty() || spec.argv.front().empty()) {
    return absl::InvalidArgumentError("a command without a program");
  }
  std::unique_ptr<Command> command(new Command(loop, spec, std::move(done)));
  if (absl::Status status = command->Spawn(spec); !status.ok()) return status;
  command->Watch(&command->out_);
  command->Watch(&command->err_);
  Command* const raw = command.get();
  raw->exit_ = loop->WatchFd(raw->pidfd_, EPOLLIN, [raw](uint32_t) { raw->OnExit(); });
  raw->timer_ = loop->After(raw->timeout_, [raw] { raw->OnTimeout(); });
  return command;
}

absl::Status Command::Spawn(const CommandSpec& spec) {
  const absl::StatusOr<std::string> path = FindProgram(program_);
  if (!path.ok()) return path.status();
  ChildFds theirs;
  const absl::StatusOr<int> input = InputFile(spec.input);
  if (!input.ok()) return input.status();
  theirs.in = *input;
  if (absl::Status status = MakePipe(&out_.fd, &theirs.out); !status.ok()) return status;
  if (absl::Status status = MakePipe(&err_.fd, &theirs.err); !status.ok()) return status;
  if (const int error = SpawnClean(*path, spec.argv, theirs, &pid_); error != 0) {
    pid_ = -1;
    return FromErrno(*path, error);
  }
  // The child is ours to reap, so its number cannot have been given away.
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) return FromErrno(absl::StrCat(*path, ": pidfd_open"), errno);
  return absl::OkStatus();
}

Command::~Command() {
  exit_.Cancel();
  timer_.Cancel();
  Close(&out_);
  Close(&err_);
  if (pid_ > 0 && !reaped_) {
    Kill();
    if (pidfd_ >= 0) {
      pollfd gone{.fd = pidfd_, .events = POLLIN, .revents = 0};
      (void)poll(&gone, 1, kDestructorGraceMilliseconds);
    }
    if (!Reap()) {
      LogWarning("a killed program lingers", {{"program", program_.c_str()}, {"pid", pid_}});
    }
  }
  CloseFd(&pidfd_);
}

void Command::Close(Output* output) {
  output->watch.Cancel();
  CloseFd(&output->fd);
}

void Command::Watch(Output* output) {
  output->watch =
      loop_->WatchFd(output->fd, EPOLLIN | EPOLLHUP, [this, output](uint32_t) { Read(output); });
}

void Command::Read(Output* output) {
  std::array<char, 16384> chunk{};
  for (int reads = 0; reads < kMaxReadsAtOnce && output->fd >= 0; ++reads) {
    const ssize_t size = read(output->fd, chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      Close(output);
      return;
    }
    const size_t room = output_limit_bytes_ - output->text.size();
    const auto got = static_cast<size_t>(size);
    if (got > room) result_.truncated = true;
    output->text.append(chunk.data(), got < room ? got : room);
  }
}

void Command::Kill() {
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
}

bool Command::Reap() {
  siginfo_t info{};
  int result = 0;
  do {
    result = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result < 0) {
    // Somebody else reaped it: gone, and how it went is unknown.
    reaped_ = true;
    result_.exit_status = -1;
    return true;
  }
  if (info.si_pid != pid_) return false;
  reaped_ = true;
  if (info.si_code == CLD_EXITED) {
    result_.exit_status = info.si_status;
  } else {
    result_.signal = info.si_status;
  }
  return true;
}

void Command::OnExit() {
  if (!Reap()) return;
  // All that the program itself wrote is in the pipes by now; whoever else holds them is not waited
  // for.
  Read(&out_);
  Read(&err_);
  if (timed_out_) {
    Finish(absl::DeadlineExceededError(
        absl::StrCat(program_, " was killed after ", HumanDuration(timeout_))));
    return;
  }
  result_.out = std::move(out_.text);
  result_.err = std::move(err_.text);
  Finish(std::move(result_));
}

void Command::OnTimeout() {
  Kill();
  if (timed_out_) {
    Finish(absl::DeadlineExceededError(absl::StrCat(
        program_, " did not end after ", HumanDuration(timeout_), " and does not die either")));
    return;
  }
  timed_out_ = true;
  timer_ = loop_->After(kGraceAfterKill, [this] { OnTimeout(); });
}

void Command::Finish(absl::StatusOr<CommandResult> result) {
  exit_.Cancel();
  timer_.Cancel();
  Close(&out_);
  Close(&err_);
  const Done done = std::move(done_);
  done(std::move(result));  // may have destroyed this
}

}  // namespace hb::executor
