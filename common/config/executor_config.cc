// See the header. One function a message of the schema, in the schema's order.
#include "common/config/executor_config.h"

#include <cstdint>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/config/config_report.h"
#include "common/config/config_scope.h"
#include "common/config/config_values.h"
#include "common/config/read_file.h"
#include "common/config/shared_rules.h"
#include "common/config/yaml_reader.h"

namespace hb {
namespace {

constexpr int kMaxAllowed = 64;
constexpr int kMaxChecks = 16;
constexpr int kMaxArguments = 256;
constexpr Duration kMinStart = absl::Milliseconds(100);
constexpr Duration kMaxStart = absl::Minutes(10);

void CheckAllow(const ConfigScope& allow, hb::v1::AllowConfig* message) {
  allow.CheckCount("interfaces", 1, kMaxAllowed);
  allow.CheckStrings("interfaces", CheckInterface);
  for (std::string& prefix : *message->mutable_vips()) {
    const absl::StatusOr<IpPrefix> parsed = ParseNetwork(prefix);
    if (parsed.ok()) prefix = parsed->ToString();
  }
  allow.CheckCount("vips", 1, kMaxAllowed);
  allow.CheckStrings("vips", [](const std::string& text) { return ParseNetwork(text).status(); });
  allow.CheckCount("firewall_tcp", 0, kMaxAllowed);
  std::map<uint32_t, int> seen;
  for (int i = 0; i < message->firewall_tcp_size(); ++i) {
    if (!allow.Sound("firewall_tcp", i)) continue;
    const uint32_t port = message->firewall_tcp(i);
    if (port < 1 || port > 65535) {
      allow.Refuse("firewall_tcp", i, absl::StrCat(port, " is no port; use 1 to 65535"));
      continue;
    }
    const auto [first, is_new] = seen.emplace(port, i);
    if (!is_new) {
      allow.Refuse("firewall_tcp", i,
                   absl::StrCat(port, " stands in ", allow.PathOf("firewall_tcp", first->second),
                                " already; remove one"));
    }
  }
}

void CheckEnvironment(const ConfigScope& process, const hb::v1::ProcessConfig& message) {
  const std::string path = process.PathOf("environment");
  for (const auto& [name, value] : message.environment()) {
    bool sound = !name.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(name[0]));
    for (const char c : name) {
      sound = sound && (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_');
    }
    if (sound) continue;
    process.report()->Refuse(FieldPath(path, name),
                             absl::StrCat(QuoteForError(name),
                                          " is no variable's name; use letters, digits and '_',"
                                          " the first no digit"));
  }
}

void CheckProcess(const ConfigScope& process, const hb::v1::ProcessConfig& message) {
  process.CheckCount("argv", 1, kMaxArguments);
  if (message.argv_size() > 0 && process.Sound("argv", 0)) {
    process.Expect("argv", 0, CheckPath(message.argv(0)));
  }
  CheckEnvironment(process, message);
  process.CheckString("output", CheckPath);
  process.StringOr("stop_signal", "SIGTERM");
  process.CheckString("stop_signal", CheckStopSignal);
}

void CheckLocalCheck(const ConfigScope& check) {
  if (check.Require("http", "write the URL to ask, like http://127.0.0.1/")) {
    check.CheckString("http", [](const std::string& url) { return CheckHttpUrl(url, false); });
  }
  CheckPace(check, absl::Seconds(1), absl::Seconds(1));
  check.NumberOr("fall", 2, 1, 100);
}

void CheckLocalService(const ConfigScope& service, hb::v1::LocalServiceConfig* message) {
  ConfigReport* report = service.report();
  const bool systemd = report->Has(service.PathOf("systemd"));
  const bool process = report->Has(service.PathOf("process"));
  if (systemd && process) {
    service.Refuse("process",
                   "stands beside systemd; a service has one of the two, remove the other");
  } else if (!systemd && !process && !report->Failed(service.path())) {
    report->Refuse(service.path(),
                   "has nothing to run; write systemd: UNIT or process: {argv: [...]}");
  }
  service.CheckString("systemd", CheckUnit);
  if (service.Has("process")) CheckProcess(service.Child("process"), *message->mutable_process());
  service.CheckCount("checks", 0, kMaxChecks);
  for (int i = 0; i < message->checks_size(); ++i) CheckLocalCheck(service.Item("checks", i));
  service.DurationOr("start_timeout", absl::Seconds(30), kMinStart, kMaxStart);
  service.DurationOr("stop_timeout", absl::Seconds(10), kMinStart, kMaxStart);
}

void CheckFile(const ConfigScope& file, hb::v1::ExecutorConfig* config) {
  ConfigReport* report = file.report();
  if (file.Require("node", "write this node's name in controller.yaml")) {
    file.CheckString("node", CheckName);
  }
  if (file.Require("listen",
                   "write where the controller reaches this node, like"
                   " 192.168.0.1:7401")) {
    const absl::StatusOr<Endpoint> parsed = ParseEndpoint(config->listen());
    file.Expect("listen", parsed.status());
    if (parsed.ok()) config->set_listen(parsed->ToString());
  }
  CheckTransport(file);
  if (file.Has("allow")) {
    CheckAllow(file.Child("allow"), config->mutable_allow());
  } else {
    file.Require("allow", "write what a controller may touch here: interfaces and vips");
  }
  const std::string services = file.PathOf("services");
  for (auto& [name, service] : *config->mutable_services()) {
    const std::string path = FieldPath(services, name);
    if (absl::Status status = CheckName(name); !status.ok()) {
      report->Refuse(path, std::string(status.message()));
    }
    CheckLocalService(ConfigScope(report, &service, path), &service);
  }
  file.StringOr("state", "/var/lib/hb/executor");
  file.CheckString("state", CheckPath);
  file.StringOr("bpffs", "/sys/fs/bpf");
  file.CheckString("bpffs", CheckPath);
}

}  // namespace

absl::StatusOr<hb::v1::ExecutorConfig> LoadExecutorConfig(const std::string& path) {
  absl::StatusOr<std::string> text = ReadConfigFile(path);
  if (!text.ok()) return text.status();
  return ParseExecutorConfig(*text, path);
}

absl::StatusOr<hb::v1::ExecutorConfig> ParseExecutorConfig(std::string_view text,
                                                           const std::string& file_name) {
  ConfigReport report(file_name);
  hb::v1::ExecutorConfig config;
  if (absl::Status status = ReadYaml(text, &config, &report); !status.ok()) return status;
  CheckFile(ConfigScope(&report, &config, ""), &config);
  if (absl::Status status = report.ToStatus(); !status.ok()) return status;
  return config;
}

}  // namespace hb
