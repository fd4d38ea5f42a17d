// The next hop of the default route, from a netlink dump of the main routing table. Part of
// LinuxHost. It refuses to guess: a default route without a next hop (point to point) gives none.
#ifndef HB_EXECUTOR_HOST_GATEWAY_H_
#define HB_EXECUTOR_HOST_GATEWAY_H_

#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "executor/host/netlink.h"

namespace hb::executor {

// As Host::DefaultGateway. A link-local IPv6 next hop is returned as it is: the address alone does
// not say on which link. Unavailable when the kernel does not give its routes.
[[nodiscard]] absl::StatusOr<IpAddress> FindDefaultGateway(NetlinkRequester* requester);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_GATEWAY_H_
