// One message of a config while it is checked: reads a field, holds it against its range, fills in
// its default, and reports at the field's place. Used by controller_config and executor_config; it
// knows no rule of either. A field's name that the message does not have is a bug and ends the
// program.
#ifndef HB_COMMON_CONFIG_CONFIG_SCOPE_H_
#define HB_COMMON_CONFIG_CONFIG_SCOPE_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/config/config_report.h"
#include "common/time.h"

namespace hb {

class ConfigScope {
 public:
  // `report` and `message` outlive the scope. `path` is the message's own, empty for the file.
  ConfigScope(ConfigReport* report, google::protobuf::Message* message, std::string path)
      : report_(report), message_(message), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string PathOf(const char* field) const { return FieldPath(path_, field); }
  std::string PathOf(const char* field, int index) const {
    return ItemPath(PathOf(field), static_cast<size_t>(index));
  }
  ConfigReport* report() const { return report_; }

  // Whether the message has the field (a list: any item).
  bool Has(const char* field) const;
  // Whether its value may be built upon: nothing was reported in it.
  bool Sound(const char* field) const { return !report_->Failed(PathOf(field)); }
  bool Sound(const char* field, int index) const { return !report_->Failed(PathOf(field, index)); }

  void Refuse(const char* field, std::string message) const {
    report_->Refuse(PathOf(field), std::move(message));
  }
  void Refuse(const char* field, int index, std::string message) const {
    report_->Refuse(PathOf(field, index), std::move(message));
  }
  // Refuses the field when `status` is an error.
  void Expect(const char* field, const absl::Status& status) const;
  void Expect(const char* field, int index, const absl::Status& status) const;

  // Refuses an absent field. True when it is there and sound, so that a further check makes sense.
  // `remedy` says what to write: "give it a name".
  bool Require(const char* field, const char* remedy) const;

  // A message within this one, made with its defaults if it is absent.
  ConfigScope Child(const char* field) const;
  // An item of a list of messages, or of a map's entries.
  ConfigScope Item(const char* field, int index) const;

  // The field's value, or the default, which is then set. Out of range: refused, and the value
  // returned.
  Duration DurationOr(const char* field, Duration fallback, Duration min, Duration max) const;
  uint32_t NumberOr(const char* field, uint32_t fallback, uint32_t min, uint32_t max) const;
  std::string StringOr(const char* field, const std::string& fallback) const;
  void EnumOr(const char* field, int fallback) const;
  void BoolOr(const char* field, bool fallback) const;
  bool Boolean(const char* field) const;

  std::string String(const char* field) const;
  void SetString(const char* field, const std::string& value) const;

  // Checks a string field that is there and sound.
  void CheckString(const char* field,
                   const std::function<absl::Status(const std::string&)>& check) const;
  // Refuses a list of fewer or more items.
  void CheckCount(const char* field, int min, int max) const;
  // Checks each item of a list of strings, and that none comes twice.
  void CheckStrings(const char* field,
                    const std::function<absl::Status(const std::string&)>& check) const;

 private:
  const google::protobuf::FieldDescriptor* Field(const char* name) const;

  ConfigReport* report_;
  google::protobuf::Message* message_;
  std::string path_;
};

}  // namespace hb

#endif  // HB_COMMON_CONFIG_CONFIG_SCOPE_H_
