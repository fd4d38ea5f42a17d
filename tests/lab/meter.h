// What a client on the LAN sees of the VIP, measured without pause: who answers ARP for it, whether
// it answers ICMP, who serves the site by HTTP. This is what hb is judged by. Runs on a thread of
// its own, in the network namespace of the lab's client; what the numbers mean stands in
// meter_report.h.
//
//   auto meter = *Meter::Start(lab);
//   ASSERT_OK(meter->WaitUntilServedBy("master", absl::Seconds(10)));
//   const MonoTime mark = meter->Mark();
//   ASSERT_OK(lab.master().KillService("apache2"));
//   ASSERT_OK(meter->WaitUntilServedBy("slave", absl::Seconds(10)));
//   EXPECT_LT(meter->Since(mark).http.outage.length, absl::Seconds(1));
#ifndef HB_TESTS_LAB_METER_H_
#define HB_TESTS_LAB_METER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "tests/lab/lab.h"
#include "tests/lab/meter_report.h"
#include "tests/lab/probes.h"
#include "tests/lab/request_log.h"

namespace hb::lab {

struct MeterOptions {
  std::string vip = kVip;  // IPv4
  uint16_t port = 80;
  std::string path = "/";
  Duration interval = absl::Milliseconds(2);  // at least 0.5 ms; each question once in this time
  // Of an HTTP request. Below TCP's first retransmission (1 s), so that a request whose SYN was
  // lost in an outage is unanswered, not answered a second later.
  Duration timeout = absl::Milliseconds(900);
  bool http = true;
  bool arp = true;
  bool icmp = true;
};

class Meter {
 public:
  // Measures from now on. The lab must outlive it. InvalidArgument for options out of range.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Meter>> Start(
      const Lab& lab, const MeterOptions& options = {});
  ~Meter();  // stops
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // All of these from one thread at a time.

  // The time now, for Since().
  MonoTime Mark() const;
  // What was asked from `mark` until now, or until Stop().
  MeterReport Since(MonoTime mark) const;
  // The same, taken once every HTTP request that was asked before the call is answered or has
  // failed (its timeout at the longest): on a busy machine an answer may be late, which is no loss.
  MeterReport Settled(MonoTime mark) const;
  // Asks no more, waits until every HTTP request is answered or has failed (its timeout at the
  // longest), and reports on all since the start. A second call only reports.
  MeterReport Stop();

  // Until the VIP's page comes from `node`. DeadlineExceeded, with what was seen, after `limit`.
  [[nodiscard]] absl::Status WaitUntilServedBy(std::string_view node, Duration limit) const;
  // Until `predicate` holds for the report since the call (looked at every 10 ms).
  [[nodiscard]] absl::Status WaitFor(const std::function<bool(const MeterReport&)>& predicate,
                                     Duration limit) const;

 private:
  Meter(const Lab& lab, const MeterOptions& options, IpAddress vip);
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Prepare();
  void Tick() ABSL_LOCKS_EXCLUDED(mutex_);
  void FinishWhenAnswered();
  MeterReport Report(MonoTime from, MonoTime until) const ABSL_LOCKS_EXCLUDED(mutex_);

  const Lab& lab_;
  const MeterOptions options_;
  const IpAddress vip_;
  MonoTime started_;
  MonoTime stopped_ = MonoTime::Infinite();
  RequestLog http_;
  RequestLog arp_;
  RequestLog icmp_;

  absl::Status prepared_;  // written before ready_
  absl::Notification ready_;
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;

  // The thread's own.
  std::vector<std::unique_ptr<Probe>> probes_;
  EventLoop::Handle tick_;
  MonoTime next_tick_;

  mutable absl::Mutex mutex_;
  std::vector<std::pair<MonoTime, Duration>> stalls_ ABSL_GUARDED_BY(mutex_);  // when, how long
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_METER_H_
