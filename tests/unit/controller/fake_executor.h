// A real gRPC server in the test's process that speaks hb.v1.Executor on a free port of loopback.
#ifndef HB_TESTS_UNIT_CONTROLLER_FAKE_EXECUTOR_H_
#define HB_TESTS_UNIT_CONTROLLER_FAKE_EXECUTOR_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "hb/v1/executor.grpc.pb.h"

namespace hb::controller {

class FakeExecutor : public v1::Executor::Service {
 public:
  // Ends every session with this, after the controller's hello.
  explicit FakeExecutor(grpc::Status end) : end_(std::move(end)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeExecutor() override { server_->Shutdown(std::chrono::system_clock::time_point()); }

  // ADDRESS:PORT
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  using Stream = grpc::ServerReaderWriter<v1::ExecutorMessage, v1::ControllerMessage>;
  grpc::Status Session(grpc::ServerContext* /*context*/, Stream* stream) override {
    v1::ControllerMessage message;
    stream->Read(&message);
    return end_;
  }

  const grpc::Status end_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace hb::controller

#endif  // HB_TESTS_UNIT_CONTROLLER_FAKE_EXECUTOR_H_
