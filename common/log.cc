// Builds a line and writes it to standard error in one write(2), for the journal or for people. It
// keeps no buffer and opens no file; a line that can't be written is lost.
#include "common/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "common/boot_clock.h"

namespace hb {
namespace {

LogLevel log_level = LogLevel::kInfo;

// syslog(3) priorities: err, warning, info, debug.
int Priority(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return 3;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kDebug:
      return 7;
  }
  return 3;
}

const char* Name(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
  }
  return "error";
}

bool IsPlain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("-_.,:/+@%[]").find(c) != std::string_view::npos;
}

// Whether standard error goes to the journal: JOURNAL_STREAM is inherited, and may name the stream
// of a parent whose output this is not (systemd.exec(5)).
bool JournalListens() {
  const char* name = std::getenv("JOURNAL_STREAM");
  struct stat stream {};
  if (name == nullptr || fstat(STDERR_FILENO, &stream) != 0) return false;
  return absl::StrCat(stream.st_dev, ":", stream.st_ino) == name;
}

}  // namespace

void SetLogLevel(LogLevel level) { log_level = level; }

std::string QuoteLogValue(std::string_view value) {
  bool plain = !value.empty();
  for (const char c : value) plain = plain && IsPlain(c);
  if (plain) return std::string(value);
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level > log_level) return;
  static const bool journal = JournalListens();
  std::string line;
  if (journal) {
    line = absl::StrCat("<", Priority(level), ">");
  } else {
    line = absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ ", WallNow(), absl::UTCTimeZone()),
                        Name(level), " ");
  }
  line.append(message);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=", QuoteLogValue(field.value));
  }
  line += '\n';
  // One write a line: lines of several threads do not mix, and nothing is buffered when the process
  // dies.
  while (write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace hb
