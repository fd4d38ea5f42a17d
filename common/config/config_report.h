// What is wrong with one config file: every error with its place and the field's path, gathered and
// then told at once. Also knows where each field stood, so that a later check can point at it. It
// judges nothing.
#ifndef HB_COMMON_CONFIG_CONFIG_REPORT_H_
#define HB_COMMON_CONFIG_CONFIG_REPORT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/config/yaml_node.h"

namespace hb {

// `value` in single quotes as an error message shows it: on one line, at most 80 characters.
std::string QuoteForError(std::string_view value);

// The path of the field or map entry `key` of what is at `path`: "lease.ttl", "services['a b']",
// "tcp[80]".
std::string FieldPath(std::string_view path, std::string_view key);
// The path of a list's item: "clusters[0]".
std::string ItemPath(std::string_view path, size_t index);

class ConfigReport {
 public:
  // `file_name` opens every line.
  explicit ConfigReport(std::string file_name) : file_name_(std::move(file_name)) {}

  // Says that the field at `path` stands there; a field that is named twice keeps its first place.
  // A list's item has one position for both.
  void Place(const std::string& path, YamlPosition key, YamlPosition value);

  // Whether the file has the field, sound or not.
  bool Has(const std::string& path) const { return places_.contains(path); }
  // The line of its value; 0 when it is absent.
  int Line(const std::string& path) const;

  // Adds an error at the field's value; for an absent field, at the key of the nearest ancestor
  // that the file has.
  void Refuse(const std::string& path, std::string message);
  // Adds an error at a place that the caller knows. Unreadable: and the field has no value because
  // of it.
  void RefuseAt(YamlPosition position, const std::string& path, std::string message);
  void Unreadable(YamlPosition position, const std::string& path, std::string message);

  // Whether a check that builds on the field's value would say nothing true: it or something in it
  // has an error, or it stands in something unreadable.
  bool Failed(const std::string& path) const;

  // Ok, or InvalidArgument: "FILE:LINE:COLUMN: PATH: MESSAGE", one error a line, in the file's
  // order; at most kMaxLines of them, then how many there are more.
  absl::Status ToStatus() const;
  static constexpr size_t kMaxLines = 100;
  // Errors beyond this many are counted, not kept.
  static constexpr size_t kMaxErrors = 1000;

 private:
  struct FieldPlace {
    YamlPosition key;
    YamlPosition value;
  };
  struct Error {
    YamlPosition position;
    std::string path;
    std::string message;
  };

  const std::string file_name_;
  std::map<std::string, FieldPlace, std::less<>> places_;
  std::vector<Error> errors_;
  std::set<std::string, std::less<>> failed_;      // paths of errors, and what they stand in
  std::set<std::string, std::less<>> unreadable_;  // paths of unreadable fields
  size_t not_kept_ = 0;
};

}  // namespace hb

#endif  // HB_COMMON_CONFIG_CONFIG_REPORT_H_
