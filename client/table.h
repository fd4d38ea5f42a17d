// Text for a terminal: escaping, colours, wrapping, aligned columns. The lowest layer of what hbctl
// prints: every text that passes through here has its control characters escaped, whoever sent it.
// Pure: it is told whether there are colours and how wide the terminal is; it asks nobody.
#ifndef HB_CLIENT_TABLE_H_
#define HB_CLIENT_TABLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace hb::client {

struct Style {
  bool color = false;
  size_t width = 0;  // columns of the terminal; 0: none, nothing is wrapped
  absl::TimeZone zone = absl::UTCTimeZone();
};

enum class Color { kNone, kBold, kDim, kRed, kGreen, kYellow };

struct Cell {
  std::string text;
  Color color = Color::kNone;
};

// `text` with control characters (C0, DEL, C1, line and direction marks of Unicode) and bytes that
// are no UTF-8 written as \n, \t, \x1b or \u202e. A backslash stays one: escaping twice changes
// nothing.
std::string Escape(std::string_view text);

// How many columns `text` (escaped, UTF-8) takes; every character counts as one.
size_t TextWidth(std::string_view text);

// Escaped and, when the style has colours, coloured.
std::string Paint(const Style& style, Color color, std::string_view text);

// Lines of at most `width` columns, broken at blanks; a longer word stays whole. `width` 0: one
// line.
std::vector<std::string> Wrap(std::string_view text, size_t width);

// Columns two blanks apart, indented by `indent`, no blanks at the ends of lines. The last column
// is wrapped to the style's width, below itself. Every row has as many cells as the first.
std::string FormatTable(const std::vector<std::vector<Cell>>& rows, const Style& style,
                        size_t indent);

}  // namespace hb::client

#endif  // HB_CLIENT_TABLE_H_
