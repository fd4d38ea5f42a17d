// What an executor must remember across restarts: how often it has started, each cluster's record
// (epoch, promises, whom it follows, spec), and the VIPs that it put on interfaces. One directory a
// process, locked while it lives. Each file is replaced whole or not at all, and synced. A file
// that is damaged is an error, never taken for an empty one: an executor that has forgotten an
// epoch could be led by an old order.
#ifndef HB_EXECUTOR_STATE_H_
#define HB_EXECUTOR_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executor/core/node.h"

namespace hb::executor {

class StateDirectory {
 public:
  // Makes `directory` (0700) where it is missing, locks it, reads it, and has counted this start on
  // disk when it returns. FailedPrecondition: another process has the directory. DataLoss: a file
  // is damaged or missing; the message names it and what to do. Unavailable, PermissionDenied:
  // the file system refuses.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<StateDirectory>> Open(
      const std::string& directory);
  ~StateDirectory();
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  // Number of this start, from 1; on disk.
  uint64_t incarnation() const { return incarnation_; }
  // What is on disk.
  const std::map<std::string, Record>& records() const { return records_; }
  const std::set<Vip>& vips() const { return vips_; }

  // Ok: on disk, also after a power failure. Otherwise the old contents stand. A record whose epoch
  // is below the stored one is refused (FailedPrecondition). They block; one thread at a
  // time.
  [[nodiscard]] absl::Status StoreRecord(const std::string& cluster, const Record& record);
  [[nodiscard]] absl::Status StoreVips(const std::set<Vip>& vips);

 private:
  StateDirectory(std::string directory, int directory_fd, int lock_fd)
      : directory_(std::move(directory)), directory_fd_(directory_fd), lock_fd_(lock_fd) {}
  absl::Status Load();
  absl::Status WriteIncarnation();
  absl::Status WriteRecords(const std::map<std::string, Record>& records);
  absl::Status ReadRecords(const std::vector<std::string>& lines, const std::string& remedy);

  const std::string directory_;
  const int directory_fd_;
  const int lock_fd_;
  uint64_t incarnation_ = 0;
  std::map<std::string, Record> records_;
  std::set<Vip> vips_;
};

// The form of each file: "hb NAME 1", the lines, and a last line that sums up what precedes it.
// Pure; for StateDirectory and its tests.
std::string SealStateFile(const std::string& name, const std::string& lines);
// The lines without the first and the last. InvalidArgument says what is wrong.
[[nodiscard]] absl::StatusOr<std::string> UnsealStateFile(const std::string& name,
                                                          const std::string& text);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_STATE_H_
