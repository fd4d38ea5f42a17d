// The store in one SQLite file: WAL, synchronous=FULL (an epoch is on disk when ReserveEpoch
// returns), locked by its owner for as long as it is open, schema versioned by user_version. A file
// of an older hb is brought up to date when it is opened, step by step, each whole or not at all.
#ifndef HB_CONTROLLER_STORE_SQLITE_H_
#define HB_CONTROLLER_STORE_SQLITE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/store/store.h"

namespace hb::controller {

// Makes the file and its directory when absent; an empty file is a new store. FailedPrecondition:
// another process has it open, it is of a newer hb or of another program, or no file at all;
// DataLoss: it is no database or damaged; Unavailable: the disk refuses. Messages name the file and
// the remedy. After an error the stored content is what it was, if perhaps of a newer schema.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace hb::controller

#endif  // HB_CONTROLLER_STORE_SQLITE_H_
