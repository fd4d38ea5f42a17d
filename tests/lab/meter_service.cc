// See meter_service.h.
// One question a connection: the asker closes its sending side, the reply is the status code's
// number, a line break and the text. Questions are answered one after another.
#include "tests/lab/meter_service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/lab/proc.h"

namespace hb::lab {
namespace {

constexpr size_t kMessageLimit = size_t{1} << 20;

std::string SocketPath(const std::string& directory) {
  return absl::StrCat(directory, "/meter.sock");
}
std::string PidPath(const std::string& directory) { return absl::StrCat(directory, "/meter.pid"); }

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& directory) {
  const std::string path = SocketPath(directory);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("path too long for a socket: ", path));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Until the other side has sent all.
absl::StatusOr<std::string> ReceiveAll(int fd) {
  std::string message;
  std::array<char, 16384> buffer;
  while (message.size() < kMessageLimit) {
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus("receive", errno);
    if (size == 0) return message;
    message.append(buffer.data(), static_cast<size_t>(size));
  }
  return absl::ResourceExhaustedError("message too long");
}

absl::Status SendAll(int fd, const std::string& message) {
  size_t sent = 0;
  while (sent < message.size()) {
    const ssize_t size = send(fd, message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus("send", errno);
    sent += static_cast<size_t>(size);
  }
  shutdown(fd, SHUT_WR);
  return absl::OkStatus();
}

class MeterService {
 public:
  MeterService(const Lab& lab, std::unique_ptr<Meter> meter, UniqueFd listener, UniqueFd lab_end)
      : lab_(lab),
        meter_(std::move(meter)),
        listener_(std::move(listener)),
        lab_end_(std::move(lab_end)),
        mark_(meter_->Mark()) {}

  // Until "stop", or the lab's end.
  void Serve() {
    while (!stopped_) {
      std::array<pollfd, 2> watched = {
          pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0},
          pollfd{.fd = lab_end_.get(), .events = POLLIN, .revents = 0}};
      if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
      if (watched[1].revents != 0) return;
      if (watched[0].revents == 0) continue;
      const UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection.valid()) continue;
      const timeval patience{.tv_sec = 5, .tv_usec = 0};  // nobody keeps the others waiting
      setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      const absl::StatusOr<std::string> question = ReceiveAll(connection.get());
      if (!question.ok()) continue;
      const absl::StatusOr<std::string> reply = Reply(*question);
      // An asker that has gone away is no concern of ours.
      (void)SendAll(connection.get(), reply.ok()
                                          ? absl::StrCat("0\n", *reply)
                                          : absl::StrCat(static_cast<int>(reply.status().code()),
                                                         "\n", reply.status().message()));
    }
  }

 private:
  absl::StatusOr<std::string> Reply(const std::string& question) {
    const std::vector<std::string> words = absl::StrSplit(question, ' ');
    if (question == "mark") {
      mark_ = meter_->Mark();
      return "";
    }
    if (question == "text") return ToText(meter_->Since(mark_));
    if (question == "json") return ToJson(meter_->Since(mark_));
    if (question == "outage") {
      const Duration outage = meter_->Since(mark_).http.outage.length;
      return absl::StrCat(absl::ToInt64Milliseconds(absl::Ceil(outage, absl::Milliseconds(1))));
    }
    if (question == "stop") {
      meter_->Stop();
      stopped_ = true;
      return ToText(meter_->Since(mark_));
    }
    int64_t limit_ms = 0;
    if (words.size() == 3 && words[0] == "wait" && absl::SimpleAtoi(words[2], &limit_ms)) {
      if (lab_.host(words[1]) == nullptr) {
        return absl::NotFoundError(absl::StrCat("no host called ", words[1]));
      }
      absl::Status served = meter_->WaitUntilServedBy(words[1], absl::Milliseconds(limit_ms));
      if (!served.ok()) return served;
      return "";
    }
    return absl::InvalidArgumentError(absl::StrCat("not a question for the meter: ", question));
  }

  const Lab& lab_;
  const std::unique_ptr<Meter> meter_;
  const UniqueFd listener_;
  const UniqueFd lab_end_;
  MonoTime mark_;
  bool stopped_ = false;
};

absl::StatusOr<UniqueFd> Listen(const std::string& directory) {
  const absl::StatusOr<sockaddr_un> address = SocketAddress(directory);
  if (!address.ok()) return address.status();
  unlink(address->sun_path);  // of a service that was killed
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      listen(fd.get(), 16) != 0) {
    return ErrnoStatus(address->sun_path, errno);
  }
  return fd;
}

// In the child: measures and serves. `tell` gets the outcome of the start, empty when it is good.
absl::Status RunService(const std::string& lab_name, const std::string& root_directory,
                        const MeterOptions& options, UniqueFd tell) {
  absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Attach(lab_name, root_directory);
  if (!lab.ok()) return lab.status();
  UniqueFd lab_end(static_cast<int>(syscall(SYS_pidfd_open, (*lab)->client().holder().pid, 0)));
  if (!lab_end.valid()) return ErrnoStatus("pidfd of the client", errno);
  absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(**lab, options);
  if (!meter.ok()) return meter.status();
  absl::StatusOr<UniqueFd> listener = Listen((*lab)->directory());
  if (!listener.ok()) return listener.status();
  const absl::StatusOr<ProcessId> self = IdentifyProcess(getpid());
  if (!self.ok()) return self.status();
  std::ofstream(PidPath((*lab)->directory())) << self->pid << ' ' << self->start_time << '\n';
  MeterService service(**lab, *std::move(meter), *std::move(listener), std::move(lab_end));
  const char good = '\n';
  if (write(tell.get(), &good, 1) != 1) return ErrnoStatus("report the start", errno);
  tell.Reset();
  service.Serve();
  unlink(SocketPath((*lab)->directory()).c_str());
  unlink(PidPath((*lab)->directory()).c_str());
  return absl::OkStatus();
}

std::optional<ProcessId> RunningService(const std::string& directory) {
  ProcessId id;
  if (!(std::ifstream(PidPath(directory)) >> id.pid >> id.start_time) || !IsAlive(id))
    return std::nullopt;
  return id;
}

}  // namespace

absl::Status StartMeterService(const std::string& lab_name, const std::string& root_directory,
                               const MeterOptions& options) {
  const absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Attach(lab_name, root_directory);
  if (!lab.ok()) return lab.status();
  if (RunningService((*lab)->directory())) {
    return absl::AlreadyExistsError(absl::StrCat("lab ", lab_name, " has a meter running"));
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe", errno);
  const UniqueFd told(ends[0]);
  UniqueFd tell(ends[1]);
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus("fork", errno);
  if (child == 0) {
    setsid();
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, stream);
    const int failure_pipe = fcntl(tell.get(), F_DUPFD_CLOEXEC, 3);
    const absl::Status ran = RunService(lab_name, root_directory, options, std::move(tell));
    const std::string message(ran.message());
    if (!ran.ok() && write(failure_pipe, message.data(), message.size()) < 0) _exit(1);
    _exit(ran.ok() ? 0 : 1);
  }
  tell.Reset();
  std::array<char, 4096> outcome;
  ssize_t size = 0;
  do {
    size = read(told.get(), outcome.data(), outcome.size());
  } while (size < 0 && errno == EINTR);
  if (size == 1 && outcome[0] == '\n') return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the meter did not start: ",
                   std::string(outcome.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)))));
}

absl::StatusOr<std::string> AskMeterService(const Lab& lab, const std::string& question) {
  const absl::StatusOr<sockaddr_un> address = SocketAddress(lab.directory());
  if (!address.ok()) return address.status();
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket", errno);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
    return absl::NotFoundError(absl::StrCat("no meter runs for lab ", lab.name()));
  }
  if (absl::Status sent = SendAll(fd.get(), question); !sent.ok()) return sent;
  const absl::StatusOr<std::string> reply = ReceiveAll(fd.get());
  if (!reply.ok()) return reply.status();
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(*reply, absl::MaxSplits('\n', 1));
  int code = 0;
  if (!absl::SimpleAtoi(parts.first, &code))
    return absl::InternalError("the meter ended while it was asked");
  if (code != 0) return absl::Status(static_cast<absl::StatusCode>(code), parts.second);
  return parts.second;
}

absl::Status AwaitMeterServiceEnd(const std::string& lab_directory, Duration limit) {
  const std::optional<ProcessId> service = RunningService(lab_directory);
  if (!service || WaitForEnd(*service, limit)) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("the meter, process ", service->pid, ", does not end"));
}

}  // namespace hb::lab
