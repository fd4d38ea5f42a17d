// Whether a text is UTF-8: what goes into a proto's string, or to a terminal, has to be.
#ifndef HB_TESTS_FUZZ_UTF8_H_
#define HB_TESTS_FUZZ_UTF8_H_

#include <google/protobuf/wrappers.pb.h>

#include <string>

namespace hb::fuzz {

// As protobuf judges it: a proto3 string is parsed only if it is.
inline bool IsUtf8(const std::string& text) {
  google::protobuf::BytesValue bytes;
  bytes.set_value(text);
  google::protobuf::StringValue string;
  return string.ParseFromString(bytes.SerializeAsString());
}

}  // namespace hb::fuzz

#endif  // HB_TESTS_FUZZ_UTF8_H_
