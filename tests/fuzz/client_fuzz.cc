// Feeds hbctl's printing (client/) any answer of a controller, as bytes or as text of protobuf.
// Whatever stands in it reaches the terminal as UTF-8 and without control characters, line breaks
// apart; and its JSON, written as YAML, is YAML.
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/document.h"
#include "client/print.h"
#include "client/table.h"
#include "common/config/yaml_node.h"
#include "hb/v1/controller.pb.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/read_message.h"
#include "tests/fuzz/utf8.h"

namespace hb::client {
namespace {

using fuzz::ByteSource;
using fuzz::Check;
using fuzz::ReadMessage;

void CheckText(const std::string& text) {
  Check(fuzz::IsUtf8(text), "what is printed is not UTF-8");
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, some of which begin a terminal's escape sequences.
    const bool upper = c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    const bool control = c < ' ' || c == 0x7f || upper;
    Check(!control || c == '\n', "a control character reaches the terminal");
  }
}

void CheckDocument(const google::protobuf::Message& message) {
  for (const bool pretty : {false, true}) {
    const absl::StatusOr<std::string> json = ToJson(message, pretty);
    if (!json.ok()) continue;
    CheckText(*json);
    const std::string yaml = JsonToYaml(*json);
    CheckText(yaml);
    const auto parsed = ParseYaml(yaml);
    const auto* error = std::get_if<YamlError>(&parsed);
    // An empty document is none for ParseYaml; it does not take what is nested very deep.
    Check(error == nullptr || !error->message.starts_with("not valid YAML"),
          absl::StrCat("the YAML is none: ", error == nullptr ? "" : error->message, "\n", yaml));
  }
}

void TryStatus(ByteSource& bytes) {
  Style style;
  style.width = bytes.Byte();
  v1::Status status;
  if (!ReadMessage(bytes, &status)) return;
  CheckText(FormatStatus(status, style));
  CheckText(FormatWatch(status, style));
  CheckDocument(status);
}

void TryEvents(ByteSource& bytes) {
  v1::Event event;
  if (!ReadMessage(bytes, &event)) return;
  EventFormatter formatter((Style()));
  const std::vector<v1::Event> events = {event, v1::Event(), event};
  formatter.Widen(events);
  for (const v1::Event& each : events) CheckText(formatter.Format(each));
  CheckDocument(event);
}

void TryMove(ByteSource& bytes) {
  v1::MoveProgress progress;
  if (!ReadMessage(bytes, &progress)) return;
  CheckText(FormatMove(progress, Style()));
  CheckDocument(progress);
}

}  // namespace
}  // namespace hb::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hb::client;
  hb::fuzz::ByteSource bytes(data, size);
  switch (bytes.Below(3)) {
    case 0:
      TryStatus(bytes);
      break;
    case 1:
      TryEvents(bytes);
      break;
    default:
      TryMove(bytes);
      break;
  }
  return 0;
}
