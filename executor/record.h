// A cluster's record (core/node.h) as one line of the state directory's file: "NAME KEY=VALUE ...",
// a key once for each element of a list. Pure. It takes no part of a line for granted: what it does
// not know, or finds malformed, is an error.
#ifndef HB_EXECUTOR_RECORD_H_
#define HB_EXECUTOR_RECORD_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "executor/core/node.h"

namespace hb::executor {

std::string RecordToLine(const std::string& cluster, const Record& record);
// The cluster's name and its record. InvalidArgument says what is wrong.
[[nodiscard]] absl::StatusOr<std::pair<std::string, Record>> RecordFromLine(
    const std::string& line);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_RECORD_H_
