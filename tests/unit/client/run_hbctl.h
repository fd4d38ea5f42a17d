// Runs the real hbctl as a child process and takes what it writes, on a pipe or on a terminal of
// its own. Nothing here waits for ever: after 20 s a child is killed and its exit code reads -1.
#ifndef HB_TESTS_UNIT_CLIENT_RUN_HBCTL_H_
#define HB_TESTS_UNIT_CLIENT_RUN_HBCTL_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace hb::client {

struct RunOptions {
  std::vector<std::string> environment =
      {};                        // "NAME=VALUE"; beside it only PATH, TZ=UTC and TERM=xterm
  bool terminal = false;         // standard output is a terminal of 100 columns
  std::string output_file = {};  // standard output is this file
  // Without the capability that lets root pass by a file's permissions.
  bool obey_permissions = false;
};

struct RunResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class RunningHbctl {
 public:
  explicit RunningHbctl(const std::vector<std::string>& arguments, const RunOptions& options = {});
  ~RunningHbctl();  // kills the child if it still runs
  RunningHbctl(const RunningHbctl&) = delete;
  RunningHbctl& operator=(const RunningHbctl&) = delete;

  // Reads until `text` stands in standard output; false when hbctl ends, or the time is over,
  // before.
  bool WaitForOutput(const std::string& text);
  // Waits for the end.
  RunResult Finish();

 private:
  bool ReadSome();  // false: both ends are closed, or the time is over

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  RunResult result_;
};

RunResult RunHbctl(const std::vector<std::string>& arguments, const RunOptions& options = {});

}  // namespace hb::client

#endif  // HB_TESTS_UNIT_CLIENT_RUN_HBCTL_H_
