// The controller's end of the one stream to one node's executor: dials, says hello, checks who
// answers, hands reports to the loop, and dials again when the stream ends or falls silent (a
// half-open TCP connection must not hold up anything: liveness is a timer of our own). It decides
// nothing.
#ifndef HB_CONTROLLER_EXECUTOR_LINK_H_
#define HB_CONTROLLER_EXECUTOR_LINK_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/poster.h"
#include "common/time.h"
#include "hb/v1/executor.pb.h"

namespace hb::controller {

class ExecutorLink {
 public:
  struct Options {
    std::string node;     // who must answer
    std::string address;  // ADDRESS:PORT
    std::string controller_id;
    Duration silence = absl::Seconds(2);  // a stream without a message for so long is given up
  };
  struct Listener {
    std::function<void(const v1::ExecutorHello&)> opened;
    std::function<void(const v1::Report&)> report;
    // Also for each attempt to dial that fails; the text says why. `refused`: the executor lives
    // and follows another controller.
    std::function<void(const std::string&, bool refused)> closed;
  };

  // Starts dialling at once. Everything, the listener's calls included, happens on the loop's
  // thread.
  ExecutorLink(EventLoop* loop, Options options, Listener listener);
  ~ExecutorLink();  // ends the stream; the listener is not called any more
  ExecutorLink(const ExecutorLink&) = delete;
  ExecutorLink& operator=(const ExecutorLink&) = delete;

  bool open() const { return open_; }
  // Only while open(). Orders are sent in the order of calls. A peer that takes nothing while
  // kMaxQueued messages wait is given up.
  void Send(v1::Orders orders);

 private:
  class Session;
  static constexpr size_t kMaxQueued = 1000;

  void Dial();
  void OnMessage(uint64_t serial, const v1::ExecutorMessage& message);
  void OnDone(uint64_t serial, const std::string& error, bool refused);
  void GiveUp(const std::string& why);
  void Watch();

  EventLoop* const loop_;
  const Options options_;
  const Listener listener_;
  const std::shared_ptr<Poster> poster_;
  // Calls that were posted for this link find it gone through this.
  std::shared_ptr<ExecutorLink*> self_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<Session>> ending_;  // cancelled or over; gRPC may not be done with it
  uint64_t serial_ = 0;  // of the session; messages of earlier ones are dropped
  bool open_ = false;
  std::string give_up_reason_;
  MonoTime last_message_;
  Duration backoff_;
  EventLoop::Handle redial_;
  EventLoop::Handle watch_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_EXECUTOR_LINK_H_
