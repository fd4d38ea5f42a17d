// Promises between the nodes of a cluster (design rule L6): "I will not become active for d". Two
// halves, both pure: what a holder has been promised, and what this node has promised to others.
// Who is asked, and when, is the node's business (node.h).
#ifndef HB_EXECUTOR_CORE_PROMISE_H_
#define HB_EXECUTOR_CORE_PROMISE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/lease_terms.h"
#include "common/time.h"
#include "executor/core/types.h"

namespace hb::executor {

// The asker's half: a promise is counted from the instant at which it was asked for.
class PromisesHeld {
 public:
  void Clear() { until_.clear(); }
  // Under the epoch of the present lease.
  void Given(const std::string& peer, MonoTime asked, Duration d) {
    MonoTime& until = until_[peer];
    until = std::max(until, asked + d);
  }
  // Until when every one of `peers` has promised; MonoTime() when one has not, or there is none:
  // a node that nobody could replace has nobody to ask.
  MonoTime Until(const std::vector<Peer>& peers) const {
    MonoTime until = peers.empty() ? MonoTime() : MonoTime::Infinite();
    for (const Peer& peer : peers) {
      const auto it = until_.find(peer.name);
      until = std::min(until, it == until_.end() ? MonoTime() : it->second);
    }
    return until;
  }

 private:
  std::map<std::string, MonoTime> until_;  // by peer
};

// The giver's half: counted from the giving, on the clock of whoever waits (WaitNow of
// common/boot_clock.h), with the clock margin; never shortened. By address, for a cluster may be
// renamed and an address may move to another cluster while the bond runs.
class Bonds {
 public:
  void Bind(const IpAddress& vip, Duration d, MonoTime wait_now) {
    MonoTime& until = until_[vip];
    until = std::max(until, wait_now + WithClockMargin(d));
  }
  // The longest of these addresses' bonds; MonoTime() when there is none.
  MonoTime Until(const std::vector<Vip>& vips) const {
    MonoTime until;
    for (const Vip& vip : vips) {
      const auto it = until_.find(vip.address.address);
      if (it != until_.end()) until = std::max(until, it->second);
    }
    return until;
  }
  void DropEnded(MonoTime wait_now) {
    std::erase_if(until_, [wait_now](const auto& bond) { return bond.second <= wait_now; });
  }
  size_t size() const { return until_.size(); }

 private:
  std::map<IpAddress, MonoTime> until_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_CORE_PROMISE_H_
