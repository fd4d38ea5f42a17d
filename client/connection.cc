// hbctl's line to the controller; see connection.h. The only file of the client that knows gRPC.
// Turns each of its errors into one sentence for people; deadlines are relative, so no clock is
// read here.
#include "client/connection.h"

#include <fcntl.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/table.h"
#include "hb/v1/controller.grpc.pb.h"

namespace hb::client {
namespace {

using Stub = v1::Controller::Stub;

constexpr Duration kLongestDial = absl::Seconds(2);

// gRPC adds a span to its own monotonic clock. At least 1 ms.
gpr_timespec Deadline(Duration timeout) {
  const int64_t ms = std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout));
  return gpr_time_from_millis(ms, GPR_TIMESPAN);
}

// How gRPC names the address. A path is percent-encoded: its target is a URI.
std::string Target(const ServerAddress& server) {
  if (server.unix_path.empty()) {
    return absl::StrCat(server.address.is_v4() ? "ipv4:" : "ipv6:",
                        server.address.ToStringWithPort(server.port));
  }
  std::string target = "unix:";
  for (const char c : server.unix_path) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || std::strchr("/-._~", c) != nullptr) {
      target += c;
    } else {
      absl::StrAppendFormat(&target, "%%%02X", byte);
    }
  }
  return target;
}

absl::Status Unreachable(const ServerAddress& server, int error) {
  const std::string where = absl::StrCat("can't reach the controller at ", Escape(server.text),
                                         ": ", std::strerror(error));
  if (!server.unix_path.empty() && (error == EACCES || error == EPERM)) {
    return absl::UnavailableError(absl::StrCat(
        where, " on the socket; run hbctl as root or as a member of the socket's group"));
  }
  return absl::UnavailableError(
      absl::StrCat(where, "; is hb-controller running? If it listens elsewhere: --server ",
                   "unix:///path or ADDRESS:PORT"));
}

int WaitForConnect(int fd, Duration limit) {
  pollfd wait = {.fd = fd, .events = POLLOUT, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(limit)));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

// Connects and hangs up again: the kernel's errno tells a missing socket from a forbidden one, at
// once, where gRPC would go on trying and end with a sentence of its own.
absl::Status CheckReachable(const ServerAddress& server, Duration limit) {
  sockaddr_storage address = {};
  socklen_t length = 0;
  if (server.unix_path.empty()) {
    length = server.address.ToSockaddr(server.port, &address);
  } else {
    auto* un = reinterpret_cast<sockaddr_un*>(&address);
    un->sun_family = AF_UNIX;
    server.unix_path.copy(un->sun_path, sizeof un->sun_path - 1);
    length = sizeof *un;
  }
  const int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Unreachable(server, errno);
  int error = connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 ? 0 : errno;
  if (error == EINPROGRESS) error = WaitForConnect(fd, limit);
  close(fd);
  return error == 0 ? absl::OkStatus() : Unreachable(server, error);
}

// Asks for the version every `interval` while a stream is open; an answer of any kind will do.
// Without one the stream is cancelled: otherwise a hung controller would look like a quiet one for
// ever.
class Watchdog {
 public:
  Watchdog(Stub* stub, Duration interval, grpc::ClientContext* stream)
      : stub_(stub), interval_(interval), stream_(stream), thread_([this] { Run(); }) {}
  ~Watchdog() { Stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Waits for the thread's end. Returns why it cancelled the stream; OK: it did not.
  grpc::Status Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      if (question_ != nullptr) question_->TryCancel();
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    return failure_;
  }

 private:
  void Run() {
    while (true) {
      grpc::Status answer = Ask();
      std::unique_lock lock(mutex_);
      if (stopped_) return;
      if (answer.error_code() == grpc::StatusCode::UNAVAILABLE ||
          answer.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
        failure_ = std::move(answer);
        stream_->TryCancel();
        return;
      }
      const auto interval = std::chrono::milliseconds(absl::ToInt64Milliseconds(interval_));
      if (wake_.wait_for(lock, interval, [this] { return stopped_; })) return;
    }
  }

  grpc::Status Ask() {
    grpc::ClientContext context;
    context.set_deadline(Deadline(interval_));
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return grpc::Status::OK;
      question_ = &context;
    }
    v1::Version version;
    grpc::Status answer = stub_->GetVersion(&context, v1::GetVersionRequest(), &version);
    const std::lock_guard lock(mutex_);
    question_ = nullptr;
    return answer;
  }

  Stub* const stub_;
  const Duration interval_;
  grpc::ClientContext* const stream_;
  std::mutex mutex_;  // guards the three below
  bool stopped_ = false;
  grpc::ClientContext* question_ = nullptr;
  grpc::Status failure_;
  std::condition_variable wake_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

struct Connection::Impl {
  ServerAddress server;
  Duration timeout;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Stub> stub;

  absl::Status Explain(const grpc::Status& status) const;

  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(Deadline(timeout));
    return Explain((stub.get()->*method)(&context, request, response));
  }

  // `open_ended`: no deadline for the whole, but a watchdog.
  template <typename Request, typename Message>
  absl::Status Stream(std::unique_ptr<grpc::ClientReader<Message>> (Stub::*method)(
                          grpc::ClientContext*, const Request&),
                      const Request& request, bool open_ended,
                      const OnMessage<Message>& on_message) {
    grpc::ClientContext context;
    if (!open_ended) context.set_deadline(Deadline(timeout));
    const auto reader = (stub.get()->*method)(&context, request);
    std::unique_ptr<Watchdog> watchdog;
    if (open_ended) watchdog = std::make_unique<Watchdog>(stub.get(), timeout, &context);
    absl::Status stopped;
    Message message;
    while (stopped.ok() && reader->Read(&message)) stopped = on_message(message);
    if (!stopped.ok()) context.TryCancel();
    const grpc::Status ended = reader->Finish();
    const grpc::Status hung = watchdog != nullptr ? watchdog->Stop() : grpc::Status::OK;
    if (!stopped.ok()) return stopped;
    return Explain(!hung.ok() && !ended.ok() ? hung : ended);
  }
};

absl::Status Connection::Impl::Explain(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const std::string controller = absl::StrCat("the controller at ", Escape(server.text));
  std::string message = Escape(status.error_message());
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:  // hbctl cancels only what it then explains itself
      return absl::UnavailableError(absl::StrCat("lost ", controller, ": ", message));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(absl::StrCat(controller, " did not answer within ",
                                                      HumanDuration(timeout),
                                                      "; it may be stuck, see its log"));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(
          absl::StrCat(controller, " does not know this command; is it older than hbctl?"));
    default:
      if (message.empty()) {
        message = absl::StrCat(controller, " gave no reason (gRPC status ",
                               static_cast<int>(status.error_code()), ")");
      }
      return {static_cast<absl::StatusCode>(status.error_code()), message};
  }
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kUnreachable;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    default:
      return kFailed;
  }
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Dial(const ServerAddress& server,
                                                             Duration timeout) {
  // gRPC's own log lines would stand between hbctl's; GRPC_VERBOSITY brings them back.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  const Duration limit = std::min(timeout, kLongestDial);
  absl::Status reachable = CheckReachable(server, limit);
  if (!reachable.ok()) return reachable;
  auto impl = std::make_unique<Impl>();
  impl->server = server;
  impl->timeout = timeout;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  impl->channel =
      grpc::CreateCustomChannel(Target(server), grpc::InsecureChannelCredentials(), arguments);
  if (!impl->channel->WaitForConnected(Deadline(limit))) {
    return absl::DeadlineExceededError(absl::StrCat(
        Escape(server.text), " accepted the connection but did not answer as a controller within ",
        HumanDuration(limit), "; hb-controller may be stuck, or something else listens there"));
  }
  impl->stub = v1::Controller::NewStub(impl->channel);
  return std::unique_ptr<Connection>(new Connection(std::move(impl)));
}

absl::StatusOr<v1::Status> Connection::GetStatus(const std::string& cluster) {
  v1::GetStatusRequest request;
  request.set_cluster(cluster);
  v1::Status response;
  absl::Status status = impl_->Call(&Stub::GetStatus, request, &response);
  if (!status.ok()) return status;
  return response;
}

absl::Status Connection::Pause(const std::string& cluster) {
  v1::PauseRequest request;
  request.set_cluster(cluster);
  v1::PauseResponse response;
  return impl_->Call(&Stub::Pause, request, &response);
}

absl::Status Connection::Resume(const std::string& cluster) {
  v1::ResumeRequest request;
  request.set_cluster(cluster);
  v1::ResumeResponse response;
  return impl_->Call(&Stub::Resume, request, &response);
}

absl::Status Connection::Ack(const std::string& cluster) {
  v1::AckRequest request;
  request.set_cluster(cluster);
  v1::AckResponse response;
  return impl_->Call(&Stub::Ack, request, &response);
}

absl::StatusOr<v1::Version> Connection::GetVersion() {
  v1::Version response;
  absl::Status status = impl_->Call(&Stub::GetVersion, v1::GetVersionRequest(), &response);
  if (!status.ok()) return status;
  return response;
}

absl::Status Connection::WatchStatus(const std::string& cluster,
                                     const OnMessage<v1::Status>& on_status) {
  v1::GetStatusRequest request;
  request.set_cluster(cluster);
  absl::Status status = impl_->Stream(&Stub::WatchStatus, request, true, on_status);
  if (!status.ok()) return status;
  return absl::UnavailableError(
      absl::StrCat("the controller at ", Escape(impl_->server.text), " ended the stream"));
}

absl::Status Connection::ListEvents(const v1::ListEventsRequest& request,
                                    const OnMessage<v1::Event>& on_event) {
  absl::Status status = impl_->Stream(&Stub::ListEvents, request, request.follow(), on_event);
  if (!status.ok() || !request.follow()) return status;
  return absl::UnavailableError(
      absl::StrCat("the controller at ", Escape(impl_->server.text), " ended the stream"));
}

absl::Status Connection::Switchover(const v1::SwitchoverRequest& request,
                                    const OnMessage<v1::MoveProgress>& on_progress) {
  return impl_->Stream(&Stub::Switchover, request, true, on_progress);
}

absl::Status Connection::Failback(const v1::FailbackRequest& request,
                                  const OnMessage<v1::MoveProgress>& on_progress) {
  return impl_->Stream(&Stub::Failback, request, true, on_progress);
}

}  // namespace hb::client
