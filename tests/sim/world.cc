#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::sim {
namespace {

// A hundred times what five nodes at their shortest heartbeat make.
constexpr uint64_t kMaxEventsASecond = 100'000;

}  // namespace

World::World(Plan plan, Trace trace)
    : plan_(std::move(plan)),
      trace_(std::move(trace)),
      dice_(Random(~plan_.seed).Next()),
      slowest_(plan_.slowest) {
  for (int host = 0; host < kMaxHosts; ++host) {
    hosts_[host].clock.Boot(0);
    hosts_[host].clock.SetRate(plan_.first_ppm[host], 0);
  }
  for (size_t i = 0; i < plan_.faults.size(); ++i) {
    Post(plan_.faults[i].at, Do::kFault, 0, 0, i);
  }
  Post(plan_.chaos, Do::kMend, 0, 0);
  for (int n = 0; n < plan_.nodes; ++n) StartExecutor(n);
  for (int c = 0; c < plan_.controllers; ++c) {
    controllers_[c].host = plan_.controller_host[c];
    StartController(c);
  }
}

void World::Post(Time at, Do what, int who, uint32_t generation, uint64_t data, int64_t more) {
  if (at == kNever) return;
  queue_.push({std::max(at, now_), serial_++, what, who, generation, data, more});
}

void World::Say(const std::string& line) { trace_(now_, line); }

void World::Run() {
  while (!violation_ && !queue_.empty()) {
    const Event event = queue_.top();
    if (recovered_ != kNever && event.at > recovered_ + plan_.settle) return;
    queue_.pop();
    Handle(event);
  }
  if (!violation_ && queue_.empty()) Fail("standstill", "nothing is left to happen");
}

void World::RunUntil(Time until) {
  while (!violation_ && !queue_.empty() && queue_.top().at <= until) {
    const Event event = queue_.top();
    queue_.pop();
    Handle(event);
  }
  now_ = std::max(now_, until);
}

void World::Handle(const Event& event) {
  now_ = event.at;
  ++events_;
  if (now_ / kSecond != second_) {
    second_ = now_ / kSecond;
    events_before_second_ = events_;
  } else if (events_ - events_before_second_ > kMaxEventsASecond) {
    return Fail("storm", "the same few do nothing but answer each other, or wake at once again");
  }
  for (const uint64_t part : {static_cast<uint64_t>(event.at), static_cast<uint64_t>(event.what),
                              static_cast<uint64_t>(event.who)}) {
    digest_ = (digest_ ^ part) * 1099511628211ULL;
  }
  switch (event.what) {
    case Do::kFault:
      Apply(plan_.faults[event.data]);
      break;
    case Do::kMend:
      MendAll();
      break;
    case Do::kNodeTimer:
    case Do::kRecordWritten:
    case Do::kRecordRetry:
    case Do::kServiceStep:
    case Do::kPromiseAsked:
    case Do::kPromiseAnswered:
    case Do::kNodeWitness:
      HandleNode(event);
      break;
    case Do::kStreamPump:
      Pump(event.data, event.who);
      break;
    case Do::kStreamArrive:
      Arrive(event.data, event.who);
      break;
    default:
      HandleController(event);
      break;
  }
  if (mended_ && !violation_) CheckRecovery();
}

}  // namespace hb::sim
