// See the header. Paths are plain strings ("clusters[0].lease.ttl"); an ancestor is a prefix of one
// that ends before a '.' or '['.
#include "common/config/config_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace hb {
namespace {

// The path of what `path` stands in; empty for the file itself.
std::string_view Parent(std::string_view path) {
  const size_t end = path.find_last_of(".[");
  return end == std::string_view::npos ? std::string_view() : path.substr(0, end);
}

}  // namespace

std::string QuoteForError(std::string_view value) {
  constexpr size_t kShown = 80;
  std::string shown(value.substr(0, kShown));
  if (value.size() > kShown) {
    // Not in the middle of a UTF-8 sequence.
    while (!shown.empty() && (static_cast<unsigned char>(value[shown.size()]) & 0xc0) == 0x80) {
      shown.pop_back();
    }
    shown += "...";
  }
  std::string escaped;
  for (const char c : shown) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (control) {
      escaped += absl::CEscape(std::string(1, c));
    } else {
      escaped += c;
    }
  }
  return absl::StrCat("'", escaped, "'");
}

std::string FieldPath(std::string_view path, std::string_view key) {
  std::string result(path);
  const bool simple = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
  const bool number = key.find_first_not_of("0123456789") == std::string_view::npos;
  if (number && !key.empty()) return absl::StrCat(result, "[", std::string(key), "]");
  if (!simple) return absl::StrCat(result, "[", QuoteForError(key), "]");
  if (!result.empty()) result += '.';
  return result.append(key);
}

std::string ItemPath(std::string_view path, size_t index) {
  return absl::StrCat(std::string(path), "[", index, "]");
}

void ConfigReport::Place(const std::string& path, YamlPosition key, YamlPosition value) {
  places_.emplace(path, FieldPlace{key, value});
}

int ConfigReport::Line(const std::string& path) const {
  const auto it = places_.find(path);
  return it == places_.end() ? 0 : it->second.value.line;
}

void ConfigReport::Refuse(const std::string& path, std::string message) {
  std::string_view at = path;
  auto it = places_.find(at);
  while (it == places_.end() && !at.empty()) {
    at = Parent(at);
    it = places_.find(at);
  }
  YamlPosition position;
  if (it != places_.end()) position = at == path ? it->second.value : it->second.key;
  RefuseAt(position, path, std::move(message));
}

void ConfigReport::RefuseAt(YamlPosition position, const std::string& path, std::string message) {
  // Known ancestors have known ancestors.
  for (std::string_view at = path; failed_.emplace(at).second && !at.empty();) at = Parent(at);
  if (errors_.size() == kMaxErrors) {
    ++not_kept_;
    return;
  }
  errors_.push_back({position, path, std::move(message)});
}

void ConfigReport::Unreadable(YamlPosition position, const std::string& path, std::string message) {
  unreadable_.insert(path);
  RefuseAt(position, path, std::move(message));
}

bool ConfigReport::Failed(const std::string& path) const {
  if (failed_.contains(path)) return true;
  for (std::string_view at = path; !at.empty();) {
    at = Parent(at);
    if (unreadable_.contains(at)) return true;
  }
  return false;
}

absl::Status ConfigReport::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  std::vector<Error> sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Error& a, const Error& b) { return a.position < b.position; });
  std::string text;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const Error& error = sorted[i];
    absl::StrAppend(&text, i == 0 ? "" : "\n", file_name_, ":", error.position.line, ":",
                    error.position.column, ": ");
    if (i == kMaxLines) {
      absl::StrAppend(&text, "and ", sorted.size() - i + not_kept_, " more errors from here on");
      break;
    }
    absl::StrAppend(&text, error.path, error.path.empty() ? "" : ": ", error.message);
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace hb
