// hb-lab: the lab from a shell. `up` makes a lab that stays until `down`; every other call finds it
// by its name and does one thing. Exit status: 0 done, 1 failed, 2 usage; of `exec` that of the
// program.
#include <linux/capability.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "tests/lab/deployment.h"
#include "tests/lab/lab.h"
#include "tests/lab/meter.h"
#include "tests/lab/meter_service.h"

namespace hb::lab {
namespace {

constexpr uid_t kOrdinaryUser = 65534;

struct Arguments {
  std::string name = "hblab";
  std::string directory;
  bool third_host = false;
  std::string host;
  std::string other;
  std::string process;
  std::string service = "apache2";
  std::vector<std::string> command;
  bool ordinary_user = false;
  bool json = false;
  std::string duration = "5s";
  DeploymentOptions deployment;
};

// What a command does with the lab; its exit status, or what went wrong.
using Action = std::function<absl::StatusOr<int>(Lab&, const Arguments&)>;

absl::StatusOr<int> Done(const absl::Status& status) {
  if (!status.ok()) return status;
  return 0;
}

absl::StatusOr<Host*> HostOf(const Lab& lab, const Arguments& arguments) {
  Host* const host = lab.host(arguments.host);
  if (host == nullptr) {
    return absl::NotFoundError(absl::StrCat("no host called ", arguments.host, "; there are ",
                                            absl::StrJoin(lab.host_names(), ", ")));
  }
  return host;
}

absl::StatusOr<Duration> DurationOf(const Arguments& arguments) {
  Duration duration;
  if (!absl::ParseDuration(arguments.duration, &duration) || duration < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("not a duration like 5s: ", arguments.duration));
  }
  return duration;
}

absl::StatusOr<int> Up(const Arguments& arguments) {
  LabOptions options;
  options.name = arguments.name;
  options.root_directory = arguments.directory;
  options.third_host = arguments.third_host;
  options.keep = true;
  const absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up(options);
  if (!lab.ok()) return lab.status();
  for (const std::string& host : (*lab)->host_names()) {
    const HostSpec& spec = (*lab)->host(host)->spec();
    absl::PrintF("%-8s %-14s %s\n", host, spec.address.ToString(), spec.net_name);
  }
  return 0;
}

absl::StatusOr<int> Deploy(Lab& lab, const Arguments& arguments) {
  absl::StatusOr<Deployment> hb = Deployment::Install(&lab, arguments.deployment);
  if (!hb.ok()) return hb.status();
  return Done(hb->Start());
}

absl::StatusOr<int> Down(const Arguments& arguments) {
  std::string directory;
  if (const auto lab = Lab::Attach(arguments.name, arguments.directory); lab.ok()) {
    directory = (*lab)->directory();
    // There need not be a meter; if there is, it ends with the client at the latest.
    (void)AskMeterService(**lab, "stop");
    if (absl::Status ended = AwaitMeterServiceEnd(directory, absl::Seconds(5)); !ended.ok())
      return ended;
  }
  return Done(Lab::Remove(arguments.name, arguments.directory));
}

absl::StatusOr<int> Exec(Lab& lab, const Arguments& arguments) {
  const absl::StatusOr<Host*> host = HostOf(lab, arguments);
  if (!host.ok()) return host.status();
  ProgramOptions options;
  options.terminal = true;
  // An interrupt from the terminal is for the program.
  signal(SIGINT, SIG_IGN);
  signal(SIGQUIT, SIG_IGN);
  const absl::StatusOr<std::unique_ptr<Process>> process =
      StartProgram(arguments.command, options, &(*host)->namespaces());
  if (!process.ok()) return process.status();
  return (*process)->Wait(absl::InfiniteDuration());
}

absl::StatusOr<int> SpawnDaemon(Lab& lab, const Arguments& arguments) {
  const absl::StatusOr<Host*> host = HostOf(lab, arguments);
  if (!host.ok()) return host.status();
  ProgramOptions options;
  options.detached = true;
  if (arguments.ordinary_user) {
    options.user = kOrdinaryUser;
    options.ambient_capabilities = {CAP_NET_RAW};
  }
  return Done((*host)->Spawn(arguments.process, arguments.command, options).status());
}

Action ToProcess(absl::Status (Process::*act)()) {
  return [act](Lab& lab, const Arguments& arguments) -> absl::StatusOr<int> {
    const absl::StatusOr<Host*> host = HostOf(lab, arguments);
    if (!host.ok()) return host.status();
    const absl::StatusOr<Process*> process = (*host)->Find(arguments.process);
    if (!process.ok()) return process.status();
    return Done(((*process)->*act)());
  };
}

Action ToService(int signal) {
  return [signal](Lab& lab, const Arguments& arguments) -> absl::StatusOr<int> {
    const absl::StatusOr<Host*> host = HostOf(lab, arguments);
    if (!host.ok()) return host.status();
    return Done(signal == SIGKILL ? (*host)->KillService(arguments.service)
                                  : (*host)->SignalService(arguments.service, signal));
  };
}

Action ToPair(absl::Status (Lab::*act)(std::string_view, std::string_view)) {
  return [act](Lab& lab, const Arguments& a) { return Done((lab.*act)(a.host, a.other)); };
}

Action ToHost(absl::Status (Lab::*act)(std::string_view)) {
  return [act](Lab& lab, const Arguments& a) { return Done((lab.*act)(a.host)); };
}

absl::StatusOr<int> Heal(Lab& lab, const Arguments& arguments) {
  if (arguments.host.empty()) return Done(lab.HealAll());
  return Done(lab.Heal(arguments.host, arguments.other));
}

absl::StatusOr<int> Output(Lab& lab, const Arguments& arguments) {
  const absl::StatusOr<Host*> host = HostOf(lab, arguments);
  if (!host.ok()) return host.status();
  std::cout << (*host)->Output(arguments.process);
  return 0;
}

absl::StatusOr<int> PrintStatus(Lab& lab, const Arguments& /*arguments*/) {
  for (const std::string& name : lab.host_names()) {
    Host& host = *lab.host(name);
    std::vector<std::string> daemons;
    for (const std::string& daemon : host.SpawnedNames()) {
      const absl::StatusOr<Process*> process = host.Find(daemon);
      daemons.push_back(process.ok() ? absl::StrCat(daemon, " (", (*process)->pid(), ")")
                                     : absl::StrCat(daemon, " (ended)"));
    }
    absl::PrintF("%-8s %-14s %s\n", name, host.spec().address.ToString(),
                 absl::StrJoin(daemons, ", "));
  }
  const absl::StatusOr<std::vector<std::string>> faults = lab.Faults();
  if (!faults.ok()) return faults.status();
  for (const std::string& fault : *faults) absl::PrintF("%s\n", fault);
  MeterOptions options;
  options.http = false;
  options.icmp = false;
  const absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(lab, options);
  if (!meter.ok()) return meter.status();
  Pause(absl::Milliseconds(100));
  const auto by_name = [](std::string* out, const auto& entry) { out->append(entry.first); };
  const MeterReport report = (*meter)->Stop();
  absl::PrintF("%s is answered for by %s\n", kVip,
               report.arp.answered == 0 ? "nobody"
                                        : absl::StrJoin(report.arp.answered_by, " and ", by_name));
  return 0;
}

void Print(const MeterReport& report, bool json) {
  std::cout << (json ? ToJson(report) + "\n" : ToText(report));
}

absl::StatusOr<int> MeasureInForeground(Lab& lab, const Arguments& arguments) {
  const absl::StatusOr<Duration> duration = DurationOf(arguments);
  if (!duration.ok()) return duration.status();
  const absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(lab);
  if (!meter.ok()) return meter.status();
  Pause(*duration);
  Print((*meter)->Stop(), arguments.json);
  return 0;
}

absl::StatusOr<int> StartMeter(Lab& lab, const Arguments& arguments) {
  return Done(StartMeterService(lab.name(), arguments.directory, {}));
}

absl::StatusOr<int> Ask(const Lab& lab, const std::string& question) {
  const absl::StatusOr<std::string> answer = AskMeterService(lab, question);
  if (!answer.ok()) return answer.status();
  std::cout << *answer;
  if (!answer->empty() && answer->back() != '\n') std::cout << '\n';
  return 0;
}

absl::StatusOr<int> ReportMeter(Lab& lab, const Arguments& arguments) {
  return Ask(lab, arguments.json ? "json" : "text");
}

absl::StatusOr<int> WaitMeter(Lab& lab, const Arguments& arguments) {
  const absl::StatusOr<Duration> limit = DurationOf(arguments);
  if (!limit.ok()) return limit.status();
  return Ask(lab, absl::StrCat("wait ", arguments.host, " ", absl::ToInt64Milliseconds(*limit)));
}

Action AskMeter(const std::string& question) {
  return [question](Lab& lab, const Arguments& /*arguments*/) { return Ask(lab, question); };
}

// The command line: every subcommand leaves in `chosen` what is to be done.
class CommandLine {
 public:
  CommandLine()
      : app_(
            "A LAN of hosts as network namespaces, with faults to inject and a client that "
            "measures.",
            "hb-lab") {
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.add_option("--name", arguments_.name, "The lab's name")->capture_default_str();
    app_.add_option("--dir", arguments_.directory,
                    "Where labs keep their state (default $HB_LAB_DIR or /run/hb-lab)");
    CLI::App* const up = app_.add_subcommand("up", "Make a lab; one of the same name is replaced");
    up->add_flag("--third-host", arguments_.third_host, "With the host `watch`");
    up->callback([this] { alone_ = Up; });
    app_.add_subcommand("down", "Take the lab down")->callback([this] { alone_ = Down; });
    Command(&app_, "status", "Hosts, daemons, faults, who answers for the VIP", PrintStatus);
    CLI::App* const deploy = Command(
        &app_, "deploy", "Install hb with its sample configs on the hosts, and start it", Deploy);
    deploy->add_option("--binaries", arguments_.deployment.binaries, "where hb's programs are")
        ->required();
    deploy->add_option("--configs", arguments_.deployment.configs, "the tree's deploy/config")
        ->required();
    AddHostCommands();
    AddFaultCommands();
    AddMeterCommands();
  }

  int Run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? 0 : 2;
    }
    const absl::StatusOr<int> result = Act();
    if (result.ok()) return *result;
    absl::FPrintF(stderr, "hb-lab: %s\n", std::string(result.status().message()));
    return absl::IsInvalidArgument(result.status()) ? 2 : 1;
  }

 private:
  absl::StatusOr<int> Act() {
    if (alone_) return alone_(arguments_);
    const absl::StatusOr<std::unique_ptr<Lab>> lab =
        Lab::Attach(arguments_.name, arguments_.directory);
    if (!lab.ok()) return lab.status();
    return action_(**lab, arguments_);
  }

  CLI::App* Command(CLI::App* parent, const char* name, const char* help, Action action) {
    CLI::App* const command = parent->add_subcommand(name, help);
    command->callback([this, action = std::move(action)] {
      if (!action_) action_ = action;
    });
    return command;
  }

  CLI::App* HostCommand(const char* name, const char* help, Action action) {
    CLI::App* const command = Command(&app_, name, help, std::move(action));
    command->add_option("host", arguments_.host, "master, slave, watch, client or gateway")
        ->required();
    return command;
  }

  void AddHostCommands() {
    CLI::App* const exec = HostCommand("exec", "Run a program on a host", Exec);
    exec->add_option("command", arguments_.command, "after --")->required();
    CLI::App* const spawn = HostCommand("spawn", "Start a daemon on a host", SpawnDaemon);
    spawn->add_option("process", arguments_.process, "its name from now on")->required();
    spawn->add_flag("--user", arguments_.ordinary_user, "as user 65534 with CAP_NET_RAW alone");
    spawn->add_option("command", arguments_.command, "after --")->required();
    const std::vector<CLI::App*> of_process = {
        HostCommand("kill", "SIGKILL a daemon", ToProcess(&Process::Kill)),
        HostCommand("stop", "SIGSTOP a daemon", ToProcess(&Process::Stop)),
        HostCommand("cont", "SIGCONT a daemon", ToProcess(&Process::Continue)),
        HostCommand("output", "Print what a daemon has printed", Output)};
    for (CLI::App* command : of_process) {
      command->add_option("process", arguments_.process, "as it was spawned")->required();
    }
    const std::vector<CLI::App*> of_service = {
        HostCommand("kill-service", "SIGKILL every process of a service", ToService(SIGKILL)),
        HostCommand("stop-service", "SIGSTOP them", ToService(SIGSTOP)),
        HostCommand("cont-service", "SIGCONT them", ToService(SIGCONT))};
    for (CLI::App* command : of_service) {
      command->add_option("service", arguments_.service, "what its processes are called")
          ->capture_default_str();
    }
  }

  void AddFaultCommands() {
    const std::vector<CLI::App*> of_pair = {
        HostCommand("cut", "Drop packets between two hosts, both ways", ToPair(&Lab::Cut)),
        HostCommand("drop", "Drop packets from one host to another", ToPair(&Lab::Drop))};
    for (CLI::App* command : of_pair) {
      command->add_option("other", arguments_.other, "the other host")->required();
    }
    CLI::App* const heal = Command(
        &app_, "heal", "Let packets of a pair pass again; without a pair, undo every fault", Heal);
    CLI::Option* const first = heal->add_option("host", arguments_.host, "one host");
    CLI::Option* const second = heal->add_option("other", arguments_.other, "the other");
    first->needs(second);
    HostCommand("isolate", "Cut a host from every other, carrier up", ToHost(&Lab::Isolate));
    HostCommand("pull", "Pull a host's cable", ToHost(&Lab::PullCable));
    HostCommand("plug", "Put it back", ToHost(&Lab::PlugCable));
    HostCommand("power-off", "Cable out, every process killed", ToHost(&Lab::PowerOff));
    HostCommand("power-on", "The host as after a boot", ToHost(&Lab::PowerOn));
  }

  void AddMeterCommands() {
    CLI::App* const meter =
        Command(&app_, "meter", "Measure what the client sees", MeasureInForeground);
    meter->add_option("--for", arguments_.duration, "how long")->capture_default_str();
    meter->add_flag("--json", arguments_.json, "the report as JSON");
    meter->require_subcommand(0, 1);
    Command(meter, "start", "Measure in the background", StartMeter);
    Command(meter, "mark", "Let reports count from now", AskMeter("mark"));
    Command(meter, "report", "The report since the mark", ReportMeter);
    Command(meter, "outage", "The longest HTTP outage since the mark, in ms", AskMeter("outage"));
    Command(meter, "stop", "The last report; measure no more", AskMeter("stop"));
    CLI::App* const wait = Command(meter, "wait", "Until a node serves the VIP", WaitMeter);
    wait->add_option("host", arguments_.host, "the node")->required();
    wait->add_option("--timeout", arguments_.duration, "how long at most")->capture_default_str();
  }

  Arguments arguments_;
  CLI::App app_;
  std::function<absl::StatusOr<int>(const Arguments&)> alone_;
  Action action_;  // the innermost subcommand's: its callback is called first
};

}  // namespace
}  // namespace hb::lab

int main(int argc, char** argv) { return hb::lab::CommandLine().Run(argc, argv); }
