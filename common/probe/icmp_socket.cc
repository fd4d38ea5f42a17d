// The Linux side of ICMP echo: icmp(7), raw(7), ipv6(7) and the error queue of ip(7). A ping socket
// gets its id and its answers' demultiplexing from the kernel; a raw socket sees every answer that
// reaches the host, so a filter in the kernel lets only those with its own id through. Used by
// common/probe/icmp.cc; it keeps no list of requests and decides nothing about them.
#include "common/probe/icmp_socket.h"

#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace hb {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr size_t kPacketBytes = kHeaderBytes + kEchoPayloadBytes;
constexpr uint8_t kEchoReply4 = ICMP_ECHOREPLY;
constexpr uint8_t kEchoReply6 = ICMP6_ECHO_REPLY;

using Packet = std::array<uint8_t, kPacketBytes>;

uint16_t ReadU16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
void WriteU16(uint8_t* p, uint16_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}

// RFC 1071.
uint16_t Checksum(const Packet& packet) {
  uint32_t sum = 0;
  for (size_t i = 0; i < packet.size(); i += 2) sum += ReadU16(&packet[i]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

IpAddress FromSockaddr(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET6) {
    return IpAddress::V6(reinterpret_cast<const sockaddr_in6*>(&from)->sin6_addr);
  }
  return IpAddress::V4(reinterpret_cast<const sockaddr_in*>(&from)->sin_addr);
}

absl::Status CantOpen(int family, int ping_error, int raw_error) {
  const std::string text = absl::StrCat(family == AF_INET ? "ICMP" : "ICMPv6",
                                        ": ping socket: ", std::strerror(ping_error),
                                        "; raw socket: ", std::strerror(raw_error));
  if (raw_error != EPERM && raw_error != EACCES) return absl::UnavailableError(text);
  return absl::PermissionDeniedError(
      absl::StrCat(text,
                   ". Give the process CAP_NET_RAW, or set net.ipv4.ping_group_range so that "
                   "it includes a group of the process"));
}

// Whether an ICMP error says that the host can't be reached; redirects and the like don't.
bool IsUnreachable(const sock_extended_err& error) {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP) {
    return error.ee_type == ICMP_DEST_UNREACH ? error.ee_code != ICMP_FRAG_NEEDED
                                              : error.ee_type == ICMP_TIME_EXCEEDED;
  }
  return error.ee_origin == SO_EE_ORIGIN_ICMP6 &&
         (error.ee_type == ICMP6_DST_UNREACH || error.ee_type == ICMP6_TIME_EXCEEDED);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EchoSocket>> EchoSocket::Open(int family) {
  constexpr int kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  const int protocol = family == AF_INET ? static_cast<int>(IPPROTO_ICMP) : IPPROTO_ICMPV6;
  int fd = socket(family, SOCK_DGRAM | kFlags, protocol);
  const bool raw = fd < 0;
  uint16_t id = 0;
  if (raw) {
    const int ping_error = errno;
    fd = socket(family, SOCK_RAW | kFlags, protocol);
    if (fd < 0) return CantOpen(family, ping_error, errno);
    if (getrandom(&id, sizeof id, 0) != sizeof id) id = static_cast<uint16_t>(getpid());
  }
  std::unique_ptr<EchoSocket> result(new EchoSocket(fd, family, raw, id));
  absl::Status status = result->SetOptions();
  if (status.ok() && raw) status = result->FilterReplies();
  if (!status.ok()) return status;
  return result;
}

EchoSocket::~EchoSocket() { close(fd_); }

absl::Status EchoSocket::SetOptions() const {
  const int on = 1;
  if (setsockopt(fd_, family_ == AF_INET ? static_cast<int>(IPPROTO_IP) : IPPROTO_IPV6,
                 family_ == AF_INET ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on) != 0) {
    return absl::UnavailableError(absl::StrCat("ICMP: RECVERR: ", std::strerror(errno)));
  }
  // Room for many hosts at a time: a request to a host that does not answer ARP keeps its share of
  // the send buffer for seconds. The unprivileged call reaches as far as net.core.*mem_max lets it.
  const int bytes = 4 << 20;
  for (const auto& [force, plain] :
       {std::pair(SO_RCVBUFFORCE, SO_RCVBUF), std::pair(SO_SNDBUFFORCE, SO_SNDBUF)}) {
    if (setsockopt(fd_, SOL_SOCKET, force, &bytes, sizeof bytes) != 0 &&
        setsockopt(fd_, SOL_SOCKET, plain, &bytes, sizeof bytes) != 0) {
      return absl::UnavailableError(absl::StrCat("ICMP: buffer size: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status EchoSocket::FilterReplies() const {
  // An IPv4 raw socket sees the IP header (its length in 32-bit words is the low half of the first
  // byte).
  sock_filter v4[] = {
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kEchoReply4, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id_, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_filter v6[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kEchoReply6, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id_, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, 0),
  };
  int result = 0;
  sock_fprog program{};
  if (family_ == AF_INET) {
    program = {std::size(v4), v4};
    const icmp_filter filter{~(1U << kEchoReply4)};
    result = setsockopt(fd_, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
  } else {
    program = {std::size(v6), v6};
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(kEchoReply6, &filter);
    result = setsockopt(fd_, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
  }
  if (result == 0) {
    result = setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  }
  if (result == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("ICMP: filter: ", std::strerror(errno)));
}

int EchoSocket::Send(const IpAddress& to, uint16_t sequence, const EchoPayload& payload) const {
  Packet packet{};
  packet[0] = family_ == AF_INET ? uint8_t{ICMP_ECHO} : uint8_t{ICMP6_ECHO_REQUEST};
  WriteU16(&packet[4], id_);
  WriteU16(&packet[6], sequence);
  std::copy(payload.begin(), payload.end(), packet.begin() + kHeaderBytes);
  // IPv6's covers addresses that the kernel has yet to choose: it fills that in itself.
  if (family_ == AF_INET) WriteU16(&packet[2], Checksum(packet));
  sockaddr_storage address{};
  const socklen_t length = to.ToSockaddr(0, &address);
  int error = 0;
  // The kernel hands an ICMP error that arrived for an earlier request to whichever call comes
  // next, once.
  for (int attempt = 0; attempt < 4; ++attempt) {
    if (sendto(fd_, packet.data(), packet.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length) >= 0) {
      return 0;
    }
    error = errno;
    if (error == EAGAIN || error == ENOBUFS) break;
  }
  return error;
}

std::optional<EchoSocket::Message> EchoSocket::Receive() const {
  // As above: an errno here may be that of an earlier request; what it was about is in the error
  // queue.
  for (int attempt = 0; attempt < 4; ++attempt) {
    if (std::optional<Message> error = ReceiveError(); error) return error;
    std::array<uint8_t, 512> data;
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t size =
        recvfrom(fd_, data.data(), data.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size >= 0) return ParseReply(data.data(), static_cast<size_t>(size), FromSockaddr(from));
    if (errno == EAGAIN) break;
  }
  return std::nullopt;
}

EchoSocket::Message EchoSocket::ParseReply(const uint8_t* data, size_t size,
                                           const IpAddress& from) const {
  Message message;
  if (raw_ && family_ == AF_INET) {
    const size_t ip_header = size > 0 ? size_t{data[0] & 0x0fU} * 4 : 0;
    if (ip_header < 20 || size < ip_header) return message;
    data += ip_header;
    size -= ip_header;
  }
  if (size != kPacketBytes || data[0] != (family_ == AF_INET ? kEchoReply4 : kEchoReply6)) {
    return message;
  }
  if (raw_ && ReadU16(data + 4) != id_) return message;
  message.kind = Message::Kind::kReply;
  message.address = from;
  message.sequence = ReadU16(data + 6);
  message.payload_bytes = kEchoPayloadBytes;
  std::copy_n(data + kHeaderBytes, kEchoPayloadBytes, message.payload.begin());
  return message;
}

std::optional<EchoSocket::Message> EchoSocket::ReceiveError() const {
  std::array<uint8_t, 512> data;
  alignas(cmsghdr) std::array<uint8_t, 512> control;
  sockaddr_storage to{};
  iovec vector{data.data(), data.size()};
  msghdr header{};
  header.msg_name = &to;
  header.msg_namelen = sizeof to;
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd_, &header, MSG_ERRQUEUE);
  if (size < 0) return std::nullopt;
  Message message;
  const bool ours = size >= static_cast<ssize_t>(kHeaderBytes) &&
                    data[0] == (family_ == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST) &&
                    (!raw_ || ReadU16(&data[4]) == id_);
  if (!ours) return message;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool is_error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                          (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
    if (!is_error || c->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(c), sizeof error);
    if (!IsUnreachable(error)) continue;
    message.kind = Message::Kind::kError;
    message.error = static_cast<int>(error.ee_errno);
    sockaddr_storage reporter{};
    const size_t rest = c->cmsg_len - CMSG_LEN(sizeof error);
    std::memcpy(&reporter, CMSG_DATA(c) + sizeof error, std::min(rest, sizeof reporter));
    if (reporter.ss_family == family_) message.reporter = FromSockaddr(reporter);
  }
  message.address = FromSockaddr(to);
  message.sequence = ReadU16(&data[6]);
  message.payload_bytes =
      std::min(static_cast<size_t>(size) - kHeaderBytes, size_t{kEchoPayloadBytes});
  std::copy_n(data.data() + kHeaderBytes, message.payload_bytes, message.payload.begin());
  return message;
}

}  // namespace hb
