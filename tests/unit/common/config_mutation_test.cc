// Garbage in, an answer out: the samples with random damage (a fixed seed) are either taken or
// refused line by line with a place, and never crash; the sanitizers watch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/config/controller_config.h"
#include "common/config/executor_config.h"

namespace hb {
namespace {

constexpr int kRounds = 3000;

std::string ReadSample(const std::string& name) {
  std::ifstream in(std::string(HB_SAMPLES) + "/" + name);
  EXPECT_TRUE(in.good()) << name;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Damages a text: bytes, lines and pieces of YAML's own syntax.
class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  std::string Mutate(std::string text) {
    const size_t changes = 1 + Below(4);
    for (size_t i = 0; i < changes && !text.empty(); ++i) Change(&text);
    return text;
  }

 private:
  size_t Below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void Change(std::string* text) {
    static constexpr std::string_view kPieces[] = {"[",           "]",     "{",
                                                   "}",           ": ",    "- ",
                                                   "? ",          "&a ",   "*a",
                                                   "!!str ",      "|\n",   ">\n",
                                                   "\"",          "'",     "\n",
                                                   "---\n",       "...\n", "%YAML 1.2\n",
                                                   "\t",          "#",     "<<: *a\n",
                                                   "null",        "~",     "-1",
                                                   "4294967296",  "\xff",  "\xe2\x82\xac",
                                                   "\\x00",       "0",     "1e9s",
                                                   "9999999999h", ",",     "@",
                                                   "`",           "true",  "[[[[[[[["};
    const size_t at = Below(text->size());
    const size_t length = 1 + Below(30);
    switch (Below(6)) {
      case 0:
        (*text)[at] = static_cast<char>(Below(256));
        return;
      case 1:
        text->erase(at, length);
        return;
      case 2:
        text->insert(at, kPieces[Below(std::size(kPieces))]);
        return;
      case 3:  // something said twice
        text->insert(Below(text->size()), text->substr(at, 10 * length));
        return;
      case 4:
        text->resize(at);
        return;
      default: {  // a line gone
        const size_t end = text->find('\n', at);
        const size_t begin = text->rfind('\n', at);
        if (begin == std::string::npos || end == std::string::npos) return;
        text->erase(begin, end - begin);
      }
    }
  }

  std::mt19937 random_;
};

// "c.yaml:12:5: ...", printable.
bool IsErrorLine(std::string_view line) {
  constexpr std::string_view kFile = "c.yaml:";
  if (!line.starts_with(kFile)) return false;
  line.remove_prefix(kFile.size());
  for (int i = 0; i < 2; ++i) {
    const size_t digits = line.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || line[0] == '0') return false;
    if (line[digits] != ':') return false;
    line.remove_prefix(digits + 1);
  }
  return line.starts_with(' ') && line.size() > 2 &&
         std::none_of(line.begin(), line.end(),
                      [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; });
}

template <typename Parse>
void TryMutations(const std::string& sample, uint32_t seed, Parse parse) {
  Mutator mutator(seed);
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutator.Mutate(sample);
    const absl::Status status = parse(text, "c.yaml").status();
    if (status.ok()) {
      ++taken;
      continue;
    }
    ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(status.message(), '\n'))) {
      ASSERT_TRUE(IsErrorLine(line)) << "round " << round << ": " << line << "\n" << text;
    }
  }
  // Damage to a comment is none, so some are taken; were all of them, nothing would have been
  // tried.
  EXPECT_GT(taken, kRounds / 100);
  EXPECT_LT(taken, kRounds / 2);
}

TEST(ConfigMutationTest, DamagedControllerConfigIsTakenOrRefusedWithAPlace) {
  TryMutations(ReadSample("controller.yaml"), 20240611, ParseControllerConfig);
}

TEST(ConfigMutationTest, DamagedExecutorConfigIsTakenOrRefusedWithAPlace) {
  TryMutations(ReadSample("lab/master.yaml"), 20240612, ParseExecutorConfig);
}

}  // namespace
}  // namespace hb
