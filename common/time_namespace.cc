// Reads /proc/self/timens_offsets: "CLOCK SECONDS NANOSECONDS" a line, the clock by name or, in the
// first kernels that had it, by number.
#include "common/time_namespace.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hb {
namespace {

constexpr char kFile[] = "/proc/self/timens_offsets";
constexpr char kWhy[] =
    "; leases are counted on the host's own boot clock, and the kernel's gate knows no offsets: "
    "run it in the host's time namespace, or in one without offsets";

absl::Status Unreadable() {
  return absl::UnavailableError(absl::StrCat("reading ", kFile, ": ", std::strerror(errno)));
}

}  // namespace

absl::Status CheckTimeOffsets(std::string_view text) {
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.empty()) continue;
    std::string clock = words[0];
    if (clock == "1") clock = "monotonic";
    if (clock == "7") clock = "boottime";
    if (clock != "monotonic" && clock != "boottime") continue;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    if (words.size() != 3 || !absl::SimpleAtoi(words[1], &seconds) ||
        !absl::SimpleAtoi(words[2], &nanoseconds)) {
      return absl::FailedPreconditionError(
          absl::StrCat(kFile, ": '", line, "' is no offset of a clock", kWhy));
    }
    if (seconds == 0 && nanoseconds == 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("this process runs in a time namespace that shifts its ", clock, " clock by ",
                     seconds, " s ", nanoseconds, " ns (", kFile, ")", kWhy));
  }
  return absl::OkStatus();
}

absl::Status CheckTimeNamespace() {
  const int fd = open(kFile, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? absl::OkStatus() : Unreadable();
  const absl::Cleanup close_fd = [fd] { close(fd); };
  std::string text;
  char buffer[512];
  ssize_t count = 0;
  while ((count = read(fd, buffer, sizeof buffer)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unreadable();
    text.append(buffer, static_cast<size_t>(count));
  }
  return CheckTimeOffsets(text);
}

}  // namespace hb
