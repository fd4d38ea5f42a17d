// YAML takes JSON's scalars as they are; what changes is only the brackets, which become lines and
// indentation.
#include "client/document.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hb::client {
namespace {

// The bytes of the UTF-8 character at the start of `text`; 0: there is none.
size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return 1;
  const size_t size = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) > 0x9f) ||
      (byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return size;
}

class YamlWriter {
 public:
  explicit YamlWriter(std::string_view json) : json_(json) {}

  std::string Write() {
    yaml_ = "---";
    WriteValue(0, false);
    return yaml_;
  }

 private:
  char Peek() {
    while (at_ < json_.size() && absl::ascii_isspace(static_cast<unsigned char>(json_[at_]))) ++at_;
    return at_ < json_.size() ? json_[at_] : '\0';
  }
  // Of an object or list: the next item is there, its closing bracket is not.
  bool HasItem(char close) {
    if (Peek() == ',') ++at_;
    if (Peek() != close && Peek() != '\0') return true;
    ++at_;
    return false;
  }

  std::string_view TakeScalar() {
    const bool quoted = Peek() == '"';
    const size_t start = at_++;
    if (quoted) {
      while (at_ < json_.size() && json_[at_] != '"') at_ += json_[at_] == '\\' ? 2 : 1;
      ++at_;
    } else {
      at_ = std::min(json_.find_first_of(",]} \t\r\n", at_), json_.size());
    }
    return json_.substr(start, at_ - start);
  }

  // After a key, or a list's dash (`after_dash`), which an object's first key follows directly.
  void WriteValue(int indent, bool after_dash) {
    switch (Peek()) {
      case '{':
        return WriteObject(indent, after_dash);
      case '[':
        return WriteList(indent);
      default:
        absl::StrAppend(&yaml_, " ", absl::string_view(Scalar()), "\n");
    }
  }

  void WriteObject(int indent, bool after_dash) {
    ++at_;
    bool first = true;
    while (HasItem('}')) {
      if (first && after_dash) {
        yaml_ += ' ';
      } else {
        absl::StrAppend(&yaml_, first ? "\n" : "", Indent(indent));
      }
      first = false;
      absl::StrAppend(&yaml_, Key(), ":");
      if (Peek() == ':') ++at_;
      WriteValue(indent + 2, false);
    }
    if (first) yaml_ += " {}\n";
  }

  void WriteList(int indent) {
    ++at_;
    bool first = true;
    while (HasItem(']')) {
      absl::StrAppend(&yaml_, first ? "\n" : "", Indent(indent), "-");
      first = false;
      WriteValue(indent + 2, true);
    }
    if (first) yaml_ += " []\n";
  }

  static std::string Indent(int indent) { return std::string(static_cast<size_t>(indent), ' '); }
  std::string Scalar() { return std::string(TakeScalar()); }

  // Without its quotes where it can't be taken for anything but a word.
  std::string Key() {
    const std::string key = Scalar();
    const std::string word = key.size() > 2 ? key.substr(1, key.size() - 2) : "";
    bool plain = word.size() > 3;  // no, yes, on, ...
    for (const char c : word) plain = plain && (absl::ascii_islower(c) || c == '_');
    return plain && word != "true" && word != "false" && word != "null" ? word : key;
  }

  const std::string_view json_;
  size_t at_ = 0;
  std::string yaml_;
};

}  // namespace

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const size_t size = CharacterBytes(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      quoted += "\\ufffd";
    } else if (byte == '"' || byte == '\\') {
      absl::StrAppend(&quoted, "\\", absl::string_view(text.data(), 1));
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\u%04x", byte);
    } else if (byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) {  // C1 controls
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(text[1]));
    } else {
      quoted += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return quoted + "\"";
}

std::string JsonToYaml(std::string_view json) { return YamlWriter(json).Write(); }

std::string InFormat(Format format, std::string_view json) {
  if (format == Format::kYaml) return JsonToYaml(json);
  const bool ended = !json.empty() && json.back() == '\n';
  return absl::StrCat(absl::string_view(json.data(), json.size()), ended ? "" : "\n");
}

}  // namespace hb::client
