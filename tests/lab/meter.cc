// See meter.h.
// Questions are asked at start + n × interval on the boot clock. What the thread was too late for
// is skipped, not made up for in a burst, and noted as a stall.
#include "tests/lab/meter.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"

namespace hb::lab {
namespace {

// An address that no host has: replies to it pass the client's own stack by.
constexpr char kArpAsker[] = "192.168.0.200";
constexpr int kStallIntervals = 5;
constexpr size_t kStallsKept = 100'000;

// The packet socket sees the replies before this; the client's ARP table never does.
constexpr char kArpFilter[] =
    "add table arp hb_lab_meter\n"
    "delete table arp hb_lab_meter\n"
    "table arp hb_lab_meter {\n"
    "  chain input {\n"
    "    type filter hook input priority 0; policy accept;\n"
    "    arp daddr ip 192.168.0.200 drop\n"
    "  }\n"
    "}\n";

}  // namespace

Meter::Meter(const Lab& lab, const MeterOptions& options, IpAddress vip)
    : lab_(lab), options_(options), vip_(vip) {}

absl::StatusOr<std::unique_ptr<Meter>> Meter::Start(const Lab& lab, const MeterOptions& options) {
  const absl::StatusOr<IpAddress> vip = IpAddress::Parse(options.vip);
  if (!vip.ok()) return vip.status();
  if (options.interval < absl::Microseconds(500) || options.timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        "the meter's interval is at least 0.5 ms, its timeout more than 0");
  }
  if (options.arp) {
    absl::Status filter = lab.client().RunOk({"nft", "-f", "-"}, absl::Seconds(20), kArpFilter);
    if (!filter.ok()) return filter;
  }
  std::unique_ptr<Meter> meter(new Meter(lab, options, *vip));
  meter->thread_ = std::thread([m = meter.get()] { m->Run(); });
  meter->ready_.WaitForNotification();
  if (!meter->prepared_.ok()) return meter->prepared_;
  return meter;
}

Meter::~Meter() { Stop(); }

absl::Status Meter::Prepare() {
  if (setns(lab_.client().namespaces().network.get(), CLONE_NEWNET) != 0) {
    return ErrnoStatus("enter the client's network namespace", errno);
  }
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  std::vector<absl::StatusOr<std::unique_ptr<Probe>>> made;
  if (options_.arp) {
    const auto name_of = [this](std::string_view mac) { return lab_.HostOfMac(mac); };
    made.push_back(
        MakeArpProbe(loop_.get(), "eth0", vip_, *IpAddress::Parse(kArpAsker), name_of, &arp_));
  }
  if (options_.icmp) made.push_back(MakeIcmpProbe(loop_.get(), vip_, &icmp_));
  if (options_.http) {
    HttpProbeOptions http;
    http.vip = vip_;
    http.port = options_.port;
    http.path = options_.path;
    http.timeout = options_.timeout;
    made.push_back(MakeHttpProbe(loop_.get(), http, &http_));
  }
  for (absl::StatusOr<std::unique_ptr<Probe>>& probe : made) {
    if (!probe.ok()) return probe.status();
    probes_.push_back(*std::move(probe));
  }
  return absl::OkStatus();
}

void Meter::Run() {
  prepared_ = Prepare();
  if (prepared_.ok()) {
    started_ = BootNow();
    next_tick_ = started_;
    tick_ = loop_->At(next_tick_, [this] { Tick(); });
  }
  const bool run = prepared_.ok();
  ready_.Notify();
  if (run) loop_->Run();
  tick_.Cancel();
  probes_.clear();
}

void Meter::Tick() {
  const MonoTime now = BootNow();
  const Duration late = now - next_tick_;
  if (late > kStallIntervals * options_.interval) {
    const absl::MutexLock lock(&mutex_);
    if (stalls_.size() < kStallsKept) stalls_.emplace_back(now, late);
  }
  for (const std::unique_ptr<Probe>& probe : probes_) probe->Ask(now);
  next_tick_ = next_tick_ + options_.interval * (1 + late / options_.interval);
  tick_ = loop_->At(next_tick_, [this] { Tick(); });
}

void Meter::FinishWhenAnswered() {
  const bool pending = std::any_of(probes_.begin(), probes_.end(),
                                   [](const auto& probe) { return probe->pending() > 0; });
  if (!pending || BootNow() - stopped_ >= options_.timeout) {
    loop_->Stop();
    return;
  }
  tick_ = loop_->After(absl::Milliseconds(1), [this] { FinishWhenAnswered(); });
}

MonoTime Meter::Mark() const { return BootNow(); }

MeterReport Meter::Since(MonoTime mark) const { return Report(mark, BootNow()); }

MeterReport Meter::Settled(MonoTime mark) const {
  const MonoTime called = BootNow();
  const auto is_waited_for = [&](const Request& request) {
    return request.sent <= called && request.answers.empty() && !request.failed;
  };
  // Older ones have had their time.
  const MonoTime oldest = std::max(mark, called - options_.timeout);
  while (BootNow() - called < options_.timeout &&
         absl::c_any_of(http_.Since(oldest), is_waited_for)) {
    Pause(absl::Milliseconds(5));
  }
  return Report(mark, called);
}

MeterReport Meter::Report(MonoTime from, MonoTime until) const {
  MeterReport report;
  report.from = std::max(from, started_);
  report.until = std::min(until, stopped_);
  ReportOptions options;
  options.from = report.from;
  options.until = report.until;
  report.http = Summarize(http_.Since(report.from), options);
  report.arp = Summarize(arp_.Since(report.from), options);
  report.icmp = Summarize(icmp_.Since(report.from), options);
  const absl::MutexLock lock(&mutex_);
  for (const auto& [at, length] : stalls_) {
    if (at >= report.from && at <= report.until) report.stall = std::max(report.stall, length);
  }
  return report;
}

MeterReport Meter::Stop() {
  if (thread_.joinable()) {
    if (prepared_.ok()) {
      loop_->Post([this, stopped = BootNow()] {
        stopped_ = stopped;
        FinishWhenAnswered();
      });
    }
    thread_.join();
  }
  return Since(started_);
}

absl::Status Meter::WaitUntilServedBy(std::string_view node, Duration limit) const {
  const MonoTime called = BootNow();
  while (true) {
    const MeterReport report = Since(std::max(called, BootNow() - absl::Milliseconds(200)));
    if (report.http.now == node) return absl::OkStatus();
    if (BootNow() - called >= limit) {
      return absl::DeadlineExceededError(
          absl::StrCat("the VIP is not served by ", std::string(node), " after ",
                       absl::FormatDuration(limit), "; seen since: ", ToText(Since(called))));
    }
    Pause(absl::Milliseconds(1));
  }
}

absl::Status Meter::WaitFor(const std::function<bool(const MeterReport&)>& predicate,
                            Duration limit) const {
  const MonoTime called = BootNow();
  while (true) {
    const MeterReport report = Since(called);
    if (predicate(report)) return absl::OkStatus();
    if (BootNow() - called >= limit) {
      return absl::DeadlineExceededError(absl::StrCat("not so after ", absl::FormatDuration(limit),
                                                      "; seen since: ", ToText(report)));
    }
    Pause(absl::Milliseconds(10));
  }
}

}  // namespace hb::lab
