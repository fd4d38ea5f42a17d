#include "controller/executor_link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/boot_clock.h"
#include "common/poster.h"
#include "common/version.h"
#include "hb/v1/executor.grpc.pb.h"

namespace hb::controller {
namespace {

constexpr Duration kFirstBackoff = absl::Milliseconds(100);
constexpr Duration kMaxBackoff = absl::Seconds(1);

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // A new TCP connection for each stream: after a break the old one may be half open, its
  // retransmissions seconds apart.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // How long an attempt to connect may take (SYN lost), and how soon it is made again.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(1 << 20);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

// Its callbacks decode and post. Deleted on the loop's thread only: gRPC's last channel ends the
// thread that runs the callbacks, which must not be the one it waits on.
class ExecutorLink::Session
    : public grpc::ClientBidiReactor<v1::ControllerMessage, v1::ExecutorMessage> {
 public:
  Session(std::shared_ptr<Poster> poster, std::weak_ptr<ExecutorLink*> link, uint64_t serial,
          const std::string& address)
      : poster_(std::move(poster)),
        link_(std::move(link)),
        serial_(serial),
        stub_(v1::Executor::NewStub(MakeChannel(address))) {}

  // Waits for gRPC to be done with it, which Cancel() makes soon.
  ~Session() override { done_.WaitForNotification(); }

  void Start(const v1::ControllerMessage& hello) {
    stub_->async()->Session(&context_, this);
    (void)Write(hello);
    StartRead(&incoming_);
    // Writes come from the loop, outside gRPC's reactions: the call is held until its reads end.
    AddHold();
    StartCall();
  }

  // False: the queue is full. What is written to a stream that has ended is dropped.
  bool Write(v1::ControllerMessage message) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (ended_) return true;
    if (outgoing_.size() >= kMaxQueued) return false;
    outgoing_.push_back(std::move(message));
    if (outgoing_.size() == 1) StartWrite(&outgoing_.front());
    return true;
  }

  void Cancel() { context_.TryCancel(); }
  bool done() const { return done_.HasBeenNotified(); }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (!ok) {  // the stream is over; OnDone follows
      ended_ = true;
      return;
    }
    outgoing_.pop_front();
    if (!ended_ && !outgoing_.empty()) StartWrite(&outgoing_.front());
  }

  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    if (!ok) {
      {
        absl::MutexLock lock(&mutex_);
        ended_ = true;
      }
      RemoveHold();
      return;
    }
    auto message = std::make_shared<v1::ExecutorMessage>();
    message->Swap(&incoming_);
    poster_->Post([link = link_, serial = serial_, message] {
      if (const auto alive = link.lock()) (*alive)->OnMessage(serial, *message);
    });
    StartRead(&incoming_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::string error =
        status.error_message().empty() ? "the executor ended the stream" : status.error_message();
    const bool refused = status.error_code() == grpc::StatusCode::ABORTED;
    poster_->Post([link = link_, serial = serial_, error, refused] {
      if (const auto alive = link.lock()) (*alive)->OnDone(serial, error, refused);
    });
    done_.Notify();
  }

 private:
  const std::shared_ptr<Poster> poster_;
  const std::weak_ptr<ExecutorLink*> link_;
  const uint64_t serial_;
  const std::unique_ptr<v1::Executor::Stub> stub_;
  grpc::ClientContext context_;
  v1::ExecutorMessage incoming_;
  absl::Notification done_;
  absl::Mutex mutex_;
  std::deque<v1::ControllerMessage> outgoing_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

ExecutorLink::ExecutorLink(EventLoop* loop, Options options, Listener listener)
    : loop_(loop),
      options_(std::move(options)),
      listener_(std::move(listener)),
      poster_(std::make_shared<Poster>(loop)),
      self_(std::make_shared<ExecutorLink*>(this)) {
  Dial();
}

ExecutorLink::~ExecutorLink() {
  self_.reset();
  poster_->Close();
  if (session_) session_->Cancel();
}

void ExecutorLink::Dial() {
  v1::ControllerMessage message;
  v1::ControllerHello& hello = *message.mutable_hello();
  hello.set_protocol_version(kProtocolVersion);
  hello.set_controller_id(options_.controller_id);
  hello.set_node(options_.node);
  hello.set_software_version(kVersion);
  give_up_reason_.clear();
  last_message_ = BootNow();
  std::erase_if(ending_, [](const auto& session) { return session->done(); });
  session_ = std::make_unique<Session>(poster_, self_, ++serial_, options_.address);
  session_->Start(message);
  Watch();
}

void ExecutorLink::Watch() {
  watch_ = loop_->At(last_message_ + options_.silence, [this] {
    if (BootNow() - last_message_ < options_.silence) return Watch();
    GiveUp(
        absl::StrCat(open_ ? "silent for " : "no answer within ", HumanDuration(options_.silence)));
  });
}

void ExecutorLink::GiveUp(const std::string& why) {
  // gRPC may take its time to end the stream; for us it has ended.
  session_->Cancel();
  give_up_reason_ = why;
  OnDone(serial_, why, false);
}

void ExecutorLink::OnMessage(uint64_t serial, const v1::ExecutorMessage& message) {
  if (serial != serial_) return;
  last_message_ = BootNow();
  if (message.has_hello()) {
    const v1::ExecutorHello& hello = message.hello();
    if (open_) return GiveUp("the executor said hello twice");
    if (hello.protocol_version() != kProtocolVersion) {
      return GiveUp(absl::StrCat("the executor speaks protocol version ", hello.protocol_version(),
                                 ", this controller ", kProtocolVersion));
    }
    if (hello.node() != options_.node) {
      return GiveUp(
          absl::StrCat(options_.address, " is node ", hello.node(), ", not ", options_.node));
    }
    open_ = true;
    backoff_ = absl::ZeroDuration();
    listener_.opened(hello);
  } else if (message.has_report()) {
    if (!open_) return GiveUp("the executor sent a report before its hello");
    listener_.report(message.report());
  }
}

void ExecutorLink::OnDone(uint64_t serial, const std::string& error, bool refused) {
  if (serial != serial_) return;
  ++serial_;  // nothing more is heard of it
  open_ = false;
  ending_.push_back(std::move(session_));
  watch_.Cancel();
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kMaxBackoff);
  redial_ = loop_->After(backoff_, [this] { Dial(); });
  listener_.closed(give_up_reason_.empty() ? error : give_up_reason_,
                   refused && give_up_reason_.empty());
}

void ExecutorLink::Send(v1::Orders orders) {
  if (!open_) return;
  v1::ControllerMessage message;
  *message.mutable_orders() = std::move(orders);
  if (!session_->Write(std::move(message))) GiveUp("the executor takes no orders");
}

}  // namespace hb::controller
