// hb-executor as a process: puts the parts together in the order in which they may start, runs the
// loop, answers signals and systemd, and ends in order. It decides nothing about clusters.
#ifndef HB_EXECUTOR_DAEMON_H_
#define HB_EXECUTOR_DAEMON_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/probe/http.h"
#include "common/probe/icmp.h"
#include "executor/controller_link.h"
#include "executor/disk_store.h"
#include "executor/executor.h"
#include "executor/host/linux_host.h"
#include "executor/settings.h"
#include "executor/state.h"
#include "hb/v1/config.pb.h"

namespace hb::executor {

class Daemon {
 public:
  // Serves when it returns. An error: nothing was changed on the host, but leftovers of an earlier
  // run may have been removed.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Daemon>> Start(
      const v1::ExecutorConfig& config, const std::string& config_path);
  // For a node that gives up hb, while no executor runs: takes its floating addresses, firewall
  // chains and gate off the host. Services and the state directory stay; a lease that still ran
  // ends with it. FailedPrecondition: an executor runs.
  [[nodiscard]] static absl::Status Purge(const v1::ExecutorConfig& config);
  ~Daemon();

  // Until SIGTERM or SIGINT, and until what it holds is handed over (Executor::Leave). Returns the
  // exit status.
  int Run();

 private:
  Daemon(v1::ExecutorConfig config, std::string config_path)
      : config_(std::move(config)), config_path_(std::move(config_path)) {}
  absl::Status Open();
  absl::Status WatchSignals();
  absl::StatusOr<std::map<std::string, std::unique_ptr<Service>>> MakeServices(
      const Settings& settings);
  void Stop();
  void Reread();

  const v1::ExecutorConfig config_;
  const std::string config_path_;
  bool stopping_ = false;
  // In the order in which they may use each other.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<StateDirectory> state_;
  std::unique_ptr<DiskStore> disk_;
  std::unique_ptr<LinuxHost> host_;
  std::unique_ptr<IcmpProber> icmp_;
  std::unique_ptr<HttpProber> http_;
  EventLoop::Handle wake_;
  EventLoop::Handle last_moment_;
  std::unique_ptr<PeerClient> peers_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<PeerService> peer_service_;
  std::unique_ptr<ControllerLink> link_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_DAEMON_H_
