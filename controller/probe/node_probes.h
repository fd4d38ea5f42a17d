// Asks one node of one cluster at its intervals, by ping and by fetching its page, and hands on
// every result. Damping and meaning are the core's; here is only the rhythm: starts are `interval`
// apart, and a question that is still open when the next is due delays that one.
#ifndef HB_CONTROLLER_PROBE_NODE_PROBES_H_
#define HB_CONTROLLER_PROBE_NODE_PROBES_H_

#include <functional>
#include <optional>

#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/probe/http.h"
#include "common/probe/icmp.h"
#include "common/time.h"

namespace hb::controller {

struct IcmpProbeOptions {
  IpAddress address;
  Duration interval;
  Duration timeout;
};
struct HttpProbeOptions {
  HttpRequest request;
  Duration interval;
};

// One rhythm of questions.
class Rhythm {
 public:
  // `ask` starts one question; Answered() is called when it is over.
  Rhythm(EventLoop* loop, Duration interval, std::function<void()> ask);
  void Start(Duration delay);
  void Answered();
  // As if the next question were due: at once, or when the open one is answered.
  void Hurry();
  void Stop();

 private:
  void Ask();

  EventLoop* const loop_;
  const Duration interval_;
  const std::function<void()> ask_;
  bool running_ = false;
  bool open_ = false;
  bool overdue_ = false;
  MonoTime next_;
  EventLoop::Handle timer_;
};

class NodeProbes {
 public:
  struct Listener {
    std::function<void(const ProbeResult&)> icmp;
    std::function<void(const ProbeResult&)> http;
  };
  NodeProbes(EventLoop* loop, IcmpProber* icmp_prober, HttpProber* http_prober,
             IcmpProbeOptions icmp, std::optional<HttpProbeOptions> http, Listener listener);

  // Pages are fetched only while one is expected.
  void ExpectPage(bool expected);
  void FetchNow();

  // Of the last answer; for status.
  const std::optional<Duration>& icmp_round_trip() const { return icmp_round_trip_; }
  const std::optional<Duration>& http_round_trip() const { return http_round_trip_; }

 private:
  void AskIcmp();
  void AskHttp();

  IcmpProber* const icmp_prober_;
  HttpProber* const http_prober_;
  const IcmpProbeOptions icmp_;
  const std::optional<HttpProbeOptions> http_;
  const Listener listener_;
  bool page_expected_ = false;
  std::optional<Duration> icmp_round_trip_;
  std::optional<Duration> http_round_trip_;
  Rhythm icmp_rhythm_;
  Rhythm http_rhythm_;
  IcmpProber::PingHandle ping_;
  HttpProber::FetchHandle fetch_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_PROBE_NODE_PROBES_H_
