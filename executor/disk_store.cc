#include "executor/disk_store.h"

#include <utility>

namespace hb::executor {

DiskStore::DiskStore(EventLoop* loop, StateDirectory* state)
    : loop_(loop), state_(state), thread_([this] { Run(); }) {}

DiskStore::~DiskStore() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
  }
  work_.Notify();
  thread_.join();
}

void DiskStore::StoreRecord(const std::string& cluster, const Record& record, Done done) {
  Do([this, cluster, record] { return state_->StoreRecord(cluster, record); }, std::move(done));
}

void DiskStore::StoreVips(const std::set<Vip>& vips, Done done) {
  Do([this, vips] { return state_->StoreVips(vips); }, std::move(done));
}

void DiskStore::Do(std::function<absl::Status()> work, Done done) {
  {
    const MutexLock lock(&mutex_);
    if (jobs_.size() < kMaxWaiting) {
      jobs_.push_back({std::move(work), std::move(done)});
      work_.Notify();
      return;
    }
  }
  loop_->Post([done = std::move(done)] {
    done(absl::UnavailableError("the disk does not keep up: too many writes are waiting"));
  });
}

void DiskStore::Run() {
  while (true) {
    Job job;
    {
      const MutexLock lock(&mutex_);
      while (!HasWork()) work_.Wait(&mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    absl::Status outcome = job.work();
    loop_->Post([done = std::move(job.done), outcome = std::move(outcome)] { done(outcome); });
  }
}

}  // namespace hb::executor
