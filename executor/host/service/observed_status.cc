// See observed_status.h. The announcement is a timer that is due at once: unlike a posted function,
// it is cancelled with its owner.
#include "executor/host/service/observed_status.h"

#include <utility>

namespace hb::executor {

void ObservedStatus::Set(ServiceStatus status) {
  if (status == status_) return;
  status_ = std::move(status);
  if (announcement_.active()) return;
  announcement_ = loop_->After(absl::ZeroDuration(), [this] {
    announcement_.Cancel();
    const std::function<void()> changed = changed_;  // survives `this`
    if (changed) changed();
  });
}

void ObservedStatus::Set(ServiceStatus::State state, std::string detail) {
  Set(ServiceStatus{state, std::move(detail)});
}

}  // namespace hb::executor
