#include "controller/core/lease_book.h"

#include <algorithm>

namespace hb::controller {

void LeaseBook::AssumeGrantsUntil(MonoTime end) {
  for (Entry& entry : entries_) {
    entry.assumed_end = std::max(entry.assumed_end, end);
    entry.unknown_grants = true;
  }
}

void LeaseBook::NothingAssumed(NodeIndex node) {
  entries_[node].assumed_end = MonoTime();
  entries_[node].unknown_grants = false;
}

void LeaseBook::Granted(NodeIndex node, ReportId answers, Duration ttl, MonoTime now) {
  Entry& entry = entries_[node];
  entry.end = std::max(entry.end, now + WithClockMargin(ttl));
  entry.newest_answered = std::max(entry.newest_answered, answers);
  entry.unknown_grants = false;
}

bool LeaseBook::ReleaseProven(NodeIndex node, const std::optional<NodeReport>& report) const {
  const Entry& entry = entries_[node];
  return report && !report->holding && !entry.unknown_grants &&
         report->void_before > entry.newest_answered;
}

}  // namespace hb::controller
