// Acts that failed, until they succeed: so that each is logged once per distinct error, however
// often it is tried, and shown as an obstacle of its cluster. Pure. One that is not tried any more
// is forgotten after kRemembered, so that a node is not barred for ever by an act that nobody
// repeats.
#ifndef HB_EXECUTOR_FAILURES_H_
#define HB_EXECUTOR_FAILURES_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/time.h"

namespace hb::executor {

class Failures {
 public:
  static constexpr Duration kRemembered = absl::Seconds(30);

  enum class Kind { kObstacle, kLogOnly };

  // Notes that `act` ("AddVip 192.168.0.111/24 on eth0") failed with `error`. True: it has not been
  // known with that error, and is to be logged.
  [[nodiscard]] bool Add(const std::string& cluster, const std::string& act,
                         const std::string& error, Kind kind, MonoTime now);
  // It succeeded. True when it was known as failing.
  bool Clear(const std::string& cluster, const std::string& act);

  void Expire(MonoTime now);
  // When the next one is forgotten.
  MonoTime NextExpiry() const;
  // "ACT failed: ERROR", those of Kind::kObstacle.
  std::vector<std::string> Obstacles(const std::string& cluster) const;

 private:
  struct Failure {
    std::string error;
    Kind kind;
    MonoTime until;
  };
  std::map<std::pair<std::string, std::string>, Failure> failures_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_FAILURES_H_
