// Brings the gate's programs and map (gate.bpf.c, embedded in this binary) into the kernel and pins
// them under a directory of a BPF file system, so that they outlive this process; finds the pins of
// an earlier one again, entries included. Part of Gate. It attaches nothing to an interface.
#ifndef HB_EXECUTOR_HOST_GATE_PROGRAM_H_
#define HB_EXECUTOR_HOST_GATE_PROGRAM_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executor/host/service/unique_fd.h"

namespace hb::executor {

struct GateProgram {
  UniqueFd fd;
  uint32_t id = 0;  // the kernel's number for it
};

struct LoadedGate {
  UniqueFd map;
  GateProgram incoming;
  GateProgram outgoing;
};

// Where the pins of `directory` really are: a BPF file system takes no '.' in a name, so its last
// part is written with '%' for each.
std::string GatePinDirectory(const std::string& directory);

// Makes the directory if it is not there. A pinned map is taken over with its entries; pinned
// programs are when they are the ones of this build, else this build's take their place (those that
// are attached go on until they are replaced on their interface). FailedPrecondition: the directory
// lies on no BPF file system, the map is of another layout, the kernel cannot run the program;
// PermissionDenied: a capability is missing; Unavailable: another refusal.
[[nodiscard]] absl::StatusOr<LoadedGate> LoadGate(const std::string& directory);

// The pinned programs, if any.
std::set<uint32_t> PinnedGatePrograms(const std::string& directory);

// Removes the pins and the directory. Ok when there are none.
[[nodiscard]] absl::Status RemoveGatePins(const std::string& directory);

// What a kernel means that refused to load the gate with `error` (an errno) and said `words`.
absl::Status GateLoadError(int error, const std::string& words);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_GATE_PROGRAM_H_
