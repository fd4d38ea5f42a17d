// Writes a config message as YAML, as common/config/yaml_reader.h reads it: every field that is
// set, in flow style. Only for configs: it knows the kinds of fields that those have.
#ifndef HB_TESTS_FUZZ_YAML_WRITER_H_
#define HB_TESTS_FUZZ_YAML_WRITER_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/config/proto_duration.h"

namespace hb::fuzz {

inline std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
  }
  return quoted + "\"";
}

std::string ToYaml(const google::protobuf::Message& message);

inline std::string ValueToYaml(const google::protobuf::Message& message,
                               const google::protobuf::FieldDescriptor* field, int index) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection* reflection = message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_MESSAGE: {
      const google::protobuf::Message& part =
          one ? reflection->GetMessage(message, field)
              : reflection->GetRepeatedMessage(message, field, index);
      if (field->message_type() != google::protobuf::Duration::descriptor()) return ToYaml(part);
      google::protobuf::Duration duration;
      duration.CopyFrom(part);
      return absl::FormatDuration(FromProtoDuration(duration));
    }
    case Field::CPPTYPE_STRING:
      return Quoted(one ? reflection->GetString(message, field)
                        : reflection->GetRepeatedString(message, field, index));
    case Field::CPPTYPE_UINT32:
      return absl::StrCat(one ? reflection->GetUInt32(message, field)
                              : reflection->GetRepeatedUInt32(message, field, index));
    case Field::CPPTYPE_BOOL:
      return reflection->GetBool(message, field) ? "true" : "false";
    case Field::CPPTYPE_ENUM: {
      const std::string zero = field->enum_type()->FindValueByNumber(0)->name();
      const std::string name = one ? reflection->GetEnum(message, field)->name()
                                   : reflection->GetRepeatedEnum(message, field, index)->name();
      return absl::AsciiStrToLower(name.substr(zero.rfind("UNSPECIFIED")));
    }
    default:
      return "";
  }
}

inline std::string ToYaml(const google::protobuf::Message& message) {
  std::string yaml = "{";
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    absl::StrAppend(&yaml, yaml.size() == 1 ? "" : ", ", field->name(), ": ");
    if (!field->is_repeated()) {
      absl::StrAppend(&yaml, ValueToYaml(message, field, -1));
      continue;
    }
    const int size = message.GetReflection()->FieldSize(message, field);
    absl::StrAppend(&yaml, field->is_map() ? "{" : "[");
    for (int i = 0; i < size; ++i) {
      absl::StrAppend(&yaml, i == 0 ? "" : ", ");
      if (!field->is_map()) {
        absl::StrAppend(&yaml, ValueToYaml(message, field, i));
        continue;
      }
      const google::protobuf::Message& pair =
          message.GetReflection()->GetRepeatedMessage(message, field, i);
      absl::StrAppend(&yaml, ValueToYaml(pair, field->message_type()->map_key(), -1), ": ",
                      ValueToYaml(pair, field->message_type()->map_value(), -1));
    }
    absl::StrAppend(&yaml, field->is_map() ? "}" : "]");
  }
  return yaml + "}";
}

}  // namespace hb::fuzz

#endif  // HB_TESTS_FUZZ_YAML_WRITER_H_
