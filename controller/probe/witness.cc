#include "controller/probe/witness.h"

#include <algorithm>
#include <utility>

#include "common/boot_clock.h"
#include "common/net/gateway.h"

namespace hb::controller {

Witness::Witness(EventLoop* loop, IcmpProber* prober, std::string address, Duration interval,
                 std::function<void(bool)> answered)
    : loop_(loop),
      prober_(prober),
      address_(std::move(address)),
      interval_(interval),
      answered_(std::move(answered)) {
  Ask();
}

void Witness::Ask() {
  timer_ = loop_->At(BootNow() + interval_, [this] { Ask(); });
  // The default route may change while we run.
  const absl::StatusOr<IpAddress> address =
      address_ == "gateway" ? DefaultGateway() : IpAddress::Parse(address_);
  if (!address.ok()) return Answered(false);
  // Its answer, or that there is none, is known before the next question is asked.
  ping_ = prober_->Start(*address, interval_ * 9 / 10,
                         [this](const ProbeResult& result) { Answered(result.good); });
}

void Witness::Answered(bool good) {
  unanswered_ = good ? 0 : std::min(unanswered_ + 1, kPatience);
  if (good || unanswered_ >= kPatience) answered_(good);
}

}  // namespace hb::controller
