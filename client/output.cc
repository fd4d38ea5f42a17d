// hbctl's standard output; see output.h. Written without stdio's buffer: each message of a stream
// is out before the next is waited for.
#include "client/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace hb::client {

bool OutputIsTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

Style OutputStyle(bool no_color) {
  Style style;
  style.zone = absl::LocalTimeZone();
  if (!OutputIsTerminal()) return style;
  const char* environment = std::getenv("NO_COLOR");
  style.color = !no_color && (environment == nullptr || *environment == '\0');
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) style.width = size.ws_col;
  return style;
}

absl::Status Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      return absl::InternalError(absl::StrCat("can't write the output: ", std::strerror(errno)));
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace hb::client
