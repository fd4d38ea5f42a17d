#include "controller/probe/witness.h"

#include <utility>

#include "common/boot_clock.h"
#include "common/net/gateway.h"

namespace hb::controller {

Witness::Witness(EventLoop* loop, IcmpProber* prober, std::string address, Duration interval,
                 Duration patience, std::function<void(bool)> changed)
    : loop_(loop),
      prober_(prober),
      address_(std::move(address)),
      interval_(interval),
      patience_(patience),
      changed_(std::move(changed)),
      last_good_(BootNow()) {
  Ask();
}

void Witness::Ask() {
  const MonoTime now = BootNow();
  timer_ = loop_->At(now + interval_, [this] { Ask(); });
  // The default route may change while we run.
  const absl::StatusOr<IpAddress> address =
      address_ == "gateway" ? DefaultGateway() : IpAddress::Parse(address_);
  if (!address.ok()) return Answered(now, false);
  ping_ = prober_->Start(*address, interval_,
                         [this, now](const ProbeResult& result) { Answered(now, result.good); });
}

void Witness::Answered(MonoTime asked, bool good) {
  if (good) last_good_ = asked;
  const bool seen = good || BootNow() - last_good_ <= patience_;
  if (std::exchange(seen_, seen) != seen) changed_(seen);
}

}  // namespace hb::controller
