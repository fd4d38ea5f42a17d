// Runs programs, inside the namespaces of a host of the lab or outside: argv only, never a shell.
// Safe to use from a process with many threads: between fork and exec the child makes nothing but
// system calls. A program that could not be started is an error with the step and errno; one that
// ran and failed is a result.
#ifndef HB_TESTS_LAB_PROGRAM_H_
#define HB_TESTS_LAB_PROGRAM_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/time.h"
#include "tests/lab/proc.h"

namespace hb::lab {

// Where a program runs. A descriptor that is not valid: as the caller.
struct Namespaces {
  UniqueFd mount;
  UniqueFd network;
  UniqueFd pid;
  UniqueFd uts;
  UniqueFd ipc;

  // Those of a process. NotFound when it is gone.
  [[nodiscard]] static absl::StatusOr<Namespaces> Of(pid_t pid);
};

struct ProgramOptions {
  std::vector<std::string> environment = {};  // "KEY=VALUE", beside the caller's own environment
  uid_t user = 0;                             // and the group of the same number, no other groups
  std::vector<int> ambient_capabilities =
      {};                        // CAP_NET_RAW ...: all that a user other than root has
  std::string input = {};        // what it reads on standard input (at most 64 KiB)
  std::string output_file = {};  // Start: standard output and error are appended; empty: dropped
  // Start: the process is nobody's child but the host's: it is not waited for, and its exit status
  // is not known.
  bool detached = false;
  bool terminal = false;  // Start: keeps the caller's standard streams and session
};

struct RunResult {
  int status = 0;      // exit status; 128 + signal when a signal ended it
  std::string output;  // standard output and error as they came

  bool ok() const { return status == 0; }
};

// A program that runs. Not thread-safe. Destroyed while it runs, it goes on running.
class Process {
 public:
  // Takes hold of a process that somebody else started. NotFound when it is gone.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Process>> Attach(const ProcessId& id);

  pid_t pid() const { return id_.pid; }  // as the lab's process sees it
  const ProcessId& id() const { return id_; }

  bool Running();

  // All of these: Ok, or NotFound when it has ended.
  [[nodiscard]] absl::Status Signal(int signal);
  [[nodiscard]] absl::Status Kill();      // SIGKILL; returns when it has ended
  [[nodiscard]] absl::Status Stop();      // SIGSTOP; returns when it stands still
  [[nodiscard]] absl::Status Continue();  // SIGCONT

  // The exit status (128 + signal for a signal; of a process that was attached to: always 0).
  // DeadlineExceeded when it runs on.
  [[nodiscard]] absl::StatusOr<int> Wait(Duration limit);

 private:
  friend absl::StatusOr<std::unique_ptr<Process>> StartProgram(const std::vector<std::string>&,
                                                               const ProgramOptions&,
                                                               const Namespaces*);
  Process(ProcessId id, UniqueFd pidfd, bool child);

  const ProcessId id_;
  UniqueFd pidfd_;
  const bool child_;
  bool ended_ = false;
  int status_ = 0;
};

// Starts a program and leaves it running. `inside` may be null.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Process>> StartProgram(
    const std::vector<std::string>& argv, const ProgramOptions& options, const Namespaces* inside);

// Runs a program to its end. DeadlineExceeded (it is killed, the message has its output) after
// `limit`. Output past 1 MiB is dropped.
[[nodiscard]] absl::StatusOr<RunResult> RunProgram(const std::vector<std::string>& argv,
                                                   const ProgramOptions& options,
                                                   const Namespaces* inside, Duration limit);

// As RunProgram outside of every host; a program that fails is an error, too (Internal, with its
// output).
[[nodiscard]] absl::Status RunOrFail(const std::vector<std::string>& argv,
                                     const std::string& input = "");

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_PROGRAM_H_
