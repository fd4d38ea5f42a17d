// A small world around the controller's decision for its tests: nodes whose executors obey the
// lease (L1: it runs from the report's stamp; a release voids orders under way), a disk that
// reserves epochs, probes, and time that moves only when told. After every step it asserts what
// must hold always: one holder at most, one ACTIVE order at most, epochs that never fall and are on
// disk first. It makes no choice of its own.
#ifndef HB_TESTS_UNIT_CONTROLLER_CORE_WORLD_H_
#define HB_TESTS_UNIT_CONTROLLER_CORE_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/core/decision.h"

namespace hb::controller {

inline constexpr NodeIndex kMaster = 0;
inline constexpr NodeIndex kSlave = 1;
inline constexpr NodeIndex kThird = 2;

// master 100, slave 50, third 10; on_expiry: release, heartbeat 200 ms, ttl 1 s, http fetched.
ClusterModel MakeModel(size_t nodes = 2);

// One node: what a test may set, and its executor.
struct FakeNode {
  bool reachable = true;  // messages pass, pings are answered
  bool pingable = true;
  bool starts = true;    // a start of its service succeeds
  bool stays_up = true;  // and it does not die right after
  Duration start_takes;  // in kStarting
  bool page = true;      // a running service serves its page from the node's own address
  bool knows_spec = true;
  bool obeys = true;           // false: orders arrive and nothing comes of them
  bool announces_vips = true;  // false: it holds, but its addresses don't come up
  ServiceState service = ServiceState::kStopped;
  std::string service_detail;
  std::vector<std::string> obstacles;
  bool follows = true;
  bool followed_other = false;
  bool spec_stored = true;
  bool bound = false;
  uint64_t promises = 0;
  bool leaving = false;
  uint64_t conflicts = 0;
  std::string conflict;

  bool connected = false;
  uint64_t incarnation = 1;
  uint64_t number = 0;
  std::map<ReportId, MonoTime> stamps;  // of this stream
  uint64_t answered = 0;                // the newest of them whose answer it heard
  std::optional<Order> standing;        // of this stream
  bool taken = false;
  MonoTime lease_end;
  uint64_t epoch = 0;
  uint64_t highest_epoch = 0;
  ReportId void_before{1, 1};
  ReportId newest_obeyed;
  uint64_t attempt = 0;
  MonoTime started = MonoTime::Infinite();  // when kStarting ends
  bool changed = true;                      // since its newest report
};

class World {
 public:
  // `wait`: how long grants of an earlier run may be out.
  // The store has been followed by every member before, unless `established` is false.
  explicit World(ClusterModel model = MakeModel(), const Persistent& stored = {},
                 Duration wait = {}, bool established = true);

  void Connect(NodeIndex i);
  void ConnectAll();
  void Disconnect(NodeIndex i, const std::string& error = "connection reset");
  // Its power fails: no lease, no service, no answer. The stream just falls silent.
  void PowerOff(NodeIndex i);
  // It boots, with `service` running or not; not connected yet.
  void Boot(NodeIndex i, bool service_running = false);
  // Nothing passes either way; its lease and service go on.
  void Cut(NodeIndex i);
  // And passes again.
  void Heal(NodeIndex i);
  void ServiceDies(NodeIndex i, const std::string& detail = "killed by signal 9");
  // ConnectAll, and until `i` (by default the preferred one) serves; then forgets the log.
  void Serve(NodeIndex i = kMaster);
  // The node holds already, of an earlier run of the controller, until it is renewed or `left`
  // ends.
  void MakeHolder(NodeIndex i, uint64_t epoch, Duration left = absl::Seconds(1));

  // The node says that it has promised another to stay away; or that its promise has run out.
  void Promises(NodeIndex i);
  void Unbind(NodeIndex i);
  // The witness answers from now on, or does not.
  void SetWitness(bool answers);
  // It sends a report with whatever a test has changed of it.
  void Tell(NodeIndex i);

  void Step(const Input& input);
  uint64_t Ask(Command::Kind kind, std::optional<NodeIndex> to = std::nullopt, bool force = false);
  // The outcome of the command: "" while it is under way, "ok ..." or "refused ...".
  std::string Outcome(uint64_t id) const;
  void Run(Duration d);
  // Runs until `done`, 100 ms at a time; false: not within `limit`.
  bool RunUntil(const std::function<bool()>& done, Duration limit = absl::Seconds(60));
  bool RunUntilServes(NodeIndex i, Duration limit = absl::Seconds(60));
  // Lets the disk answer what it was asked while disk_answers was false.
  void AnswerDisk();

  bool Holds(NodeIndex i) const { return nodes[i].taken && now < nodes[i].lease_end; }
  bool Serves(NodeIndex i) const;
  bool OrderedActive(NodeIndex i) const;
  Verdict VerdictOf(NodeIndex i) const { return decision.View(i).verdict; }
  // Whether an event of that type was said since the last Forget, and its newest reason.
  size_t Said(const std::string& type) const;
  std::string Reason(const std::string& type) const;
  void Forget() { events.clear(), sent.clear(), saves.clear(), starts.clear(); }
  Duration Elapsed() const { return now - began_; }

  struct Sent {
    MonoTime at;
    NodeIndex node;
    Order order;
  };
  struct Start {
    MonoTime at;
    NodeIndex node;
  };

  MonoTime now = MonoTime() + absl::Seconds(1000);
  Decision decision;
  std::vector<FakeNode> nodes;
  std::vector<Event> events;
  std::vector<Sent> sent;
  std::vector<Persistent> saves;
  std::vector<Start> starts;  // of services
  std::vector<Progress> progress;
  uint64_t disk_epoch = 0;
  uint64_t wall_seconds = 100;
  bool disk_answers = true;
  bool probing = true;
  bool witness = true;
  // How long the next message takes; zero unless set.
  std::function<Duration()> latency;

 private:
  struct Message {
    MonoTime due;
    uint64_t order;  // of sending
    NodeIndex node;
    uint64_t stream;
    std::function<void()> deliver;
  };
  void Post(NodeIndex i, bool to_node, std::function<void()> deliver);
  void Pump();
  void Perform(const Actions& actions, std::map<NodeIndex, Order>& orders);
  void Flush(NodeIndex i, const std::optional<Order>& order);
  void Report(NodeIndex i);
  void Receive(NodeIndex i, const std::optional<Order>& order, ReportId answers);
  void GiveUp(NodeIndex i);
  void ObeyService(NodeIndex i, const Order& order);
  void Live(NodeIndex i);  // leases and starts that end
  void Probe();
  void Check();

  const MonoTime began_ = now;
  std::vector<Message> messages_;
  uint64_t posted_ = 0;
  std::vector<uint64_t> streams_;
  std::map<std::pair<NodeIndex, bool>, MonoTime> channel_;
  std::map<NodeIndex, ReportId> newest_;  // as the controller has seen them
  std::set<NodeIndex> fetch_now_;
  std::vector<uint64_t> asked_of_disk_;
  std::vector<uint64_t> to_save_;
  std::map<uint64_t, NodeIndex> activated_;  // who was made active, by epoch
  uint64_t last_epoch_ = 0;
  MonoTime next_tick_ = now;
  int ticks_ = 0;
  uint64_t commands_ = 0;
};

}  // namespace hb::controller

#endif  // HB_TESTS_UNIT_CONTROLLER_CORE_WORLD_H_
