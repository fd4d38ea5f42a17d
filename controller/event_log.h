// The event log file for people (`event_log:` in the config): one line an event, appended with one
// write, reopened on request (log rotation). A file that can't be written is said once in the
// daemon's own log and tried again with each event.
#ifndef HB_CONTROLLER_EVENT_LOG_H_
#define HB_CONTROLLER_EVENT_LOG_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "controller/store/store.h"

namespace hb::controller {

// "2026-11-23T00:43:26.123Z warning cluster=web event=service_down node=master epoch=7
// reason="Master apache service is down" detail="killed by signal 9"", without a line break.
std::string FormatEventLine(const StoredEvent& event);

class EventLog {
 public:
  // `path` empty: there is none, and all calls do nothing.
  explicit EventLog(std::string path) : path_(std::move(path)) {}
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  [[nodiscard]] absl::Status Append(const StoredEvent& event);
  // Closes the file and opens it anew by its name, at once.
  [[nodiscard]] absl::Status Reopen();

 private:
  absl::Status Open();

  const std::string path_;
  int fd_ = -1;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_EVENT_LOG_H_
