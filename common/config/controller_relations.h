// What must hold between the clusters of a controller's config: addresses and names. Internal to
// common/config.
#ifndef HB_COMMON_CONFIG_CONTROLLER_RELATIONS_H_
#define HB_COMMON_CONFIG_CONTROLLER_RELATIONS_H_

#include "common/config/config_report.h"
#include "hb/v1/config.pb.h"

namespace hb {

// Reports each broken relation at the later of the two fields. Fields that have an error of their
// own are left out of it.
void CheckRelations(const hb::v1::ControllerConfig& config, ConfigReport* report);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_CONTROLLER_RELATIONS_H_
