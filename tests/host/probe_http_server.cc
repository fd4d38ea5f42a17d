// A thread accepts, one thread a connection serves. Descriptors are closed once all threads are
// joined, so that the destructor may shut them down without racing with their reuse. Not for more
// than a few hundred connections.
#include "tests/host/probe_http_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb {
namespace {

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void WaitUntilClosed(int fd) {
  char waste[256];
  while (recv(fd, waste, sizeof waste, 0) > 0) {
  }
}

}  // namespace

ProbeHttpServer::ProbeHttpServer() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener_, 512) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

ProbeHttpServer::~ProbeHttpServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  std::vector<std::thread> threads;
  std::vector<int> fds;
  {
    absl::MutexLock lock(&mutex_);
    threads.swap(threads_);
    fds.swap(fds_);
  }
  for (const int fd : fds) shutdown(fd, SHUT_RDWR);
  for (std::thread& t : threads) t.join();
  for (const int fd : fds) close(fd);
  close(listener_);
}

void ProbeHttpServer::On(std::string path, Script script) {
  absl::MutexLock lock(&mutex_);
  scripts_[std::move(path)] = std::move(script);
}

std::string ProbeHttpServer::Url(std::string_view path) const {
  return absl::StrCat("http://127.0.0.1:", port_, std::string(path));
}

std::vector<std::string> ProbeHttpServer::heads() const {
  absl::MutexLock lock(&mutex_);
  return heads_;
}

void ProbeHttpServer::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    ++open_;
    absl::MutexLock lock(&mutex_);
    fds_.push_back(fd);
    threads_.emplace_back([this, fd] {
      Serve(fd);
      shutdown(fd, SHUT_RDWR);
      --open_;
    });
  }
}

void ProbeHttpServer::Serve(int fd) {
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    char buffer[4096];
    const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return;
    head.append(buffer, static_cast<size_t>(got));
  }
  const size_t start = head.find(' ') + 1;
  const std::string path = head.substr(start, head.find(' ', start) - start);
  Script script = Answer(404, "no such page");
  {
    absl::MutexLock lock(&mutex_);
    heads_.push_back(head);
    if (const auto it = scripts_.find(path); it != scripts_.end()) script = it->second;
  }
  script(fd);
}

ProbeHttpServer::Script ProbeHttpServer::Answer(int status, std::string_view body,
                                                std::string_view header_lines) {
  return Bytes(absl::StrCat("HTTP/1.1 ", status, " Some Reason\r\nContent-Length: ", body.size(),
                            "\r\n", std::string(header_lines), "\r\n", std::string(body)));
}

ProbeHttpServer::Script ProbeHttpServer::Bytes(std::string bytes) {
  return [bytes = std::move(bytes)](int fd) {
    // The end of the stream comes after the bytes, not instead of them: the client closes first.
    if (SendAll(fd, bytes)) shutdown(fd, SHUT_WR);
    WaitUntilClosed(fd);
  };
}

ProbeHttpServer::Script ProbeHttpServer::BytesThenHang(std::string bytes) {
  return [bytes = std::move(bytes)](int fd) {
    SendAll(fd, bytes);
    WaitUntilClosed(fd);
  };
}

ProbeHttpServer::Script ProbeHttpServer::Endless(std::string head, std::string block) {
  return [head = std::move(head), block = std::move(block)](int fd) {
    if (!SendAll(fd, head)) return;
    while (SendAll(fd, block)) {
    }
  };
}

}  // namespace hb
