// EventLoop on sd-event(3). Descriptors and signals are sd-event's own sources; timers are kept
// here, behind one alarm, because sd-event does not order those that are due together. A failure of
// the kernel to give the loop what it needs to keep time ends the process: whoever can't keep time
// must not hold anything.
#include "common/event_loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/log.h"

namespace hb {

// The callback is shared with the call that is running it, so that it may cancel itself.
struct EventLoop::Handle::State {
  std::shared_ptr<std::function<void(uint32_t)>> call;
  sd_event_source* source = nullptr;  // of a descriptor or signal
  EventLoop* timer_of = nullptr;      // of a timer that has yet to run
  TimerKey key;
};

void EventLoop::Handle::Deleter::operator()(State* state) const {
  if (EventLoop* loop = state->timer_of; loop != nullptr) {
    const bool was_first = loop->timers_.begin()->second == state;
    loop->timers_.erase(state->key);
    if (was_first) loop->SetAlarm();
  }
  sd_event_source_disable_unref(state->source);
  delete state;
}

namespace {

using Callback = std::function<void(uint32_t)>;

// `userdata` is the shared_ptr that lives in the State.
void Invoke(void* userdata, uint32_t revents) {
  const std::shared_ptr<Callback> keep = *static_cast<std::shared_ptr<Callback>*>(userdata);
  (*keep)(revents);
}
int OnIo(sd_event_source* /*source*/, int /*fd*/, uint32_t revents, void* userdata) {
  Invoke(userdata, revents);
  return 0;
}
int OnSignalEvent(sd_event_source* /*source*/, const signalfd_siginfo* /*info*/, void* userdata) {
  Invoke(userdata, 0);
  return 0;
}

void CheckOk(int result, const char* what) {
  if (result >= 0) return;
  // Out of memory or descriptors in a process that has to keep time: better to die and be
  // restarted.
  LogError("event loop", {{"call", what}, {"error", std::strerror(-result)}});
  std::abort();
}

}  // namespace

EventLoop::EventLoop(sd_event* event, int wake_fd) : event_(event), wake_fd_(wake_fd) {
  wake_ = WatchFd(wake_fd_, EPOLLIN, [this](uint32_t) { Drain(); });
  CheckOk(sd_event_add_time(event_, &alarm_, CLOCK_BOOTTIME, 0, 1, OnAlarm, this),
          "sd_event_add_time");
  SetAlarm();
}

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  sd_event* event = nullptr;
  if (const int result = sd_event_new(&event); result < 0) {
    return absl::UnavailableError(absl::StrCat("sd_event_new: ", std::strerror(-result)));
  }
  const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    const int error = errno;
    sd_event_unref(event);
    return absl::UnavailableError(absl::StrCat("eventfd: ", std::strerror(error)));
  }
  return std::unique_ptr<EventLoop>(new EventLoop(event, wake_fd));
}

EventLoop::~EventLoop() {
  std::vector<absl::AnyInvocable<void()>> unrun;
  {
    const MutexLock lock(&mutex_);
    unrun.swap(posted_);
  }
  unrun.clear();  // they may own handles, which need the loop
  for (auto& [key, state] : timers_) state->timer_of = nullptr;
  sd_event_source_disable_unref(alarm_);
  wake_.Cancel();
  signals_.clear();
  sd_event_unref(event_);
  close(wake_fd_);
}

void EventLoop::Post(absl::AnyInvocable<void()> f) {
  {
    const MutexLock lock(&mutex_);
    posted_.push_back(std::move(f));
    if (posted_.size() > 1) return;  // already woken
  }
  const uint64_t one = 1;
  while (write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void EventLoop::Drain() {
  uint64_t count = 0;
  while (read(wake_fd_, &count, sizeof count) < 0 && errno == EINTR) {
  }
  std::vector<absl::AnyInvocable<void()>> batch;
  {
    const MutexLock lock(&mutex_);
    batch.swap(posted_);
  }
  for (absl::AnyInvocable<void()>& f : batch) f();
}

EventLoop::Handle EventLoop::At(MonoTime when, std::function<void()> f) {
  Handle handle;
  if (when == MonoTime::Infinite()) return handle;
  handle.state_.reset(new Handle::State);
  handle.state_->call = std::make_shared<Callback>([g = std::move(f)](uint32_t) { g(); });
  handle.state_->key = TimerKey(when, timers_made_++);
  handle.state_->timer_of = this;
  timers_.emplace(handle.state_->key, handle.state_.get());
  if (timers_.begin()->second == handle.state_.get()) SetAlarm();
  return handle;
}

// sd-event runs timers that are due together in no order of theirs, so it is given one alarm alone.
void EventLoop::SetAlarm() {
  if (timers_.empty()) {
    CheckOk(sd_event_source_set_enabled(alarm_, SD_EVENT_OFF), "sd_event_source_set_enabled");
    return;
  }
  // sd-event counts microseconds; round up so that the callback never runs before its instant.
  const int64_t ns = std::max<int64_t>(timers_.begin()->first.first.nanoseconds(), 0);
  const int64_t usec = ns / 1000 + (ns % 1000 != 0 ? 1 : 0);
  CheckOk(sd_event_source_set_time(alarm_, static_cast<uint64_t>(usec)),
          "sd_event_source_set_time");
  CheckOk(sd_event_source_set_enabled(alarm_, SD_EVENT_ONESHOT), "sd_event_source_set_enabled");
}

int EventLoop::OnAlarm(sd_event_source* /*source*/, uint64_t /*usec*/, void* self) {
  static_cast<EventLoop*>(self)->RunTimer();
  return 0;
}

void EventLoop::RunTimer() {
  std::shared_ptr<Callback> call;
  if (!timers_.empty() && timers_.begin()->first.first <= BootNow()) {
    Handle::State* state = timers_.begin()->second;
    timers_.erase(timers_.begin());
    state->timer_of = nullptr;
    call = state->call;
  }
  SetAlarm();
  if (call != nullptr) (*call)(0);
}

EventLoop::Handle EventLoop::After(Duration delay, std::function<void()> f) {
  return At(BootNow() + delay, std::move(f));
}

EventLoop::Handle EventLoop::WatchFd(int fd, uint32_t events, std::function<void(uint32_t)> f) {
  Handle handle;
  handle.state_.reset(new Handle::State);
  handle.state_->call = std::make_shared<Callback>(std::move(f));
  CheckOk(sd_event_add_io(event_, &handle.state_->source, fd, events, OnIo, &handle.state_->call),
          "sd_event_add_io");
  return handle;
}

absl::Status EventLoop::OnSignal(int signal, std::function<void()> f) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return absl::InternalError(absl::StrCat("pthread_sigmask: ", std::strerror(error)));
  }
  Handle handle;
  handle.state_.reset(new Handle::State);
  handle.state_->call = std::make_shared<Callback>([g = std::move(f)](uint32_t) { g(); });
  const int result = sd_event_add_signal(event_, &handle.state_->source, signal, OnSignalEvent,
                                         &handle.state_->call);
  if (result < 0) {
    return absl::InternalError(absl::StrCat("signal ", signal, ": ", std::strerror(-result)));
  }
  signals_.push_back(std::move(handle));
  return absl::OkStatus();
}

void EventLoop::EnableWatchdog() {
  CheckOk(sd_event_set_watchdog(event_, 1), "sd_event_set_watchdog");
}

int EventLoop::Run() {
  while (!stopping_) CheckOk(sd_event_run(event_, UINT64_MAX), "sd_event_run");
  return exit_code_;
}

bool EventLoop::RunOnce(Duration limit) {
  const int64_t usec = std::max<int64_t>(absl::ToInt64Microseconds(limit), 0);
  const int result = sd_event_run(event_, static_cast<uint64_t>(usec));
  CheckOk(result, "sd_event_run");
  return result > 0;
}

void EventLoop::Stop(int exit_code) {
  stopping_ = true;
  exit_code_ = exit_code;
}

}  // namespace hb
