#include "executor/failures.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace hb::executor {

bool Failures::Add(const std::string& cluster, const std::string& act, const std::string& error,
                   Kind kind, MonoTime now) {
  const auto [it, added] = failures_.try_emplace({cluster, act});
  const bool fresh = added || it->second.error != error;
  it->second = {error, kind, now + kRemembered};
  return fresh;
}

bool Failures::Clear(const std::string& cluster, const std::string& act) {
  return failures_.erase({cluster, act}) > 0;
}

void Failures::Expire(MonoTime now) {
  std::erase_if(failures_, [now](const auto& entry) { return entry.second.until <= now; });
}

MonoTime Failures::NextExpiry() const {
  MonoTime next = MonoTime::Infinite();
  for (const auto& [key, failure] : failures_) next = std::min(next, failure.until);
  return next;
}

std::vector<std::string> Failures::Obstacles(const std::string& cluster) const {
  std::vector<std::string> texts;
  for (const auto& [key, failure] : failures_) {
    if (key.first != cluster || failure.kind != Kind::kObstacle) continue;
    texts.push_back(absl::StrCat(key.second, " failed: ", failure.error));
  }
  return texts;
}

}  // namespace hb::executor
