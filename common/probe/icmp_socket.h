// A non-blocking socket that speaks ICMP echo for one address family: it opens whichever kind of
// socket the process may have, builds requests, and turns what arrives (answers, and the kernel's
// error queue) into plain values. For common/probe/icmp.cc alone, which knows who waits for what;
// nothing here waits or calls back, and nothing that arrives is trusted beyond its form.
#ifndef HB_COMMON_PROBE_ICMP_SOCKET_H_
#define HB_COMMON_PROBE_ICMP_SOCKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"

namespace hb {

inline constexpr size_t kEchoPayloadBytes = 16;
using EchoPayload = std::array<uint8_t, kEchoPayloadBytes>;

class EchoSocket {
 public:
  struct Message {
    enum class Kind { kReply, kError, kNotOurs };
    Kind kind = Kind::kNotOurs;
    IpAddress address;  // who answered, or whom the failed request was for
    uint16_t sequence = 0;
    EchoPayload payload{};              // kError: the part that the error quotes
    size_t payload_bytes = 0;           // how much of it there is; kReply: always all
    int error = 0;                      // kError: the errno
    std::optional<IpAddress> reporter;  // kError: the host that said so
  };

  // `family` is AF_INET or AF_INET6. PermissionDenied when the process may open neither kind of
  // socket, Unavailable when the kernel has no such family or no descriptor left.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<EchoSocket>> Open(int family);
  ~EchoSocket();
  EchoSocket(const EchoSocket&) = delete;
  EchoSocket& operator=(const EchoSocket&) = delete;

  int fd() const { return fd_; }

  // Returns 0 or the errno. An error of an earlier request is never taken for one of this.
  [[nodiscard]] int Send(const IpAddress& to, uint16_t sequence, const EchoPayload& payload) const;
  // The next thing that waits, errors first; nullopt when nothing does.
  [[nodiscard]] std::optional<Message> Receive() const;

 private:
  EchoSocket(int fd, int family, bool raw, uint16_t id)
      : fd_(fd), family_(family), raw_(raw), id_(id) {}
  [[nodiscard]] absl::Status SetOptions() const;
  [[nodiscard]] absl::Status FilterReplies() const;
  [[nodiscard]] std::optional<Message> ReceiveError() const;
  Message ParseReply(const uint8_t* data, size_t size, const IpAddress& from) const;

  const int fd_;
  const int family_;
  const bool raw_;
  const uint16_t id_;  // of a raw socket's requests; the kernel chooses a ping socket's
};

}  // namespace hb

#endif  // HB_COMMON_PROBE_ICMP_SOCKET_H_
