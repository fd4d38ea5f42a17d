// See the header. By reflection, so that a check names its field once and the path in the error
// cannot differ from it.
#include "common/config/config_scope.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>

#include <cstdlib>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/config/proto_duration.h"

namespace hb {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* ConfigScope::Field(const char* name) const {
  const FieldDescriptor* field = message_->GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) std::abort();
  return field;
}

bool ConfigScope::Has(const char* field) const {
  const FieldDescriptor* descriptor = Field(field);
  const google::protobuf::Reflection* reflection = message_->GetReflection();
  if (descriptor->is_repeated()) return reflection->FieldSize(*message_, descriptor) > 0;
  return reflection->HasField(*message_, descriptor);
}

void ConfigScope::Expect(const char* field, const absl::Status& status) const {
  if (!status.ok()) Refuse(field, std::string(status.message()));
}

void ConfigScope::Expect(const char* field, int index, const absl::Status& status) const {
  if (!status.ok()) Refuse(field, index, std::string(status.message()));
}

bool ConfigScope::Require(const char* field, const char* remedy) const {
  if (Has(field)) return Sound(field);
  // What stands there but could not be read has been reported; so has what it would stand in.
  if (!report_->Has(PathOf(field)) && Sound(field))
    Refuse(field, absl::StrCat("is required; ", remedy));
  return false;
}

ConfigScope ConfigScope::Child(const char* field) const {
  return {report_, message_->GetReflection()->MutableMessage(message_, Field(field)),
          PathOf(field)};
}

ConfigScope ConfigScope::Item(const char* field, int index) const {
  Message* item = message_->GetReflection()->MutableRepeatedMessage(message_, Field(field), index);
  return {report_, item, PathOf(field, index)};
}

Duration ConfigScope::DurationOr(const char* field, Duration fallback, Duration min,
                                 Duration max) const {
  const google::protobuf::Reflection* reflection = message_->GetReflection();
  const bool has = Has(field);
  Message* part = reflection->MutableMessage(message_, Field(field));
  if (!has) {
    part->CopyFrom(ToProtoDuration(fallback));
    return fallback;
  }
  google::protobuf::Duration proto;
  proto.CopyFrom(*part);
  const Duration value = FromProtoDuration(proto);
  if (value < min || value > max) {
    Refuse(field, absl::StrCat(absl::FormatDuration(value), " is out of range; use ",
                               absl::FormatDuration(min), " to ", absl::FormatDuration(max)));
  }
  return value;
}

uint32_t ConfigScope::NumberOr(const char* field, uint32_t fallback, uint32_t min,
                               uint32_t max) const {
  const google::protobuf::Reflection* reflection = message_->GetReflection();
  if (!Has(field)) {
    reflection->SetUInt32(message_, Field(field), fallback);
    return fallback;
  }
  const uint32_t value = reflection->GetUInt32(*message_, Field(field));
  if (value < min || value > max) {
    Refuse(field, absl::StrCat(value, " is out of range; use ", min, " to ", max));
  }
  return value;
}

std::string ConfigScope::StringOr(const char* field, const std::string& fallback) const {
  if (!Has(field)) SetString(field, fallback);
  return String(field);
}

void ConfigScope::EnumOr(const char* field, int fallback) const {
  if (!Has(field)) message_->GetReflection()->SetEnumValue(message_, Field(field), fallback);
}

void ConfigScope::BoolOr(const char* field, bool fallback) const {
  if (!Has(field)) message_->GetReflection()->SetBool(message_, Field(field), fallback);
}

bool ConfigScope::Boolean(const char* field) const {
  return message_->GetReflection()->GetBool(*message_, Field(field));
}

std::string ConfigScope::String(const char* field) const {
  return message_->GetReflection()->GetString(*message_, Field(field));
}

void ConfigScope::SetString(const char* field, const std::string& value) const {
  message_->GetReflection()->SetString(message_, Field(field), value);
}

void ConfigScope::CheckString(const char* field,
                              const std::function<absl::Status(const std::string&)>& check) const {
  if (Has(field) && Sound(field)) Expect(field, check(String(field)));
}

void ConfigScope::CheckCount(const char* field, int min, int max) const {
  const int count = message_->GetReflection()->FieldSize(*message_, Field(field));
  // What could not be read has been reported.
  if (count == 0 && (report_->Has(PathOf(field)) || !Sound(field))) return;
  if (count == 0 && min > 0) {
    Refuse(field, absl::StrCat("is required; name at least ", min));
  } else if (count < min) {
    Refuse(field, absl::StrCat("has ", count, count == 1 ? " item" : " items", "; at least ", min,
                               " are needed"));
  } else if (count > max) {
    Refuse(field, absl::StrCat("has ", count, " items; at most ", max, " are supported"));
  }
}

void ConfigScope::CheckStrings(const char* field,
                               const std::function<absl::Status(const std::string&)>& check) const {
  const google::protobuf::Reflection* reflection = message_->GetReflection();
  const FieldDescriptor* descriptor = Field(field);
  std::map<std::string, int> seen;
  for (int i = 0; i < reflection->FieldSize(*message_, descriptor); ++i) {
    if (!Sound(field, i)) continue;
    const std::string value = reflection->GetRepeatedString(*message_, descriptor, i);
    if (absl::Status status = check(value); !status.ok()) {
      Expect(field, i, status);
      continue;
    }
    const auto [first, is_new] = seen.emplace(value, i);
    if (!is_new) {
      Refuse(field, i,
             absl::StrCat(QuoteForError(value), " stands in ", PathOf(field, first->second),
                          " already; remove one"));
    }
  }
}

}  // namespace hb
