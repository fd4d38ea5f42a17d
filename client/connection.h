// hbctl's line to the controller: dialling, deadlines, and errors that name the address and the
// remedy. Only connection.cc knows gRPC. Blocking; one call at a time; no retries: a command either
// gets through or says why.
#ifndef HB_CLIENT_CONNECTION_H_
#define HB_CLIENT_CONNECTION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/arguments.h"
#include "common/time.h"
#include "hb/v1/controller.pb.h"

namespace hb::client {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3 };

// Unavailable and DeadlineExceeded: the controller is out of reach. InvalidArgument: usage. Others:
// refused.
ExitCode ExitCodeOf(const absl::Status& status);

// Called with each message of a stream. An error stops the stream and is what the call returns.
template <typename Message>
using OnMessage = std::function<absl::Status(const Message&)>;

// All calls: Unavailable when the controller can't be reached or is lost, DeadlineExceeded when it
// does not answer within the timeout; any other code is the controller's refusal, with its own
// message.
class Connection {
 public:
  // Connects within `timeout`, and within 2 s. `timeout` is also every answer's.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Connection>> Dial(const ServerAddress& server,
                                                                        Duration timeout);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `cluster` empty: all.
  [[nodiscard]] absl::StatusOr<v1::Status> GetStatus(const std::string& cluster);
  [[nodiscard]] absl::Status Pause(const std::string& cluster);
  [[nodiscard]] absl::Status Resume(const std::string& cluster);
  [[nodiscard]] absl::Status Ack(const std::string& cluster);
  [[nodiscard]] absl::StatusOr<v1::Version> GetVersion();

  // These last as long as they have something to tell. Meanwhile the controller is asked, every
  // `timeout`, for its version: a stream that is merely quiet goes on, one whose controller hangs
  // ends in DeadlineExceeded. Never OK: the end of the stream is Unavailable.
  [[nodiscard]] absl::Status WatchStatus(const std::string& cluster,
                                         const OnMessage<v1::Status>& on_status);
  // With `follow` as WatchStatus; without, the whole answer has to come within the timeout.
  [[nodiscard]] absl::Status ListEvents(const v1::ListEventsRequest& request,
                                        const OnMessage<v1::Event>& on_event);
  // OK when the stream has ended properly, whatever its last message said.
  [[nodiscard]] absl::Status Switchover(const v1::SwitchoverRequest& request,
                                        const OnMessage<v1::MoveProgress>& on_progress);
  [[nodiscard]] absl::Status Failback(const v1::FailbackRequest& request,
                                      const OnMessage<v1::MoveProgress>& on_progress);

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hb::client

#endif  // HB_CLIENT_CONNECTION_H_
