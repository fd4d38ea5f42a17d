// Network namespaces without a name: each belongs to a thread and is gone with it, whatever happens
// to the test. Descriptors made in one stay in it.
#ifndef HB_TESTS_HOST_PROBE_NETNS_H_
#define HB_TESTS_HOST_PROBE_NETNS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace hb {

// A namespace of its own, with loopback up.
class ProbeNetns {
 public:
  ProbeNetns();
  ~ProbeNetns();
  ProbeNetns(const ProbeNetns&) = delete;
  ProbeNetns& operator=(const ProbeNetns&) = delete;

  // Runs `f` in it, on its thread, and returns when it has run. A fork within belongs to it as
  // well.
  void Run(absl::AnyInvocable<void()> f);
  // Runs a program in it; a failure fails the test. Arguments are split at spaces.
  void Command(std::string_view command);
  // "net.ipv4.ping_group_range" and so on.
  void Sysctl(std::string_view name, std::string_view value);
  // What `ip link set DEV netns` takes.
  pid_t thread_id() const { return thread_id_; }

 private:
  void Serve();

  absl::Mutex mutex_;
  bool stop_ = false;
  bool has_work_ = false;
  absl::AnyInvocable<void()> work_;
  pid_t thread_id_ = 0;
  std::thread thread_;
};

}  // namespace hb

#endif  // HB_TESTS_HOST_PROBE_NETNS_H_
