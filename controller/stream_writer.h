// A server-streaming call whose messages come from the loop: a bounded queue in front of one write
// in flight. It deletes itself when the call is over.
#ifndef HB_CONTROLLER_STREAM_WRITER_H_
#define HB_CONTROLLER_STREAM_WRITER_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controller/open_calls.h"

namespace hb::controller {

template <typename Message>
class StreamWriter : public grpc::ServerWriteReactor<Message> {
 public:
  // A client that leaves more than this unread is cut off.
  static constexpr size_t kMaxQueued = 20'000;

  // What the loop holds: false from then on when the call is over.
  class Handle final : public OpenCall {
   public:
    explicit Handle(StreamWriter* writer) : writer_(writer) {}
    bool Write(const Message& message) ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      return writer_ != nullptr && writer_->Enqueue(message);
    }
    // Messages that wait: a slow client.
    size_t backlog() ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      return writer_ == nullptr ? 0 : writer_->Backlog();
    }
    bool open() ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      return writer_ != nullptr;
    }
    // After what is queued.
    void Finish(const grpc::Status& status) override ABSL_LOCKS_EXCLUDED(mutex_) {
      absl::MutexLock lock(&mutex_);
      if (writer_ != nullptr) writer_->End(status);
    }

   private:
    friend class StreamWriter;
    absl::Mutex mutex_;
    StreamWriter* writer_ ABSL_GUARDED_BY(mutex_);
  };

  StreamWriter() : handle_(std::make_shared<Handle>(this)) {}
  std::shared_ptr<Handle> handle() const { return handle_; }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    queue_.pop_front();
    if (!ok) queue_.clear();
    Continue();
  }
  void OnCancel() override {
    End(grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled"));
  }
  void OnDone() override {
    {
      absl::MutexLock lock(&handle_->mutex_);
      handle_->writer_ = nullptr;
    }
    delete this;
  }

 private:
  bool Enqueue(const Message& message) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (end_) return false;
    if (queue_.size() >= kMaxQueued) {
      end_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the client reads too slowly");
      return false;
    }
    queue_.push_back(message);
    if (queue_.size() == 1) this->StartWrite(&queue_.front());
    return true;
  }
  size_t Backlog() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return queue_.size();
  }
  void End(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (end_) return;
    end_ = status;
    if (queue_.empty()) FinishOnce();
  }
  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!queue_.empty()) {
      this->StartWrite(&queue_.front());
    } else if (end_) {
      FinishOnce();
    }
  }
  void FinishOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!std::exchange(finished_, true)) this->Finish(*end_);
  }

  const std::shared_ptr<Handle> handle_;
  absl::Mutex mutex_;
  std::deque<Message> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_STREAM_WRITER_H_
