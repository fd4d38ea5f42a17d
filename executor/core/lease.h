// The lease of one cluster on one node: until when this node may answer for the cluster's VIPs, and
// which orders still count. Design rules L1 (the lease runs from the stamp of the report that is
// answered), L3 (giving up voids what is on its way), L4 (epochs never fall), L6 (promises of the
// other nodes keep it) and L7 (what happens when nobody renews). Pure: time is an argument. It
// refuses; it never waits.
#ifndef HB_EXECUTOR_CORE_LEASE_H_
#define HB_EXECUTOR_CORE_LEASE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "common/lease_terms.h"
#include "common/time.h"
#include "executor/core/types.h"

namespace hb::executor {

struct Grant {
  uint64_t epoch = 0;
  ReportId answers;
  MonoTime stamp;  // taken before that report was composed
  Duration ttl;
};

class Lease {
 public:
  explicit Lease(uint64_t highest_epoch = 0) : highest_epoch_(highest_epoch) {}

  // FailedPrecondition when `epoch` is below the highest seen.
  [[nodiscard]] absl::Status CheckEpoch(uint64_t epoch) const;
  // The caller has put it on disk. Never lowers it.
  void RaiseHighestEpoch(uint64_t epoch);

  // Starts or renews the lease: it ends at stamp + ttl. With nothing changed: Aborted, the answered
  // report is older than the last give-up or than one already obeyed (the answer to the next will
  // do); FailedPrecondition, the epoch is stale, or the lease would have ended by `now`.
  // InvalidArgument: ttl not within (0, kMaxTtl].
  [[nodiscard]] absl::Status Take(const Grant& grant, MonoTime now);

  // Takes up the lease that an executor which was killed left in the kernel's gate (L5): it ends
  // when the gate closes.
  void Adopt(const GateLease& found, MonoTime now);

  // Every other node has promised, under this lease's epoch, to stay away until `until` (L6). Like
  // the witness's answer it extends and revives nothing.
  void PromisedUntil(MonoTime until);

  // None counts any more: the lease ends with what was granted, or witnessed.
  void ForgetPromises() { promised_until_ = MonoTime(); }

  // The witness answered a question that was asked at `asked`. A lease that has run out by now must
  // have been given up before: an answer extends, it revives nothing.
  void WitnessAnswered(MonoTime asked);
  void SetPolicy(OnExpiry policy) { policy_ = policy; }

  // Ends the lease now. Orders that answer a report older than `next`, the next that this node will
  // stamp, are void from here on.
  void GiveUp(ReportId next);

  // True from Take until GiveUp; whether it still holds at an instant, Holds tells.
  bool taken() const { return taken_; }
  bool Holds(MonoTime now) const { return taken_ && now < Until(); }
  // It holds by promises or policy alone.
  bool Beyond(MonoTime now) const { return Holds(now) && now >= end_; }
  // When it ends unless it is renewed, promised or witnessed again.
  MonoTime Until() const;
  // The end of what the controller granted.
  MonoTime end() const { return end_; }

  Duration ttl() const { return ttl_; }
  uint64_t epoch() const { return epoch_; }
  uint64_t highest_epoch() const { return highest_epoch_; }
  ReportId void_before() const { return void_before_; }
  OnExpiry policy() const { return policy_; }

 private:
  OnExpiry policy_ = OnExpiry::kRelease;
  bool taken_ = false;
  MonoTime end_;
  MonoTime witness_asked_;
  MonoTime promised_until_;
  Duration ttl_;
  uint64_t epoch_ = 0;
  uint64_t highest_epoch_;
  ReportId void_before_;
  ReportId newest_obeyed_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_CORE_LEASE_H_
