// A protobuf message of the fuzzer's bytes: of the wire's form, or of text where the first byte
// says so, which mutations keep intact more often.
#ifndef HB_TESTS_FUZZ_READ_MESSAGE_H_
#define HB_TESTS_FUZZ_READ_MESSAGE_H_

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <string>

#include "tests/fuzz/byte_source.h"

namespace hb::fuzz {

class SilentErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int /*line*/, int /*column*/, const std::string& /*message*/) override {}
};

// False: they are no such message. Takes all that is left.
inline bool ReadMessage(ByteSource& bytes, google::protobuf::Message* message) {
  // Protobuf's own complaints are not wanted.
  static const google::protobuf::LogSilencer silence;
  if (bytes.Flag()) return message->ParseFromString(bytes.Rest());
  SilentErrors errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  // The wire lets no text through that is not UTF-8.
  return parser.ParseFromString(bytes.Rest(), message) &&
         message->ParseFromString(message->SerializeAsString());
}

}  // namespace hb::fuzz

#endif  // HB_TESTS_FUZZ_READ_MESSAGE_H_
