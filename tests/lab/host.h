// One host of the lab as a test sees it: run programs on it, keep daemons by name, read and write
// its files, kill what lives on it. A handle on the holder's namespaces; the network between hosts
// is lab.h's.
#ifndef HB_TESTS_LAB_HOST_H_
#define HB_TESTS_LAB_HOST_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "tests/lab/proc.h"
#include "tests/lab/program.h"

namespace hb::lab {

// What a host is before it is started.
struct HostSpec {
  std::string name;           // "master"
  std::string net_name = {};  // "<prefix>-master", as `ip netns` shows it
  IpAddress address = {};     // 192.168.0.1; not meaningful for the bridge's own namespace
  IpAddress address6 = {};    // fd00:68:62::1
  std::string mac = {};       // "02:68:62:00:00:01"
};

// Not thread-safe; several threads may use several hosts.
class Host {
 public:
  // `directory`: the lab's, where outputs and pid files lie.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Host>> Create(HostSpec spec,
                                                                    const ProcessId& holder,
                                                                    std::string directory);
  const HostSpec& spec() const { return spec_; }
  const std::string& name() const { return spec_.name; }
  const ProcessId& holder() const { return holder_; }
  const Namespaces& namespaces() const { return namespaces_; }

  // Runs a program on the host to its end. DeadlineExceeded after `limit` (it is killed).
  [[nodiscard]] absl::StatusOr<RunResult> Run(const std::vector<std::string>& argv,
                                              Duration limit = absl::Seconds(20),
                                              const std::string& input = "");
  // The same, and a status other than 0 is an error (Internal) with the output in its message.
  [[nodiscard]] absl::Status RunOk(const std::vector<std::string>& argv,
                                   Duration limit = absl::Seconds(20),
                                   const std::string& input = "");

  // Starts a daemon and keeps it as `name` until it has ended or the lab is taken down. Its output
  // goes to output_file(name) unless the options say otherwise. AlreadyExists while one of this
  // name runs. The host owns the process; the pointer is good until the name is spawned anew.
  [[nodiscard]] absl::StatusOr<Process*> Spawn(const std::string& name,
                                               const std::vector<std::string>& argv,
                                               ProgramOptions options = {});
  // A daemon that Spawn() started, by this Host or by another one of the same lab. NotFound
  // otherwise.
  [[nodiscard]] absl::StatusOr<Process*> Find(const std::string& name);
  std::string output_file(const std::string& name) const;
  // What it has printed so far; empty when there is nothing.
  std::string Output(const std::string& name) const;
  // The names of all daemons that were ever spawned here, running or not.
  std::vector<std::string> SpawnedNames() const;

  // Files as the host sees them; a symbolic link never leads out of the host. `path` is absolute.
  [[nodiscard]] absl::Status MakeDirectory(
      const std::string& path, mode_t mode = 0755,
      uid_t owner = 0);  // and its parents; Ok when it is there
  [[nodiscard]] absl::Status WriteFile(const std::string& path, std::string_view content,
                                       mode_t mode = 0644, uid_t owner = 0);
  [[nodiscard]] absl::Status AppendFile(const std::string& path, std::string_view content);
  [[nodiscard]] absl::StatusOr<std::string> ReadFile(const std::string& path) const;
  [[nodiscard]] absl::Status RemoveFile(const std::string& path);
  bool FileExists(const std::string& path) const;

  // The processes on the host that are called `name` (as in /proc/PID/comm: "apache2"), whoever
  // started them; all when it is empty. The holder is not among them.
  std::vector<pid_t> ProcessesNamed(std::string_view name) const;
  // Sends a signal to each of them. NotFound when there is none.
  [[nodiscard]] absl::Status SignalService(std::string_view name, int signal) const;
  // SIGKILL to all of them; returns when they have ended. What is started anew meanwhile is left
  // alone. NotFound when there was none.
  [[nodiscard]] absl::Status KillService(std::string_view name) const;

  // Ends every process on the host but the holder; the network stack stays as it is.
  [[nodiscard]] absl::Status KillAll();

 private:
  Host(HostSpec spec, const ProcessId& holder, std::string directory);
  std::string pid_file(const std::string& name) const;
  absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0) const;

  const HostSpec spec_;
  const ProcessId holder_;
  const std::string directory_;
  Namespaces namespaces_;
  ino_t net_inode_ = 0;
  UniqueFd root_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_HOST_H_
