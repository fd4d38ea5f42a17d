// IcmpProber: who waits for which answer. An answer counts when its sequence number is waited for,
// it comes from the address that was asked, and it brings the request's random payload back;
// anything else (duplicates, late answers, other processes' pings) is dropped without a word. What
// sits on the wire is common/probe/icmp_socket.h's affair.
#include "common/probe/icmp.h"

#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/probe/icmp_socket.h"

namespace hb {
namespace {

constexpr int kMaxMessagesATurn = 256;
constexpr Duration kSendAgain = absl::Milliseconds(5);

// One family's socket and the pings that wait on it. Shared by the prober and its pings, so that a
// ping may outlive the prober.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  Channel(EventLoop* loop, absl::StatusOr<std::unique_ptr<EchoSocket>> socket);

  EventLoop* loop() const { return loop_; }
  const absl::StatusOr<std::unique_ptr<EchoSocket>>& socket() const { return socket_; }
  // Gives `ping` a sequence number of its own; nullopt when all are taken.
  std::optional<uint16_t> Register(IcmpProber::Ping* ping);
  void Unregister(uint16_t sequence) { waiting_.erase(sequence); }
  bool Waits(uint16_t sequence, const IcmpProber::Ping* ping) const;
  // Hands out what has arrived; a limited number, for the loop has more to do.
  void Receive();

 private:
  EventLoop* const loop_;
  const absl::StatusOr<std::unique_ptr<EchoSocket>> socket_;
  EventLoop::Handle watch_;
  std::unordered_map<uint16_t, IcmpProber::Ping*> waiting_;
  uint16_t next_ = 0;
};

}  // namespace

class IcmpProber::Ping {
 public:
  Ping(std::shared_ptr<Channel> channel, const IpAddress& address, Duration timeout,
       std::function<void(ProbeResult)> done)
      : channel_(std::move(channel)),
        address_(address),
        timeout_(timeout),
        started_(BootNow()),
        done_(std::move(done)) {}
  ~Ping() { Forget(); }
  Ping(const Ping&) = delete;
  Ping& operator=(const Ping&) = delete;

  void Begin();
  // May destroy this object when the message is meant for it.
  void OnMessage(const EchoSocket::Message& message);

 private:
  void Send();
  void OnDeadline();
  // Fails at the loop's next turn.
  void FailSoon(std::string detail);
  void Forget();
  void Finish(ProbeResult result);

  const std::shared_ptr<Channel> channel_;
  const IpAddress address_;
  const Duration timeout_;
  const MonoTime started_;
  std::function<void(ProbeResult)> done_;
  EchoPayload payload_{};
  std::optional<uint16_t> sequence_;
  MonoTime sent_;
  int send_error_ = 0;
  EventLoop::Handle deadline_;
  EventLoop::Handle send_again_;
};

namespace {

Channel::Channel(EventLoop* loop, absl::StatusOr<std::unique_ptr<EchoSocket>> socket)
    : loop_(loop), socket_(std::move(socket)) {
  if (!socket_.ok()) return;
  watch_ = loop_->WatchFd((*socket_)->fd(), EPOLLIN, [this](uint32_t) { Receive(); });
}

std::optional<uint16_t> Channel::Register(IcmpProber::Ping* ping) {
  if (waiting_.size() > UINT16_MAX) return std::nullopt;
  while (!waiting_.try_emplace(next_, ping).second) ++next_;
  return next_++;
}

bool Channel::Waits(uint16_t sequence, const IcmpProber::Ping* ping) const {
  const auto it = waiting_.find(sequence);
  return it != waiting_.end() && it->second == ping;
}

void Channel::Receive() {
  const std::shared_ptr<Channel> keep = shared_from_this();
  for (int i = 0; i < kMaxMessagesATurn; ++i) {
    const std::optional<EchoSocket::Message> message = (*socket_)->Receive();
    if (!message) return;
    if (message->kind == EchoSocket::Message::Kind::kNotOurs) continue;
    const auto it = waiting_.find(message->sequence);
    if (it != waiting_.end()) it->second->OnMessage(*message);
  }
}

}  // namespace

void IcmpProber::Ping::Begin() {
  if (!channel_->socket().ok()) return FailSoon(std::string(channel_->socket().status().message()));
  if (getrandom(payload_.data(), payload_.size(), 0) != static_cast<ssize_t>(payload_.size())) {
    return FailSoon(absl::StrCat("getrandom: ", std::strerror(errno)));
  }
  sequence_ = channel_->Register(this);
  if (!sequence_) return FailSoon("too many pings under way");
  deadline_ = channel_->loop()->At(started_ + timeout_, [this] { OnDeadline(); });
  Send();
}

void IcmpProber::Ping::Send() {
  sent_ = BootNow();
  send_error_ = (*channel_->socket())->Send(address_, *sequence_, payload_);
  if (send_error_ == EAGAIN || send_error_ == ENOBUFS) {
    send_again_ = channel_->loop()->After(kSendAgain, [this] { Send(); });
  } else if (send_error_ != 0) {
    FailSoon(std::strerror(send_error_));
  }
}

void IcmpProber::Ping::OnMessage(const EchoSocket::Message& message) {
  const bool ours = message.address == address_ &&
                    std::equal(payload_.begin(), payload_.begin() + message.payload_bytes,
                               message.payload.begin());
  if (!ours) return;
  const Duration took = BootNow() - sent_;
  if (message.kind == EchoSocket::Message::Kind::kReply) {
    return Finish({true, HumanDuration(took), took});
  }
  std::string detail = std::strerror(message.error);
  if (message.reporter) absl::StrAppend(&detail, ", says ", message.reporter->ToString());
  Finish({false, std::move(detail), took});
}

void IcmpProber::Ping::OnDeadline() {
  // The answer may be waiting behind a loop that was late. Handing it out may destroy this object.
  const std::shared_ptr<Channel> channel = channel_;
  const uint16_t sequence = *sequence_;
  channel->Receive();
  if (!channel->Waits(sequence, this)) return;
  std::string detail = absl::StrCat("timed out after ", HumanDuration(timeout_));
  if (send_error_ != 0) {
    absl::StrAppend(&detail, ", not sent: ", std::strerror(send_error_));
  }
  Finish({false, std::move(detail), BootNow() - started_});
}

void IcmpProber::Ping::FailSoon(std::string detail) {
  deadline_ = channel_->loop()->After(absl::ZeroDuration(), [this, detail = std::move(detail)] {
    Finish({false, detail, BootNow() - started_});
  });
}

void IcmpProber::Ping::Forget() {
  if (sequence_) channel_->Unregister(*sequence_);
  sequence_.reset();
  deadline_.Cancel();
  send_again_.Cancel();
}

void IcmpProber::Ping::Finish(ProbeResult result) {
  Forget();
  const std::function<void(ProbeResult)> done = std::move(done_);
  done(std::move(result));  // may have destroyed this object
}

void IcmpProber::PingDeleter::operator()(Ping* ping) const { delete ping; }

namespace {

class SocketIcmpProber final : public IcmpProber {
 public:
  SocketIcmpProber(std::shared_ptr<Channel> v4, std::shared_ptr<Channel> v6)
      : v4_(std::move(v4)), v6_(std::move(v6)) {}

  PingHandle Start(const IpAddress& address, Duration timeout,
                   std::function<void(ProbeResult)> done) override {
    PingHandle ping(new Ping(address.is_v4() ? v4_ : v6_, address, timeout, std::move(done)));
    ping->Begin();
    return ping;
  }

 private:
  const std::shared_ptr<Channel> v4_;
  const std::shared_ptr<Channel> v6_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<IcmpProber>> IcmpProber::Create(EventLoop* loop) {
  absl::StatusOr<std::unique_ptr<EchoSocket>> v4 = EchoSocket::Open(AF_INET);
  if (!v4.ok()) return v4.status();
  return std::make_unique<SocketIcmpProber>(
      std::make_shared<Channel>(loop, std::move(v4)),
      std::make_shared<Channel>(loop, EchoSocket::Open(AF_INET6)));
}

}  // namespace hb
