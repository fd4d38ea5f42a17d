// One run of a program: by argv, its standard input a text, its output collected, a time limit, the
// outcome handed over on the loop. For short helpers such as iptables-restore; services have their
// own driver. It refuses shells and inherited surroundings: the environment is PATH and LC_ALL=C,
// no descriptor but 0, 1 and 2 is passed on, signals are unblocked, and the program leads a process
// group of its own.
#ifndef HB_EXECUTOR_HOST_COMMAND_H_
#define HB_EXECUTOR_HOST_COMMAND_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/time.h"

namespace hb::executor {

struct CommandSpec {
  // argv[0] is a path, or a name that is looked for in /usr/sbin, /usr/bin, /sbin and /bin.
  std::vector<std::string> argv;
  std::string input;
  Duration timeout = absl::Seconds(5);
  // Of standard output and of standard error each; what goes beyond is thrown away and noted.
  size_t output_limit_bytes = size_t{256} * 1024;
};

struct CommandResult {
  int exit_status = 0;  // meaningful when `signal` is 0
  int signal = 0;       // that it died of
  std::string out;
  std::string err;
  bool truncated = false;

  bool ok() const { return signal == 0 && exit_status == 0; }
  // "exited with status 2: <last line of its standard error>", for people.
  std::string Describe() const;
};

class Command {
 public:
  // DeadlineExceeded: it ran for longer than `timeout` and was killed.
  using Done = std::function<void(absl::StatusOr<CommandResult>)>;

  // `done` is called once, on the loop, never from within Start(); it may destroy the command.
  // NotFound: there is no such program. PermissionDenied: it may not be executed. Unavailable:
  // anything else.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Command>> Start(EventLoop* loop,
                                                                      CommandSpec spec, Done done);
  // Kills the program and its process group if it still runs; `done` is then not called.
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  pid_t pid() const { return pid_; }

 private:
  struct Output {
    int fd = -1;
    EventLoop::Handle watch;
    std::string text;
  };

  Command(EventLoop* loop, const CommandSpec& spec, Done done);
  absl::Status Spawn(const CommandSpec& spec);
  void Watch(Output* output);
  // Reads what is there, without waiting.
  void Read(Output* output);
  static void Close(Output* output);
  void OnExit();
  void OnTimeout();
  void Kill();
  bool Reap();
  void Finish(absl::StatusOr<CommandResult> result);

  EventLoop* const loop_;
  const std::string program_;
  const Duration timeout_;
  const size_t output_limit_bytes_;
  Done done_;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  bool reaped_ = false;
  bool timed_out_ = false;
  CommandResult result_;
  Output out_;
  Output err_;
  EventLoop::Handle exit_;
  EventLoop::Handle timer_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_COMMAND_H_
