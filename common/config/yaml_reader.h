// YAML into a protobuf message by reflection: a key is a field's name, and the schema says what may
// stand there. Used by controller_config and executor_config, which check ranges and relations
// afterwards. It fills in no defaults and judges no value beyond its type.
#ifndef HB_COMMON_CONFIG_YAML_READER_H_
#define HB_COMMON_CONFIG_YAML_READER_H_

#include <google/protobuf/message.h>

#include <string_view>

#include "absl/status/status.h"
#include "common/config/config_report.h"

namespace hb {

// Sets in `message` what `text` names, and notes each field's place in `report`. Everything that
// the schema does not allow (unknown or doubled keys, wrong types, numbers out of a type's range,
// unknown enum values, keys without a value) goes to `report`; such a field stays unset, a list's
// item empty, and reading goes on. Then the result is Ok even so: the caller adds its own findings
// first. InvalidArgument: the text is no YAML mapping at all, and the report says only that;
// `message` is unchanged.
[[nodiscard]] absl::Status ReadYaml(std::string_view text, google::protobuf::Message* message,
                                    ConfigReport* report);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_YAML_READER_H_
