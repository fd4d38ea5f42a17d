// What hbctl talks to: hb.v1.Controller over gRPC, with reflection and grpc.health.v1. Its reactors
// decode and post to the loop; the answers are made there.
#ifndef HB_CONTROLLER_ADMIN_SERVICE_H_
#define HB_CONTROLLER_ADMIN_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "controller/controller.h"

namespace hb::controller {

class AdminServer {
 public:
  // Listens on each of `addresses` ("unix:///path" or "ADDRESS:PORT"). A socket file that nobody
  // serves is replaced. Unavailable: one can't be listened on; the message says which and why, and
  // none is.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<AdminServer>> Start(
      EventLoop* loop, Controller* controller, const std::vector<std::string>& addresses);
  // On the loop's thread, before or after the controller goes. Ends all calls, also those that the
  // loop has not taken up and those that the controller has yet to answer: UNAVAILABLE.
  virtual ~AdminServer() = default;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_ADMIN_SERVICE_H_
