// A real gRPC server in the test's process that speaks hb.v1.Controller on a unix socket and
// answers by script. The gRPC is in fake_controller.cc.
#ifndef HB_TESTS_UNIT_CLIENT_FAKE_CONTROLLER_H_
#define HB_TESTS_UNIT_CLIENT_FAKE_CONTROLLER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "hb/v1/controller.pb.h"

namespace hb::client {

enum class Hang {
  kNever,
  kStreams,  // streams stay open after their messages; the other calls answer
  kAlways,   // no call ends, though streams send their messages
};

struct Script {
  absl::Status result;  // of every call but GetVersion, after its messages
  Hang hang = Hang::kNever;
  v1::Status status;
  std::vector<v1::Status> watch;
  std::vector<v1::Event> events;
  std::vector<v1::MoveProgress> steps;
  v1::Version version;
  bool mortal = false;  // Die() is going to be called
};

class FakeController {
 public:
  // Listens at "unix:/path", or at "ADDRESS:0" (any free port).
  FakeController(const std::string& listen, const Script& script);
  ~FakeController();
  FakeController(const FakeController&) = delete;
  FakeController& operator=(const FakeController&) = delete;

  int port() const;
  // "Pause cluster: \"web\"" for each call so far but GetVersion.
  std::vector<std::string> calls() const;
  // Waits until GetVersion has been called so often; false after 20 s.
  bool WaitForVersionCalls(int count);
  // Stops as a controller does on SIGTERM: open calls are cancelled.
  void Stop();
  // Ends as a controller does on SIGKILL: connections just break. Only when `mortal`, on a unix
  // socket.
  void Die();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hb::client

#endif  // HB_TESTS_UNIT_CLIENT_FAKE_CONTROLLER_H_
