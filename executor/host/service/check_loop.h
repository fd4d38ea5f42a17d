// One local check, asked again and again: an HTTP fetch at a given interval, each with an outcome
// at the latest a moment after its timeout, whatever the prober does. Counts failures; decides
// nothing.
#ifndef HB_EXECUTOR_HOST_SERVICE_CHECK_LOOP_H_
#define HB_EXECUTOR_HOST_SERVICE_CHECK_LOOP_H_

#include <cstdint>
#include <functional>
#include <string>

#include "common/event_loop.h"
#include "common/probe/http.h"
#include "common/probe/result.h"
#include "common/time.h"
#include "executor/host/service/definition.h"

namespace hb::executor {

class CheckLoop {
 public:
  // `on_result` is called on the loop after each outcome.
  CheckLoop(EventLoop* loop, HttpProber* prober, const CheckDefinition& definition,
            std::function<void()> on_result);

  // Forgets all outcomes and asks now, then every `interval` (from start to start, but never two at
  // a time).
  void Begin(Duration interval);
  // Goes on with another interval; outcomes and a fetch under way are kept.
  void ChangeInterval(Duration interval);
  void Cancel();
  // A failed outcome counts as `fall` of them.
  void CountAsFallen();

  const CheckDefinition& definition() const { return definition_; }
  bool has_result() const { return has_result_; }
  bool good() const { return has_result_ && failures_ == 0; }
  bool fallen() const { return failures_ >= definition_.fall; }  // `fall` failures in a row
  // "check http://127.0.0.1/: 500, expected 200-399", of the last failure.
  const std::string& problem() const { return problem_; }

 private:
  void Ask();
  void OnOutcome(uint64_t number, const ProbeResult& result);
  void Schedule();

  EventLoop* const loop_;
  HttpProber* const prober_;
  const CheckDefinition definition_;
  const std::function<void()> on_result_;
  HttpRequest request_;
  Duration interval_;
  bool has_result_ = false;
  int failures_ = 0;
  std::string problem_;
  MonoTime asked_at_;
  uint64_t number_ = 0;  // of the fetch under way; another one's outcome is none
  bool asking_ = false;
  HttpProber::FetchHandle fetch_;
  EventLoop::Handle timer_;  // for the next question, or for the answer
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_CHECK_LOOP_H_
