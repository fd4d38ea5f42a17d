// A scripted controller on real gRPC; see fake_controller.h.
#include "fake_controller.h"

#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "hb/v1/controller.grpc.pb.h"

namespace hb::client {
namespace {

using grpc::ServerContext;
using grpc::ServerWriter;

class Service : public v1::Controller::Service {
 public:
  explicit Service(Script script) : script_(std::move(script)) {}

  std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  bool WaitForVersionCalls(int count) {
    std::unique_lock lock(mutex_);
    return version_called_.wait_for(lock, std::chrono::seconds(20),
                                    [&] { return version_calls_ >= count; });
  }
  // Lets every call that hangs return.
  void Release() {
    if (!released_.HasBeenNotified()) released_.Notify();
  }

  grpc::Status GetStatus(ServerContext* /*context*/, const v1::GetStatusRequest* request,
                         v1::Status* response) override {
    Note("GetStatus", *request);
    *response = script_.status;
    return Unary();
  }
  grpc::Status WatchStatus(ServerContext* /*context*/, const v1::GetStatusRequest* request,
                           ServerWriter<v1::Status>* writer) override {
    Note("WatchStatus", *request);
    return Stream(script_.watch, writer);
  }
  grpc::Status ListEvents(ServerContext* /*context*/, const v1::ListEventsRequest* request,
                          ServerWriter<v1::Event>* writer) override {
    Note("ListEvents", *request);
    return Stream(script_.events, writer);
  }
  grpc::Status Switchover(ServerContext* /*context*/, const v1::SwitchoverRequest* request,
                          ServerWriter<v1::MoveProgress>* writer) override {
    Note("Switchover", *request);
    return Stream(script_.steps, writer);
  }
  grpc::Status Failback(ServerContext* /*context*/, const v1::FailbackRequest* request,
                        ServerWriter<v1::MoveProgress>* writer) override {
    Note("Failback", *request);
    return Stream(script_.steps, writer);
  }
  grpc::Status Pause(ServerContext* /*context*/, const v1::PauseRequest* request,
                     v1::PauseResponse* /*response*/) override {
    Note("Pause", *request);
    return Unary();
  }
  grpc::Status Resume(ServerContext* /*context*/, const v1::ResumeRequest* request,
                      v1::ResumeResponse* /*response*/) override {
    Note("Resume", *request);
    return Unary();
  }
  grpc::Status Ack(ServerContext* /*context*/, const v1::AckRequest* request,
                   v1::AckResponse* /*response*/) override {
    Note("Ack", *request);
    return Unary();
  }
  grpc::Status GetVersion(ServerContext* /*context*/, const v1::GetVersionRequest* /*request*/,
                          v1::Version* response) override {
    {
      const std::lock_guard lock(mutex_);
      ++version_calls_;
    }
    version_called_.notify_all();
    if (script_.hang == Hang::kAlways) released_.WaitForNotification();
    *response = script_.version;
    return grpc::Status::OK;
  }

 private:
  void Note(const char* call, const google::protobuf::Message& request) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(absl::StrCat(call, " ", request.ShortDebugString()));
  }
  grpc::Status Result() const {
    return {static_cast<grpc::StatusCode>(script_.result.code()),
            std::string(script_.result.message())};
  }
  grpc::Status Unary() {
    if (script_.hang == Hang::kAlways) released_.WaitForNotification();
    return Result();
  }
  template <typename Message>
  grpc::Status Stream(const std::vector<Message>& messages, ServerWriter<Message>* writer) {
    for (const Message& message : messages) writer->Write(message);
    if (script_.hang != Hang::kNever) released_.WaitForNotification();
    return Result();
  }

  const Script script_;
  absl::Notification released_;
  std::mutex mutex_;  // guards the two below
  std::vector<std::string> calls_;
  int version_calls_ = 0;
  std::condition_variable version_called_;
};

int Listen(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << errno;
  EXPECT_EQ(listen(fd, 8), 0) << errno;
  return fd;
}

}  // namespace

struct FakeController::Impl {
  explicit Impl(const Script& script) : service(script) {}

  // Hands each connection to gRPC and keeps a second descriptor of it, by which it can be broken.
  void Accept() {
    while (true) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;  // shut down
      {
        const std::lock_guard lock(mutex);
        connections.push_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
      }
      grpc::AddInsecureChannelFromFd(server.get(), fd);
    }
  }

  Service service;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
  int listener = -1;
  std::thread acceptor;
  std::thread stopper;
  std::mutex mutex;
  std::vector<int> connections;  // guarded by mutex
};

FakeController::FakeController(const std::string& listen, const Script& script)
    : impl_(std::make_unique<Impl>(script)) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&impl_->service);
  if (!script.mortal) {
    builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &impl_->port);
  }
  impl_->server = builder.BuildAndStart();
  EXPECT_NE(impl_->server, nullptr) << "can't listen at " << listen;
  if (script.mortal) {
    EXPECT_TRUE(absl::StartsWith(listen, "unix:")) << listen;
    impl_->listener = Listen(listen.substr(5));
    impl_->acceptor = std::thread([this] { impl_->Accept(); });
  }
}

FakeController::~FakeController() {
  if (impl_->listener >= 0) {
    shutdown(impl_->listener, SHUT_RDWR);
    impl_->acceptor.join();
    close(impl_->listener);
    for (const int fd : impl_->connections) close(fd);
  }
  impl_->service.Release();
  if (!impl_->stopper.joinable()) Stop();
  impl_->stopper.join();
}

int FakeController::port() const { return impl_->port; }

std::vector<std::string> FakeController::calls() const { return impl_->service.calls(); }

bool FakeController::WaitForVersionCalls(int count) {
  return impl_->service.WaitForVersionCalls(count);
}

void FakeController::Stop() {
  // With a deadline in the past open calls are cancelled at once; Shutdown itself returns when
  // their handlers have, which those that hang do in the destructor.
  impl_->stopper = std::thread([this] {
    impl_->server->Shutdown(std::chrono::system_clock::time_point(std::chrono::seconds(1)));
  });
}

void FakeController::Die() {
  shutdown(impl_->listener, SHUT_RDWR);
  const std::lock_guard lock(impl_->mutex);
  for (const int fd : impl_->connections) shutdown(fd, SHUT_RDWR);
}

}  // namespace hb::client
