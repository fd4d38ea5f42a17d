#include "executor/daemon.h"

#include <signal.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/boot_clock.h"
#include "common/config/executor_config.h"
#include "common/log.h"
#include "common/time_namespace.h"
#include "executor/host/service/factory.h"

namespace hb::executor {
namespace {

// An executor that was told to end and can't in this time ends all the same; what it held stays as
// it is until the lease ends. A second signal has the same effect at once.
const Duration kLastMoment = Node::kLeaveLimit + absl::Seconds(2);

void Notify(const std::string& state) { sd_notify(0, state.c_str()); }

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const v1::ExecutorConfig& config,
                                                      const std::string& config_path) {
  auto daemon = std::unique_ptr<Daemon>(new Daemon(config, config_path));
  if (absl::Status status = daemon->Open(); !status.ok()) return status;
  return daemon;
}

Daemon::~Daemon() {
  // The link first: nothing new may come in while the rest goes.
  link_.reset();
  peers_.reset();
}

absl::Status Daemon::Open() {
  if (absl::Status status = CheckTimeNamespace(); !status.ok()) return status;
  absl::StatusOr<Settings> settings = ReadSettings(config_);
  if (!settings.ok()) return settings.status();
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  // Before any thread starts.
  if (absl::Status status = WatchSignals(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<StateDirectory>> state = StateDirectory::Open(settings->state);
  if (!state.ok()) return state.status();
  state_ = *std::move(state);
  absl::StatusOr<std::unique_ptr<LinuxHost>> host =
      LinuxHost::Create(loop_.get(), GateDirectory(*settings));
  if (!host.ok()) return host.status();
  host_ = *std::move(host);
  absl::StatusOr<std::unique_ptr<IcmpProber>> icmp = IcmpProber::Create(loop_.get());
  if (!icmp.ok()) return icmp.status();
  icmp_ = *std::move(icmp);
  absl::StatusOr<std::unique_ptr<HttpProber>> http = HttpProber::Create(loop_.get());
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  absl::StatusOr<std::map<std::string, std::unique_ptr<Service>>> services =
      MakeServices(*settings);
  if (!services.ok()) return services.status();

  Executor::Setup setup;
  setup.incarnation = state_->incarnation();
  setup.records = state_->records();
  setup.recorded_vips = state_->vips();
  disk_ = std::make_unique<DiskStore>(loop_.get(), state_.get());
  setup.allow = settings->allow;
  setup.services = *std::move(services);
  setup.host = host_.get();
  setup.icmp = icmp_.get();
  setup.store = disk_.get();
  peers_ = std::make_unique<PeerClient>(loop_.get(), settings->node);
  setup.peers = peers_.get();
  setup.now = BootNow;
  setup.wait_now = WaitNow;
  setup.wake_at = [this](MonoTime when) { wake_ = loop_->At(when, [this] { executor_->Wake(); }); };
  setup.status_changed = [](const std::string& status) { Notify("STATUS=" + status); };
  executor_ = std::make_unique<Executor>(std::move(setup));
  if (absl::Status status = executor_->Start(); !status.ok()) return status;
  peer_service_ = std::make_unique<PeerService>(loop_.get(), settings->node, executor_.get());

  ControllerLink::Options options;
  options.address = settings->listen.address;
  options.port = settings->listen.port;
  options.node = settings->node;
  options.incarnation = state_->incarnation();
  options.software_version = HB_VERSION;
  options.peer_service = peer_service_.get();
  absl::StatusOr<std::unique_ptr<ControllerLink>> link =
      ControllerLink::Start(std::move(options), loop_.get(), executor_.get());
  if (!link.ok()) return link.status();
  link_ = *std::move(link);
  LogInfo("started", {{"node", settings->node},
                      {"listen", settings->listen.ToString()},
                      {"version", HB_VERSION},
                      {"incarnation", state_->incarnation()}});
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, std::unique_ptr<Service>>> Daemon::MakeServices(
    const Settings& settings) {
  const std::string directory = absl::StrCat(settings.state, "/services");
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError(
        absl::StrCat("cannot make directory ", directory, ": ", std::strerror(errno)));
  }
  std::map<std::string, std::unique_ptr<Service>> services;
  for (const ServiceDefinition& definition : settings.services) {
    absl::StatusOr<std::unique_ptr<Service>> service =
        MakeService(loop_.get(), http_.get(), definition, directory);
    if (!service.ok()) return service.status();
    services[definition.name] = *std::move(service);
  }
  return services;
}

absl::Status Daemon::WatchSignals() {
  signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGTERM, SIGINT}) {
    absl::Status status = loop_->OnSignal(number, [this] { Stop(); });
    if (!status.ok()) return status;
  }
  return loop_->OnSignal(SIGHUP, [this] { Reread(); });
}

int Daemon::Run() {
  loop_->EnableWatchdog();
  executor_->Wake();
  Notify("READY=1");
  return loop_->Run();
}

void Daemon::Stop() {
  if (std::exchange(stopping_, true)) return loop_->Stop(0);  // told twice
  LogInfo("stopping", {{"reason", "told to by a signal"}});
  last_moment_ = loop_->After(kLastMoment, [this] { loop_->Stop(0); });
  Notify("STOPPING=1");
  executor_->Leave([this] { loop_->Stop(0); });
}

void Daemon::Reread() {
  // The file is read on the disk's thread; what is told here is all that comes of it.
  const auto changed = std::make_shared<std::vector<std::string>>();
  disk_->Do(
      [path = config_path_, before = config_, changed] {
        absl::StatusOr<v1::ExecutorConfig> after = LoadExecutorConfig(path);
        if (after.ok()) *changed = ChangedKeys(before, *after);
        return after.status();
      },
      [path = config_path_, changed](const absl::Status& status) {
        if (!status.ok()) {
          LogError("config refused; going on with the old one",
                   {{"file", path}, {"reason", std::string(status.message())}});
        } else if (changed->empty()) {
          LogInfo("config unchanged", {{"file", path}});
        } else {
          LogWarning("config is valid; restart hb-executor to use it",
                     {{"file", path}, {"changed", absl::StrJoin(*changed, ",")}});
        }
      });
}

}  // namespace hb::executor
