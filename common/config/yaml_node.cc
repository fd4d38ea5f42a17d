// Builds the tree from yaml-cpp's events. yaml-cpp itself recurses at most 500 levels and then
// throws; the builder gives up earlier. It asks for at most two documents: on some broken input
// yaml-cpp reports new documents for ever.
#include "common/config/yaml_node.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace hb {
namespace {

YamlPosition PositionOf(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

// Thrown through yaml-cpp to end the parse; never leaves this file.
class Refusal : public YAML::ParserException {
 public:
  using YAML::ParserException::ParserException;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      throw Refusal(mark, "a second document starts here; keep one document in the file");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Remember(anchor, NewNode(YamlNode::Kind::kNull, mark)), mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw Refusal(mark, "the alias names no anchor");
    const bool open = std::any_of(open_.begin(), open_.end(),
                                  [&](const Open& o) { return o.node == it->second; });
    if (open) throw Refusal(mark, "the alias refers to what it stands in");
    Add(it->second, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseTag(mark, tag);
    std::shared_ptr<YamlNode> node = NewNode(YamlNode::Kind::kScalar, mark);
    node->scalar = value;
    node->plain = tag != "!";
    Add(Remember(anchor, std::move(node)), mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Begin(YamlNode::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { End(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Begin(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { End(); }

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    YamlNodePtr key;  // of a map, until its value comes
    YAML::Mark mark;
  };

  static std::shared_ptr<YamlNode> NewNode(YamlNode::Kind kind, const YAML::Mark& mark) {
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->position = PositionOf(mark);
    return node;
  }

  // Plain and quoted values have the tags "?" and "!".
  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refusal(mark, "tags (!!type) are not supported; remove the tag");
  }

  std::shared_ptr<YamlNode> Remember(YAML::anchor_t anchor, std::shared_ptr<YamlNode> node) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    return node;
  }

  void Begin(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
             YAML::anchor_t anchor) {
    RefuseTag(mark, tag);
    if (open_.size() >= static_cast<size_t>(kMaxYamlDepth)) {
      throw Refusal(mark, absl::StrCat("nested deeper than ", kMaxYamlDepth, " levels"));
    }
    open_.push_back({Remember(anchor, NewNode(kind, mark)), nullptr, mark});
  }

  void End() {
    const Open done = std::move(open_.back());
    open_.pop_back();
    Add(done.node, done.mark);
  }

  void Add(YamlNodePtr node, const YAML::Mark& mark) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    parent.node->nodes += node->nodes;
    if (parent.node->nodes > kMaxYamlNodes) {
      throw Refusal(mark, absl::StrCat("more than ", kMaxYamlNodes, " values, aliases counted"));
    }
    if (parent.node->kind == YamlNode::Kind::kList) {
      parent.node->items.push_back(std::move(node));
    } else if (parent.key == nullptr) {
      parent.key = std::move(node);
    } else {
      parent.node->entries.push_back({std::move(parent.key), std::move(node)});
      parent.key = nullptr;
    }
  }

  int documents_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::shared_ptr<YamlNode>> anchors_;
  YamlNodePtr root_;
};

// How many bytes the UTF-8 sequence at the start of `text` has; 0 when it is none (overlong forms,
// surrogates and code points above U+10FFFF included).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[i]); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  uint32_t code = lead & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  if (length == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) return 0;
  if (length == 4 && (code < 0x10000 || code > 0x10ffff)) return 0;
  return length;
}

// The first byte that may not stand in a config file.
std::optional<YamlError> CheckCharacters(std::string_view text) {
  YamlPosition at;
  while (!text.empty()) {
    const unsigned char c = static_cast<unsigned char>(text[0]);
    const size_t length = Utf8Length(text);
    if (length == 0) return YamlError{at, absl::StrFormat("byte 0x%02x is not UTF-8", c)};
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
      return YamlError{at, absl::StrFormat("control character 0x%02x; remove it", c)};
    }
    text.remove_prefix(length);
    at = c == '\n' ? YamlPosition{at.line + 1, 1} : YamlPosition{at.line, at.column + 1};
  }
  return std::nullopt;
}

}  // namespace

std::variant<YamlNodePtr, YamlError> ParseYaml(std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return YamlError{{}, absl::StrCat("larger than ", kMaxConfigBytes >> 20, " MiB")};
  }
  if (std::optional<YamlError> error = CheckCharacters(text)) return *std::move(error);
  TreeBuilder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const Refusal& e) {
    return YamlError{PositionOf(e.mark), e.msg};
  } catch (const YAML::Exception& e) {
    return YamlError{PositionOf(e.mark), absl::StrCat("not valid YAML: ", e.msg)};
  } catch (const std::exception& e) {
    return YamlError{{}, absl::StrCat("not valid YAML: ", e.what())};
  }
  if (builder.root() == nullptr || builder.root()->kind == YamlNode::Kind::kNull) {
    return YamlError{{}, "the file has no settings in it"};
  }
  return builder.root();
}

}  // namespace hb
