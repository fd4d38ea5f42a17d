// Which HTTP status codes count as good, as the config writes them. Pure; common/probe/http.cc asks
// it once a fetch has ended. It takes nothing that it does not understand whole: no spaces, no open
// ranges.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/probe/http.h"

namespace hb {
namespace {

// Three digits, 100 to 599.
std::optional<long> ParseCode(std::string_view text) {
  if (text.size() != 3) return std::nullopt;
  long code = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
    code = code * 10 + (c - '0');
  }
  if (code < 100 || code > 599) return std::nullopt;
  return code;
}

}  // namespace

absl::StatusOr<HttpStatusSet> HttpStatusSet::Parse(std::string_view text) {
  HttpStatusSet result;
  result.ranges_.clear();
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const size_t dash = item.find('-');
    const std::optional<long> first = ParseCode(item.substr(0, dash));
    const std::optional<long> last =
        dash == std::string_view::npos ? first : ParseCode(item.substr(dash + 1));
    if (!first || !last || *first > *last) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", std::string(text), "': '", std::string(item),
                       "' is not an HTTP status code or a range of them, 100 to 599 "
                       "(like 200, 200-399 or 200,301-302)"));
    }
    result.ranges_.emplace_back(*first, *last);
    if (comma == std::string_view::npos) return result;
    rest.remove_prefix(comma + 1);
  }
}

bool HttpStatusSet::Contains(long status) const {
  for (const auto& [first, last] : ranges_) {
    if (status >= first && status <= last) return true;
  }
  return false;
}

std::string HttpStatusSet::ToString() const {
  std::string out;
  for (const auto& [first, last] : ranges_) {
    absl::StrAppend(&out, out.empty() ? "" : ",", first);
    if (last != first) absl::StrAppend(&out, "-", last);
  }
  return out;
}

}  // namespace hb
