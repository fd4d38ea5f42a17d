// Starts a program as the leader of a session of its own, without a shell, from a process that has
// threads. The child runs nothing but async-signal-safe calls until exec, and waits before it for
// Release(), so that its parent can first write down whom it started. Waiting for it and ending it
// are the caller's.
#ifndef HB_EXECUTOR_HOST_SERVICE_SPAWN_H_
#define HB_EXECUTOR_HOST_SERVICE_SPAWN_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executor/host/service/unique_fd.h"

namespace hb::executor {

struct SpawnRequest {
  std::vector<std::string> argv;  // not empty; argv[0] is a path
  // Added to PATH and LANG=C, or instead of them.
  std::map<std::string, std::string> environment;
  std::string
      output;  // appended to, made with mode 0640; empty: the caller's own stdout and stderr
};

struct Spawned {
  pid_t pid = 0;
  UniqueFd pidfd;
  // Readable when the program runs or could not be started: ask SpawnOutcome(). Closed unreleased,
  // the child ends without having run anything.
  UniqueFd channel;
};

// Unavailable: the kernel refuses (processes, descriptors). The child: / as directory, umask 022,
// stdin /dev/null, every signal at its default and none blocked, no other descriptor.
[[nodiscard]] absl::StatusOr<Spawned> Spawn(const SpawnRequest& request);

// Lets the child go on to exec.
[[nodiscard]] absl::Status Release(const Spawned& child);

// Once `channel` is readable: Ok when the program runs (or its process was killed before: the pidfd
// tells); Unavailable "can't start /usr/sbin/httpd: No such file or directory" when it can't, the
// child then exits. Nothing when the outcome is not known yet.
[[nodiscard]] std::optional<absl::Status> SpawnOutcome(const SpawnRequest& request,
                                                       const UniqueFd& channel);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_SPAWN_H_
