#include "tests/lab/deployment.h"

#include <linux/capability.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/lab/fake_clock.h"

namespace hb::lab {
namespace {

constexpr Duration kStartLimit = absl::Seconds(20);
constexpr char kStoreDirectory[] = "/var/lib/hb";
constexpr char kStore[] = "/var/lib/hb/controller.db";
constexpr char kSavedStore[] = "/run/hb-lab-saved-store";
constexpr char kApacheConfig[] = "/etc/hb-lab/apache2.conf";

absl::StatusOr<std::string> ReadEdited(
    const std::string& path, const std::vector<std::pair<std::string, std::string>>& edits) {
  std::ifstream file(path);
  if (!file) return absl::FailedPreconditionError(absl::StrCat("cannot read ", path));
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  for (const auto& [from, to] : edits) {
    const size_t at = text.find(from);
    if (at == std::string::npos || text.find(from, at + 1) != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", from, "' does not stand exactly once in ", path));
    }
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace

absl::StatusOr<Deployment> Deployment::Install(Lab* lab, DeploymentOptions options) {
  for (const char* binary : {"hb-controller", "hb-executor", "hbctl"}) {
    const std::string path = absl::StrCat(options.binaries, "/", binary);
    if (access(path.c_str(), X_OK) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("there is no program ", path, ": build it"));
    }
  }
  Deployment deployment(lab, std::move(options));
  const std::string& place = deployment.options_.controller_host;
  if (!place.empty() && lab->host(place) == nullptr) {
    return absl::NotFoundError(absl::StrCat("the lab has no host ", place));
  }
  for (const char* node : {"master", "slave"}) {
    if (!deployment.options_.executors) break;
    if (absl::Status status = deployment.InstallNode(node); !status.ok()) return status;
  }
  if (absl::Status status = deployment.InstallController(); !status.ok()) return status;
  return deployment;
}

absl::Status Deployment::InstallNode(const std::string& node) {
  const absl::StatusOr<std::string> config =
      ReadEdited(absl::StrCat(options_.configs, "/lab/", node, ".yaml"), options_.executor_edits);
  if (!config.ok()) return config.status();
  return lab_->host(node)->WriteFile("/etc/hb/executor.yaml", *config);
}

absl::Status Deployment::InstallController() {
  Host& host = controller_host();
  const bool third = host.name() == "watch";
  const absl::StatusOr<std::string> config =
      ReadEdited(absl::StrCat(options_.configs, third ? "/third-host" : "", "/controller.yaml"),
                 options_.edits);
  if (!config.ok()) return config.status();
  if (absl::Status s = host.WriteFile("/etc/hb/controller.yaml", *config); !s.ok()) return s;
  // As a package does it: directories and the event log belong to the controller's user beforehand.
  if (absl::Status s = host.MakeDirectory("/var/lib/hb", 0755, kControllerUser); !s.ok()) return s;
  if (absl::Status s = host.RunOk({"/bin/chown", "65534:65534", "/var/lib/hb"}); !s.ok()) return s;
  return host.WriteFile("/var/log/ha.log", "", 0640, kControllerUser);
}

Host& Deployment::controller_host() const {
  if (!options_.controller_host.empty()) return *lab_->host(options_.controller_host);
  Host* const third = lab_->host("watch");
  return third != nullptr ? *third : lab_->slave();
}

absl::Status Deployment::Start() {
  for (const char* node : {"master", "slave"}) {
    if (absl::Status status = StartExecutor(node); !status.ok()) return status;
  }
  return StartController();
}

absl::Status Deployment::StartExecutor(std::string_view node) {
  Host& host = *lab_->host(node);
  const size_t before = host.Output(kExecutorName).size();
  ProgramOptions options;
  options.output_file = host.output_file(kExecutorName);
  absl::StatusOr<std::vector<std::string>> environment = EnvironmentOf(host, kExecutorName);
  if (!environment.ok()) return environment.status();
  options.environment = *std::move(environment);
  const absl::StatusOr<Process*> process =
      host.Spawn(kExecutorName, {absl::StrCat(options_.binaries, "/hb-executor")}, options);
  if (!process.ok()) return process.status();
  return AwaitOutput(host, kExecutorName, before, " started ");
}

absl::Status Deployment::StartController() {
  Host& host = controller_host();
  const size_t before = host.Output(kControllerName).size();
  // As tmpfiles.d makes it at each boot.
  if (absl::Status made = host.MakeDirectory("/run/hb", 0755); !made.ok()) return made;
  if (absl::Status s = host.RunOk({"/bin/chown", "65534:65534", "/run/hb"}); !s.ok()) return s;
  ProgramOptions options;
  options.user = kControllerUser;
  options.ambient_capabilities = {CAP_NET_RAW};
  options.output_file = host.output_file(kControllerName);
  absl::StatusOr<std::vector<std::string>> environment = EnvironmentOf(host, kControllerName);
  if (!environment.ok()) return environment.status();
  options.environment = *std::move(environment);
  const absl::StatusOr<Process*> process =
      host.Spawn(kControllerName, {absl::StrCat(options_.binaries, "/hb-controller")}, options);
  if (!process.ok()) return process.status();
  return AwaitOutput(host, kControllerName, before, " started ");
}

absl::StatusOr<std::vector<std::string>> Deployment::EnvironmentOf(Host& host,
                                                                   const char* daemon) const {
  if (!options_.fake_clocks) return std::vector<std::string>();
  return FakeClockEnvironment(host, daemon);
}

absl::Status Deployment::StepClock(std::string_view daemon, Duration offset) const {
  if (!options_.fake_clocks) {
    return absl::FailedPreconditionError("the daemons were installed without fake clocks");
  }
  if (daemon == kControllerName) return SetFakeClock(controller_host(), kControllerName, offset);
  return SetFakeClock(*lab_->host(daemon), kExecutorName, offset);
}

absl::Status Deployment::SaveStore() {
  Host& host = controller_host();
  const absl::StatusOr<Process*> controller = host.Find(kControllerName);
  const bool running = controller.ok() && (*controller)->Running();
  if (running) {
    if (absl::Status stopped = (*controller)->Stop(); !stopped.ok()) return stopped;
  }
  // Without the -shm file, as a backup has it: SQLite makes it anew from the -wal file.
  absl::Status copied =
      host.RunOk({"/bin/sh", "-c",
                  absl::StrCat("rm -rf ", kSavedStore, " && mkdir ", kSavedStore, " && cp -p ",
                               kStore, " ", kSavedStore, " && if [ -f ", kStore,
                               "-wal ]; then cp -p ", kStore, "-wal ", kSavedStore, "; fi")});
  if (running) {
    if (absl::Status went_on = (*controller)->Continue(); !went_on.ok()) return went_on;
  }
  return copied;
}

absl::Status Deployment::RemoveStore() {
  const absl::StatusOr<Process*> controller = controller_host().Find(kControllerName);
  if (controller.ok() && (*controller)->Running()) {
    return absl::FailedPreconditionError("the controller has its store open");
  }
  return controller_host().RunOk({"/bin/rm", "-f", kStore, absl::StrCat(kStore, "-wal"),
                                  absl::StrCat(kStore, "-shm"), absl::StrCat(kStore, "-journal")});
}

absl::Status Deployment::RestoreStore() {
  if (absl::Status removed = RemoveStore(); !removed.ok()) return removed;
  return controller_host().RunOk(
      {"/bin/sh", "-c", absl::StrCat("cp -p ", kSavedStore, "/* ", kStoreDirectory, "/")});
}

absl::Status Deployment::AwaitOutput(Host& host, const std::string& daemon, size_t from,
                                     const std::string& text) const {
  for (int i = 0; i < absl::ToInt64Milliseconds(kStartLimit) / 10; ++i) {
    const std::string output = host.Output(daemon);
    if (output.size() > from && absl::StrContains(output.substr(from), text)) {
      return absl::OkStatus();
    }
    const absl::StatusOr<Process*> process = host.Find(daemon);
    if (!process.ok() || !(*process)->Running()) {
      return absl::UnavailableError(
          absl::StrCat(daemon, " on ", host.name(), " ended:\n", host.Output(daemon)));
    }
    Pause(absl::Milliseconds(10));
  }
  return absl::DeadlineExceededError(
      absl::StrCat(daemon, " on ", host.name(), " did not start:\n", host.Output(daemon)));
}

absl::StatusOr<RunResult> Deployment::Ctl(const std::vector<std::string>& arguments,
                                          Duration limit) const {
  std::vector<std::string> argv = {hbctl()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return controller_host().Run(argv, limit);
}

std::string Deployment::EventLog() const {
  return controller_host().ReadFile("/var/log/ha.log").value_or("");
}

absl::Status Deployment::BreakService(std::string_view node) {
  return lab_->host(node)->RunOk({"/bin/mv", kApacheConfig, absl::StrCat(kApacheConfig, ".away")});
}

absl::Status Deployment::MendService(std::string_view node) {
  return lab_->host(node)->RunOk({"/bin/mv", absl::StrCat(kApacheConfig, ".away"), kApacheConfig});
}

}  // namespace hb::lab
