#include "executor/session.h"

#include <utility>

namespace hb::executor {

std::shared_ptr<Session> Session::Create(EventLoop* loop, SessionOwner* owner, std::string peer) {
  std::shared_ptr<Session> session(new Session(loop, owner, std::move(peer)));
  session->self_ = session;
  return session;
}

template <typename F>
void Session::Post(F f) {
  loop_->Post([session = shared_from_this(), f = std::move(f)]() mutable {
    if (session->owner_ != nullptr && !session->finished_) f(session.get());
  });
}

void Session::ReadNext() {
  if (!finished_) StartRead(&read_);
}

void Session::SendMessage(v1::ExecutorMessage message) {
  if (finished_ || writing_) return;
  writing_ = true;
  written_ = std::move(message);
  StartWrite(&written_);
}

void Session::End(const absl::Status& status) {
  if (std::exchange(finished_, true)) return;
  deadline.Cancel();
  // absl's codes are gRPC's.
  Finish(grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message())));
}

void Session::OnReadDone(bool ok) {
  if (!ok) return Post([](Session* session) { session->owner_->OnEnd(session); });
  switch (read_.body_case()) {
    case v1::ControllerMessage::kHello:
      return Post(
          [hello = read_.hello()](Session* session) { session->owner_->OnHello(session, hello); });
    case v1::ControllerMessage::kOrders:
      return Post([orders = OrdersFromWire(read_.orders())](Session* session) {
        session->owner_->OnOrders(session, orders);
      });
    default:
      return Post([](Session* session) {
        session->owner_->OnOrders(
            session, absl::InvalidArgumentError("a message with neither hello nor orders"));
      });
  }
}

void Session::OnWriteDone(bool ok) {
  Post([ok](Session* session) {
    session->writing_ = false;
    if (ok) {
      session->owner_->OnSent(session);
    } else {
      session->owner_->OnEnd(session);
    }
  });
}

void Session::OnCancel() {
  Post([](Session* session) { session->owner_->OnEnd(session); });
}

void Session::OnDone() {
  // The last reaction. From here on the loop alone owns the session.
  std::shared_ptr<Session> session = std::move(self_);
  EventLoop* const loop = session->loop_;
  loop->Post([session = std::move(session)] {
    if (session->owner_ != nullptr) session->owner_->OnGone(session);
  });
}

}  // namespace hb::executor
