// Reads a config file from the disk, whole, and no more than a config file has. It looks at nothing
// in it.
#ifndef HB_COMMON_CONFIG_READ_FILE_H_
#define HB_COMMON_CONFIG_READ_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace hb {

// Everything that `path` gives: a file, or a pipe (read to its end). The message names the path and
// the errno text, the code follows errno (NotFound, PermissionDenied, FailedPrecondition for a
// directory); InvalidArgument when there is more than kMaxConfigBytes of it.
[[nodiscard]] absl::StatusOr<std::string> ReadConfigFile(const std::string& path);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_READ_FILE_H_
