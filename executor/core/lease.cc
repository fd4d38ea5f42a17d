#include "executor/core/lease.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hb::executor {

absl::Status Lease::CheckEpoch(uint64_t epoch) const {
  if (epoch >= highest_epoch_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("epoch ", epoch, " is stale: epoch ", highest_epoch_, " has been seen here"));
}

void Lease::RaiseHighestEpoch(uint64_t epoch) { highest_epoch_ = std::max(highest_epoch_, epoch); }

absl::Status Lease::Take(const Grant& grant, MonoTime now) {
  if (grant.ttl <= absl::ZeroDuration() || grant.ttl > kMaxTtl) {
    return absl::InvalidArgumentError(absl::StrCat("a lease of ", absl::FormatDuration(grant.ttl),
                                                   " is not within (0, ",
                                                   absl::FormatDuration(kMaxTtl), "]"));
  }
  if (absl::Status status = CheckEpoch(grant.epoch); !status.ok()) return status;
  if (grant.answers < void_before_) {
    return absl::AbortedError("the order answers a report from before the release");
  }
  if (grant.answers < newest_obeyed_) {
    return absl::AbortedError("the order answers an older report than one obeyed");
  }
  const MonoTime end = grant.stamp + grant.ttl;
  if (end <= now) {
    return absl::FailedPreconditionError("the order came too late: its lease has run out already");
  }
  if (!taken_) witness_asked_ = promised_until_ = MonoTime();
  // What was promised, was promised to the epoch before.
  if (grant.epoch != epoch_) promised_until_ = MonoTime();
  taken_ = true;
  end_ = end;
  ttl_ = grant.ttl;
  epoch_ = grant.epoch;
  RaiseHighestEpoch(grant.epoch);
  newest_obeyed_ = grant.answers;
  return absl::OkStatus();
}

void Lease::Adopt(const GateLease& found, MonoTime now) {
  taken_ = true;
  witness_asked_ = promised_until_ = MonoTime();
  ttl_ = std::clamp(found.ttl, absl::ZeroDuration(), kMaxTtl);
  end_ = std::min(found.until, now + kMaxTtl);
  epoch_ = found.epoch;
  RaiseHighestEpoch(found.epoch);
}

void Lease::PromisedUntil(MonoTime until) {
  if (taken_) promised_until_ = std::max(promised_until_, until);
}

void Lease::WitnessAnswered(MonoTime asked) {
  if (taken_) witness_asked_ = std::max(witness_asked_, asked);
}

void Lease::GiveUp(ReportId next) {
  taken_ = false;
  void_before_ = std::max(void_before_, next);
}

MonoTime Lease::Until() const {
  const MonoTime promised = std::max(end_, promised_until_);
  switch (policy_) {
    case OnExpiry::kRelease:
      return promised;
    case OnExpiry::kWitness:
      // At most ttl beyond the question of the last answer; before any answer the lease alone
      // counts.
      return witness_asked_ == MonoTime() ? promised : std::max(promised, witness_asked_ + ttl_);
    case OnExpiry::kHold:
      return MonoTime::Infinite();
  }
  return promised;
}

}  // namespace hb::executor
