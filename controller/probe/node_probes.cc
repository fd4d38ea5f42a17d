#include "controller/probe/node_probes.h"

#include <algorithm>
#include <utility>

#include "common/boot_clock.h"

namespace hb::controller {

Rhythm::Rhythm(EventLoop* loop, Duration interval, std::function<void()> ask)
    : loop_(loop), interval_(interval), ask_(std::move(ask)) {}

void Rhythm::Start(Duration delay) {
  running_ = true;
  open_ = overdue_ = false;
  next_ = BootNow() + delay;
  timer_ = loop_->At(next_, [this] { Ask(); });
}

void Rhythm::Stop() {
  running_ = false;
  timer_.Cancel();
}

void Rhythm::Ask() {
  if (open_) {
    overdue_ = true;
    return;
  }
  overdue_ = false;
  open_ = true;
  const MonoTime now = BootNow();
  // Starts that were missed altogether are not made up for.
  next_ = std::max(next_ + interval_, now);
  timer_ = loop_->At(next_, [this] { Ask(); });
  ask_();
}

void Rhythm::Answered() {
  open_ = false;
  if (running_ && overdue_) Ask();
}

void Rhythm::Hurry() {
  if (!running_) return;
  next_ = BootNow();
  Ask();
}

NodeProbes::NodeProbes(EventLoop* loop, IcmpProber* icmp_prober, HttpProber* http_prober,
                       IcmpProbeOptions icmp, std::optional<HttpProbeOptions> http,
                       Listener listener)
    : icmp_prober_(icmp_prober),
      http_prober_(http_prober),
      icmp_(icmp),
      http_(std::move(http)),
      listener_(std::move(listener)),
      icmp_rhythm_(loop, icmp_.interval, [this] { AskIcmp(); }),
      http_rhythm_(loop, http_ ? http_->interval : absl::Seconds(1), [this] { AskHttp(); }) {
  icmp_rhythm_.Start(absl::ZeroDuration());
}

void NodeProbes::AskIcmp() {
  ping_ = icmp_prober_->Start(icmp_.address, icmp_.timeout, [this](const ProbeResult& result) {
    if (result.good) icmp_round_trip_ = result.round_trip;
    // First the rhythm: the listener may want the next question.
    icmp_rhythm_.Answered();
    listener_.icmp(result);
  });
}

void NodeProbes::AskHttp() {
  fetch_ = http_prober_->Start(http_->request, [this](const ProbeResult& result) {
    if (result.good) http_round_trip_ = result.round_trip;
    http_rhythm_.Answered();
    listener_.http(result);
  });
}

void NodeProbes::ExpectPage(bool expected) {
  if (!http_ || expected == page_expected_) return;
  page_expected_ = expected;
  if (expected) {
    http_rhythm_.Start(absl::ZeroDuration());
  } else {
    http_rhythm_.Stop();
    fetch_.reset();
  }
}

void NodeProbes::FetchNow() {
  if (page_expected_) http_rhythm_.Hurry();
}

}  // namespace hb::controller
