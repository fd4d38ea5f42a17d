// Which of the two config files a text is, told by its keys. It judges nothing: the file's reader
// does.
#ifndef HB_COMMON_CONFIG_CONFIG_KIND_H_
#define HB_COMMON_CONFIG_CONFIG_KIND_H_

#include <string_view>

namespace hb {

enum class ConfigKind { kController, kExecutor };

// An executor's: it has a key that only executor.yaml may have, and none that only controller.yaml
// may have. Anything else, broken YAML included, is taken for a controller's.
ConfigKind KindOfConfig(std::string_view text);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_CONFIG_KIND_H_
