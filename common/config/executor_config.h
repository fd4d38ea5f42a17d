// /etc/hb/executor.yaml: read, checked whole and completed. What the fields mean, their ranges and
// their defaults stand in protos/hb/v1/config.proto. It looks at nothing on the host: whether an
// interface, a unit or a program exists is found out when it is used.
#ifndef HB_COMMON_CONFIG_EXECUTOR_CONFIG_H_
#define HB_COMMON_CONFIG_EXECUTOR_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "hb/v1/config.pb.h"

namespace hb {

// A config that every rule of the schema holds for. Each field that has a default is set; what is
// still absent stands for "none" (a process's output). Addresses are in their canonical form,
// allowed prefixes with a length. Errors as in LoadControllerConfig.
[[nodiscard]] absl::StatusOr<hb::v1::ExecutorConfig> LoadExecutorConfig(const std::string& path);
[[nodiscard]] absl::StatusOr<hb::v1::ExecutorConfig> ParseExecutorConfig(
    std::string_view text, const std::string& file_name);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_EXECUTOR_CONFIG_H_
