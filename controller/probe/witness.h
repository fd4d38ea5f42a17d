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
  // Asks `address` ("gateway" or an IP address) every `interval`. `answered(true)` at each answer,
  // of a question that was asked at most one interval before; `answered(false)` at each question
  // that stays unanswered, once kPatience of them have.
  static constexpr int kPatience = 3;
  Witness(EventLoop* loop, IcmpProber* prober, std::string address, Duration interval,
          std::function<void(bool)> answered);

 private:
  void Ask();
  void Answered(bool good);

  EventLoop* const loop_;
  IcmpProber* const prober_;
  const std::string address_;
  const Duration interval_;
  const std::function<void(bool)> answered_;
  int unanswered_ = 0;
  EventLoop::Handle timer_;
  IcmpProber::PingHandle ping_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_PROBE_WITNESS_H_
