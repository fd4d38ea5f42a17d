#include "executor/controller_link.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/net/listen.h"

namespace hb::executor {
namespace {

constexpr int kMaxMessageBytes = 1 << 20;
constexpr auto kShutdownFor = std::chrono::milliseconds(500);

}  // namespace

class ControllerLink::Service final : public v1::Executor::CallbackService {
 public:
  explicit Service(ControllerLink* link) : link_(link) {}
  grpc::ServerBidiReactor<v1::ControllerMessage, v1::ExecutorMessage>* Session(
      grpc::CallbackServerContext* context) override {
    return link_->Accept(context);
  }

 private:
  ControllerLink* const link_;
};

ControllerLink::ControllerLink(Options options, EventLoop* loop, StreamHandler* handler)
    : options_(std::move(options)),
      loop_(loop),
      handler_(handler),
      service_(std::make_unique<Service>(this)) {}

absl::StatusOr<std::unique_ptr<ControllerLink>> ControllerLink::Start(Options options,
                                                                      EventLoop* loop,
                                                                      StreamHandler* handler) {
  auto link =
      std::unique_ptr<ControllerLink>(new ControllerLink(std::move(options), loop, handler));
  if (absl::Status status = link->Serve(); !status.ok()) return status;
  return link;
}

absl::Status ControllerLink::Serve() {
  if (absl::Status status = CheckListen(options_.address, options_.port); !status.ok()) {
    return status;
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // A dead connection is given back to the kernel within some seconds (gRPC sets TCP_USER_TIMEOUT
  // to the keepalive's timeout); leases do not wait for it.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The controller's own keepalive is welcome, however often it comes.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  const std::string address = options_.address.ToStringWithPort(options_.port);
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service_.get());
  if (options_.peer_service != nullptr) builder.RegisterService(options_.peer_service);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port <= 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": gRPC refuses"));
  }
  port_ = static_cast<uint16_t>(port);
  return absl::OkStatus();
}

ControllerLink::~ControllerLink() {
  std::set<std::shared_ptr<Session>> sessions;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    sessions.swap(sessions_);
  }
  for (const std::shared_ptr<Session>& session : sessions) {
    Close(session.get(), absl::UnavailableError("the executor is stopping"));
    session->Disown();
  }
  if (options_.peer_service != nullptr) options_.peer_service->Close();
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + kShutdownFor);
}

// ---- gRPC's threads ----

Session* ControllerLink::Accept(grpc::CallbackServerContext* context) {
  std::shared_ptr<Session> session = Session::Create(loop_, this, context->peer());
  {
    absl::MutexLock lock(&mutex_);
    if (!closing_ && sessions_.size() < kMaxSessions) {
      sessions_.insert(session);
      loop_->Post([this, alive = std::weak_ptr<Session>(session)] {
        // A link that has been destroyed has ended its sessions.
        const std::shared_ptr<Session> begun = alive.lock();
        if (begun != nullptr && !begun->finished()) Begin(begun.get());
      });
      return session.get();
    }
  }
  // Nobody else knows of it: this thread may end it.
  session->Disown();
  session->End(absl::ResourceExhaustedError("too many sessions are open on this executor"));
  return session.get();
}

// ---- the loop's thread ----

void ControllerLink::Begin(Session* session) {
  session->deadline = loop_->After(options_.hello_within, [this, session] {
    Close(session, absl::DeadlineExceededError(
                       absl::StrCat("no hello within ", HumanDuration(options_.hello_within))));
  });
  session->ReadNext();
}

void ControllerLink::OnHello(Session* session, const v1::ControllerHello& wire) {
  if (!session->controller_id.empty()) {
    return Close(session, absl::InvalidArgumentError("a second hello on one stream"));
  }
  absl::StatusOr<Hello> hello = HelloFromWire(wire, options_.node);
  absl::Status status = hello.status();
  if (status.ok()) {
    status = handler_->MayFollow(hello->controller_id);
    if (!status.ok()) {
      // A code of its own, by which the controller tells it from every other end.
      status = absl::AbortedError(
          absl::StrCat("node ", options_.node, ": ", std::string(status.message())));
    }
  }
  if (!status.ok()) {
    LogWarning("session refused",
               {{"peer", session->peer()}, {"reason", std::string(status.message())}});
    return Close(session, status);
  }
  if (active_ != nullptr) {
    Close(active_, absl::AlreadyExistsError("a newer session has come"));
  }
  session->controller_id = hello->controller_id;
  active_ = session;
  LogInfo("stream opened", {{"controller", hello->controller_id},
                            {"peer", session->peer()},
                            {"version", hello->software_version}});
  session->SendMessage(HelloToWire(options_.node, options_.incarnation, options_.software_version));
  handler_->StreamOpened(session, hello->controller_id);
  ExpectMessage(session);
}

void ControllerLink::ExpectMessage(Session* session) {
  session->deadline = loop_->After(options_.silent_for, [this, session] {
    Close(session, absl::DeadlineExceededError(
                       absl::StrCat("nothing heard for ", HumanDuration(options_.silent_for))));
  });
  session->ReadNext();
}

void ControllerLink::OnOrders(Session* session, const absl::StatusOr<Orders>& orders) {
  if (session->controller_id.empty()) {
    return Close(session, absl::FailedPreconditionError("the first message must be a hello"));
  }
  absl::Status status = orders.status();
  if (status.ok()) status = handler_->Receive(*orders);
  if (!status.ok()) return Close(session, status);
  ExpectMessage(session);
}

void ControllerLink::OnSent(Session* session) {
  if (session == active_) handler_->StreamIdle();
}

void ControllerLink::OnEnd(Session* session) { Close(session, absl::OkStatus()); }

void ControllerLink::Close(Session* session, const absl::Status& status) {
  if (session->finished()) return;
  session->End(status);
  if (session != active_) return;
  active_ = nullptr;
  handler_->StreamClosed();
  Log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, "stream closed",
      {{"controller", session->controller_id},
       {"peer", session->peer()},
       {"reason",
        status.ok() ? "the controller has closed it, or is gone" : std::string(status.message())}});
}

void ControllerLink::OnGone(const std::shared_ptr<Session>& session) {
  absl::MutexLock lock(&mutex_);
  sessions_.erase(session);
}

}  // namespace hb::executor
