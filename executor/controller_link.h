// The executor's end of the controller's stream (hb.v1.Executor, gRPC): it listens, checks who
// calls, and lets one session at a time drive the executor. A second session of the same controller
// takes the place of the first; another controller is refused while the first is followed (L11).
// Also served: grpc.health.v1, reflection. Not encrypted: whoever reaches the address and knows the
// node's name is believed.
#ifndef HB_EXECUTOR_CONTROLLER_LINK_H_
#define HB_EXECUTOR_CONTROLLER_LINK_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "executor/peer_link.h"
#include "executor/session.h"
#include "executor/stream.h"
#include "hb/v1/executor.grpc.pb.h"

namespace hb::executor {

class ControllerLink final : public SessionOwner {
 public:
  struct Options {
    IpAddress address;
    uint16_t port = 0;  // 0: any free one
    std::string node;
    uint64_t incarnation = 0;
    std::string software_version;
    // Served on the same port; both end their work before the link does. May be null.
    PeerService* peer_service = nullptr;
    // How long a new session may take for its hello, and how long it may be silent afterwards.
    Duration hello_within = absl::Seconds(5);
    Duration silent_for = absl::Seconds(30);
  };
  static constexpr size_t kMaxSessions = 16;

  // Listens and serves; `loop` and `handler` must outlive the link. Unavailable: the address can't
  // be listened on; the message says why and what would help.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ControllerLink>> Start(
      Options options, EventLoop* loop, StreamHandler* handler);
  // Ends every session (Unavailable: the executor is stopping) and waits for gRPC's threads, at
  // most about half a second. On the loop's thread.
  ~ControllerLink() override;
  ControllerLink(const ControllerLink&) = delete;
  ControllerLink& operator=(const ControllerLink&) = delete;

  uint16_t port() const { return port_; }

  void OnHello(Session* session, const v1::ControllerHello& wire) override;
  void OnOrders(Session* session, const absl::StatusOr<Orders>& orders) override;
  void OnSent(Session* session) override;
  void OnEnd(Session* session) override;
  void OnGone(const std::shared_ptr<Session>& session) override;

 private:
  class Service;

  ControllerLink(Options options, EventLoop* loop, StreamHandler* handler);
  absl::Status Serve();
  // On gRPC's thread.
  Session* Accept(grpc::CallbackServerContext* context) ABSL_LOCKS_EXCLUDED(mutex_);
  void Begin(Session* session);
  void Close(Session* session, const absl::Status& status);
  void ExpectMessage(Session* session);

  const Options options_;
  EventLoop* const loop_;
  StreamHandler* const handler_;
  uint16_t port_ = 0;
  Session* active_ = nullptr;  // drives the executor
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_CONTROLLER_LINK_H_
