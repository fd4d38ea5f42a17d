// See request_log.h. A request's id is its number since the beginning.
#include "tests/lab/request_log.h"

#include <algorithm>

namespace hb::lab {

RequestLog::Id RequestLog::Sent(MonoTime now) {
  const absl::MutexLock lock(&mutex_);
  Request request;
  request.sent = now;
  requests_.push_back(std::move(request));
  if (requests_.size() > kKept) {
    requests_.pop_front();
    ++first_;
  }
  return first_ + static_cast<Id>(requests_.size()) - 1;
}

void RequestLog::Answered(Id id, MonoTime now, const std::string& node) {
  const absl::MutexLock lock(&mutex_);
  Request* const request = Find(id);
  if (request == nullptr) return;
  const auto same = [&](const Answer& answer) { return answer.node == node; };
  if (std::none_of(request->answers.begin(), request->answers.end(), same)) {
    request->answers.push_back({.at = now, .node = node});
  }
}

void RequestLog::Failed(Id id) {
  const absl::MutexLock lock(&mutex_);
  if (Request* const request = Find(id); request != nullptr) request->failed = true;
}

std::vector<Request> RequestLog::Since(MonoTime from) const {
  const absl::MutexLock lock(&mutex_);
  const auto begin =
      std::lower_bound(requests_.begin(), requests_.end(), from,
                       [](const Request& request, MonoTime time) { return request.sent < time; });
  return {begin, requests_.end()};
}

Request* RequestLog::Find(Id id) {
  if (id < first_ || id >= first_ + static_cast<Id>(requests_.size())) return nullptr;
  return &requests_[static_cast<size_t>(id - first_)];
}

}  // namespace hb::lab
