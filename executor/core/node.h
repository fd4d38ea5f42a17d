// The executor's core: all clusters of one node, their leases and standing orders, and what to do
// next. A pure state machine: inputs and the time go in, acts come out, in the order in which they
// are to be performed. It has no clock, thread, socket or file; the shell (executor/executor.h)
// has. An order whose epoch is new is obeyed only after the shell says that the epoch is on disk
// (EpochStored); only giving up waits for nothing.
#ifndef HB_EXECUTOR_CORE_NODE_H_
#define HB_EXECUTOR_CORE_NODE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "executor/core/lease.h"
#include "executor/core/reconcile.h"
#include "executor/core/types.h"

namespace hb::executor {

struct FirewallSpec {
  IpAddress own_address;
  std::vector<IpPrefix> sources;
  bool restrict_icmp_echo = false;
  std::vector<uint16_t> restrict_tcp;
  friend bool operator==(const FirewallSpec&, const FirewallSpec&) = default;
};

struct Spec {
  std::string cluster;
  uint64_t revision = 0;  // 0: none
  std::vector<Vip> vips;
  std::string service;
  OnExpiry on_expiry = OnExpiry::kRelease;
  std::string witness;  // an address, or "gateway"
  Duration witness_interval;
  std::optional<FirewallSpec> firewall;
};

struct Order {
  std::string cluster;
  uint64_t spec_revision = 0;
  bool active = false;
  uint64_t epoch = 0;
  Duration ttl;
  bool service_running = false;
  uint64_t start_attempt = 0;
};

struct Orders {
  ReportId answers;
  std::optional<Duration> heartbeat;
  std::vector<Spec> specs;  // already checked against the allow list by the shell
  std::vector<Order> orders;
  std::vector<std::string> forget;
};

struct ClusterReport {
  std::string cluster;
  uint64_t spec_revision = 0;
  bool holding = false;
  bool beyond_lease = false;
  uint64_t epoch = 0;
  uint64_t highest_epoch = 0;
  ReportId void_before;
  std::vector<std::string> vips;
  Observation seen;
  std::string refusal;
  friend bool operator==(const ClusterReport&, const ClusterReport&) = default;
};

struct Report {
  uint64_t number = 0;
  std::vector<ClusterReport> clusters;  // those that changed since the last report of the stream
};

// Acts. All are idempotent.
struct PersistEpoch {
  std::string cluster;
  uint64_t epoch;
};
struct AddVip {
  std::string cluster;
  Vip vip;
  Duration valid_for;
};
struct RemoveVip {
  std::string cluster;
  Vip vip;
  std::string reason;
};
struct Announce {
  std::string cluster;
  Vip vip;
};
struct StartService {
  std::string cluster;
  std::string service;
  uint64_t attempt;
};
struct StopService {
  std::string cluster;
  std::string service;
  std::string reason;
};
struct ApplyFirewall {
  FirewallRules rules;
};
struct AskWitness {
  std::string cluster;
  std::string witness;
  Duration timeout;
};
// For the log: what the core decided by itself.
struct Note {
  bool warning;
  std::string cluster;
  std::string text;
};
using Act = std::variant<PersistEpoch, AddVip, RemoveVip, Announce, StartService, StopService,
                         ApplyFirewall, AskWitness, Note>;
using Acts = std::vector<Act>;

class Node {
 public:
  // `stored_epochs`: the highest epoch of each cluster that is on disk. `incarnation` is on disk,
  // too.
  Node(uint64_t incarnation, const std::map<std::string, uint64_t>& stored_epochs);

  // A controller's stream begins or ends: standing orders and unanswered reports die with the old
  // one; leases run on.
  void StreamOpened();
  void StreamClosed();

  Acts Obey(const Orders& orders, MonoTime now);
  Acts EpochStored(const std::string& name, uint64_t epoch, MonoTime now);
  // What the shell sees of a cluster's VIPs and service; call it after every change, and after
  // acts.
  Acts Observe(const std::string& name, const Observation& seen, MonoTime now);
  Acts WitnessAnswered(const std::string& name, MonoTime asked, MonoTime now);
  // Something was refused outside the core (allow list, unknown service): shown in the reports
  // until the next order for the cluster is obeyed.
  void Refuse(const std::string& name, const std::string& refusal);
  // Gives everything up and takes nothing any more: the executor is about to end.
  Acts Shutdown(MonoTime now);
  // Performs what is due. Call it at NextDeadline, or earlier.
  Acts Advance(MonoTime now);
  // `with_report`: false while a report could not be sent anyway; then the report's time is left
  // out.
  MonoTime NextDeadline(bool with_report = true) const;

  // True when a report should go out now: something changed, or the heartbeat is due. Only with a
  // stream.
  bool ReportDue(MonoTime now) const;
  // Numbers and stamps a report, and composes it. `now` is read before the call. A cluster whose
  // spec is new is not named until it has been observed.
  Report Compose(MonoTime now);

  std::vector<std::string> clusters() const;
  // Null when the cluster is unknown or has no spec.
  const Spec* spec(const std::string& name) const;
  bool Holds(const std::string& name, MonoTime now) const;
  // Of the lease that it holds or held last; 0: none.
  uint64_t epoch(const std::string& name) const;

 private:
  struct Cluster {
    Spec spec;
    Lease lease;
    std::optional<Order> standing;  // obeyed on this stream
    std::optional<Order> parked;    // waits for its epoch to be on disk
    ReportId parked_answers;
    uint64_t seen_epoch = 0;  // the highest that was asked to be put on disk
    Wanted wanted;
    Observation seen;
    bool observed = false;      // seen is of the present spec
    std::string refusal;        // of an order, or from outside
    std::string lease_refusal;  // of the last grant or renewal
    MonoTime next_witness = MonoTime::Infinite();
    MonoTime next_refresh = MonoTime::Infinite();
    std::vector<Step> tried;  // and not again before next_retry, unless other steps are due
    MonoTime next_retry = MonoTime::Infinite();  // steps that had no visible effect are tried again
    MonoTime announce_from;
    size_t announced = 0;
    MonoTime next_announce = MonoTime::Infinite();
    bool beyond = false;  // the lease has run out and the policy holds on; already noted
    std::optional<ClusterReport> last_sent;
  };

  ReportId NextId() const { return {incarnation_, next_number_}; }
  std::optional<MonoTime> StampOf(ReportId id) const;
  void AdoptSpec(const Spec& spec, MonoTime now, Acts& acts);
  void Forget(const std::string& name, MonoTime now, Acts& acts);
  void Receive(const Order& order, ReportId answers, MonoTime now, Acts& acts);
  // A refused order, too, takes the place of the one before: its sender no longer counts grants of
  // that one, so nothing may renew the lease by it. Two ACTIVE orders of one epoch do not differ in
  // that; the shorter ttl counts, for the sender may count by either.
  static void Supersede(Cluster& cluster, const Order& refused);
  // True when a lease begins, false when it goes on or the grant is refused.
  bool TakeLease(Cluster& cluster, ReportId answers, MonoTime now, Acts& acts);
  void GiveUp(Cluster& cluster, const std::string& reason, MonoTime now, Acts& acts);
  void CheckExpiry(Cluster& cluster, MonoTime now, Acts& acts);
  void Work(Cluster& cluster, MonoTime now, Acts& acts);
  static void StartAnnouncing(Cluster& cluster, MonoTime now);
  void KeepUp(Cluster& cluster, MonoTime now, Acts& acts);
  // A cluster that wants its service stopped may have waited for another that wanted it running.
  void RethinkSharedServices(MonoTime now);
  void RefreshRules(Acts& acts);
  bool OthersWantService(const Cluster& cluster) const;
  FirewallRules Rules() const;
  ClusterReport Describe(const Cluster& cluster, MonoTime now) const;

  const uint64_t incarnation_;
  uint64_t next_number_ = 1;
  bool streaming_ = false;
  bool shutting_down_ = false;
  bool changed_ = false;  // since the last report
  Duration heartbeat_ = absl::Milliseconds(200);
  MonoTime next_report_;
  struct Stamp {
    uint64_t number;
    MonoTime at;
  };
  std::deque<Stamp> stamps_;  // of this stream's reports, oldest first; bounded
  FirewallRules rules_;
  std::map<std::string, Cluster> clusters_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_CORE_NODE_H_
