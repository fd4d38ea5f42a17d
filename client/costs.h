// What hbctl config check prints of a valid controller.yaml: what the settings cost, for people and
// for programs. The reckoning is common/config/lease_costs.h's. Pure.
#ifndef HB_CLIENT_COSTS_H_
#define HB_CLIENT_COSTS_H_

#include <string>

#include "client/table.h"
#include "hb/v1/config.pb.h"

namespace hb::client {

// Each cluster's costs as a table, after an empty line each; what they mean, and the warnings.
std::string FormatCosts(const v1::ControllerConfig& config, const Style& style);

// `"warnings":[...],"clusters":[...]`: two members of a JSON object. Durations as protobuf's JSON
// has them ("1.300s"); null where nothing moves; "until_healed" for a split brain without a bound.
std::string CostsJson(const v1::ControllerConfig& config);

}  // namespace hb::client

#endif  // HB_CLIENT_COSTS_H_
