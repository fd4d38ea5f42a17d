// A directory of a host on a disk of its own that is small enough to be full: the state of a daemon
// lives there.
#ifndef HB_TESTS_LAB_SMALL_DISK_H_
#define HB_TESTS_LAB_SMALL_DISK_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/lab/host.h"

namespace hb::lab {

class SmallDisk {
 public:
  // Mounts an empty disk of 16 MiB at `path` (made if it is not there; what lies in it is hidden),
  // which belongs to `owner`. Before the daemon starts. It goes with the host.
  [[nodiscard]] static absl::StatusOr<SmallDisk> Mount(Host* host, std::string path,
                                                       uid_t owner = 0);

  // Not one page more can be written, by root neither. What a file already has can be overwritten.
  [[nodiscard]] absl::Status Fill();
  // What Fill took is free again.
  [[nodiscard]] absl::Status Free();

 private:
  SmallDisk(Host* host, std::string path) : host_(host), path_(std::move(path)) {}

  Host* host_;
  std::string path_;
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_SMALL_DISK_H_
