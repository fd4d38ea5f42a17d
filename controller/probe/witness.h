// Watches a witness, an address that answers pings (by default the default gateway), to tell a dead
// peer from a controller that is cut off itself.
#ifndef HB_CONTROLLER_PROBE_WITNESS_H_
#define HB_CONTROLLER_PROBE_WITNESS_H_

#include <functional>
#include <string>

#include "common/event_loop.h"
#include "common/probe/icmp.h"
#include "common/time.h"

namespace hb::controller {

class Witness {
 public:
  // Asks `address` ("gateway" or an IP address) every `interval`. `changed(true)` at the first
  // answer after none was had, `changed(false)` when the last answered question is more than
  // `patience` old.
  Witness(EventLoop* loop, IcmpProber* prober, std::string address, Duration interval,
          Duration patience, std::function<void(bool)> changed);

 private:
  void Ask();
  void Answered(MonoTime asked, bool good);

  EventLoop* const loop_;
  IcmpProber* const prober_;
  const std::string address_;
  const Duration interval_;
  const Duration patience_;
  const std::function<void(bool)> changed_;
  bool seen_ = true;
  MonoTime last_good_;
  EventLoop::Handle timer_;
  IcmpProber::PingHandle ping_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_PROBE_WITNESS_H_
