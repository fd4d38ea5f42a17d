#include "executor/peer_link.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/boot_clock.h"
#include "executor/wire.h"

namespace hb::executor {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A peer that was gone is dialled again soon: a lease waits for it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  // Also what TCP_USER_TIMEOUT is set to: a connection that takes nothing for so long is closed.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 2'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(1 << 16);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

// ---- asking ----

// Deleted on the loop's thread only: gRPC's last channel ends the thread that runs the callbacks,
// which must not be the one it waits on.
struct PeerClient::Call {
  Call() = default;
  // Waits for gRPC to be done with it.
  ~Call() { ended.WaitForNotification(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  grpc::ClientContext context;
  v1::PromiseRequest request;
  v1::PromiseReply reply;
  absl::Notification ended;
};

PeerClient::PeerClient(EventLoop* loop, std::string node)
    : loop_(loop),
      node_(std::move(node)),
      poster_(std::make_shared<Poster>(loop)),
      self_(std::make_shared<PeerClient*>(this)) {}

PeerClient::~PeerClient() {
  self_.reset();
  poster_->Close();
  for (const auto& [id, call] : calls_) call->context.TryCancel();
}

void PeerClient::Ask(const AskPromise& question, Duration within,
                     std::function<void(absl::StatusOr<PromiseReply>)> done) {
  if (calls_.size() >= kMaxQuestions) {
    loop_->Post([done = std::move(done)] {
      done(absl::UnavailableError("too many questions are under way"));
    });
    return;
  }
  if (!stubs_.contains(question.peer.executor) && stubs_.size() >= kMaxChannels) stubs_.clear();
  std::unique_ptr<v1::Peer::Stub>& stub = stubs_[question.peer.executor];
  if (stub == nullptr) stub = v1::Peer::NewStub(MakeChannel(question.peer.executor));
  const uint64_t id = next_call_++;
  Call* const call = (calls_[id] = std::make_unique<Call>()).get();
  call->request = PromiseRequestToWire(question, node_);
  // For the transport alone; the lease counts by the boot clock.
  call->context.set_deadline(absl::ToChronoTime(WallNow() + within));
  stub->async()->Promise(&call->context, &call->request, &call->reply,
                         [self = std::weak_ptr(self_), call, id, poster = poster_,
                          done = std::move(done), question](const grpc::Status& status) {
                           absl::StatusOr<PromiseReply> reply =
                               absl::UnavailableError(status.error_message());
                           if (status.ok()) reply = PromiseReplyFromWire(call->reply, question);
                           poster->Post([self, id, done, reply = std::move(reply)] {
                             const std::shared_ptr<PeerClient*> client = self.lock();
                             if (client == nullptr) return;
                             (*client)->calls_.erase(id);
                             done(reply);
                           });
                           call->ended.Notify();
                         });
}

// ---- answering ----

// Reactors that wait for the loop's answer. Whoever takes one out ends it.
struct PeerService::Waiting {
  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  uint64_t next ABSL_GUARDED_BY(mutex) = 0;
  struct Entry {
    grpc::ServerUnaryReactor* reactor;
    v1::PromiseReply* reply;
  };
  std::map<uint64_t, Entry> entries ABSL_GUARDED_BY(mutex);

  void Answer(uint64_t id, const AnswerPromise& answer) ABSL_LOCKS_EXCLUDED(mutex) {
    Entry entry{};
    {
      absl::MutexLock lock(&mutex);
      const auto it = entries.find(id);
      if (it == entries.end()) return;
      entry = it->second;
      entries.erase(it);
    }
    AnswerToWire(answer, entry.reply);
    entry.reactor->Finish(grpc::Status::OK);
  }
};

PeerService::PeerService(EventLoop* loop, std::string node, PromiseHandler* handler)
    : node_(std::move(node)),
      handler_(handler),
      poster_(std::make_shared<Poster>(loop)),
      waiting_(std::make_shared<Waiting>()) {}

PeerService::~PeerService() { Close(); }

void PeerService::Close() {
  poster_->Close();
  std::map<uint64_t, Waiting::Entry> entries;
  {
    absl::MutexLock lock(&waiting_->mutex);
    waiting_->closed = true;
    entries.swap(waiting_->entries);
  }
  for (const auto& [id, entry] : entries) {
    entry.reactor->Finish({grpc::StatusCode::UNAVAILABLE, "the executor is stopping"});
  }
}

grpc::ServerUnaryReactor* PeerService::Promise(grpc::CallbackServerContext* context,
                                               const v1::PromiseRequest* request,
                                               v1::PromiseReply* reply) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<PromiseRequest> question = PromiseRequestFromWire(*request, node_);
  if (!question.ok()) {
    reactor->Finish({static_cast<grpc::StatusCode>(question.status().code()),
                     std::string(question.status().message())});
    return reactor;
  }
  uint64_t id = 0;
  {
    absl::MutexLock lock(&waiting_->mutex);
    if (waiting_->closed || waiting_->entries.size() >= kMaxWaiting) {
      reactor->Finish(
          {waiting_->closed ? grpc::StatusCode::UNAVAILABLE : grpc::StatusCode::RESOURCE_EXHAUSTED,
           "this executor takes no question now"});
      return reactor;
    }
    id = waiting_->next++;
    waiting_->entries[id] = {reactor, reply};
  }
  poster_->Post([handler = handler_, waiting = waiting_, id, question = *std::move(question)] {
    handler->PromiseAsked(
        question, [waiting, id](const AnswerPromise& answer) { waiting->Answer(id, answer); });
  });
  return reactor;
}

}  // namespace hb::executor
