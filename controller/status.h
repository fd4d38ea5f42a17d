// The status that hbctl shows, from what the cores know.
#ifndef HB_CONTROLLER_STATUS_H_
#define HB_CONTROLLER_STATUS_H_

#include <string>

#include "controller/controller.h"
#include "hb/v1/controller.pb.h"

namespace hb::controller {

// `cluster` empty: all.
v1::Status MakeStatus(const Controller& controller, const std::string& cluster);

v1::Event MakeEvent(const StoredEvent& event);

}  // namespace hb::controller

#endif  // HB_CONTROLLER_STATUS_H_
