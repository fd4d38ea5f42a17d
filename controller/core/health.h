// From evidence to a verdict: what each probe, the executor's stream and its report say of a node,
// damped by fall and rise, and the one sentence that explains it. Design §5's table. Pure.
#ifndef HB_CONTROLLER_CORE_HEALTH_H_
#define HB_CONTROLLER_CORE_HEALTH_H_

#include <ostream>
#include <string>

#include "common/time.h"
#include "controller/core/model.h"

namespace hb::controller {

// One probe of one node: a run of `fall` failures makes it down, a run of `rise` answers up. From
// unknown the first answer makes it up at once; failures count as ever.
class ProbeHealth {
 public:
  enum class State { kUnknown, kUp, kDown };

  ProbeHealth() = default;
  explicit ProbeHealth(ClusterModel::Damping damping) : damping_(damping) {}

  void Seen(bool good, const std::string& detail, MonoTime now);
  // Forgets the run that is under way; the state stays (TILT).
  void DropRun() { run_ = 0; }
  // Back to unknown.
  void Reset(MonoTime now);

  State state() const { return state_; }
  bool up() const { return state_ == State::kUp; }
  bool down() const { return state_ == State::kDown; }
  const std::string& detail() const { return detail_; }
  // A run of failures is under way.
  bool failing() const { return run_ > 0; }
  MonoTime since() const { return since_; }
  // When the first failure of the run that is under way, or that made it down, was seen.
  MonoTime failing_since() const { return failing_since_; }
  // The newest answer; MonoTime() before the first.
  MonoTime answered() const { return answered_; }

 private:
  ClusterModel::Damping damping_;
  State state_ = State::kUnknown;
  int run_ = 0;  // of failures when positive, of answers when negative
  std::string detail_;
  MonoTime since_;
  MonoTime failing_since_;
  MonoTime answered_;
};

enum class Verdict {
  kUnknown,      // no evidence yet
  kHealthy,      //
  kServiceDown,  // the host lives, its service does not
  kNodeDown,     // the host or its network is dead
  kAgentDown,    // the executor is gone; host and page are well
  kPathDown,     // the controller's own path is bad
  kUnable,       // well, but it could not hold the VIPs
};
std::ostream& operator<<(std::ostream& out, Verdict verdict);

struct Evidence {
  ProbeHealth::State icmp = ProbeHealth::State::kUnknown;
  ProbeHealth::State http = ProbeHealth::State::kUnknown;  // unknown also where no page is expected
  bool silent = true;             // no stream, or no report on it for too long
  bool dialling = false;          // silent only because the first stream is not up yet
  bool service_expected = false;  // ordered to run, and the executor has acted on that
  ServiceState service = ServiceState::kUnknown;
  bool has_obstacles = false;
  bool icmp_failing = false;  // up still, but the newest pings went unanswered
  // Another node sees, since this controller does not: the host answers; the page comes.
  bool host_seen_elsewhere = false;
  bool page_seen_elsewhere = false;
};

// The rules are ordered; the first that applies decides.
Verdict Judge(const Evidence& evidence);

// "Master apache service is down": the sentence for a verdict, `name` capitalised.
std::string Explain(Verdict verdict, const std::string& name, const std::string& service_label);

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CORE_HEALTH_H_
