// Text for a terminal; see table.h. The escaping here is what stands between a hostile name from
// the network and the terminal's control sequences. No I/O.
#include "client/table.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hb::client {
namespace {

constexpr size_t kColumnGap = 2;
constexpr size_t kNarrowestWrap = 20;  // below this, broken lines read worse than long ones

struct Character {
  char32_t code = 0;
  size_t length = 1;  // bytes
  bool valid = false;
};

// The UTF-8 character at the start of `text`, which is not empty. Overlong forms and surrogates are
// not valid.
Character Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  size_t length = 0;
  char32_t code = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2;
    code = first & 0x1fU;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    code = first & 0x0fU;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4;
    code = first & 0x07U;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[length] || code > 0x10ffff || surrogate) return {};
  return {code, length, true};
}

bool IsControl(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||  // C0, DEL, C1
         (code >= 0x200e && code <= 0x200f) ||             // direction marks
         (code >= 0x2028 && code <= 0x202e) ||             // separators, embeddings, overrides
         (code >= 0x2066 && code <= 0x2069);               // isolates
}

const char* Sequence(Color color) {
  switch (color) {
    case Color::kNone:
      return "";
    case Color::kBold:
      return "\033[1m";
    case Color::kDim:
      return "\033[2m";
    case Color::kRed:
      return "\033[31m";
    case Color::kGreen:
      return "\033[32m";
    case Color::kYellow:
      return "\033[33m";
  }
  return "";
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = Decode(text);
    if (!c.valid) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(text[0]));
    } else if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == '\t') {
      out += "\\t";
    } else if (IsControl(c.code) && c.code < 0x80) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint32_t>(c.code));
    } else if (IsControl(c.code)) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint32_t>(c.code));
    } else {
      out += text.substr(0, c.length);
    }
    text.remove_prefix(c.length);
  }
  return out;
}

size_t TextWidth(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Paint(const Style& style, Color color, std::string_view text) {
  std::string escaped = Escape(text);
  if (!style.color || color == Color::kNone || escaped.empty()) return escaped;
  return absl::StrCat(Sequence(color), escaped, "\033[0m");
}

std::vector<std::string> Wrap(std::string_view text, size_t width) {
  if (width == 0 || TextWidth(text) <= width) return {std::string(text)};
  std::vector<std::string> lines(1);
  size_t used = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word.empty()) continue;
    const size_t word_width = TextWidth(word);
    if (used != 0 && used + 1 + word_width > width) {
      lines.emplace_back();
      used = 0;
    }
    if (used != 0) {
      lines.back() += ' ';
      ++used;
    }
    lines.back() += word;
    used += word_width;
  }
  return lines;
}

std::string FormatTable(const std::vector<std::vector<Cell>>& rows, const Style& style,
                        size_t indent) {
  if (rows.empty() || rows.front().empty()) return "";
  const size_t last = rows.front().size() - 1;
  std::vector<size_t> widths(last, 0);
  for (const std::vector<Cell>& row : rows) {
    for (size_t i = 0; i < last; ++i) {
      widths[i] = std::max(widths[i], TextWidth(Escape(row[i].text)));
    }
  }
  size_t last_column = indent;
  for (const size_t width : widths) last_column += width + kColumnGap;
  const bool wraps = style.width >= last_column + kNarrowestWrap;

  std::string out;
  for (const std::vector<Cell>& row : rows) {
    std::string line;
    size_t column = 0;  // where the line ends
    size_t target = indent;
    for (size_t i = 0; i < last; ++i) {
      if (!row[i].text.empty()) {
        line.append(target - column, ' ');
        line += Paint(style, row[i].color, row[i].text);
        column = target + TextWidth(Escape(row[i].text));
      }
      target += widths[i] + kColumnGap;
    }
    if (!row[last].text.empty()) {
      for (const std::string& part :
           Wrap(Escape(row[last].text), wraps ? style.width - last_column : 0)) {
        line.append(target - column, ' ');
        absl::StrAppend(&out, line, Paint(style, row[last].color, part), "\n");
        line.clear();
        column = 0;
      }
    } else {
      absl::StrAppend(&out, line, "\n");
    }
  }
  return out;
}

}  // namespace hb::client
