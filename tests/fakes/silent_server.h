// A TCP port on loopback that takes connections and never says a word.
#ifndef HB_TESTS_FAKES_SILENT_SERVER_H_
#define HB_TESTS_FAKES_SILENT_SERVER_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace hb {

class SilentServer {
 public:
  SilentServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof name;
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    if (bind(fd_, address, length) == 0 && listen(fd_, SOMAXCONN) == 0 &&
        getsockname(fd_, address, &length) == 0) {
      address_ = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    }
  }
  ~SilentServer() { close(fd_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  // ADDRESS:PORT; empty if there is no port to be had.
  const std::string& address() const { return address_; }

 private:
  const int fd_;
  std::string address_;
};

}  // namespace hb

#endif  // HB_TESTS_FAKES_SILENT_SERVER_H_
