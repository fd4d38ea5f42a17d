// An HTTP server on loopback that does what a test tells it, path by path: answers, hangs, babbles.
// Real sockets, threads of its own, gone with the object. It understands no more of HTTP than where
// a request ends.
#ifndef HB_TESTS_HOST_PROBE_HTTP_SERVER_H_
#define HB_TESTS_HOST_PROBE_HTTP_SERVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace hb {

class ProbeHttpServer {
 public:
  // Gets the connection after the request's head; returning closes it.
  using Script = std::function<void(int fd)>;

  ProbeHttpServer();
  ~ProbeHttpServer();
  ProbeHttpServer(const ProbeHttpServer&) = delete;
  ProbeHttpServer& operator=(const ProbeHttpServer&) = delete;

  // Before the first request of `path`; others get 404.
  void On(std::string path, Script script) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string Url(std::string_view path) const;
  uint16_t port() const { return port_; }
  std::vector<std::string> heads() const ABSL_LOCKS_EXCLUDED(mutex_);
  int connections() const { return connections_; }
  // Connections that are served at this moment.
  int open() const { return open_; }

  static Script Answer(int status, std::string_view body, std::string_view header_lines = "");
  // Sends bytes as they are.
  static Script Bytes(std::string bytes);
  // Sends bytes, then nothing more until the client goes.
  static Script BytesThenHang(std::string bytes);
  // Sends `head`, then `block` again and again until the client goes.
  static Script Endless(std::string head, std::string block);

 private:
  void Accept();
  void Serve(int fd);

  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<int> open_ = 0;
  std::thread acceptor_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Script> scripts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> heads_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> fds_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hb

#endif  // HB_TESTS_HOST_PROBE_HTTP_SERVER_H_
