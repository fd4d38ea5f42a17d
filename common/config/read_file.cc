// open(2) and read(2) rather than a stream: what went wrong is told with errno's text, a directory
// included.
#include "common/config/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/config/yaml_node.h"

namespace hb {

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be opened"));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  std::string text;
  std::string buffer(size_t{64} << 10, '\0');
  while (true) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
    if (n == 0) return text;
    text.append(buffer, 0, static_cast<size_t>(n));
    if (text.size() > kMaxConfigBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":1:1: larger than ", kMaxConfigBytes >> 20, " MiB"));
    }
  }
}

}  // namespace hb
