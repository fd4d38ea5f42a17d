// The one thread that owns a daemon's state: timers on the boot clock, file descriptors, signals,
// and functions posted from other threads (gRPC and curl callbacks decode and post, nothing else).
// A thin layer over sd-event(3), which also feeds systemd's watchdog. Nothing that blocks runs
// here.
#ifndef HB_COMMON_EVENT_LOOP_H_
#define HB_COMMON_EVENT_LOOP_H_

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "common/time.h"

namespace hb {

class EventLoop {
 public:
  // Cancels what it stands for when it is destroyed or assigned over; safe from within its own
  // callback. Must not outlive the loop.
  class Handle {
   public:
    Handle() = default;
    Handle(Handle&&) noexcept = default;
    Handle& operator=(Handle&&) noexcept = default;
    bool active() const { return state_ != nullptr; }
    void Cancel() { state_.reset(); }

   private:
    friend class EventLoop;
    struct State;
    struct Deleter {
      void operator()(State* state) const;
    };
    std::unique_ptr<State, Deleter> state_;
  };

  // Unavailable when the kernel refuses the descriptors.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Thread-safe: runs `f` on the loop's thread, in the order of posting. Functions that are still
  // waiting when the loop is destroyed are destroyed unrun.
  void Post(absl::AnyInvocable<void()> f) ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs `f` once at `when` (at the next turn if that has passed), never before, to about 50 µs.
  // Timers run in the order of their instants, those of one instant in the order of their making,
  // also when the loop is late; one a turn, so that they starve nothing else.
  [[nodiscard]] Handle At(MonoTime when, std::function<void()> f);
  [[nodiscard]] Handle After(Duration delay, std::function<void()> f);

  // Runs `f(revents)` whenever `fd` shows one of `events` (EPOLLIN, ...; level-triggered). The
  // caller keeps owning the descriptor and cancels before closing it.
  [[nodiscard]] Handle WatchFd(int fd, uint32_t events, std::function<void(uint32_t)> f);

  // Runs `f` at each arrival of `signal`; blocks it in the calling thread. Call before other
  // threads start.
  [[nodiscard]] absl::Status OnSignal(int signal, std::function<void()> f);

  // Answers systemd's watchdog from the loop (WATCHDOG_USEC; sd_event_set_watchdog(3)); nothing
  // without it.
  void EnableWatchdog();

  // Until Stop(). Returns what Stop() was given.
  int Run();
  // Runs what is ready, waiting for at most `limit`; for tests. Returns true when something ran.
  bool RunOnce(Duration limit);
  // From the loop's thread only; elsewhere Post it.
  void Stop(int exit_code = 0);

  sd_event* raw() const { return event_; }

 private:
  using TimerKey = std::pair<MonoTime, uint64_t>;  // when, and its number in the order of making

  explicit EventLoop(sd_event* event, int wake_fd);
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunTimer();
  // Sets the one alarm to the first timer.
  void SetAlarm();
  static int OnAlarm(sd_event_source* source, uint64_t usec, void* self);

  sd_event* const event_;
  const int wake_fd_;
  Handle wake_;
  std::vector<Handle> signals_;
  sd_event_source* alarm_ = nullptr;
  std::map<TimerKey, Handle::State*> timers_;
  uint64_t timers_made_ = 0;
  bool stopping_ = false;
  int exit_code_ = 0;
  Mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb

#endif  // HB_COMMON_EVENT_LOOP_H_
