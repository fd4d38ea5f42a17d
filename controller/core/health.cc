#include "controller/core/health.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace hb::controller {

void ProbeHealth::Seen(bool good, const std::string& detail, MonoTime now) {
  detail_ = detail;
  if (good) {
    answered_ = now;
    run_ = run_ < 0 ? run_ - 1 : -1;
    const bool enough = state_ == State::kUnknown || -run_ >= damping_.rise;
    if (state_ != State::kUp && enough) {
      state_ = State::kUp;
      since_ = now;
    }
    return;
  }
  if (run_ <= 0) {
    run_ = 0;
    if (state_ != State::kDown) failing_since_ = now;
  }
  ++run_;
  if (state_ != State::kDown && run_ >= damping_.fall) {
    state_ = State::kDown;
    since_ = now;
  }
}

void ProbeHealth::Reset(MonoTime now) {
  state_ = State::kUnknown;
  run_ = 0;
  detail_.clear();
  since_ = now;
}

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  switch (verdict) {
    case Verdict::kUnknown:
      return out << "UNKNOWN";
    case Verdict::kHealthy:
      return out << "HEALTHY";
    case Verdict::kServiceDown:
      return out << "SERVICE_DOWN";
    case Verdict::kNodeDown:
      return out << "NODE_DOWN";
    case Verdict::kAgentDown:
      return out << "AGENT_DOWN";
    case Verdict::kPathDown:
      return out << "PATH_DOWN";
    case Verdict::kUnable:
      return out << "UNABLE";
  }
  return out;
}

Verdict Judge(const Evidence& e) {
  using State = ProbeHealth::State;
  const bool icmp_down = e.icmp == State::kDown;
  const bool http_down = e.http == State::kDown;
  if (e.silent) {
    // A page proves that the host lives, whatever becomes of pings.
    if (icmp_down && e.http != State::kUp) {
      // Whether its executor lives, its lease tells.
      return e.host_seen_elsewhere ? Verdict::kAgentDown : Verdict::kNodeDown;
    }
    if (http_down && e.icmp == State::kUp) {
      return e.page_seen_elsewhere ? Verdict::kAgentDown : Verdict::kServiceDown;
    }
    // Host or executor? The next pings tell.
    if (e.dialling || (e.icmp_failing && e.http != State::kUp)) return Verdict::kUnknown;
    if (e.icmp == State::kUp || e.http == State::kUp) return Verdict::kAgentDown;
    return Verdict::kUnknown;
  }
  // The executor sees its service itself, and at once.
  if (e.service_expected &&
      (e.service == ServiceState::kFailed || e.service == ServiceState::kFailing ||
       e.service == ServiceState::kStopped)) {
    return Verdict::kServiceDown;
  }
  if (http_down && !icmp_down && !e.page_seen_elsewhere) return Verdict::kServiceDown;
  if (e.has_obstacles) return Verdict::kUnable;
  // The executor speaks and reports that all is well there: what fails is the way from here.
  if (icmp_down || http_down) return Verdict::kPathDown;
  return Verdict::kHealthy;
}

std::string Explain(Verdict verdict, const std::string& name, const std::string& service_label) {
  std::string who = name;
  if (!who.empty()) who[0] = absl::ascii_toupper(static_cast<unsigned char>(who[0]));
  switch (verdict) {
    case Verdict::kUnknown:
      return absl::StrCat("It is not known yet how ", who, " is");
    case Verdict::kHealthy:
      return absl::StrCat(who, " is well");
    case Verdict::kServiceDown:
      return absl::StrCat(who, " ", service_label, " is down");
    case Verdict::kNodeDown:
      return absl::StrCat(who, " host or its network is down");
    case Verdict::kAgentDown:
      return absl::StrCat(who, " executor does not answer, its host does");
    case Verdict::kPathDown:
      return absl::StrCat("The controller's own path to ", who,
                          " is bad: its probes fail, the executor reports that all is well");
    case Verdict::kUnable:
      return absl::StrCat(who, " could not hold the floating address");
  }
  return who;
}

}  // namespace hb::controller
