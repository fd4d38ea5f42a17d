// Tells why an address can't be listened on; gRPC itself does not say.
#ifndef HB_COMMON_NET_LISTEN_H_
#define HB_COMMON_NET_LISTEN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "common/ip_address.h"

namespace hb {

// Ok when this process could listen there now. Unavailable otherwise, with place, errno text and
// remedy.
[[nodiscard]] absl::Status CheckListen(const IpAddress& address, uint16_t port);

}  // namespace hb

#endif  // HB_COMMON_NET_LISTEN_H_
