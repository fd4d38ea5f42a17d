// The three questions that the meter asks again and again, each over sockets of its own: who has
// the VIP (ARP), is it there (ICMP echo), does the site work (HTTP). They belong to the meter's
// event loop and are created on its thread, which is in the client's network namespace by then.
// They note; they judge nothing.
#ifndef HB_TESTS_LAB_PROBES_H_
#define HB_TESTS_LAB_PROBES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "tests/lab/request_log.h"

namespace hb::lab {

class Probe {
 public:
  virtual ~Probe() = default;
  // Notes the answers that have come, and asks once more. Never blocks.
  virtual void Ask(MonoTime now) = 0;
  // Questions that may still be answered or fail.
  virtual size_t pending() const { return 0; }
};

// An ARP request from `asker` (no address of the client's, so that what the client's own stack
// knows of its neighbours is not touched) to all. An answer is a reply from the VIP that is
// directed to the asker; it is counted for the last request. `name_of` turns a MAC into the node's
// name.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Probe>> MakeArpProbe(
    EventLoop* loop, const std::string& interface, const IpAddress& vip, const IpAddress& asker,
    std::function<std::string(std::string_view)> name_of, RequestLog* log);

// An echo request by the client's own stack (its routes, its ARP table). Who answered is not known.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Probe>> MakeIcmpProbe(EventLoop* loop,
                                                                   const IpAddress& vip,
                                                                   RequestLog* log);

struct HttpProbeOptions {
  IpAddress vip;
  uint16_t port = 80;
  std::string path = "/";
  Duration timeout = absl::Milliseconds(900);  // for all of it
  size_t max_in_flight = 1000;                 // what would go beyond fails at once
};

// A GET over a TCP connection of its own, which is closed by reset, so that it leaves no TIME_WAIT.
// An answer is a whole response with a status from 200 to 399; the node is what its X-Served-By
// says.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Probe>> MakeHttpProbe(EventLoop* loop,
                                                                   const HttpProbeOptions& options,
                                                                   RequestLog* log);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_PROBES_H_
