// What the daemon's tests stand on: a network namespace of the test process's own with eth0 (a
// veth) in it, the real hb-executor started there with a config and a state directory of its own,
// and a small controller that speaks to it over gRPC.
#ifndef HB_TESTS_HOST_EXECUTOR_DAEMON_WORLD_H_
#define HB_TESTS_HOST_EXECUTOR_DAEMON_WORLD_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/time.h"
#include "hb/v1/executor.grpc.pb.h"

namespace hb::executor {

// The real daemon. Killed when this is destroyed, and when the test dies.
class DaemonProcess {
 public:
  // `environment` as "NAME=value". Runs as `user` when that is not 0, without any capability.
  DaemonProcess(const std::vector<std::string>& arguments, const std::string& error_file,
                const std::vector<std::string>& environment = {}, uid_t user = 0);
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  void Signal(int number) const;
  // Its exit status; 128 + the signal that ended it. -1 when it has not ended within 10 s.
  int Wait();

 private:
  pid_t pid_ = -1;
};

// One session with the daemon.
class TestController {
 public:
  // Connected, hello done, the first report read.
  explicit TestController(uint16_t port);

  // The next report; what it says of "web", when it says something, is in web().
  bool ReadReport();
  // Answers the newest report.
  bool Answer(v1::Orders orders = {});
  // Reads and answers until `condition` holds; false when it has not within 10 s.
  template <typename Condition>
  bool KeepUntil(Condition condition) {
    for (int reports = 0; reports < 500; ++reports) {
      if (condition()) return true;
      if (!ReadReport() || !Answer()) return condition();
    }
    return false;
  }
  grpc::Status End();

  const v1::ClusterReport& web() const { return web_; }
  // When the report that was answered last had been read.
  MonoTime answered_report_read() const { return answered_report_read_; }

 private:
  std::unique_ptr<v1::Executor::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ControllerMessage, v1::ExecutorMessage>> stream_;
  v1::ReportId newest_;
  v1::ClusterReport web_;
  MonoTime newest_read_;
  MonoTime answered_report_read_;
};

class ExecutorDaemonTest : public ::testing::Test {
 protected:
  static constexpr char kVip[] = "192.168.77.111";

  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  std::unique_ptr<DaemonProcess> StartDaemon(const std::vector<std::string>& environment = {},
                                             const std::vector<std::string>& flags = {});
  // Started, and it listens.
  std::unique_ptr<DaemonProcess> StartServing(const std::vector<std::string>& environment = {});
  bool WaitUntilListening() const;
  // Spec and ACTIVE order of cluster web.
  static v1::Orders Activate(uint64_t epoch, Duration ttl);
  std::string Errors() const { return ReadFile(directory_ + "/errors"); }
  static std::string ReadFile(const std::string& path);
  void WriteFile(const std::string& name, const std::string& text) const;
  static bool VipIsUp();
  // Polls; false when it has not become so within 10 s.
  static bool EventuallyVipIs(bool up);
  // The service's process runs.
  bool ServiceRuns() const;

  std::string directory_;
  uint16_t port_ = 0;
};

}  // namespace hb::executor

#endif  // HB_TESTS_HOST_EXECUTOR_DAEMON_WORLD_H_
