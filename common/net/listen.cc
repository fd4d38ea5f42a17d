#include "common/net/listen.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace hb {

absl::Status CheckListen(const IpAddress& address, uint16_t port) {
  sockaddr_storage name{};
  const socklen_t length = address.ToSockaddr(port, &name);
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::UnavailableError(absl::StrCat("socket: ", std::strerror(errno)));
  const absl::Cleanup closer = [fd] { close(fd); };
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&name), length) == 0 && listen(fd, 1) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  std::string text = absl::StrCat("cannot listen on ", address.ToStringWithPort(port), ": ");
  if (error == EADDRINUSE) {
    absl::StrAppend(&text, "address in use; another program has the port (ss -ltnp sport = :", port,
                    " shows which)");
  } else if (error == EADDRNOTAVAIL) {
    absl::StrAppend(&text,
                    "no interface of this host has the address; mend `listen`, or wait for the "
                    "network");
  } else {
    absl::StrAppend(&text, std::strerror(error));
  }
  return absl::UnavailableError(text);
}

}  // namespace hb
