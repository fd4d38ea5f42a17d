#include "controller/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/log.h"

namespace hb::controller {

std::string FormatEventLine(const StoredEvent& event) {
  static constexpr const char* kSeverity[] = {"info", "warning", "error"};
  std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", event.time, absl::UTCTimeZone()), " ",
                   kSeverity[event.severity], " cluster=", QuoteLogValue(event.cluster),
                   " event=", QuoteLogValue(event.type));
  if (!event.node.empty()) absl::StrAppend(&line, " node=", QuoteLogValue(event.node));
  absl::StrAppend(&line, " epoch=", event.epoch, " reason=", QuoteLogValue(event.reason));
  if (!event.detail.empty()) absl::StrAppend(&line, " detail=", QuoteLogValue(event.detail));
  return line;
}

EventLog::~EventLog() {
  if (fd_ >= 0) close(fd_);
}

absl::Status EventLog::Open() {
  fd_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
  if (fd_ >= 0) return absl::OkStatus();
  const int error = errno;
  return absl::UnavailableError(absl::StrCat(
      "event log ", path_, ": ", std::strerror(error),
      error == EACCES ? ": make the file beforehand and give it to the controller's user" : ""));
}

absl::Status EventLog::Reopen() {
  if (path_.empty()) return absl::OkStatus();
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  return Open();
}

absl::Status EventLog::Append(const StoredEvent& event) {
  if (path_.empty()) return absl::OkStatus();
  if (fd_ < 0) {
    if (absl::Status status = Open(); !status.ok()) return status;
  }
  const std::string line = FormatEventLine(event) + "\n";
  const ssize_t written = write(fd_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "event log ", path_, ": ", written < 0 ? std::strerror(errno) : "only part was written"));
}

}  // namespace hb::controller
