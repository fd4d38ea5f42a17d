// Promises between executors over gRPC (hb.v1.Peer, design rule L6): the end that asks, with a
// channel a peer, and the service that answers, which ControllerLink's server serves on the same
// port. gRPC's threads decode and post to the loop, nothing else. Not encrypted: who asks is
// believed; what a false promise request can cost is a takeover that waits, never two holders.
#ifndef HB_EXECUTOR_PEER_LINK_H_
#define HB_EXECUTOR_PEER_LINK_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>

#include "common/event_loop.h"
#include "common/poster.h"
#include "executor/peer.h"
#include "hb/v1/executor.grpc.pb.h"

namespace hb::executor {

class PeerClient final : public Peers {
 public:
  // More peers than this are not kept connected at a time.
  static constexpr size_t kMaxChannels = 256;
  // Questions that are under way at a time, all together; beyond, one fails at once.
  static constexpr size_t kMaxQuestions = 4096;

  // `node`: this one. `loop` must outlive the client.
  PeerClient(EventLoop* loop, std::string node);
  // What is under way is not answered any more.
  ~PeerClient() override;
  PeerClient(const PeerClient&) = delete;
  PeerClient& operator=(const PeerClient&) = delete;

  void Ask(const AskPromise& question, Duration within,
           std::function<void(absl::StatusOr<PromiseReply>)> done) override;

 private:
  struct Call;

  EventLoop* const loop_;
  const std::string node_;
  const std::shared_ptr<Poster> poster_;
  std::shared_ptr<PeerClient*> self_;  // posted answers find the client gone through this
  std::map<std::string, std::unique_ptr<v1::Peer::Stub>> stubs_;  // by address
  std::map<uint64_t, std::unique_ptr<Call>> calls_;               // under way
  uint64_t next_call_ = 0;
};

class PeerService final : public v1::Peer::CallbackService {
 public:
  // Questions that wait for their answer at a time; beyond, ResourceExhausted.
  static constexpr int kMaxWaiting = 1024;

  // Both must outlive the service; the server that serves it ends first.
  PeerService(EventLoop* loop, std::string node, PromiseHandler* handler);
  ~PeerService() override;

  // On the loop's thread: questions that still wait, and those to come, end with Unavailable.
  void Close();

  grpc::ServerUnaryReactor* Promise(grpc::CallbackServerContext* context,
                                    const v1::PromiseRequest* request,
                                    v1::PromiseReply* reply) override;

 private:
  struct Waiting;

  const std::string node_;
  PromiseHandler* const handler_;
  const std::shared_ptr<Poster> poster_;
  const std::shared_ptr<Waiting> waiting_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_PEER_LINK_H_
