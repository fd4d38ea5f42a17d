#include "controller/admin_service.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/config_values.h"
#include "common/net/listen.h"
#include "common/poster.h"
#include "common/version.h"
#include "controller/open_calls.h"
#include "controller/status.h"
#include "controller/stream_writer.h"
#include "hb/v1/controller.grpc.pb.h"

namespace hb::controller {
namespace {

constexpr int kDefaultEvents = 1000;
constexpr int kMaxEvents = 10'000;
constexpr size_t kMaxBy = 100;  // bytes of who says so
// WatchStatus sends at most ten a second.
constexpr Duration kWatchInterval = absl::Milliseconds(100);

grpc::Status ToGrpc(const absl::Status& status) {
  // The codes are the same by design.
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

class AdminService final : public v1::Controller::CallbackService {
 public:
  AdminService(EventLoop* loop, Controller* controller)
      : loop_(loop),
        controller_(controller),
        controller_id_(controller->id()),
        poster_(std::make_shared<Poster>(loop)) {}

  // On the loop's thread: ends every call, those that are yet to come at once. Nothing that the
  // loop or the controller still holds for a call uses this service from here on.
  void Stop() {
    poster_->Close();
    calls_.Stop();
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::Status* response) override {
    auto* const reactor = context->DefaultReactor();
    poster_->Post([this, call = Open(reactor), cluster = request->cluster(), response] {
      if (!cluster.empty() && controller_->Find(cluster) == nullptr) {
        return call->Finish(NoSuchCluster(cluster));
      }
      *response = MakeStatus(*controller_, cluster);
      call->Finish(grpc::Status::OK);
    });
    return reactor;
  }

  grpc::ServerWriteReactor<v1::Status>* WatchStatus(grpc::CallbackServerContext* /*context*/,
                                                    const v1::GetStatusRequest* request) override {
    auto* const writer = new StreamWriter<v1::Status>();
    poster_->Post([this, handle = Open(writer), cluster = request->cluster()] {
      if (!cluster.empty() && controller_->Find(cluster) == nullptr) {
        return handle->Finish(NoSuchCluster(cluster));
      }
      Watch(handle, cluster);
    });
    return writer;
  }

  grpc::ServerWriteReactor<v1::Event>* ListEvents(grpc::CallbackServerContext* /*context*/,
                                                  const v1::ListEventsRequest* request) override {
    auto* const writer = new StreamWriter<v1::Event>();
    poster_->Post([this, handle = Open(writer), r = *request] { SendEvents(handle, r); });
    return writer;
  }

  grpc::ServerWriteReactor<v1::MoveProgress>* Switchover(
      grpc::CallbackServerContext* /*context*/, const v1::SwitchoverRequest* request) override {
    Command command{0, Command::Kind::kSwitchover, std::nullopt};
    command.force = request->force();
    command.by = request->by().empty() ? "an operator" : request->by().substr(0, kMaxBy);
    return Move(request->cluster(), command, request->to());
  }

  grpc::ServerWriteReactor<v1::MoveProgress>* Failback(
      grpc::CallbackServerContext* /*context*/, const v1::FailbackRequest* request) override {
    return Move(request->cluster(), {0, Command::Kind::kFailback, std::nullopt}, "");
  }

  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* context,
                                  const v1::PauseRequest* request,
                                  v1::PauseResponse* /*response*/) override {
    return Simple(context, request->cluster(), Command::Kind::kPause);
  }
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* context,
                                   const v1::ResumeRequest* request,
                                   v1::ResumeResponse* /*response*/) override {
    return Simple(context, request->cluster(), Command::Kind::kResume);
  }
  grpc::ServerUnaryReactor* Ack(grpc::CallbackServerContext* context, const v1::AckRequest* request,
                                v1::AckResponse* /*response*/) override {
    return Simple(context, request->cluster(), Command::Kind::kAck);
  }

  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext* context,
                                       const v1::GetVersionRequest* /*request*/,
                                       v1::Version* response) override {
    auto* const reactor = context->DefaultReactor();
    response->set_version(kVersion);
    response->set_protocol_version(kProtocolVersion);
    response->set_controller_id(controller_id_);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  std::shared_ptr<UnaryCall> Open(grpc::ServerUnaryReactor* reactor) {
    auto call = std::make_shared<UnaryCall>(reactor);
    calls_.Add(call);
    return call;
  }
  template <typename Message>
  std::shared_ptr<typename StreamWriter<Message>::Handle> Open(StreamWriter<Message>* writer) {
    calls_.Add(writer->handle());
    return writer->handle();
  }

  static grpc::Status NoSuchCluster(const std::string& cluster) {
    return {grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no cluster '", cluster, "'")};
  }

  // A status at once, then one after each change, at most one in kWatchInterval; what changes in
  // between is shown by the next. A client with a backlog gets the newest when it has caught up.
  struct Watcher {
    EventLoop* const loop;
    const Controller* const controller;
    const std::shared_ptr<StreamWriter<v1::Status>::Handle> handle;
    const std::string cluster;
    bool dirty = false;
    bool waiting = false;
    EventLoop::Handle timer = {};

    void Send() {
      waiting = true;
      if (handle->backlog() == 0) {
        dirty = false;
        if (!handle->Write(MakeStatus(*controller, cluster))) return;
      }
      timer = loop->After(kWatchInterval, [this] {
        waiting = false;
        if (dirty) Send();
      });
    }
  };
  void Watch(const std::shared_ptr<StreamWriter<v1::Status>::Handle>& handle,
             const std::string& cluster) {
    const std::shared_ptr<Watcher> watcher(new Watcher{loop_, controller_, handle, cluster});
    watcher->Send();
    controller_->AddChangeListener([watcher] {
      if (!watcher->handle->open()) return false;
      watcher->dirty = true;
      if (!watcher->waiting) watcher->Send();
      return true;
    });
  }

  void SendEvents(const std::shared_ptr<StreamWriter<v1::Event>::Handle>& handle,
                  const v1::ListEventsRequest& request) {
    if (!request.cluster().empty() && controller_->Find(request.cluster()) == nullptr) {
      return handle->Finish(NoSuchCluster(request.cluster()));
    }
    // Events that come while the past ones are read are shown after them, once.
    auto newest = std::make_shared<uint64_t>(0);
    auto early = std::make_shared<std::vector<StoredEvent>>();
    auto listed = std::make_shared<bool>(false);
    if (request.follow()) {
      controller_->AddEventListener(
          [handle, newest, early, listed, cluster = request.cluster()](const StoredEvent& event) {
            if (!cluster.empty() && event.cluster != cluster) return handle->open();
            if (!*listed) {
              early->push_back(event);
              return handle->open();
            }
            if (event.id != 0 && event.id <= *newest) return handle->open();
            return handle->Write(MakeEvent(event));
          });
    }
    const absl::Time since = request.has_since()
                                 ? absl::FromUnixSeconds(request.since().seconds()) +
                                       absl::Nanoseconds(request.since().nanos())
                                 : absl::UnixEpoch();
    const int limit = request.limit() == 0
                          ? kDefaultEvents
                          : static_cast<int>(std::min<uint32_t>(request.limit(), kMaxEvents));
    controller_->ListEvents(request.cluster(), since, limit,
                            [handle, newest, early, listed, follow = request.follow()](
                                const absl::StatusOr<std::vector<StoredEvent>>& events) {
                              if (!events.ok()) return handle->Finish(ToGrpc(events.status()));
                              for (const StoredEvent& event : *events) {
                                *newest = event.id;
                                if (!handle->Write(MakeEvent(event))) return;
                              }
                              if (!follow) return handle->Finish(grpc::Status::OK);
                              for (const StoredEvent& event : std::exchange(*early, {})) {
                                if (event.id == 0 || event.id > *newest)
                                  (void)handle->Write(MakeEvent(event));
                              }
                              *listed = true;
                            });
  }

  grpc::ServerWriteReactor<v1::MoveProgress>* Move(const std::string& cluster,
                                                   const Command& command, const std::string& to) {
    auto* const writer = new StreamWriter<v1::MoveProgress>();
    poster_->Post([this, handle = Open(writer), cluster, command, to] {
      const absl::Status status =
          controller_->Command(cluster, command, to, [handle](const Progress& progress) {
            v1::MoveProgress message;
            message.set_text(progress.text);
            message.set_done(progress.done);
            message.set_succeeded(progress.succeeded);
            (void)handle->Write(message);
            if (progress.done) handle->Finish(grpc::Status::OK);
          });
      if (!status.ok()) handle->Finish(ToGrpc(status));
    });
    return writer;
  }

  grpc::ServerUnaryReactor* Simple(grpc::CallbackServerContext* context, const std::string& cluster,
                                   Command::Kind kind) {
    auto* const reactor = context->DefaultReactor();
    poster_->Post([this, call = Open(reactor), cluster, kind] {
      const absl::Status status = controller_->Command(
          cluster, {0, kind, std::nullopt}, "", [call](const Progress& progress) {
            if (!progress.done) return;
            call->Finish(progress.succeeded
                             ? grpc::Status::OK
                             : grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, progress.text));
          });
      if (!status.ok()) call->Finish(ToGrpc(status));
    });
    return reactor;
  }

  EventLoop* const loop_;
  Controller* const controller_;
  const std::string controller_id_;
  const std::shared_ptr<Poster> poster_;
  OpenCalls calls_;
};

class GrpcAdminServer final : public AdminServer {
 public:
  GrpcAdminServer(EventLoop* loop, Controller* controller) : service_(loop, controller) {}
  ~GrpcAdminServer() override {
    service_.Stop();
    if (server_ == nullptr) return;
    // What a client does not read within this is cut off.
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
    server_->Wait();
  }

  absl::Status Listen(const std::vector<std::string>& addresses);

 private:
  AdminService service_;
  std::unique_ptr<grpc::Server> server_;
};

// A socket file is left behind by a controller that was killed. It is removed when nobody answers
// on it.
absl::Status ClearSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on unix://", path,
                                                   ": the path is longer than ",
                                                   sizeof address.sun_path - 1, " characters"));
  }
  path.copy(address.sun_path, path.size());
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on unix://", path, ": a file of that name is in the way"));
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool served =
      fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (fd >= 0) close(fd);
  if (served) {
    return absl::UnavailableError(absl::StrCat("cannot listen on unix://", path,
                                               ": another process serves it; is another "
                                               "hb-controller running?"));
  }
  if (unlink(path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on unix://", path, ": removing the stale socket: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status GrpcAdminServer::Listen(const std::vector<std::string>& addresses) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(64 << 10);
  std::vector<int> ports(addresses.size(), -1);
  for (size_t i = 0; i < addresses.size(); ++i) {
    std::string path = addresses[i];
    if (absl::StrContains(path, "unix://")) {
      path = std::string(absl::StripPrefix(path, "unix://"));
      if (absl::Status status = ClearSocket(path); !status.ok()) return status;
    } else if (absl::StatusOr<Endpoint> endpoint = ParseEndpoint(path); !endpoint.ok()) {
      return endpoint.status();
    } else if (absl::Status status = CheckListen(endpoint->address, endpoint->port); !status.ok()) {
      return status;
    }
    builder.AddListeningPort(addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (server_ == nullptr && ports[i] <= 0) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", addresses[i],
                                                 ": may this user, and is the address there?"));
    }
  }
  if (server_ == nullptr) return absl::UnavailableError("the gRPC server did not start");
  for (const std::string& address : addresses) {
    if (!absl::StrContains(address, "unix://")) continue;
    // hbctl's users: the owner and the group.
    chmod(std::string(absl::StripPrefix(address, "unix://")).c_str(), 0660);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(
    EventLoop* loop, Controller* controller, const std::vector<std::string>& addresses) {
  auto server = std::make_unique<GrpcAdminServer>(loop, controller);
  if (absl::Status status = server->Listen(addresses); !status.ok()) return status;
  return server;
}

}  // namespace hb::controller
