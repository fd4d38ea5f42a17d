// The executor's shell around the pure core (core/node.h): performs the core's acts on the host,
// the services and the store, tells the core what came of them, and sends its reports. Spec rules
// of executor.yaml are enforced here, before the core sees a spec. It has no thread, clock, socket
// or wire type: time, timers and the controller's stream are handed in. All of it belongs to one
// thread.
#ifndef HB_EXECUTOR_EXECUTOR_H_
#define HB_EXECUTOR_EXECUTOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/probe/icmp.h"
#include "common/time.h"
#include "executor/allow_list.h"
#include "executor/core/node.h"
#include "executor/failures.h"
#include "executor/host/host.h"
#include "executor/host/service/service.h"
#include "executor/peer.h"
#include "executor/store.h"
#include "executor/stream.h"
#include "executor/vip_record.h"

namespace hb::executor {

class Executor : public StreamHandler, public PromiseHandler {
 public:
  // The pointers must outlive the executor.
  struct Setup {
    uint64_t incarnation = 0;               // on disk
    std::map<std::string, Record> records;  // on disk
    std::set<Vip> recorded_vips;            // on disk
    AllowList allow;
    std::map<std::string, std::unique_ptr<Service>> services;
    Host* host = nullptr;
    IcmpProber* icmp = nullptr;
    Store* store = nullptr;
    Peers* peers = nullptr;
    std::function<MonoTime()> now;
    std::function<MonoTime()> wait_now;  // as WaitNow of common/boot_clock.h
    // Has Wake() called at that instant (Infinite: not at all); replaces what was asked before.
    std::function<void(MonoTime)> wake_at;
    // One line for people, whenever it has changed: "web: active, epoch 7".
    std::function<void(const std::string&)> status_changed;
  };
  // A new cluster beyond this many is refused: nothing that a controller sends may fill memory.
  static constexpr size_t kMaxClusters = 1024;

  explicit Executor(Setup setup);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Takes up the leases that an executor which ended without a goodbye left in the gate and that
  // still run, and closes every other gate; recorded VIPs of no such lease are taken off this host.
  // Call it before anything else. An error: a gate could not be closed, or a VIP not removed.
  [[nodiscard]] absl::Status Start();

  absl::Status MayFollow(const std::string& controller) const override;
  void StreamOpened(Stream* stream, const std::string& controller) override;
  void StreamClosed() override;
  void StreamIdle() override;
  // ResourceExhausted: too many clusters; nothing has been obeyed.
  [[nodiscard]] absl::Status Receive(const Orders& orders) override;
  void PromiseAsked(PromiseRequest request,
                    std::function<void(const AnswerPromise&)> answer) override;

  // Performs what is due.
  void Wake();

  // The executor is about to end: leases are handed over, given up or left as they are, as the
  // controller's standing orders say (core/node.h, Leave); services are left alone. Calls `done`
  // once when that is done and the last report has been written (or there is no stream).
  void Leave(std::function<void()> done);

 private:
  struct PendingRecord {
    Record record;
    bool under_way = false;
    MonoTime retry_at = MonoTime::Infinite();
  };

  // Wraps a callback so that it does nothing once this object is gone.
  template <typename F>
  auto Guard(F f) {
    return [alive = std::weak_ptr<bool>(alive_), f = std::move(f)](auto&&... args) {
      if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
    };
  }

  // Performs the acts, shows the core what came of them, and so on until nothing more comes; then
  // reports and sets the timer.
  void Perform(Acts acts);
  void Settle();
  void ReportWhenDue();
  void SetTimer();
  void TellStatus();

  void Do(const PersistRecord& act);
  void Do(const SetGate& act);
  void Do(const AddVip& act);
  void Do(const RemoveVip& act);
  void Do(const Announce& act);
  void Do(const StartService& act);
  void Do(const StopService& act);
  void Do(const ApplyFirewall& act);
  void Do(const AskWitness& act);
  void Do(const AskPromise& act);
  void Do(const AnswerPromise& act);
  void Do(const Note& act);

  // Reads both clocks; the core is told the one that it waits by.
  MonoTime Tick();
  absl::Status CloseOrphans(const std::map<IpAddress, GateLease>& gates);
  bool IsNamed(const IpAddress& vip) const;
  absl::Status RemoveLeftovers();
  void WatchVips();
  void WriteRecord(const std::string& cluster);
  void OnRecordWritten(const std::string& cluster, const Record& record,
                       const absl::Status& outcome);
  void OnVipsWritten(const absl::Status& outcome);
  void PutVip(const AddVip& act);
  bool StillWanted(const AddVip& act) const;
  void SendFirewall();
  void OnWitness(const std::string& cluster, MonoTime asked, const ProbeResult& result);
  void OnServiceChange(const std::string& name);

  // Drops what the allow list refuses, and says so.
  Orders Allowed(const Orders& orders);
  Observation See(const std::string& cluster, const Spec& spec) const;
  // Logs a failure once, or the success after one.
  void Outcome(const std::string& cluster, const std::string& act, const absl::Status& outcome,
               Failures::Kind kind);
  Service* FindService(const std::string& name) const;

  Host* const host_;
  IcmpProber* const icmp_;
  Store* const store_;
  Peers* const peers_;
  const AllowList allow_;
  const std::function<MonoTime()> now_;
  const std::function<MonoTime()> wait_now_;
  const std::function<void(MonoTime)> wake_at_;
  const std::function<void(const std::string&)> status_changed_;
  const std::map<std::string, std::unique_ptr<Service>> services_;

  Node node_;
  Stream* stream_ = nullptr;
  Failures failures_;
  VipRecord record_;
  std::map<Vip, AddVip> waiting_adds_;  // for the record
  std::set<Vip> put_;                   // added by us and not removed by us
  std::map<std::string, PendingRecord> pending_records_;
  std::vector<std::string> gate_obstacles_;
  std::set<Vip> watched_;
  MonoTime heard_;  // the followed controller; MonoTime(): not yet
  std::map<uint64_t, std::function<void(const AnswerPromise&)>> promise_answers_;
  uint64_t next_promise_request_ = 1;
  std::map<std::string, uint64_t> start_attempted_;
  std::map<std::string, std::string> logged_refusals_;
  std::map<std::string, ServiceStatus> logged_services_;
  std::set<std::string> known_clusters_;
  FirewallRules rules_;
  bool firewall_sent_ = false;
  MonoTime firewall_due_ = MonoTime::Infinite();
  std::map<std::pair<std::string, uint64_t>, IcmpProber::PingHandle> pings_;
  uint64_t next_ping_ = 0;
  std::function<void()> left_;  // after Leave, until it is called
  bool leaving_ = false;
  bool started_ = false;  // before Start nothing that happens is acted upon
  std::string last_status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_EXECUTOR_H_
