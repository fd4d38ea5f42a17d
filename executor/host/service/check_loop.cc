// See check_loop.h.
#include "executor/host/service/check_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"

namespace hb::executor {
namespace {

// What the prober may be late by before its silence counts as the outcome.
constexpr Duration kProberSlack = absl::Milliseconds(100);

}  // namespace

CheckLoop::CheckLoop(EventLoop* loop, HttpProber* prober, const CheckDefinition& definition,
                     std::function<void()> on_result)
    : loop_(loop), prober_(prober), definition_(definition), on_result_(std::move(on_result)) {
  request_.url = definition.http;
  request_.timeout = definition.timeout;
}

void CheckLoop::Begin(Duration interval) {
  Cancel();
  interval_ = interval;
  has_result_ = false;
  failures_ = 0;
  problem_.clear();
  Ask();
}

void CheckLoop::ChangeInterval(Duration interval) {
  interval_ = interval;
  if (!asking_) Schedule();
}

void CheckLoop::Cancel() {
  ++number_;
  asking_ = false;
  fetch_.reset();
  timer_.Cancel();
}

void CheckLoop::CountAsFallen() {
  if (failures_ > 0) failures_ = definition_.fall;
}

void CheckLoop::Ask() {
  asking_ = true;
  asked_at_ = BootNow();
  const uint64_t number = ++number_;
  timer_ = loop_->After(definition_.timeout + kProberSlack, [this, number] {
    fetch_.reset();
    OnOutcome(number, {false, "timed out after " + HumanDuration(definition_.timeout), {}});
  });
  fetch_ = prober_->Start(request_,
                          [this, number](const ProbeResult& result) { OnOutcome(number, result); });
}

void CheckLoop::OnOutcome(uint64_t number, const ProbeResult& result) {
  if (number != number_ || !asking_) return;
  asking_ = false;
  has_result_ = true;
  if (result.good) {
    failures_ = 0;
  } else {
    failures_ = std::min(failures_ + 1, definition_.fall);
    problem_ = absl::StrCat("check ", definition_.http, ": ", result.detail);
  }
  Schedule();
  on_result_();
}

void CheckLoop::Schedule() {
  timer_ = loop_->At(asked_at_ + interval_, [this] { Ask(); });
}

}  // namespace hb::executor
