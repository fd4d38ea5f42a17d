// A small world around the executor's core for its tests: addresses, links and services that do
// what the core's acts ask, a disk that stores epochs, a controller's end of the stream that keeps
// the newest report. Everything that was done is kept as a line with its time, so that a test reads
// like a dialogue. Time moves only when told.
#ifndef HB_TESTS_UNIT_EXECUTOR_CORE_WORLD_H_
#define HB_TESTS_UNIT_EXECUTOR_CORE_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "executor/core/node.h"

namespace hb::executor {

inline constexpr char kWeb[] = "web";
inline constexpr char kSite[] = "website";
inline constexpr uint64_t kRevision = 11;
inline constexpr char kController[] = "controller-1";

Vip MakeVip(std::string_view address = "192.168.0.111/24", std::string_view interface = "eth0");
Spec MakeSpec(std::string_view cluster = kWeb, uint64_t revision = kRevision,
              OnExpiry on_expiry = OnExpiry::kRelease);
// ttl 1 s, the service running by attempt 1, spec kRevision.
Order Active(uint64_t epoch, std::string_view cluster = kWeb);
// The service stopped.
Order Standby(uint64_t epoch, std::string_view cluster = kWeb);

class World {
 public:
  explicit World(const std::map<std::string, uint64_t>& stored_epochs = {},
                 uint64_t incarnation = 1)
      : World(RecordsOf(stored_epochs), incarnation) {}
  // As an executor starts that finds `records` on disk, and `found` in the gate.
  explicit World(const std::map<std::string, Record>& records, uint64_t incarnation,
                 const std::map<IpAddress, GateLease>& found = {});

  // Opens a stream and sends the first report.
  void Connect(const std::string& controller = kController);
  void Disconnect();

  // The newest report of the stream, which Send answers.
  ReportId Newest() const { return {incarnation_, newest_}; }
  // What a controller sends, now.
  void Send(std::vector<Order> orders, std::vector<Spec> specs = {});
  void Renew() { Send(std::vector<Order>{}); }
  void SendAnswering(ReportId answers, std::vector<Order> orders, std::vector<Spec> specs = {});
  // That web is to be forgotten, and maybe what comes in its place.
  void SendForgetting(std::vector<Spec> specs = {}, std::vector<Order> orders = {});
  void SendMessage(const Orders& orders);

  // Moves time on, doing whatever is due: at NextDeadline, or at every millisecond.
  void Run(Duration d);
  // The same, with every Orders message that a healthy controller would send: one a report.
  void RunRenewed(Duration d);
  // As Run, but nothing is done or reported on the way: the executor was stopped.
  void Freeze(Duration d) { now = now + d; }

  // Connects, makes this node the holder under `epoch` with `spec`, service and VIP up, and forgets
  // what was logged.
  void TakeOver(uint64_t epoch = 7, const Spec& spec = MakeSpec());

  // The disk, which did not answer, has now what it was told last; with the epoch, should that have
  // been another one.
  void DiskHas(uint64_t epoch, const std::string& cluster = kWeb);

  // Somebody changes the world.
  void SetService(ServiceStatus::State state, const std::string& service = kSite);
  void DropVip(const Vip& vip);
  void SetLink(const std::string& interface, bool usable);
  void WitnessAnswers(MonoTime asked, const std::string& cluster = kWeb);
  // Another node asks for a promise; the answer is in `promise_answers`, by the number that is
  // returned.
  uint64_t AskedToPromise(uint64_t epoch, Duration d = absl::Seconds(1),
                          const std::string& cluster = kWeb);
  void PromiseAnswers(const std::string& peer, const PromiseReply& reply, MonoTime asked,
                      const std::string& cluster = kWeb);
  // Carries acts out and shows the node the outcome, until nothing follows.
  void Do(Acts acts);
  // Sends the reports that are due now.
  void ReportIfDue();

  // The lines since the last call: "0 start website #1". Times are milliseconds since the world
  // began. Notes and witness questions are left out, unless `all`.
  std::vector<std::string> Log(bool all = false);
  // Only the lines about `what` ("announce"); the others are dropped.
  std::vector<std::string> LogOf(const std::string& what);

  int64_t Milliseconds() const;
  bool Has(const Vip& vip = MakeVip()) const { return vips.contains(vip); }
  const ClusterReport& Reported(const std::string& cluster = kWeb) { return reported[cluster]; }

  Node node;
  MonoTime now = MonoTime() + absl::Seconds(1000);
  MonoTime wait_offset;  // by how much the clock of whoever waits is behind
  std::set<Vip> vips;
  std::map<IpAddress, GateLease> gates;
  bool gate_stands = true;
  bool gate_fails = false;  // it takes no write
  std::map<uint64_t, AnswerPromise> promise_answers;
  std::map<std::string, Record> disk;
  std::map<std::string, Record> told_disk;  // also while it does not answer
  // What the peers answer at once; absent: nothing.
  std::optional<PromiseReply> peers_answer;
  std::map<std::string, ServiceStatus::State> services;
  std::map<std::string, uint64_t> attempted;
  std::set<std::string> dead_links;
  FirewallRules rules;

  bool disk_answers = true;
  bool starts_at_once = true;  // false: a service stays in kStarting
  bool adding_fails = false;
  bool removing_fails = false;
  bool witness_answers = false;  // at once
  bool every_millisecond = false;

  std::map<std::string, ClusterReport> reported;  // as the controller knows it by all reports
  std::vector<Report> reports;                    // of this stream
  std::map<uint64_t, MonoTime> stamps;            // theirs
  uint64_t last_number = 0;                       // of all streams
  // Called with each act before it is carried out.
  std::function<void(const Act&)> on_act;
  // Called before the node hears that a record is on disk.
  std::function<void(const Record&)> on_stored;

 private:
  Observation See(const std::string& cluster) const;
  void Perform(const Act& act, Acts& next);
  void Line(const std::string& text);

  static std::map<std::string, Record> RecordsOf(const std::map<std::string, uint64_t>& epochs);
  void Tick();

  const uint64_t incarnation_;
  const MonoTime began_ = now;
  uint64_t newest_ = 0;
  bool connected_ = false;
  uint64_t next_request_ = 1;
  std::vector<PersistRecord> stored_;  // and the node has not heard of it
  std::vector<std::string> log_;
};

}  // namespace hb::executor

#endif  // HB_TESTS_UNIT_EXECUTOR_CORE_WORLD_H_
