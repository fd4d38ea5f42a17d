// The daemons' log: one line an event on standard error, key=value, ready for journald (which reads
// the priority from the "<N>" prefix of sd-daemon(3)) and for people (a time stamp when no journal
// listens). Cores never log; shells log the reasons that cores return.
#ifndef HB_COMMON_LOG_H_
#define HB_COMMON_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb {

enum class LogLevel { kError, kWarning, kInfo, kDebug };

// A key and its value; the value is quoted when it needs to be.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const absl::AlphaNum& v) : key(k), value(v.Piece()) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  std::string key;
  std::string value;
};

// Lines above `level` are dropped. Default: kInfo. Not thread-safe: set once at start.
void SetLogLevel(LogLevel level);

// Thread-safe. `message` is a short constant phrase: "vip added".
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void LogError(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}
inline void LogWarning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogInfo(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogDebug(std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}

// `value` as it stands in key=value: quoted, with \" \\ and control characters escaped, when it is
// empty or has anything but letters, digits and -_.,:/+@%[] in it. Never holds a line break.
std::string QuoteLogValue(std::string_view value);

}  // namespace hb

#endif  // HB_COMMON_LOG_H_
