// One stream of a controller, as gRPC sees it: a reactor whose reactions decode and post to the
// loop, nothing else. Every operation on the stream is started from the loop's thread, and none
// after Finish, so that the two threads cannot meet. What a session may do is ControllerLink's to
// say.
#ifndef HB_EXECUTOR_SESSION_H_
#define HB_EXECUTOR_SESSION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "executor/stream.h"
#include "executor/wire.h"
#include "hb/v1/executor.grpc.pb.h"

namespace hb::executor {

class Session;

// Called on the loop's thread.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void OnHello(Session* session, const v1::ControllerHello& wire) = 0;
  virtual void OnOrders(Session* session, const absl::StatusOr<Orders>& orders) = 0;
  // What was sent last has left.
  virtual void OnSent(Session* session) = 0;
  // The other end is gone, or has closed its side.
  virtual void OnEnd(Session* session) = 0;
  // Nothing that the session does comes after this; it may be destroyed.
  virtual void OnGone(const std::shared_ptr<Session>& session) = 0;
};

class Session final : public grpc::ServerBidiReactor<v1::ControllerMessage, v1::ExecutorMessage>,
                      public Stream,
                      public std::enable_shared_from_this<Session> {
 public:
  // `owner` must outlive the session or be taken back by Disown; `loop` must outlive it.
  static std::shared_ptr<Session> Create(EventLoop* loop, SessionOwner* owner, std::string peer);

  // All of these: on the loop's thread.
  void ReadNext();
  bool Idle() const override { return !writing_ && !finished_; }
  void Send(const Report& report) override { SendMessage(ReportToWire(report)); }
  void SendMessage(v1::ExecutorMessage message);
  // Ends the stream. Nothing of it is reported any more but OnGone. Once; later calls do nothing.
  void End(const absl::Status& status);
  void Disown() { owner_ = nullptr; }
  bool finished() const { return finished_; }

  const std::string& peer() const { return peer_; }
  // Empty until the hello.
  std::string controller_id;
  EventLoop::Handle deadline;  // for the owner: hello, then silence

  // Reactions, on gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  Session(EventLoop* loop, SessionOwner* owner, std::string peer)
      : peer_(std::move(peer)), loop_(loop), owner_(owner) {}
  // Posts `f`, which finds the session alive.
  template <typename F>
  void Post(F f);

  const std::string peer_;
  EventLoop* const loop_;
  SessionOwner* owner_;            // the loop's
  bool finished_ = false;          // the loop's
  bool writing_ = false;           // the loop's
  v1::ControllerMessage read_;     // gRPC's from StartRead to OnReadDone
  v1::ExecutorMessage written_;    // gRPC's from StartWrite to OnWriteDone
  std::shared_ptr<Session> self_;  // until OnDone
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_SESSION_H_
