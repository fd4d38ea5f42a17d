// The log's lines as the journal and people get them, and that no value can forge a line or a
// field.
#include "common/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"

namespace hb {
namespace {

using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

constexpr char kStamp[] = "^....-..-..T..:..:......Z ";

TEST(QuoteLogValueTest, QuotesWhatCouldBeMisread) {
  const struct {
    std::string_view value;
    std::string_view written;
  } cases[] = {
      {"", "\"\""},
      {"web", "web"},
      {"192.168.0.111/24", "192.168.0.111/24"},
      {"[fd00::1]:80", "[fd00::1]:80"},
      {"a_b-c.d,e:f/g+h@i%j", "a_b-c.d,e:f/g+h@i%j"},
      {"two words", "\"two words\""},
      {"a=b", "\"a=b\""},
      {"say \"no\"", R"("say \"no\"")"},
      {"back\\slash", R"("back\\slash")"},
      {"a\nb", R"("a\nb")"},
      {"a\r\x1b[31m", R"("a\x0d\x1b[31m")"},
      {std::string_view("nul\0", 4), R"("nul\x00")"},
      {"\x7f", R"("\x7f")"},
      {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
  };
  for (const auto& c : cases) EXPECT_EQ(QuoteLogValue(c.value), c.written);
}

TEST(QuoteLogValueTest, NoByteBreaksTheLine) {
  for (int c = 0; c < 256; ++c) {
    const std::string quoted = QuoteLogValue(std::string(1, static_cast<char>(c)));
    EXPECT_EQ(std::count_if(quoted.begin(), quoted.end(),
                            [](char q) { return static_cast<unsigned char>(q) < 0x20; }),
              0)
        << c;
  }
}

TEST(LogTest, WritesOneLineWithItsFields) {
  CaptureStderr();
  LogInfo("vip added", {{"cluster", "web"}, {"epoch", 7}, {"reason", "it's \"me\"\n<3>forged"}});
  const std::string line = GetCapturedStderr();
  EXPECT_THAT(line, ::testing::ContainsRegex(kStamp));
  EXPECT_THAT(line, ::testing::EndsWith("Z info vip added cluster=web epoch=7 "
                                        R"(reason="it's \"me\"\n<3>forged")"
                                        "\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(LogTest, DropsWhatIsBelowItsLevel) {
  CaptureStderr();
  SetLogLevel(LogLevel::kWarning);
  LogInfo("not this");
  LogWarning("this");
  LogError("and this");
  SetLogLevel(LogLevel::kDebug);
  LogDebug("and that");
  SetLogLevel(LogLevel::kInfo);
  LogDebug("nor this");
  const std::string lines = GetCapturedStderr();
  EXPECT_THAT(lines, ::testing::HasSubstr("warning this\n"));
  EXPECT_THAT(lines, ::testing::HasSubstr("error and this\n"));
  EXPECT_THAT(lines, ::testing::HasSubstr("debug and that\n"));
  EXPECT_THAT(lines, ::testing::Not(::testing::HasSubstr("not this")));
  EXPECT_THAT(lines, ::testing::Not(::testing::HasSubstr("nor this")));
}

TEST(LogTest, LinesOfSeveralThreadsDoNotMix) {
  CaptureStderr();
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) LogInfo("tick", {{"text", "a b c d e f g h i j k l m n"}});
    });
  }
  for (std::thread& t : threads) t.join();
  const std::string text = GetCapturedStderr();
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 800U);
  for (const std::string& line : lines) {
    EXPECT_THAT(line, ::testing::EndsWith("Z info tick text=\"a b c d e f g h i j k l m n\""));
  }
}

// Logs in a process whose standard error JOURNAL_STREAM names, or does not name; exits.
[[noreturn]] void LogWithJournal(ino_t inode_offset) {
  struct stat stream {};
  fstat(STDERR_FILENO, &stream);
  const std::string name =
      absl::StrCat(stream.st_dev, ":", static_cast<uint64_t>(stream.st_ino + inode_offset));
  setenv("JOURNAL_STREAM", name.c_str(), 1);
  LogError("service died", {{"cluster", "web"}});
  LogWarning("odd");
  LogInfo("well");
  _exit(0);
}

TEST(LogDeathTest, GivesTheJournalPrioritiesAndNoTime) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(LogWithJournal(0), ::testing::ExitedWithCode(0),
              "^<3>service died cluster=web\n<4>odd\n<6>well\n$");
}

TEST(LogDeathTest, GivesPeopleTheTimeWhenTheJournalReadsSomethingElse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(LogWithJournal(1), ::testing::ExitedWithCode(0),
              "Z error service died cluster=web\n.*Z warning odd\n.*Z info well\n");
}

}  // namespace
}  // namespace hb
