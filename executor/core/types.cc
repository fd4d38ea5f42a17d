#include "executor/core/types.h"

namespace hb::executor {

const char* ToString(ServiceStatus::State state) {
  switch (state) {
    case ServiceStatus::State::kStopped:
      return "stopped";
    case ServiceStatus::State::kStarting:
      return "starting";
    case ServiceStatus::State::kRunning:
      return "running";
    case ServiceStatus::State::kFailing:
      return "failing";
    case ServiceStatus::State::kStopping:
      return "stopping";
    case ServiceStatus::State::kFailed:
      return "failed";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, const ServiceStatus& status) {
  out << ToString(status.state);
  if (!status.detail.empty()) out << " (" << status.detail << ")";
  return out;
}

}  // namespace hb::executor
