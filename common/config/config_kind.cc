// The schema itself says which key belongs to which file.
#include "common/config/config_kind.h"

#include <string>
#include <variant>

#include "common/config/yaml_node.h"
#include "hb/v1/config.pb.h"

namespace hb {

ConfigKind KindOfConfig(std::string_view text) {
  const std::variant<YamlNodePtr, YamlError> parsed = ParseYaml(text);
  const auto* root = std::get_if<YamlNodePtr>(&parsed);
  if (root == nullptr) return ConfigKind::kController;
  const auto* controller = v1::ControllerConfig::descriptor();
  const auto* executor = v1::ExecutorConfig::descriptor();
  bool executors = false;
  for (const YamlNode::Entry& entry : (*root)->entries) {
    const std::string& key = entry.key->scalar;
    const bool in_controllers = controller->FindFieldByName(key) != nullptr;
    const bool in_executors = executor->FindFieldByName(key) != nullptr;
    if (in_controllers && !in_executors) return ConfigKind::kController;
    executors = executors || (in_executors && !in_controllers);
  }
  return executors ? ConfigKind::kExecutor : ConfigKind::kController;
}

}  // namespace hb
