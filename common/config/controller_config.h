// /etc/hb/controller.yaml: read, checked whole and completed. What the fields mean, their ranges
// and their defaults stand in protos/hb/v1/config.proto. Touches no network and resolves nothing:
// whether the gateway or a node answers is not its question.
#ifndef HB_COMMON_CONFIG_CONTROLLER_CONFIG_H_
#define HB_COMMON_CONFIG_CONTROLLER_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "hb/v1/config.pb.h"

namespace hb {

// A config that every rule of the schema and every relation holds for. Each field that has a
// default is set; what is still absent stands for "none" (event_log, probes.http, firewall, an HTTP
// probe's host, body and ca; witness unless the policy is witness). Addresses are in their
// canonical form, VIPs with a prefix length. InvalidArgument: one error a line, "FILE:LINE:COLUMN:
// PATH: what is wrong; what to do", in the file's order, all of them (up to
// ConfigReport::kMaxLines). A file that can't be read: errno's code and text.
[[nodiscard]] absl::StatusOr<hb::v1::ControllerConfig> LoadControllerConfig(
    const std::string& path);
[[nodiscard]] absl::StatusOr<hb::v1::ControllerConfig> ParseControllerConfig(
    std::string_view text, const std::string& file_name);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_CONTROLLER_CONFIG_H_
