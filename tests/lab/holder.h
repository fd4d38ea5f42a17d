// The process that is a host of the lab: first process of namespaces of its own (network, mount,
// pid, host name, IPC), whose end is the end of every process of the host, by the kernel's own
// doing. It lays out what the host sees: /etc and /var as private overlays, /run, /proc, /sys and
// /sys/fs/bpf of its own. It does nothing else, and knows nothing of networks: lab.cc wires them.
#ifndef HB_TESTS_LAB_HOLDER_H_
#define HB_TESTS_LAB_HOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/lab/proc.h"

namespace hb::lab {

struct HolderOptions {
  std::string host_name;
  std::string net_name;  // its network namespace's name, as `ip netns` shows it
  // The holder ends, and takes the name away, when the other end of this pipe closes. -1: it stays.
  int lifeline = -1;
};

// Starts a holder and names its network namespace. On failure nothing is left behind.
[[nodiscard]] absl::StatusOr<ProcessId> StartHolder(const HolderOptions& options);

// Ends the holder (and so every process of the host) and removes the name.
[[nodiscard]] absl::Status EndHolder(const ProcessId& holder, const std::string& net_name);

// Removes a network namespace's name after killing every process that lives in it; Ok when there is
// none.
[[nodiscard]] absl::Status RemoveNetName(const std::string& net_name);

// Where `ip netns` keeps the name.
std::string NetNamePath(const std::string& net_name);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_HOLDER_H_
