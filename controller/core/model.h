// What the decision knows, is told and answers: plain data of one cluster. Pure; no protobuf types.
#ifndef HB_CONTROLLER_CORE_MODEL_H_
#define HB_CONTROLLER_CORE_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/lease_terms.h"
#include "common/time.h"

namespace hb::controller {

using NodeIndex = size_t;  // into ClusterModel::nodes

struct NodeModel {
  std::string name;
  uint32_t priority = 100;
  // Which host it is: the same name elsewhere is another. "slave@192.168.0.3:7070"; the name alone
  // where nothing else is known.
  std::string id = name;
};

// The configuration, as far as decisions depend on it.
struct ClusterModel {
  struct Damping {
    int fall = 3;  // failures in a row that count as down
    int rise = 3;  // answers in a row that count as up
  };
  std::string name;
  std::vector<NodeModel> nodes;
  std::vector<std::string> vips;  // addresses, each in its one form
  std::string service;            // "website"
  std::string service_label;      // "apache service"
  bool standby_runs_service = false;
  Duration heartbeat = absl::Milliseconds(200);
  Duration ttl = absl::Seconds(1);
  OnExpiry on_expiry = OnExpiry::kWitness;
  Duration witness_interval = absl::Milliseconds(200);
  Damping icmp;
  std::optional<Damping> http;  // absent: no page is fetched
  bool auto_failback = true;
  Duration failback_after = absl::Seconds(5);
  int flap_max = 4;
  Duration flap_window = absl::Minutes(10);
};

// What outlives the controller.
struct Persistent {
  uint64_t epoch = 0;
  bool paused = false;
  bool placed = false;    // an operator put the service where it is: no automatic failback
  bool flapping = false;  // too many moves: no automatic failback until acknowledged
  // Every member has followed this store's controller (L11): before that, nobody is granted
  // anything.
  bool established = false;
  // The last node that was made active or adopted, by id; empty: none yet.
  std::string holder = {};
  // What a holder may still work by, as long as it has not confirmed the present configuration (L3,
  // L7): the loosest policy, the nodes that each of its specs names, by id, and the VIPs that any
  // names. Empty: this one's.
  OnExpiry terms_policy = OnExpiry::kRelease;
  std::vector<std::string> terms_members = {};
  std::vector<std::string> terms_vips = {};
  // By operators, until taken back: nodes that are to give no service, and the node that is
  // preferred whatever the priorities say.
  std::vector<std::string> drained = {};
  std::string pinned = {};
  friend bool operator==(const Persistent&, const Persistent&) = default;
};

enum class ServiceState { kUnknown, kStopped, kStarting, kRunning, kFailing, kStopping, kFailed };

// What an executor reports of this cluster.
struct NodeReport {
  bool knows_spec = false;    // it works by the spec that is in force
  bool holding = false;       // it may answer for a VIP: a lease runs, or an address is there
  bool vips_present = false;  // all of them are on their interfaces
  bool beyond_lease = false;
  uint64_t epoch = 0;
  uint64_t highest_epoch = 0;
  ReportId void_before;
  ServiceState service = ServiceState::kUnknown;
  std::string service_detail;
  uint64_t start_attempt = 0;
  std::vector<std::string> obstacles;  // refusals included
  bool follows = false;                // this controller, on its disk
  bool followed_other = false;         // another one until now
  bool spec_stored = false;            // on its disk, too
  bool bound = false;                  // by a promise: it can't become active yet
  uint64_t promises = 0;               // given since its executor started
  bool leaving = false;                // its executor was told to stop
  uint64_t conflicts = 0;              // claims of others while it held, since its executor started
  std::string conflict = {};           // the newest: "02:68:62:00:00:09 claims 192.168.0.111"
};

// Inputs.
enum class ProbeKind { kIcmp, kHttp };
struct ProbeSeen {
  NodeIndex node;
  ProbeKind kind;
  bool good;
  std::string detail;
};
// Another node's executor probed `node`, on its own address, as this controller does.
struct VantageSeen {
  NodeIndex observer;
  NodeIndex node;
  ProbeKind kind;
  bool good;
};
struct StreamOpened {
  NodeIndex node;
};
struct StreamClosed {
  NodeIndex node;
  std::string error;
  bool follows_another = false;  // its executor has refused this controller for another
  bool redialling = false;       // this controller has closed it, to introduce what changed
};
// A report arrived and is about to be answered. `report` is absent when nothing changed.
struct ReportSeen {
  NodeIndex node;
  ReportId id;
  std::optional<NodeReport> report;
  uint64_t answered = 0;       // the number of its newest report whose answer it has heard; 0: none
  Duration followed_for = {};  // so long after that it follows no other controller
};
// Each answer, and each question that stays unanswered. `asked`: not after the question.
struct WitnessSeen {
  bool good;
  MonoTime asked;
};
struct EpochStored {
  uint64_t epoch;
};
// That state, or a newer one, is on disk.
struct Saved {
  uint64_t save;
};
// The controller's own loop ran late by more than its budget, or its host was suspended for so
// long.
struct LoopLate {
  Duration by;
};
struct Command {
  enum class Kind { kSwitchover, kFailback, kPause, kResume, kAck, kDrain, kUndrain, kPin, kUnpin };
  uint64_t id;
  Kind kind;
  // Of a switchover, absent: the best standby; drain, undrain and pin: the node that is meant.
  std::optional<NodeIndex> to;
  bool force = false;   // of a switchover: whoever is silent is not waited for (L10)
  std::string by = {};  // who says so
};
struct TimePassed {};
using Input = std::variant<ProbeSeen, VantageSeen, StreamOpened, StreamClosed, ReportSeen,
                           WitnessSeen, EpochStored, Saved, LoopLate, Command, TimePassed>;

// The standing order for a node.
struct Order {
  bool active = false;
  uint64_t epoch = 0;
  bool service_running = false;
  uint64_t start_attempt = 0;
  OnLeave on_leave = OnLeave::kKeep;
  bool force = false;  // although a promise binds it; never part of what stands
  friend bool operator==(const Order&, const Order&) = default;
};

// Actions.
struct SendOrder {  // it differs from what stands on the node's stream
  NodeIndex node;
  Order order;
};
// Put an epoch ≥ at_least and ≥ the wall clock's seconds on disk, then answer with EpochStored.
struct ReserveEpoch {
  uint64_t at_least;
};
// Put it on disk, however often that takes, then answer with Saved.
struct Save {
  Persistent state;  // epoch is not part of it
  uint64_t number;   // ascending
};
struct ProbeNow {  // the page of this node is waited for
  NodeIndex node;
};
enum class Severity { kInfo, kWarning, kError };
struct Event {
  Severity severity;
  std::string type;  // stable, for programs
  std::optional<NodeIndex> node;
  uint64_t epoch;
  std::string reason;  // one sentence
  std::string detail;  // what was seen: "killed by signal 9", "timed out after 1 s"; may be empty
};
struct Progress {
  uint64_t command;
  std::string text;
  bool done = false;
  bool succeeded = false;
};
using Action = std::variant<SendOrder, ReserveEpoch, Save, ProbeNow, Event, Progress>;
using Actions = std::vector<Action>;

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CORE_MODEL_H_
