// The rules that both config files share. Internal to common/config.
#ifndef HB_COMMON_CONFIG_SHARED_RULES_H_
#define HB_COMMON_CONFIG_SHARED_RULES_H_

#include "common/config/config_scope.h"

namespace hb {

// `tls` and `insecure` of a daemon's file.
void CheckTransport(const ConfigScope& file);

// `interval` and `timeout` of a probe or check: each 10ms to 60s, the timeout at most the interval.
// Default of the timeout: the interval, but at most `longest_timeout`.
void CheckPace(const ConfigScope& probe, Duration interval, Duration longest_timeout);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_SHARED_RULES_H_
