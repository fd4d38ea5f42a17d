// hb itself in a lab, installed as on real hosts: the sample configs of deploy/config unmodified,
// an executor as root on each node, the controller as an ordinary user with CAP_NET_RAW on the
// slave or on a third host.
#ifndef HB_TESTS_LAB_DEPLOYMENT_H_
#define HB_TESTS_LAB_DEPLOYMENT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/time.h"
#include "tests/lab/lab.h"

namespace hb::lab {

// Whom the controller runs as, and the daemons' names for Host::Find.
inline constexpr uid_t kControllerUser = 65534;
inline constexpr char kControllerName[] = "hb-controller";
inline constexpr char kExecutorName[] = "hb-executor";

struct DeploymentOptions {
  std::string binaries;  // where hb-controller, hb-executor and hbctl are
  std::string configs;   // deploy/config of the source tree
  // Replaced in the controller's config, each exactly once: {"after: 5s", "after: 1s"}.
  std::vector<std::pair<std::string, std::string>> edits = {};
  std::vector<std::pair<std::string, std::string>> executor_edits = {};
  // Empty: the third host where the lab has one, else the slave.
  std::string controller_host = {};
  // False: only a controller, beside that of another deployment on another host.
  bool executors = true;
  // Every daemon gets a wall clock of its own, which StepClock moves.
  bool fake_clocks = false;
};

class Deployment {
 public:
  // Installs; starts nothing. The lab must outlive it. FailedPrecondition: a binary or config is
  // missing; InvalidArgument: an edit does not match; NotFound: no such host.
  [[nodiscard]] static absl::StatusOr<Deployment> Install(Lab* lab, DeploymentOptions options);

  // Starts the executors, then the controller; returns once each serves.
  [[nodiscard]] absl::Status Start();
  [[nodiscard]] absl::Status StartExecutor(std::string_view node);
  [[nodiscard]] absl::Status StartController();

  Host& controller_host() const;
  std::string hbctl() const { return options_.binaries + "/hbctl"; }
  // hbctl on the controller's host, over its unix socket.
  [[nodiscard]] absl::StatusOr<RunResult> Ctl(const std::vector<std::string>& arguments,
                                              Duration limit = absl::Seconds(30)) const;
  // /var/log/ha.log; empty when it can't be read.
  std::string EventLog() const;

  // The daemon's wall clock is off by `offset` from now on. FailedPrecondition without fake_clocks.
  // `daemon`: a node's name for its executor, kControllerName for the controller.
  [[nodiscard]] absl::Status StepClock(std::string_view daemon, Duration offset) const;

  // Copies the controller's store to a place of its own; a controller that runs stands still for
  // it.
  [[nodiscard]] absl::Status SaveStore();
  // Puts the copy back in the place of the store; the controller must not run.
  [[nodiscard]] absl::Status RestoreStore();
  // Takes the store away; the controller must not run.
  [[nodiscard]] absl::Status RemoveStore();

  // Takes the httpd's config away, so that it can't be started, and gives it back.
  [[nodiscard]] absl::Status BreakService(std::string_view node);
  [[nodiscard]] absl::Status MendService(std::string_view node);

 private:
  Deployment(Lab* lab, DeploymentOptions options) : lab_(lab), options_(std::move(options)) {}
  absl::Status InstallNode(const std::string& node);
  absl::Status InstallController();
  absl::StatusOr<std::vector<std::string>> EnvironmentOf(Host& host, const char* daemon) const;
  // Until the daemon has printed `text` after the first `from` bytes of its output.
  absl::Status AwaitOutput(Host& host, const std::string& daemon, size_t from,
                           const std::string& text) const;

  Lab* lab_;
  DeploymentOptions options_;
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_DEPLOYMENT_H_
