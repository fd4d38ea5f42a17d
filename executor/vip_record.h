// Which VIPs are on disk as put by this executor: an address is added only once it stands there, so
// that an executor that was killed knows at its next start what to take away. The record only grows
// while the executor runs; the next one empties it of what it does not take up. Pure bookkeeping;
// the writing is its owner's.
#ifndef HB_EXECUTOR_VIP_RECORD_H_
#define HB_EXECUTOR_VIP_RECORD_H_

#include <optional>
#include <set>
#include <utility>

#include "executor/core/types.h"

namespace hb::executor {

class VipRecord {
 public:
  explicit VipRecord(std::set<Vip> on_disk) : on_disk_(std::move(on_disk)), wanted_(on_disk_) {}

  void Want(const Vip& vip) { wanted_.insert(vip); }
  void WantNone() { wanted_.clear(); }

  // The set to be written now; none when it is on disk, or a write is under way. The caller writes
  // it and calls Written with the outcome.
  std::optional<std::set<Vip>> NextWrite() {
    if (writing_ || wanted_ == on_disk_) return std::nullopt;
    writing_ = wanted_;
    return writing_;
  }
  void Written(bool ok) {
    if (ok && writing_) on_disk_ = *std::move(writing_);
    writing_.reset();
  }

  // Whatever a write under way does to the file.
  bool Has(const Vip& vip) const {
    return on_disk_.contains(vip) && wanted_.contains(vip) &&
           (!writing_ || writing_->contains(vip));
  }
  const std::set<Vip>& on_disk() const { return on_disk_; }

 private:
  std::set<Vip> on_disk_;
  std::set<Vip> wanted_;
  std::optional<std::set<Vip>> writing_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_VIP_RECORD_H_
