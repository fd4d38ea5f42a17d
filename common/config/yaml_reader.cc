// See the header. Every value is converted by the kind of its field; the schema uses messages,
// lists, maps, durations, enums, strings, numbers (uint32) and booleans, and adding another kind
// means adding it here.
#include "common/config/yaml_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/config/proto_duration.h"
#include "common/config/yaml_node.h"

namespace hb {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// How many letters must change, be added or be left out to make `b` of `a` (Levenshtein).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// "; did you mean 'ttl'?" when one of `allowed` is near `word`, otherwise "; allowed here: ...".
std::string Suggestion(std::string_view word, const std::vector<std::string>& allowed) {
  const std::string lower = absl::AsciiStrToLower(std::string(word.substr(0, 64)));
  const std::string* best = nullptr;
  size_t best_distance = 3;
  for (const std::string& candidate : allowed) {
    const size_t distance = EditDistance(lower, candidate);
    if (distance < best_distance && distance < candidate.size() / 2 + 1) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best != nullptr) return absl::StrCat("; did you mean '", *best, "'?");
  return absl::StrCat("; allowed here: ", absl::StrJoin(allowed, ", "));
}

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return QuoteForError(node.scalar);
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
  }
  return "nothing";
}

// The values of an enum as YAML writes them: without the enum's prefix, in lower case.
std::map<std::string, int> EnumNames(const EnumDescriptor* type) {
  const std::string zero(type->FindValueByNumber(0)->name());
  const size_t prefix = zero.rfind("UNSPECIFIED");
  std::map<std::string, int> names;
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() == 0) continue;
    names.emplace(absl::AsciiStrToLower(type->value(i)->name().substr(prefix)),
                  type->value(i)->number());
  }
  return names;
}

class Reader {
 public:
  explicit Reader(ConfigReport* report) : report_(report) {}

  void ReadMessage(const YamlNode& node, Message* message, const std::string& path);

 private:
  void ReadField(const YamlNode& node, Message* message, const FieldDescriptor* field,
                 const std::string& path);
  void ReadList(const YamlNode& node, Message* message, const FieldDescriptor* field,
                const std::string& path);
  void ReadMap(const YamlNode& node, Message* message, const FieldDescriptor* field,
               const std::string& path);
  // One value into a singular field, or (`add`) as a new item at the end of a list.
  void ReadValue(const YamlNode& node, Message* message, const FieldDescriptor* field,
                 const std::string& path, bool add);

  // Each returns nothing and reports when the node does not fit.
  std::optional<std::string> String(const YamlNode& node, const std::string& path);
  std::optional<uint32_t> Number(const YamlNode& node, const std::string& path);
  std::optional<bool> Boolean(const YamlNode& node, const std::string& path);
  std::optional<int> Enum(const YamlNode& node, const EnumDescriptor* type,
                          const std::string& path);
  std::optional<absl::Duration> DurationOf(const YamlNode& node, const std::string& path);

  void Refuse(const YamlNode& node, const std::string& path, std::string message) {
    report_->Unreadable(node.position, path, std::move(message));
  }
  // The entries of a map whose keys are plain words named once; reports the others.
  std::vector<std::pair<std::string, const YamlNode::Entry*>> Entries(const YamlNode& node,
                                                                      const std::string& path);
  // Whether there is a value; reports a key without one.
  bool HasValue(const YamlNode::Entry& entry, const std::string& path);

  ConfigReport* const report_;
};

std::vector<std::pair<std::string, const YamlNode::Entry*>> Reader::Entries(
    const YamlNode& node, const std::string& path) {
  std::vector<std::pair<std::string, const YamlNode::Entry*>> result;
  std::map<std::string, int> lines;
  for (const YamlNode::Entry& entry : node.entries) {
    if (entry.key->kind != YamlNode::Kind::kScalar) {
      report_->RefuseAt(entry.key->position, path,
                        absl::StrCat("a key must be a word, not ", Describe(*entry.key)));
      continue;
    }
    const std::string& key = entry.key->scalar;
    const auto [first, is_new] = lines.emplace(key, entry.key->position.line);
    if (!is_new) {
      report_->RefuseAt(
          entry.key->position, FieldPath(path, key),
          absl::StrCat("named twice, first in line ", first->second, "; keep one of them"));
      continue;
    }
    result.emplace_back(key, &entry);
  }
  return result;
}

bool Reader::HasValue(const YamlNode::Entry& entry, const std::string& path) {
  if (entry.value->kind != YamlNode::Kind::kNull) return true;
  Refuse(*entry.key, path, "has no value; give it one or remove the key");
  return false;
}

void Reader::ReadMessage(const YamlNode& node, Message* message, const std::string& path) {
  if (node.kind != YamlNode::Kind::kMap) {
    return Refuse(node, path, absl::StrCat("expects a mapping (key: value), not ", Describe(node)));
  }
  const google::protobuf::Descriptor* type = message->GetDescriptor();
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(type->field_count()));
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  for (const auto& [key, entry] : Entries(node, path)) {
    const std::string field_path = FieldPath(path, key);
    const FieldDescriptor* field = type->FindFieldByName(key);
    if (field == nullptr) {
      Refuse(*entry->key, field_path,
             key == "<<" ? "merge keys are not supported; write the fields out"
                         : absl::StrCat("unknown key", Suggestion(key, names)));
      continue;
    }
    report_->Place(field_path, entry->key->position, entry->value->position);
    if (HasValue(*entry, field_path)) ReadField(*entry->value, message, field, field_path);
  }
}

void Reader::ReadField(const YamlNode& node, Message* message, const FieldDescriptor* field,
                       const std::string& path) {
  if (field->is_map()) {
    ReadMap(node, message, field, path);
  } else if (field->is_repeated()) {
    ReadList(node, message, field, path);
  } else {
    ReadValue(node, message, field, path, /*add=*/false);
  }
}

void Reader::ReadList(const YamlNode& node, Message* message, const FieldDescriptor* field,
                      const std::string& path) {
  if (node.kind != YamlNode::Kind::kList) {
    const bool scalar = node.kind == YamlNode::Kind::kScalar;
    return Refuse(node, path,
                  absl::StrCat("expects a list, not ", Describe(node),
                               scalar ? "; put [ ] around it" : "; start each item with '- '"));
  }
  if (node.items.empty()) {
    return Refuse(node, path, "is an empty list; name at least one item or remove the key");
  }
  for (size_t i = 0; i < node.items.size(); ++i) {
    const std::string item_path = ItemPath(path, i);
    report_->Place(item_path, node.items[i]->position, node.items[i]->position);
    ReadValue(*node.items[i], message, field, item_path, /*add=*/true);
  }
}

void Reader::ReadMap(const YamlNode& node, Message* message, const FieldDescriptor* field,
                     const std::string& path) {
  if (node.kind != YamlNode::Kind::kMap) {
    return Refuse(node, path, absl::StrCat("expects a mapping (key: value), not ", Describe(node)));
  }
  const FieldDescriptor* key_field = field->message_type()->map_key();
  const FieldDescriptor* value_field = field->message_type()->map_value();
  for (const auto& [key, entry] : Entries(node, path)) {
    const std::string value_path = FieldPath(path, key);
    std::optional<uint32_t> number;
    if (key_field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      number = Number(*entry->key, value_path);
      if (!number) continue;
    } else if (!String(*entry->key, value_path)) {
      continue;
    }
    report_->Place(value_path, entry->key->position, entry->value->position);
    if (!HasValue(*entry, value_path)) continue;
    Message* pair = message->GetReflection()->AddMessage(message, field);
    if (number) {
      pair->GetReflection()->SetUInt32(pair, key_field, *number);
    } else {
      pair->GetReflection()->SetString(pair, key_field, key);
    }
    ReadValue(*entry->value, pair, value_field, value_path, /*add=*/false);
  }
}

void Reader::ReadValue(const YamlNode& node, Message* message, const FieldDescriptor* field,
                       const std::string& path, bool add) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (field->message_type() == google::protobuf::Duration::descriptor()) {
        const std::optional<absl::Duration> value = DurationOf(node, path);
        if (!value) return;
        reflection->MutableMessage(message, field)->CopyFrom(ToProtoDuration(*value));
        return;
      }
      Message* part =
          add ? reflection->AddMessage(message, field) : reflection->MutableMessage(message, field);
      return ReadMessage(node, part, path);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::optional<std::string> value = String(node, path);
      if (add) return reflection->AddString(message, field, value.value_or(""));
      if (value) reflection->SetString(message, field, *value);
      return;
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const std::optional<uint32_t> value = Number(node, path);
      if (add) return reflection->AddUInt32(message, field, value.value_or(0));
      if (value) reflection->SetUInt32(message, field, *value);
      return;
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      const std::optional<bool> value = Boolean(node, path);
      if (value) reflection->SetBool(message, field, *value);
      return;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::optional<int> value = Enum(node, field->enum_type(), path);
      if (value) reflection->SetEnumValue(message, field, *value);
      return;
    }
    default:
      // The schema is ours: a kind of field that nobody taught this reader is a bug.
      std::abort();
  }
}

std::optional<std::string> Reader::String(const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::kScalar) {
    Refuse(node, path, absl::StrCat("expects text, not ", Describe(node)));
    return std::nullopt;
  }
  const bool control = std::any_of(node.scalar.begin(), node.scalar.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\n' && c != '\t';
  });
  if (control) {
    Refuse(node, path, absl::StrCat(QuoteForError(node.scalar), " has a control character in it"));
    return std::nullopt;
  }
  return node.scalar;
}

std::optional<uint32_t> Reader::Number(const YamlNode& node, const std::string& path) {
  const std::string& text = node.scalar;
  const bool digits = node.kind == YamlNode::Kind::kScalar && node.plain && !text.empty() &&
                      std::all_of(text.begin(), text.end(), [](char c) {
                        return absl::ascii_isdigit(static_cast<unsigned char>(c));
                      });
  if (!digits || (text.size() > 1 && text[0] == '0')) {
    Refuse(node, path,
           absl::StrCat("expects a whole number, not ", Describe(node),
                        digits ? "; leave out the leading zero"
                        : node.kind == YamlNode::Kind::kScalar && !node.plain
                            ? "; leave out the quotes"
                            : ""));
    return std::nullopt;
  }
  uint32_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    Refuse(node, path, absl::StrCat(QuoteForError(text), " is too large; at most ", UINT32_MAX));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> Reader::Boolean(const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::kScalar && node.plain) {
    if (node.scalar == "true") return true;
    if (node.scalar == "false") return false;
  }
  Refuse(node, path,
         absl::StrCat(
             "expects true or false, not ", Describe(node),
             node.kind == YamlNode::Kind::kScalar && !node.plain ? "; leave out the quotes" : ""));
  return std::nullopt;
}

std::optional<int> Reader::Enum(const YamlNode& node, const EnumDescriptor* type,
                                const std::string& path) {
  const std::map<std::string, int> names = EnumNames(type);
  if (node.kind == YamlNode::Kind::kScalar) {
    const auto it = names.find(node.scalar);
    if (it != names.end()) return it->second;
  }
  std::vector<std::string> allowed;
  allowed.reserve(names.size());
  for (const auto& [name, unused] : names) allowed.push_back(name);
  Refuse(node, path,
         absl::StrCat("expects ", allowed.size() == 1 ? "" : "one of ",
                      absl::StrJoin(allowed, ", "), "; not ", Describe(node)));
  return std::nullopt;
}

std::optional<absl::Duration> Reader::DurationOf(const YamlNode& node, const std::string& path) {
  constexpr char kForm[] = "a number with a unit: 200ms, 1s, 10m, 2h";
  if (node.kind != YamlNode::Kind::kScalar) {
    Refuse(node, path, absl::StrCat("expects ", kForm, "; not ", Describe(node)));
    return std::nullopt;
  }
  const std::string quoted = QuoteForError(node.scalar);
  if (!node.scalar.empty() && node.scalar.find_first_not_of("+-.0123456789") == std::string::npos) {
    Refuse(node, path, absl::StrCat(quoted, " has no unit; write it with one, like 200ms or 1s"));
    return std::nullopt;
  }
  // Its own bound, so that nothing is lost on the way into the message: no field takes more than a
  // day.
  constexpr absl::Duration kMax = absl::Hours(24 * 365);
  absl::Duration value;
  if (!absl::ParseDuration(node.scalar, &value) || value > kMax || value < -kMax) {
    Refuse(node, path, absl::StrCat(quoted, " is no duration; write ", kForm));
    return std::nullopt;
  }
  return value;
}

}  // namespace

absl::Status ReadYaml(std::string_view text, Message* message, ConfigReport* report) {
  const std::variant<YamlNodePtr, YamlError> parsed = ParseYaml(text);
  if (const YamlError* error = std::get_if<YamlError>(&parsed)) {
    report->RefuseAt(error->position, "", error->message);
    return report->ToStatus();
  }
  const YamlNode& root = *std::get<YamlNodePtr>(parsed);
  if (root.kind != YamlNode::Kind::kMap) {
    report->RefuseAt(root.position, "",
                     absl::StrCat("the file must be a mapping (key: value), not ", Describe(root)));
    return report->ToStatus();
  }
  report->Place("", root.position, root.position);
  Reader(report).ReadMessage(root, message, "");
  return absl::OkStatus();
}

}  // namespace hb
