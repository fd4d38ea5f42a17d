// What is kept of a started process so that a restarted executor finds it again, and what /proc
// tells of processes. A pid alone says nothing: together with the time of its start and the boot it
// names one process. Reads and writes small files; ends no process.
#ifndef HB_EXECUTOR_HOST_SERVICE_PROCESS_RECORD_H_
#define HB_EXECUTOR_HOST_SERVICE_PROCESS_RECORD_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hb::executor {

// /proc/PID/stat, of which this much is needed.
struct ProcessStat {
  pid_t pid = 0;
  char state = '?';
  pid_t group = 0;
  pid_t session = 0;
  uint64_t start_time = 0;  // clock ticks since boot

  // Has ended, though its parent may not have asked for it yet.
  bool dead() const { return state == 'Z' || state == 'X' || state == 'x'; }
};

// InvalidArgument: not of that form.
[[nodiscard]] absl::StatusOr<ProcessStat> ParseProcessStat(std::string_view text);
// NotFound: no such process.
[[nodiscard]] absl::StatusOr<ProcessStat> ReadProcessStat(pid_t pid);
// Where /proc/PID/exe points to, without " (deleted)"; empty when it can't be told.
std::string ProcessExecutable(pid_t pid);

// Whether the process has a handler for `signal`; false when that can't be told.
bool ProcessCatches(pid_t pid, int signal);

// The processes of a group that are not dead. Looks through all of /proc.
std::vector<ProcessStat> LivingMembers(pid_t group);

struct ProcessRecord {
  pid_t pid = 0;
  uint64_t start_time = 0;
  std::string boot_id;
  std::string executable;  // empty until it has been seen running

  std::string Format() const;
  // InvalidArgument says what is wrong with it.
  [[nodiscard]] static absl::StatusOr<ProcessRecord> Parse(std::string_view text);
  friend bool operator==(const ProcessRecord&, const ProcessRecord&) = default;
};

[[nodiscard]] absl::StatusOr<std::string> BootId();

// NotFound: there is no such file. InvalidArgument: corrupt.
[[nodiscard]] absl::StatusOr<ProcessRecord> ReadRecord(const std::string& path);
// Replaces the file at once or not at all. It is not synced: after a crash of the machine it says
// nothing.
[[nodiscard]] absl::Status WriteRecord(const std::string& path, const ProcessRecord& record);
// Ok when there is none.
[[nodiscard]] absl::Status RemoveRecord(const std::string& path);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_PROCESS_RECORD_H_
