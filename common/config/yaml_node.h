// A YAML document as a plain tree that remembers where everything stood. The only file that speaks
// to yaml-cpp, whose exceptions end here. What it takes is bounded (size, nesting, nodes after
// aliases), so that a hostile file costs neither stack nor memory. It knows no schema and gives
// values no type.
#ifndef HB_COMMON_CONFIG_YAML_NODE_H_
#define HB_COMMON_CONFIG_YAML_NODE_H_

#include <compare>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hb {

inline constexpr size_t kMaxConfigBytes = size_t{1} << 20;
inline constexpr int kMaxYamlDepth = 32;
inline constexpr size_t kMaxYamlNodes = 100'000;

// Both count from 1.
struct YamlPosition {
  int line = 1;
  int column = 1;
  friend auto operator<=>(const YamlPosition&, const YamlPosition&) = default;
};

struct YamlNode;
using YamlNodePtr = std::shared_ptr<const YamlNode>;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry {
    YamlNodePtr key;
    YamlNodePtr value;
  };

  Kind kind = Kind::kNull;
  YamlPosition position;
  std::string scalar;
  bool plain = false;              // a scalar without quotes
  std::vector<YamlNodePtr> items;  // of a list
  std::vector<Entry> entries;      // of a map, in the file's order, duplicates included
  size_t nodes = 1;                // in this tree, aliases followed
};

struct YamlError {
  YamlPosition position;
  std::string message;
};

// The one document in `text`, or the first thing that is wrong with it: broken YAML, not UTF-8,
// control characters, more than one document, nothing at all, or one of the limits above.
std::variant<YamlNodePtr, YamlError> ParseYaml(std::string_view text);

}  // namespace hb

#endif  // HB_COMMON_CONFIG_YAML_NODE_H_
