// A real gRPC server in the test's process that speaks hb.v1.Executor on a free port of loopback.
#ifndef HB_TESTS_UNIT_CONTROLLER_FAKE_EXECUTOR_H_
#define HB_TESTS_UNIT_CONTROLLER_FAKE_EXECUTOR_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "hb/v1/executor.grpc.pb.h"

namespace hb::controller {

class FakeExecutor : public v1::Executor::Service {
 public:
  // With OK: a node that takes every spec and could hold; it says so once, then listens. Otherwise
  // every session ends with `end`, after the controller's hello.
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
    if (!end_.ok()) return end_;
    v1::ExecutorMessage hello;
    hello.mutable_hello()->set_protocol_version(1);
    hello.mutable_hello()->set_node(message.hello().node());
    hello.mutable_hello()->set_incarnation(1);
    stream->Write(hello);
    v1::ExecutorMessage report;
    report.mutable_report()->set_number(1);
    stream->Write(report);
    while (stream->Read(&message)) {
      if (message.orders().specs().empty()) continue;
      report.mutable_report()->set_number(report.report().number() + 1);
      for (const v1::ClusterSpec& spec : message.orders().specs()) {
        v1::ClusterReport* const cluster = report.mutable_report()->add_clusters();
        cluster->set_cluster(spec.cluster());
        cluster->set_spec_revision(spec.revision());
        cluster->mutable_service()->set_state(v1::SERVICE_STATE_STOPPED);
      }
      stream->Write(report);
    }
    return grpc::Status::OK;
  }

  const grpc::Status end_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace hb::controller

#endif  // HB_TESTS_UNIT_CONTROLLER_FAKE_EXECUTOR_H_
