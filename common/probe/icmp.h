// Pings hosts (ICMP echo, RFC 792 and RFC 4443). A ping socket (icmp(7), net.ipv4.ping_group_range)
// where the process may open one, a raw socket (CAP_NET_RAW) otherwise; one socket a family serves
// any number of hosts.
#ifndef HB_COMMON_PROBE_ICMP_H_
#define HB_COMMON_PROBE_ICMP_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/probe/result.h"
#include "common/time.h"

namespace hb {

class IcmpProber {
 public:
  // An echo request that waits for its answer; destroying it forgets it, and its callback is not
  // called.
  class Ping;
  struct PingDeleter {
    void operator()(Ping* ping) const;
  };
  using PingHandle = std::unique_ptr<Ping, PingDeleter>;

  // PermissionDenied when neither kind of socket may be opened for IPv4; the message says what
  // would help. A missing IPv6 only makes IPv6 pings fail.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<IcmpProber>> Create(EventLoop* loop);
  virtual ~IcmpProber() = default;

  // Sends one echo request with a random payload, of which the answer must be a copy, and calls
  // `done` once on the loop, never from within Start: with the round trip, or after `timeout`, or
  // at once when the kernel says that the host can't be reached.
  [[nodiscard]] virtual PingHandle Start(const IpAddress& address, Duration timeout,
                                         std::function<void(ProbeResult)> done) = 0;
};

}  // namespace hb

#endif  // HB_COMMON_PROBE_ICMP_H_
