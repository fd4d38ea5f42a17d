#include "executor/settings.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/proto_duration.h"
#include "executor/host/service/signal_name.h"

namespace hb::executor {
namespace {

absl::Status Unread(const std::string& field, const absl::Status& status) {
  return absl::InternalError(absl::StrCat("executor.yaml has passed its checks, but ", field,
                                          " has not: ", std::string(status.message())));
}

absl::StatusOr<ServiceDefinition> ReadService(const std::string& name,
                                              const v1::LocalServiceConfig& config) {
  ServiceDefinition service;
  service.name = name;
  if (config.has_systemd()) {
    service.run = SystemdUnit{config.systemd()};
  } else {
    ProcessDefinition process;
    process.argv.assign(config.process().argv().begin(), config.process().argv().end());
    for (const auto& [variable, value] : config.process().environment()) {
      process.environment[variable] = value;
    }
    process.output = config.process().output();
    absl::StatusOr<int> signal = ParseSignalName(config.process().stop_signal());
    if (!signal.ok()) return Unread("process.stop_signal", signal.status());
    process.stop_signal = *signal;
    service.run = std::move(process);
  }
  for (const v1::LocalCheckConfig& check : config.checks()) {
    service.checks.push_back({.http = check.http(),
                              .interval = FromProtoDuration(check.interval()),
                              .timeout = FromProtoDuration(check.timeout()),
                              .fall = static_cast<int>(check.fall())});
  }
  service.start_timeout = FromProtoDuration(config.start_timeout());
  service.stop_timeout = FromProtoDuration(config.stop_timeout());
  return service;
}

}  // namespace

absl::StatusOr<Settings> ReadSettings(const v1::ExecutorConfig& config) {
  Settings settings;
  settings.node = config.node();
  settings.state = config.state();
  settings.bpffs = config.bpffs();
  absl::StatusOr<Endpoint> listen = ParseEndpoint(config.listen());
  if (!listen.ok()) return Unread("listen", listen.status());
  settings.listen = *listen;
  settings.allow.own_address = listen->address;
  settings.allow.interfaces.insert(config.allow().interfaces().begin(),
                                   config.allow().interfaces().end());
  for (const std::string& text : config.allow().vips()) {
    absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(text);
    if (!prefix.ok()) return Unread("allow.vips", prefix.status());
    settings.allow.vips.push_back(*prefix);
  }
  for (const uint32_t port : config.allow().firewall_tcp()) {
    settings.allow.firewall_tcp.insert(static_cast<uint16_t>(port));
  }
  for (const auto& [name, service] : config.services()) {
    absl::StatusOr<ServiceDefinition> definition = ReadService(name, service);
    if (!definition.ok()) return definition.status();
    settings.services.push_back(*std::move(definition));
  }
  return settings;
}

std::string GateDirectory(const Settings& settings) {
  return absl::StrCat(settings.bpffs, "/hb/", settings.node);
}

std::vector<std::string> ChangedKeys(const v1::ExecutorConfig& before,
                                     const v1::ExecutorConfig& after) {
  std::vector<std::string> changed;
  const google::protobuf::Descriptor* descriptor = v1::ExecutorConfig::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    v1::ExecutorConfig a = before;
    v1::ExecutorConfig b = after;
    for (int other = 0; other < descriptor->field_count(); ++other) {
      if (other == i) continue;
      v1::ExecutorConfig::GetReflection()->ClearField(&a, descriptor->field(other));
      v1::ExecutorConfig::GetReflection()->ClearField(&b, descriptor->field(other));
    }
    if (!google::protobuf::util::MessageDifferencer::Equals(a, b)) {
      changed.push_back(descriptor->field(i)->name());
    }
  }
  return changed;
}

}  // namespace hb::executor
