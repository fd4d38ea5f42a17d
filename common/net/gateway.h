// The next hop of the default route.
#ifndef HB_COMMON_NET_GATEWAY_H_
#define HB_COMMON_NET_GATEWAY_H_

#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "common/net/netlink.h"

namespace hb {

// Of the default route with the lowest metric in the main table, IPv4 first. NotFound where there
// is none; Unavailable when the kernel does not give its routes.
// A link-local IPv6 next hop is returned as it is: the address alone does not say on which link.
[[nodiscard]] absl::StatusOr<IpAddress> DefaultGateway(NetlinkRequester* requester);
// On a socket of its own.
[[nodiscard]] absl::StatusOr<IpAddress> DefaultGateway();

}  // namespace hb

#endif  // HB_COMMON_NET_GATEWAY_H_
