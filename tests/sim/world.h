// A whole hb in one process under virtual time: the real cores of executors and controllers, and
// around them what a shell, a kernel, a disk and a network would do. No thread, no sleep, no clock:
// the same plan gives the same run, event by event. After every event the world is checked from the
// gates' point of view (checks.cc); what the two shells do is in sim_node.cc and sim_controller.cc,
// packets in network.cc, faults in faults.cc.
#ifndef HB_TESTS_SIM_WORLD_H_
#define HB_TESTS_SIM_WORLD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "common/wait_clock.h"
#include "controller/core/decision.h"
#include "executor/core/node.h"
#include "tests/sim/host_clock.h"
#include "tests/sim/plan.h"
#include "tests/sim/random.h"

namespace hb::sim {

inline constexpr char kCluster[] = "web";

struct Violation {
  std::string property;  // one word, stable
  std::string text;
  Time at = 0;
};

class World {
 public:
  // `trace` gets a line for everything that matters; empty: nothing is composed.
  using Trace = std::function<void(Time, const std::string&)>;
  World(Plan plan, Trace trace);

  // To the end, or to the first violation.
  void Run();

  const std::optional<Violation>& violation() const { return violation_; }
  uint64_t events() const { return events_; }
  Time now() const { return now_; }
  // Of everything that happened, in order: equal for equal runs on any machine.
  uint64_t digest() const { return digest_; }
  int moves() const { return moves_; }
  // How long after the end of all faults the cluster served; kNever: not yet.
  Time recovered_after() const { return recovered_ == kNever ? kNever : recovered_ - plan_.chaos; }

  // For scenarios.
  void SayWhatItThinks(int c);
  bool Serves(int node);
  bool GateOpen(int node);
  void Apply(const Fault& fault);
  void Replace(size_t index, const Config& config) { plan_.configs[index] = config; }
  // Performs what is due until `until`.
  void RunUntil(Time until);
  const controller::Decision* decision(int c) const { return controllers_[c].decision.get(); }

 private:
  enum class Do : uint8_t {
    kFault,
    kMend,
    kNodeTimer,
    kRecordWritten,
    kRecordRetry,
    kServiceStep,
    kControllerTimer,
    kStoreDone,
    kEpochRetry,
    kSaveRetry,
    kRedial,
    kLinkWatch,
    kStreamPump,
    kStreamArrive,
    kPromiseAsked,
    kPromiseAnswered,
    kNodeWitness,
    kIcmpTick,
    kIcmpResult,
    kHttpTick,
    kHttpResult,
    kWitnessTick,
    kWitnessResult,
    kVantageTick,
  };
  // `more` of a timer's event that counts whether or not a timer was set for that instant.
  static constexpr int64_t kForced = 1;
  struct Event {
    Time at = 0;
    uint64_t serial = 0;
    Do what = Do::kFault;
    int who = 0;              // node or controller
    uint32_t generation = 0;  // of its process; an event of an earlier one is dropped
    uint64_t data = 0;
    int64_t more = 0;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : serial > other.serial;
    }
  };

  // ---- hosts and the network (network.cc) ----
  struct Host {
    HostClock clock;
    bool up = true;
    bool frozen = false;
    Time down_since = 0;
    std::vector<Event> backlog;  // of its kernel, while it is frozen
  };
  struct Message {
    enum class Kind { kHello, kHelloReply, kReport, kOrders, kClose, kRefused };
    Kind kind = Kind::kClose;
    executor::Report report;
    executor::Orders orders;
  };
  struct Stream {
    int controller = 0;
    int node = 0;
    uint32_t controller_generation = 0;
    uint32_t node_generation = 0;
    bool controller_open = true;
    bool node_open = false;
    struct Way {
      std::deque<Message> waiting;  // for the network
      std::deque<Message> flying;
      bool pumping = false;
      Time last_arrival = 0;
      Time stuck_since = kNever;
    };
    Way way[2];  // to the node, to the controller
  };
  struct Promise {  // a question under way
    int from = 0;
    int to = 0;
    uint32_t from_generation = 0;
    MonoTime asked;
    Time until = 0;
    executor::PromiseRequest request;
    executor::PromiseReply reply;
  };
  bool Passes(int from, int to) const;  // as far as cables and power go
  bool PacketPasses(int from, int to);  // and with a throw of the dice
  // How long something takes, a throw of the dice or, in a steady world, as ever.
  Time Takes(Time least, Time most);
  Time Latency() { return Takes(50'000, slowest_); }
  void Send(uint64_t stream, int way, Message message);
  void Pump(uint64_t stream, int way);
  void Arrive(uint64_t stream, int way);
  void CloseStreams(int controller, int node, bool say_so);
  int HostOfEnd(const Stream& stream, bool node_end) const;

  // ---- a node (sim_node.cc) ----
  struct Vip {
    std::optional<executor::GateLease> gate;
    bool present = false;
    MonoTime valid_until;
  };
  struct Node {
    // Its kernel.
    Vip vips[2];
    bool link_up = true;
    // Its service.
    executor::ServiceStatus::State service = executor::ServiceStatus::State::kStopped;
    uint32_t service_generation = 0;
    bool hung = false;
    bool broken = false;
    // Its disk.
    uint64_t incarnation = 0;
    std::map<std::string, executor::Record> records;
    bool disk_full = false;
    // Its executor.
    bool running = false;
    bool paused = false;
    uint32_t generation = 0;
    std::unique_ptr<executor::Node> core;
    WaitClock wait;
    std::optional<uint64_t> stream;
    MonoTime heard;
    uint64_t start_attempted = 0;
    std::optional<executor::Record> to_write;
    executor::Record being_written;
    bool writing = false;
    bool leaving = false;
    bool disk_failed = false;
    Time timer = kNever;
    uint64_t next_request = 1;
    std::map<uint64_t, uint64_t> requests;  // to the promise that they belong to
    std::vector<Event> backlog;             // while it stands still
    // For the checks.
    bool was_open = false;
    uint64_t opened_epoch = 0;
    uint64_t highest_epoch = 0;
  };
  MonoTime BootTime(int host) { return hosts_[host].clock.BootTime(now_); }
  void StartExecutor(int n);
  void KillExecutor(int n, bool say_so);
  void LeaveExecutor(int n);
  MonoTime TickNode(int n);
  void Perform(int n, executor::Acts acts);
  void Do_(int n, const executor::Act& act);
  executor::Observation See(int n);
  void Settle(int n);
  void ExpireAddresses(int n);
  void WriteRecord(int n);
  void SetService(int n, executor::ServiceStatus::State state);
  void StartService(int n);
  void StopService(int n);
  void AskPromise(int n, const executor::AskPromise& act);
  void AnswerPromise(int n, const executor::AnswerPromise& act);
  void NodeHears(int n, uint64_t stream, Message& message);
  void HandleNode(const Event& event);

  // ---- a controller (sim_controller.cc) ----
  struct Store {
    bool known = false;  // the cluster
    std::string identity;
    controller::Persistent state;
    uint64_t epoch = 0;
    Duration longest_ttl;
  };
  struct Job {  // for the worker
    std::optional<uint64_t> reserve;
    std::optional<controller::Save> save;
  };
  struct Link {
    std::optional<uint64_t> stream;
    bool open = false;
    bool reported = false;
    bool introduce = false;
    Duration backoff;
    MonoTime last_message;
    uint32_t dial = 0;
    ReportId newest;
    uint64_t incarnation = 0;
    std::optional<controller::Order> pending;
  };
  struct ControllerProcess {
    int host = 0;
    bool running = false;
    bool paused = false;
    uint32_t generation = 0;
    Store store;
    std::vector<Store> history;
    bool store_full = false;
    size_t config = 0;
    std::unique_ptr<controller::Decision> decision;
    std::vector<int> members;
    WaitClock wait;
    Duration lead = absl::InfiniteDuration();
    MonoTime armed = MonoTime::Infinite();
    Time timer = kNever;
    uint32_t probing = 0;  // generation of the probes
    Link links[kMaxNodes];
    bool handling_report = false;
    std::deque<Job> jobs;
    bool working = false;
    bool fetching[kMaxNodes] = {};
    int unanswered = 0;
    bool vantage = false;
    uint64_t next_command = 1;
    std::vector<Event> backlog;
    // For the checks.
    bool pause_noted = false;
    std::vector<int> may_hold_paused;
  };
  const Config& config(const ControllerProcess& c) const { return plan_.configs[c.config]; }
  controller::ClusterModel ModelOf(const Config& config, std::vector<int>* members) const;
  executor::Spec SpecFor(const ControllerProcess& c, int n) const;
  void StartController(int c);
  void KillController(int c, bool say_so);
  bool Configure(int c);
  MonoTime WaitTime(int c);
  void Step(int c, const controller::Input& input);
  void StepOnce(int c, const controller::Input& input, MonoTime now);
  void ActOn(int c, const controller::Action& action);
  void NoteEvent(int c, const controller::Event& event);
  void Flush(int c, int n, bool answer);
  void Dial(int c, int n);
  void CloseLink(int c, int n, const std::string& why, bool refused = false);
  void ControllerHears(int c, uint64_t stream, Message& message);
  void OnReport(int c, int n, const executor::Report& report);
  void RunJobs(int c);
  void StoreDone(int c);
  void RememberStore(int c);
  void StartProbing(int c);
  void ExpectPages(int c);
  void HandleController(const Event& event);
  void Probe(int c, const Event& event);
  void Ask(int c, controller::Command command);
  std::optional<controller::NodeIndex> IndexOf(const ControllerProcess& c, int n) const;

  // ---- faults (faults.cc) ----
  void Operate(const Fault& fault);
  void MendAll();
  void Isolate(int host, bool out, bool in, bool cut);
  void CrashHost(int host);
  void BootHost(int host, bool lost_disk);
  void Resume(std::vector<Event>& backlog);
  std::vector<int> ControllersOn(int host) const;
  bool PageComes(int n) const;

  // ---- checks (checks.cc) ----
  void CheckOpened(int n, bool goes_on);
  void NotePause(int c);
  void CheckMove(int c, const controller::Event& event);
  void CheckRecovery();
  void Fail(const std::string& property, const std::string& text);

  void Post(Time at, Do what, int who, uint32_t generation, uint64_t data = 0, int64_t more = 0);
  void Handle(const Event& event);
  void Say(const std::string& line);
  bool tracing() const { return static_cast<bool>(trace_); }

  Plan plan_;
  const Trace trace_;
  Random dice_;
  Time now_ = 0;
  std::priority_queue<Event> queue_;
  uint64_t serial_ = 0;
  uint64_t events_ = 0;
  int64_t second_ = -1;
  uint64_t events_before_second_ = 0;
  uint64_t digest_ = 1469598103934665603ULL;
  Host hosts_[kMaxHosts];
  bool cut_[kMaxHosts][kMaxHosts] = {};
  bool ping_blocked_[kMaxNodes][kMaxHosts] = {};
  bool page_blocked_[kMaxNodes][kMaxHosts] = {};
  int64_t loss_ = 0;
  Time slowest_ = kMillisecond;
  std::map<uint64_t, Stream> streams_;
  uint64_t next_stream_ = 1;
  std::map<uint64_t, Promise> promises_;
  uint64_t next_promise_ = 1;
  Node nodes_[kMaxNodes];
  ControllerProcess controllers_[kMaxControllers];
  uint64_t identities_ = 0;
  bool mended_ = false;
  std::optional<Violation> violation_;
  int moves_ = 0;
  uint64_t highest_opened_ = 0;
  int last_opened_ = -1;
  Time recovered_ = kNever;
  int serving_ = -1;  // since recovery
  int moves_since_ = 0;
  Time unserved_since_ = kNever;
};

}  // namespace hb::sim

#endif  // HB_TESTS_SIM_WORLD_H_
