// Escaping, wrapping and alignment: the layer that every printed text passes through.
#include "client/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hb::client {
namespace {

using ::testing::ElementsAre;

TEST(TableTest, EscapesControlCharactersAndWhatIsNoUtf8) {
  const struct {
    const char* name;
    std::string text;
    std::string want;
  } kCases[] = {
      {"plain", "web-1.example", "web-1.example"},
      {"letters beyond ASCII", "Köln → 東京", "Köln → 東京"},
      {"escape sequence", "\033[2Jweb", "\\x1b[2Jweb"},
      {"line break and tab", "a\r\n\tb", "a\\x0d\\n\\tb"},
      {"nul", std::string("a\0b", 3), "a\\x00b"},
      {"del", "a\x7f", "a\\x7f"},
      {"c1 control as utf-8",
       "a\xc2\x9b"
       "2J",
       "a\\u009b2J"},
      {"right-to-left override",
       "a\xe2\x80\xae"
       "b",
       "a\\u202eb"},
      {"line separator", "a\xe2\x80\xa8", "a\\u2028"},
      {"stray continuation byte",
       "a\x9b"
       "2J",
       "a\\x9b2J"},
      {"overlong escape", "\xc0\x9b", "\\xc0\\x9b"},
      {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"beyond unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {"cut short", "a\xe2\x80", "a\\xe2\\x80"},
      {"backslash stays", "\\n", "\\n"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Escape(c.text), c.want) << c.name;
    EXPECT_EQ(Escape(Escape(c.text)), Escape(c.text)) << c.name;
  }
}

TEST(TableTest, PaintsOnlyWithColours) {
  Style style;
  EXPECT_EQ(Paint(style, Color::kRed, "down"), "down");
  style.color = true;
  EXPECT_EQ(Paint(style, Color::kRed, "down"), "\033[31mdown\033[0m");
  EXPECT_EQ(Paint(style, Color::kNone, "down"), "down");
  EXPECT_EQ(Paint(style, Color::kRed, "a\033b"), "\033[31ma\\x1bb\033[0m");
}

TEST(TableTest, WrapsAtBlanks) {
  EXPECT_THAT(Wrap("one two three", 0), ElementsAre("one two three"));
  EXPECT_THAT(Wrap("one two three", 13), ElementsAre("one two three"));
  EXPECT_THAT(Wrap("one two three", 12), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("a longerthanthat b", 6), ElementsAre("a", "longerthanthat", "b"));
  EXPECT_THAT(Wrap("ö ö ö", 3), ElementsAre("ö ö", "ö"));
  EXPECT_THAT(Wrap("", 3), ElementsAre(""));
}

TEST(TableTest, AlignsByWhatIsSeen) {
  Style style;
  style.color = true;
  EXPECT_EQ(FormatTable(
                {{{"A"}, {"B"}, {"C"}}, {{"öö\n", Color::kRed}, {"b"}, {""}}, {{"a"}, {""}, {"c"}}},
                style, 2),
            "  A     B  C\n"
            "  \033[31möö\\n\033[0m  b\n"
            "  a        c\n");
}

TEST(TableTest, WrapsTheLastColumnBelowItself) {
  Style style;
  style.width = 32;
  const std::vector<std::vector<Cell>> rows = {
      {{"NODE"}, {"WHY"}}, {{"master"}, {"the page did not come twice in a row"}}};
  EXPECT_EQ(FormatTable(rows, style, 2),
            "  NODE    WHY\n"
            "  master  the page did not come\n"
            "          twice in a row\n");
  style.width = 20;  // too narrow to wrap readably
  EXPECT_EQ(FormatTable(rows, style, 2),
            "  NODE    WHY\n"
            "  master  the page did not come twice in a row\n");
}

}  // namespace
}  // namespace hb::client
