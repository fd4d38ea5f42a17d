// Text for programs: JSON by hand where no message of the schema has the shape, and JSON as YAML.
// Pure.
#ifndef HB_CLIENT_DOCUMENT_H_
#define HB_CLIENT_DOCUMENT_H_

#include <string>
#include <string_view>

namespace hb::client {

enum class Format { kTable, kJson, kYaml };

// `text` in double quotes, as JSON and YAML both read it. Bytes that are no UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);

// The JSON text as a YAML document with its "---" and its final line break: the same values in the
// same order, strings in quotes. `json` is well-formed and nested no deeper than messages are.
std::string JsonToYaml(std::string_view json);

// `json`, with or without its final line break, as -o has it: as it is, or as YAML.
std::string InFormat(Format format, std::string_view json);

}  // namespace hb::client

#endif  // HB_CLIENT_DOCUMENT_H_
