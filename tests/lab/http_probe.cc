// The HTTP probe of probes.h: many connections at a time, none of which waits for another.
// The response is read as far as its Content-Length (or the connection's end) says; nothing but the
// status line and two headers is understood.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/boot_clock.h"
#include "tests/lab/probes.h"
#include "tests/lab/proc.h"

namespace hb::lab {
namespace {

constexpr size_t kResponseLimit = size_t{256} << 10;

struct Response {
  int status = 0;
  std::string served_by;
  std::optional<size_t> content_length;
  size_t header_size = 0;
};

// Nothing while the header is not whole.
std::optional<Response> ParseHeader(const std::string& text) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t end = text.find(kEnd);
  if (end == std::string::npos) return std::nullopt;
  Response response;
  response.header_size = end + kEnd.size();
  const std::vector<std::string> lines = absl::StrSplit(text.substr(0, end), "\r\n");
  const std::vector<std::string> first = absl::StrSplit(lines[0], ' ');
  if (first.size() < 2 || !absl::SimpleAtoi(first[1], &response.status)) response.status = 0;
  for (const std::string& line : lines) {
    const std::pair<std::string, std::string> field = absl::StrSplit(line, absl::MaxSplits(':', 1));
    const std::string value(absl::StripAsciiWhitespace(field.second));
    size_t length = 0;
    if (absl::EqualsIgnoreCase(field.first, "X-Served-By")) {
      response.served_by = value;
    } else if (absl::EqualsIgnoreCase(field.first, "Content-Length") &&
               absl::SimpleAtoi(value, &length)) {
      response.content_length = length;
    }
  }
  return response;
}

class HttpProbe final : public Probe {
 public:
  HttpProbe(EventLoop* loop, const HttpProbeOptions& options, RequestLog* log)
      : loop_(loop),
        options_(options),
        request_(absl::StrCat("GET ", options.path, " HTTP/1.1\r\nHost: ", options.vip.ToUrlHost(),
                              "\r\nConnection: close\r\nUser-Agent: hb-lab\r\n\r\n")),
        log_(log) {
    remote_size_ = options.vip.ToSockaddr(options.port, &remote_);
  }

  void Ask(MonoTime now) override {
    // Ids grow with time: the oldest stand first.
    while (!fetches_.empty() && now - fetches_.begin()->second.started >= options_.timeout) {
      Fail(fetches_.begin()->first);
    }
    const MonoTime started = BootNow();
    const RequestLog::Id id = log_->Sent(started);
    if (fetches_.size() >= options_.max_in_flight || !Open(id, started)) log_->Failed(id);
  }

  size_t pending() const override { return fetches_.size(); }

 private:
  struct Fetch {
    UniqueFd fd;
    MonoTime started;
    std::string received;
    EventLoop::Handle watch;  // the last member: cancelled before the descriptor is closed
  };

  bool Open(RequestLog::Id id, MonoTime started) {
    UniqueFd fd(socket(remote_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return false;
    const linger reset{.l_onoff = 1, .l_linger = 0};
    if (setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0) return false;
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&remote_), remote_size_) != 0 &&
        errno != EINPROGRESS) {
      return false;
    }
    Fetch& fetch = fetches_[id];
    fetch.fd = std::move(fd);
    fetch.started = started;
    fetch.watch = loop_->WatchFd(fetch.fd.get(), EPOLLOUT, [this, id](uint32_t) { Send(id); });
    return true;
  }

  void Send(RequestLog::Id id) {
    Fetch& fetch = fetches_.at(id);
    if (send(fetch.fd.get(), request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size())) {
      return Fail(id);
    }
    fetch.watch.Cancel();  // one watch a descriptor
    fetch.watch = loop_->WatchFd(fetch.fd.get(), EPOLLIN, [this, id](uint32_t) { Receive(id); });
  }

  void Receive(RequestLog::Id id) {
    Fetch& fetch = fetches_.at(id);
    std::array<char, 8192> buffer;
    const ssize_t size = recv(fetch.fd.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) {
      if (errno != EAGAIN && errno != EINTR) Fail(id);
      return;
    }
    fetch.received.append(buffer.data(), static_cast<size_t>(size));
    const std::optional<Response> response = ParseHeader(fetch.received);
    const bool ended = size == 0;
    if (!response || fetch.received.size() > kResponseLimit) {
      if (ended || fetch.received.size() > kResponseLimit) Fail(id);
      return;
    }
    const size_t body = fetch.received.size() - response->header_size;
    const bool whole = response->content_length ? body >= *response->content_length : ended;
    if (!whole) {
      if (ended) Fail(id);
      return;
    }
    if (response->status < 200 || response->status > 399) return Fail(id);
    log_->Answered(id, BootNow(), response->served_by);
    fetches_.erase(id);
  }

  void Fail(RequestLog::Id id) {
    log_->Failed(id);
    fetches_.erase(id);
  }

  EventLoop* const loop_;
  const HttpProbeOptions options_;
  const std::string request_;
  RequestLog* const log_;
  sockaddr_storage remote_{};
  socklen_t remote_size_ = 0;
  std::map<RequestLog::Id, Fetch> fetches_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Probe>> MakeHttpProbe(EventLoop* loop,
                                                     const HttpProbeOptions& options,
                                                     RequestLog* log) {
  if (!options.path.starts_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat("not a path: \"", options.path, "\""));
  }
  return std::make_unique<HttpProbe>(loop, options, log);
}

}  // namespace hb::lab
