// A socket for rtnetlink(7) requests that are answered at once: one request, its acknowledgement or
// its dump, the kernel's own words in the error. Under the address and route code of the host;
// libnl builds and parses the messages. It refuses to wait longer than a second for an answer, and
// it listens to no notifications (address.cc does, on a socket of its own).
#ifndef HB_COMMON_NET_NETLINK_H_
#define HB_COMMON_NET_NETLINK_H_

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hb {

struct NetlinkMessageDeleter {
  void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using NetlinkMessage = std::unique_ptr<nl_msg, NetlinkMessageDeleter>;

// An empty message of `type` (RTM_NEWADDR, ...) with `header` (ifaddrmsg, ...) as its fixed part.
template <typename Header>
NetlinkMessage MakeNetlinkMessage(int type, int flags, Header header) {
  NetlinkMessage message(nlmsg_alloc_simple(type, flags));
  if (message != nullptr) nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
  return message;
}

// The socket's lifetime; shared with the notification socket.
struct NetlinkSocketDeleter {
  void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
using NetlinkSocketPtr = std::unique_ptr<nl_sock, NetlinkSocketDeleter>;

// A connected NETLINK_ROUTE socket. Unavailable when the kernel refuses it.
[[nodiscard]] absl::StatusOr<NetlinkSocketPtr> OpenRouteSocket();

class NetlinkRequester {
 public:
  // What the kernel answered: 0, or the errno, with its own explanation where it gave one.
  struct Answer {
    int error = 0;
    std::string text;

    bool ok() const { return error == 0; }
    // NotFound for ENODEV, PermissionDenied for EPERM, Unavailable otherwise; `what` comes first.
    [[nodiscard]] absl::Status ToStatus(std::string_view what) const;
  };
  using OnMessage = std::function<void(const nlmsghdr&)>;

  [[nodiscard]] static absl::StatusOr<std::unique_ptr<NetlinkRequester>> Create();

  // Sends `message` with NLM_F_REQUEST | NLM_F_ACK and waits for the acknowledgement; answers to a
  // GET request go to `on_message`.
  Answer Request(NetlinkMessage message, const OnMessage& on_message = nullptr);

  // Sends `message` as a dump. The messages are handed over only once the dump was complete and
  // consistent; one that the kernel interrupted is asked again, five times at most.
  Answer Dump(int type, const void* header, size_t header_bytes, const OnMessage& on_message);

  // What the kernel's notifications give as the source of a change that was requested here.
  uint32_t port() const;

 private:
  explicit NetlinkRequester(NetlinkSocketPtr socket);
  Answer Exchange(nl_msg* message, const OnMessage& on_message, bool* interrupted);

  NetlinkSocketPtr socket_;
  std::vector<char> buffer_;
};

}  // namespace hb

#endif  // HB_COMMON_NET_NETLINK_H_
