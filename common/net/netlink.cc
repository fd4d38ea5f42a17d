// Sending and receiving for netlink.h. The receiving half is our own rather than libnl's: libnl
// turns the errno into a coarser code and drops the kernel's explanation. Late answers to earlier
// requests are recognised by their sequence number and dropped.
#include "common/net/netlink.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb {
namespace {

constexpr int kMaxDumpAttempts = 5;
constexpr size_t kBufferBytes = size_t{64} * 1024;
constexpr timeval kReplyLimit{.tv_sec = 1, .tv_usec = 0};

// The explanation that the kernel attached to an error, or "".
std::string ExtendedError(const nlmsghdr& header) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return "";
  const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(&header));
  size_t skip = sizeof(nlmsgerr);
  // Unless the kernel capped it, the refused request follows with its payload.
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
  const size_t size = header.nlmsg_len - NLMSG_HDRLEN;
  skip = NLMSG_ALIGN(skip);
  if (skip >= size) return "";
  const auto* first = reinterpret_cast<const nlattr*>(reinterpret_cast<const char*>(error) + skip);
  const nlattr* text = nla_find(first, static_cast<int>(size - skip), NLMSGERR_ATTR_MSG);
  if (text == nullptr) return "";
  const char* data = static_cast<const char*>(nla_data(text));
  return std::string(data, strnlen(data, static_cast<size_t>(nla_len(text))));
}

void SetOption(int fd, int option) {
  // Both options used below are refinements that older kernels lack; without them errors say less
  // and dumps say more, and nothing else changes.
  const int on = 1;
  (void)setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

}  // namespace

absl::StatusOr<NetlinkSocketPtr> OpenRouteSocket() {
  NetlinkSocketPtr socket(nl_socket_alloc());
  if (socket == nullptr) return absl::UnavailableError("netlink socket: out of memory");
  if (const int result = nl_connect(socket.get(), NETLINK_ROUTE); result < 0) {
    return absl::UnavailableError(absl::StrCat("netlink socket: ", nl_geterror(result)));
  }
  return socket;
}

absl::Status NetlinkRequester::Answer::ToStatus(std::string_view what) const {
  if (ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(std::string(what), ": ", std::strerror(error),
                                           text.empty() ? "" : " (", text, text.empty() ? "" : ")");
  switch (error) {
    case ENODEV:
      return absl::NotFoundError(message);
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

NetlinkRequester::NetlinkRequester(NetlinkSocketPtr socket)
    : socket_(std::move(socket)), buffer_(kBufferBytes) {}

absl::StatusOr<std::unique_ptr<NetlinkRequester>> NetlinkRequester::Create() {
  absl::StatusOr<NetlinkSocketPtr> socket = OpenRouteSocket();
  if (!socket.ok()) return socket.status();
  const int fd = nl_socket_get_fd(socket->get());
  SetOption(fd, NETLINK_EXT_ACK);
  SetOption(fd, NETLINK_CAP_ACK);
  SetOption(fd, NETLINK_GET_STRICT_CHK);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kReplyLimit, sizeof kReplyLimit) != 0) {
    return absl::UnavailableError(absl::StrCat("netlink socket: ", std::strerror(errno)));
  }
  return std::unique_ptr<NetlinkRequester>(new NetlinkRequester(*std::move(socket)));
}

NetlinkRequester::Answer NetlinkRequester::Request(NetlinkMessage message,
                                                   const OnMessage& on_message) {
  if (message == nullptr) return {ENOMEM, ""};
  nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  bool interrupted = false;
  return Exchange(message.get(), on_message, &interrupted);
}

NetlinkRequester::Answer NetlinkRequester::Dump(int type, const void* header, size_t header_bytes,
                                                const OnMessage& on_message) {
  for (int attempt = 0; attempt < kMaxDumpAttempts; ++attempt) {
    const NetlinkMessage message(nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP));
    if (message == nullptr ||
        nlmsg_append(message.get(), const_cast<void*>(header), header_bytes, NLMSG_ALIGNTO) < 0) {
      return {ENOMEM, ""};
    }
    std::vector<std::vector<char>> collected;
    bool interrupted = false;
    Answer answer = Exchange(
        message.get(),
        [&collected](const nlmsghdr& found) {
          const char* begin = reinterpret_cast<const char*>(&found);
          collected.emplace_back(begin, begin + found.nlmsg_len);
        },
        &interrupted);
    if (interrupted && (answer.ok() || answer.error == EINTR)) continue;
    if (!answer.ok()) return answer;
    for (const std::vector<char>& one : collected) {
      on_message(*reinterpret_cast<const nlmsghdr*>(one.data()));
    }
    return answer;
  }
  return {EBUSY, "the tables changed during every attempt to read them"};
}

uint32_t NetlinkRequester::port() const { return nl_socket_get_local_port(socket_.get()); }

NetlinkRequester::Answer NetlinkRequester::Exchange(nl_msg* message, const OnMessage& on_message,
                                                    bool* interrupted) {
  nl_complete_msg(socket_.get(), message);
  const nlmsghdr* request = nlmsg_hdr(message);
  const int fd = nl_socket_get_fd(socket_.get());
  while (send(fd, request, request->nlmsg_len, 0) < 0) {
    if (errno != EINTR) return {errno, ""};
  }
  while (true) {
    sockaddr_nl from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t size = recvfrom(fd, buffer_.data(), buffer_.size(), MSG_TRUNC,
                                  reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (size < 0) {
      if (errno == EINTR) continue;
      return {errno == EAGAIN ? ETIMEDOUT : errno, errno == EAGAIN ? "no answer" : ""};
    }
    if (from.nl_pid != 0) continue;  // not the kernel
    if (static_cast<size_t>(size) > buffer_.size()) return {EMSGSIZE, ""};
    auto left = static_cast<int>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(header, left) != 0;
         header = nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != request->nlmsg_seq) continue;  // a late answer to an earlier request
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) *interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
        return {-error->error, error->error == 0 ? "" : ExtendedError(*header)};
      }
      if (header->nlmsg_type == NLMSG_DONE) {
        // A dump that failed half-way says so here.
        const int error = nlmsg_datalen(header) >= static_cast<int>(sizeof(int))
                              ? *static_cast<const int*>(nlmsg_data(header))
                              : 0;
        return {error < 0 ? -error : 0, ""};
      }
      if (on_message) on_message(*header);
    }
  }
}

}  // namespace hb
