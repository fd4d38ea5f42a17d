// executor.yaml in the executor's own words: what a controller may touch, where to listen, which
// services there are. Pure; ranges and forms are the config reader's business (common/config),
// which has judged them before.
#ifndef HB_EXECUTOR_SETTINGS_H_
#define HB_EXECUTOR_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/config_values.h"
#include "executor/allow_list.h"
#include "executor/host/service/definition.h"
#include "hb/v1/config.pb.h"

namespace hb::executor {

struct Settings {
  std::string node;
  Endpoint listen;
  AllowList allow;
  std::vector<ServiceDefinition> services;
  std::string state;
  std::string bpffs;
};

// `config` as LoadExecutorConfig returns it. Internal: it is not.
[[nodiscard]] absl::StatusOr<Settings> ReadSettings(const v1::ExecutorConfig& config);

// Where the gate is pinned, of this node alone.
std::string GateDirectory(const Settings& settings);

// The top-level keys that differ.
std::vector<std::string> ChangedKeys(const v1::ExecutorConfig& before,
                                     const v1::ExecutorConfig& after);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_SETTINGS_H_
