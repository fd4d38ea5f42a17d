// What the tests of the config files share: a sound file, edits that break it in one place, and
// what is then said, whole.
#ifndef HB_TESTS_UNIT_COMMON_CONFIG_TEST_UTIL_H_
#define HB_TESTS_UNIT_COMMON_CONFIG_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace hb {

// Two clusters that share a node.
inline constexpr std::string_view kSoundController = R"(insecure: true
clusters:
  - name: web
    vips: [{address: 192.168.0.111/24, interface: eth0}]
    nodes:
      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}
      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}
    service: {name: website}
  - name: mail
    vips: [{address: fd00::111/64, interface: eth0}]
    nodes:
      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}
      - {name: third, address: 192.168.0.3, executor: 192.168.0.3:7401}
    service: {name: postfix}
)";

// `text` with `from` replaced, which must stand there exactly once.
inline std::string Edit(std::string_view text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string_view::npos) << "not in the file: " << from;
  if (at == std::string_view::npos) return std::string(text);
  EXPECT_EQ(text.find(from, at + 1), std::string_view::npos) << "stands there twice: " << from;
  return std::string(text.substr(0, at)).append(to).append(text.substr(at + from.size()));
}

inline std::string Repeat(std::string_view unit, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result.append(unit);
  return result;
}

// A file that is refused, and everything that is said about it.
struct Refusal {
  std::string name;
  std::string from;  // what is replaced in the sound file; empty: all of it
  std::string to;
  std::string error;
};

// `parse` (text, file name) -> StatusOr, as of the two config files.
template <typename Parse>
void CheckRefusals(std::string_view sound, Parse parse, const std::vector<Refusal>& refusals) {
  ASSERT_TRUE(parse(sound, "c.yaml").ok()) << parse(sound, "c.yaml").status().message();
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    const std::string text =
        refusal.from.empty() ? refusal.to : Edit(sound, refusal.from, refusal.to);
    const absl::Status status = parse(text, "c.yaml").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(std::string(status.message()), refusal.error) << text;
  }
}

}  // namespace hb

#endif  // HB_TESTS_UNIT_COMMON_CONFIG_TEST_UTIL_H_
