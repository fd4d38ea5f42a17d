// hb-controller: reads the config, opens the store, serves hbctl, and runs the loop.
#include <ifaddrs.h>
#include <netinet/in.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/controller_config.h"
#include "common/config/lease_costs.h"
#include "common/event_loop.h"
#include "common/log.h"
#include "common/net/gateway.h"
#include "common/probe/http.h"
#include "common/probe/icmp.h"
#include "common/time_namespace.h"
#include "common/version.h"
#include "controller/admin_service.h"
#include "controller/controller.h"
#include "controller/store/sqlite.h"

namespace hb::controller {
namespace {

constexpr int kFailed = 1;
constexpr int kBadConfig = 2;  // and bad usage

int Fail(int code, const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return code;
}

// What only this host can tell of a config that is well-formed.
absl::Status CheckHere(const v1::ControllerConfig& config, const std::string& path) {
  for (int i = 0; i < config.clusters_size(); ++i) {
    const v1::ClusterConfig& cluster = config.clusters(i);
    if (cluster.lease().on_expiry() != v1::ON_EXPIRY_WITNESS ||
        cluster.witness().address() != "gateway") {
      continue;
    }
    if (absl::StatusOr<IpAddress> gateway = DefaultGateway(); !gateway.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": clusters[", i, "].witness.address: gateway: ", gateway.status().message(),
          "; name an address that answers pings, or choose lease.on_expiry: release"));
    }
  }
  return absl::OkStatus();
}

// Of this host, on all its interfaces. Empty where they can't be had: then a warning is not given.
std::set<IpAddress> LocalAddresses() {
  std::set<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET) {
      addresses.insert(
          IpAddress::V4(reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      addresses.insert(
          IpAddress::V6(reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr));
    }
  }
  freeifaddrs(list);
  return addresses;
}

void LogWarnings(const v1::ControllerConfig& config) {
  for (const std::string& warning : Warnings(config, LocalAddresses())) {
    LogWarning("config is valid, but", {{"reason", warning}});
  }
}

class Daemon {
 public:
  explicit Daemon(std::string config_path) : config_path_(std::move(config_path)) {}

  int Run() {
    absl::StatusOr<v1::ControllerConfig> config = LoadControllerConfig(config_path_);
    if (!config.ok()) return Fail(kBadConfig, config.status());
    if (absl::Status here = CheckHere(*config, config_path_); !here.ok()) {
      return Fail(kBadConfig, here);
    }
    if (absl::Status status = Start(*config); !status.ok()) return Fail(kFailed, status);
    LogWarnings(*config);
    loop_->EnableWatchdog();
    sd_notify(0, "READY=1");
    LogInfo("started",
            {{"config", config_path_}, {"id", controller_->id()}, {"version", kVersion}});
    const int code = loop_->Run();
    sd_notify(0, "STOPPING=1");
    LogInfo("stopping");
    // Leases run on at the nodes; whoever starts next adopts them.
    admin_.reset();
    controller_.reset();
    return code;
  }

 private:
  absl::Status Start(const v1::ControllerConfig& config) {
    if (absl::Status status = CheckTimeNamespace(); !status.ok()) return status;
    signal(SIGPIPE, SIG_IGN);
    absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
    if (!loop.ok()) return loop.status();
    loop_ = *std::move(loop);
    for (const int signal : {SIGTERM, SIGINT}) {
      if (absl::Status status = loop_->OnSignal(signal, [this] { loop_->Stop(); }); !status.ok()) {
        return status;
      }
    }
    if (absl::Status status = loop_->OnSignal(SIGHUP, [this] { Reload(); }); !status.ok()) {
      return status;
    }
    absl::StatusOr<std::unique_ptr<Store>> store =
        OpenSqliteStore(std::string(absl::StripPrefix(config.store(), "sqlite://")));
    if (!store.ok()) return store.status();
    absl::StatusOr<std::unique_ptr<IcmpProber>> icmp = IcmpProber::Create(loop_.get());
    if (!icmp.ok()) return icmp.status();
    absl::StatusOr<std::unique_ptr<HttpProber>> http = HttpProber::Create(loop_.get());
    if (!http.ok()) return http.status();
    controller_ = std::make_unique<Controller>(loop_.get(), *std::move(icmp), *std::move(http),
                                               *std::move(store), config.event_log());
    const std::vector<std::string> listen(config.listen().begin(), config.listen().end());
    absl::StatusOr<std::unique_ptr<AdminServer>> admin =
        AdminServer::Start(loop_.get(), controller_.get(), listen);
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);
    running_ = config;
    return controller_->Configure(config);
  }

  // SIGHUP: the event log is reopened (rotation), then the config is read anew. A bad one changes
  // nothing.
  void Reload() {
    controller_->ReopenEventLog();
    absl::StatusOr<v1::ControllerConfig> config = LoadControllerConfig(config_path_);
    absl::Status status = config.status();
    if (status.ok()) status = CheckHere(*config, config_path_);
    if (status.ok()) status = CheckRestart(*config);
    if (status.ok()) status = controller_->Configure(*config);
    if (!status.ok()) {
      LogError("reload refused, nothing changed", {{"error", std::string(status.message())}});
      return;
    }
    running_ = *config;
    LogWarnings(*config);
    LogInfo("reloaded", {{"config", config_path_}});
  }

  absl::Status CheckRestart(const v1::ControllerConfig& config) const {
    const bool same_listen = std::equal(config.listen().begin(), config.listen().end(),
                                        running_.listen().begin(), running_.listen().end());
    if (same_listen && config.store() == running_.store() &&
        config.event_log() == running_.event_log()) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        "listen, store and event_log take effect at a restart only: restart hb-controller");
  }

  const std::string config_path_;
  v1::ControllerConfig running_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<AdminServer> admin_;
};

}  // namespace
}  // namespace hb::controller

// Only CLI11 throws, and what it throws while parsing is caught.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app{
      "hb-controller: watches the nodes and decides which one holds the floating addresses"};
  std::string config = "/etc/hb/controller.yaml";
  std::string level = "info";
  bool check = false;
  app.add_option("--config", config, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Only check the configuration: exit status 0 or 2");
  app.add_option("--log-level", level, "error, warning, info or debug")
      ->capture_default_str()
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}));
  app.set_version_flag("--version", std::string("hb-controller ") + hb::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  hb::SetLogLevel(level == "error"     ? hb::LogLevel::kError
                  : level == "warning" ? hb::LogLevel::kWarning
                  : level == "debug"   ? hb::LogLevel::kDebug
                                       : hb::LogLevel::kInfo);
  if (check) {
    const auto loaded = hb::LoadControllerConfig(config);
    if (!loaded.ok()) {
      std::fprintf(stderr, "%s\n", std::string(loaded.status().message()).c_str());
      return 2;
    }
    std::printf("%s is valid\n", config.c_str());
    return 0;
  }
  return hb::controller::Daemon(config).Run();
}
