// Where the executor puts what must be on disk before it is acted upon. The executor's loop never
// waits for a disk: both calls answer later, on the loop. DiskStore (disk_store.h) is the real one.
#ifndef HB_EXECUTOR_STORE_H_
#define HB_EXECUTOR_STORE_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "executor/core/node.h"

namespace hb::executor {

class Store {
 public:
  using Done = std::function<void(absl::Status)>;
  virtual ~Store() = default;

  // `done` is called once, on the loop, never from within the call: Ok when the record (the set)
  // is on disk. In the order of the calls.
  virtual void StoreRecord(const std::string& cluster, const Record& record, Done done) = 0;
  virtual void StoreVips(const std::set<Vip>& vips, Done done) = 0;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_STORE_H_
