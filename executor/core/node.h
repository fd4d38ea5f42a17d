// The executor's core: all clusters of one node, their leases and standing orders, and what to do
// next. A pure state machine: inputs and the time go in, acts come out, in the order in which they
// are to be performed. It has no clock, thread, socket or file; the shell (executor/executor.h)
// has. What must be on disk first (an epoch that is new, the identity that is followed, the length
// of a promise) is asked for by PersistRecord and relied upon only after Stored; only giving up
// waits for nothing. The kernel's gate is written by SetGate alone, and never for longer than the
// lease (L8).
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
#include "executor/core/promise.h"
#include "executor/core/reconcile.h"
#include "executor/core/types.h"

namespace hb::executor {

// For so long after it was heard a controller is followed at least (L11).
inline constexpr Duration kFollowedForLeast = absl::Seconds(1);

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
  std::vector<Peer> peers;  // the cluster's other nodes
  friend bool operator==(const Spec&, const Spec&) = default;
};

// What an executor remembers of a cluster across its restarts.
struct Record {
  uint64_t epoch = 0;             // the highest that was seen
  Duration longest_promise = {};  // of all that were given
  std::string controller = {};    // the identity that is followed (L11)
  Duration followed_for = {};     // so long after that was heard, no other is
  std::optional<Spec> spec = {};
  friend bool operator==(const Record&, const Record&) = default;
};

struct Order {
  std::string cluster;
  uint64_t spec_revision = 0;
  bool active = false;
  uint64_t epoch = 0;
  Duration ttl;
  bool service_running = false;
  uint64_t start_attempt = 0;
  OnLeave on_leave = OnLeave::kKeep;
  // The operator takes it upon himself that the node has promised another to stay away (L10).
  bool force = false;
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
  bool followed_other = false;  // another controller is on disk
  bool spec_stored = false;     // the spec is on disk
  bool follows = false;         // the controller of this stream is the one on disk
  bool bound = false;           // by a promise: it can't become active yet
  uint64_t promises = 0;        // given so far
  bool leaving = false;         // told to stop; hands over, or keeps
  uint64_t conflicts = 0;       // claims by others while this node held, so far
  std::string conflict;         // the newest: "02:68:62:00:00:09 claims 192.168.0.111"
  friend bool operator==(const ClusterReport&, const ClusterReport&) = default;
};

struct Report {
  uint64_t number = 0;
  std::vector<ClusterReport> clusters;  // those that changed since the last report of the stream
  uint64_t answered = 0;  // the newest report of the stream whose answer was heard; 0: none yet
  Duration followed_for;  // so long after that no other controller is followed
};

// Acts. All are idempotent.
struct PersistRecord {
  std::string cluster;
  Record record;
};
struct SetGate {
  std::string cluster;
  IpAddress vip;
  GateLease lease;
};
struct AskPromise {
  std::string cluster;
  Peer peer;
  uint64_t epoch;
  std::vector<IpAddress> vips;
  Duration d;
};
// To a PromiseRequest.
struct AnswerPromise {
  uint64_t request;
  bool given;
  uint64_t highest_epoch;
  bool holding;
  std::string refusal;
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
using Act = std::variant<PersistRecord, SetGate, AddVip, RemoveVip, Announce, StartService,
                         StopService, ApplyFirewall, AskWitness, AskPromise, AnswerPromise, Note>;
using Acts = std::vector<Act>;

// Another node asks this one to stay away (L6).
struct PromiseRequest {
  uint64_t id = 0;  // the shell's
  std::string cluster;
  std::string from;
  uint64_t epoch = 0;
  std::vector<IpAddress> vips;
  Duration d;
};
// What a peer answered. `d` counts from the asking.
struct PromiseReply {
  bool given = false;
  uint64_t epoch = 0;  // that was asked for
  Duration d;
  uint64_t highest_epoch = 0;  // that the peer has seen
  bool holding = false;        // the peer holds a lease of the cluster
  std::string refusal;         // for people
};

class Node {
 public:
  // A holder that was told to stop waits for so long for another node to be made ready.
  static constexpr Duration kLeaveLimit = absl::Seconds(30);
  // Promise requests of one cluster that may wait for the disk.
  static constexpr size_t kMaxPendingPromises = 64;

  // `records`: what is on disk, by cluster. `incarnation` is on disk, too.
  Node(uint64_t incarnation, const std::map<std::string, Record>& records);

  // What an earlier process left in the gate: a lease that still runs is taken up (L5); every other
  // gate of a known spec is closed. A promise that it may have given binds from now on. Once,
  // before everything else.
  Acts Start(const std::map<IpAddress, GateLease>& gates, MonoTime now);

  // The clock of whoever waits (WaitNow of common/boot_clock.h), for this node's own promises. To
  // be set before each call that has `now`.
  void SetWaitClock(MonoTime wait_now) { wait_now_ = wait_now; }

  // A controller's stream begins or ends: standing orders and unanswered reports die with the old
  // one; leases run on.
  void StreamOpened(const std::string& controller);
  void StreamClosed();
  // L11. FailedPrecondition: `controller` may not be followed, for a grant of another one runs.
  // `heard`: when the one that is followed was heard last.
  [[nodiscard]] absl::Status CheckController(const std::string& controller, MonoTime heard,
                                             MonoTime now) const;

  Acts Obey(const Orders& orders, MonoTime now);
  Acts Stored(const std::string& name, const Record& record, MonoTime now);
  // What the shell sees of a cluster's VIPs and service; call it after every change, and after
  // acts.
  Acts Observe(const std::string& name, const Observation& seen, MonoTime now);
  Acts WitnessAnswered(const std::string& name, MonoTime asked, MonoTime now);
  // Another node asks; AnswerPromise follows, now or once the disk has it.
  Acts PromiseAsked(const PromiseRequest& request, MonoTime now);
  Acts PromiseAnswered(const std::string& name, const std::string& peer, const PromiseReply& reply,
                       MonoTime asked, MonoTime now);
  // L9. Somebody else claims one of the VIPs.
  Acts ConflictSeen(const Conflict& conflict, MonoTime now);
  // Something was refused outside the core (allow list, unknown service): shown in the reports
  // until the next order for the cluster is obeyed.
  void Refuse(const std::string& name, const std::string& refusal);
  // The executor is about to end: takes no lease any more, and does with the present ones what the
  // controller's standing orders say (OnLeave); without a controller they are left as they are.
  Acts Leave(MonoTime now);
  // Nothing is left to be done before the process may end.
  bool MayExit(MonoTime now) const;
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
    void SetSpec(const Spec& s);
    // Known here once, and then to be forgotten.
    bool forgotten() const { return !asked.spec && !asked.controller.empty(); }

    Spec spec;
    std::vector<std::string> vip_names;  // as reports have them
    Lease lease;
    std::optional<Order> standing;  // obeyed on this stream
    std::optional<Order> parked;    // waits for its epoch to be on disk
    ReportId parked_answers;
    Record asked;  // to be put on disk
    Record on_disk;
    // Until that of `asked` is there: an older write, of something else, may still be on its way.
    bool spec_pending = false;
    bool controller_pending = false;
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
    bool beyond = false;  // the grant has run out and the lease goes on; already noted
    GateLease gate;       // as written last
    MonoTime next_gate = MonoTime::Infinite();  // when to write it again
    PromisesHeld promises;
    MonoTime promises_from;  // what was asked before counts no more
    MonoTime next_promise = MonoTime::Infinite();
    std::vector<PromiseRequest> pending_promises;  // for the disk
    uint64_t promises_given = 0;
    bool bound = false;
    MonoTime promised_until;                    // of all that were given; of the waiting clock
    bool forgetting = false;                    // that no promise runs is being written
    MonoTime next_bond = MonoTime::Infinite();  // when to look again
    uint64_t conflicts = 0;
    std::string conflict;
    MonoTime next_conflict;  // before that, another claim is nothing new
    std::optional<ClusterReport> last_sent;
  };

  // So long after it was heard the stream's controller is followed, also by the process after this
  // one (L11).
  Duration FollowedFor() const;
  ReportId NextId() const { return {incarnation_, next_number_}; }
  std::optional<MonoTime> StampOf(ReportId id) const;
  void AdoptSpec(const Spec& spec, MonoTime now, Acts& acts);
  void AdoptLease(Cluster& cluster, const std::map<IpAddress, GateLease>& gates, MonoTime now);
  // Has the cluster's record written if it lacks something.
  static void Persist(const std::string& name, Cluster& cluster, const Record& wanted, Acts& acts);
  // What has to be on disk before the order may be obeyed.
  bool IsStored(const Cluster& cluster, const Order& order) const;
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
  // Has the gate say what the lease says: open once the VIP is up and the service has been seen
  // running under it, until the lease's end; else closed.
  static void SyncGate(Cluster& cluster, MonoTime now, Acts& acts);
  void AskPromises(Cluster& cluster, MonoTime now, Acts& acts);
  void AnswerPromises(const std::string& name, Cluster& cluster, MonoTime now, Acts& acts);
  // Why this node does not promise; empty: it does.
  std::string WhyNoPromise(const Cluster& cluster, const PromiseRequest& request) const;
  MonoTime BondEnd(const std::vector<Vip>& vips) const;
  void CheckBond(const std::string& name, Cluster& cluster, MonoTime now, Acts& acts);
  void AdvanceLeaving(Cluster& cluster, MonoTime now, Acts& acts);
  // A cluster that wants its service stopped may have waited for another that wanted it running.
  void RethinkSharedServices(MonoTime now);
  void RefreshRules(Acts& acts);
  bool OthersWantService(const Cluster& cluster) const;
  FirewallRules Rules() const;
  ClusterReport Describe(const Cluster& cluster, MonoTime now) const;

  const uint64_t incarnation_;
  uint64_t next_number_ = 1;
  uint64_t answered_ = 0;  // of this stream
  bool streaming_ = false;
  std::string controller_;  // of the stream
  bool leaving_ = false;
  MonoTime leave_by_ = MonoTime::Infinite();
  MonoTime wait_now_;
  Bonds bonds_;
  MonoTime all_bound_until_;  // a promise was given for addresses that are not known any more
  bool changed_ = false;      // since the last report
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
