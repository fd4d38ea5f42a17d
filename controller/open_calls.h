// hbctl's calls, which the loop answers, and how none stays open for ever: what has not been
// answered when the server stops ends with UNAVAILABLE. Answers themselves are made elsewhere.
#ifndef HB_CONTROLLER_OPEN_CALLS_H_
#define HB_CONTROLLER_OPEN_CALLS_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace hb::controller {

class OpenCall {
 public:
  virtual ~OpenCall() = default;
  // Thread-safe. Only the first counts.
  virtual void Finish(const grpc::Status& status) = 0;

  static grpc::Status Stopping() {
    return {grpc::StatusCode::UNAVAILABLE, "the controller is stopping"};
  }
};

// Shared by the functions that may answer; with the last of them it ends unanswered.
class UnaryCall final : public OpenCall {
 public:
  explicit UnaryCall(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}
  ~UnaryCall() override { Finish(Stopping()); }
  void Finish(const grpc::Status& status) override {
    if (auto* const reactor = reactor_.exchange(nullptr)) reactor->Finish(status);
  }

 private:
  std::atomic<grpc::ServerUnaryReactor*> reactor_;
};

// What Stop ends. Thread-safe.
class OpenCalls {
 public:
  // After Stop the call ends at once.
  void Add(const std::shared_ptr<OpenCall>& call) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      if (!stopped_) {
        std::erase_if(calls_, [](const auto& known) { return known.expired(); });
        calls_.push_back(call);
        return;
      }
    }
    call->Finish(OpenCall::Stopping());
  }
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::weak_ptr<OpenCall>> calls;
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
      calls.swap(calls_);
    }
    for (const std::weak_ptr<OpenCall>& open : calls) {
      if (const std::shared_ptr<OpenCall> call = open.lock()) call->Finish(OpenCall::Stopping());
    }
  }

 private:
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<OpenCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_OPEN_CALLS_H_
