// What the tests of real services share: an event loop to run until something holds, a temporary
// directory of their own, a free port, and the changes of state that a service announced. Ends
// nothing by name.
#ifndef HB_TESTS_HOST_SERVICE_WORLD_H_
#define HB_TESTS_HOST_SERVICE_WORLD_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/event_loop.h"
#include "common/probe/http.h"
#include "executor/host/service/service.h"

namespace hb::executor {

// Removed at the end. Others may enter it: servers change their user.
class TempDir {
 public:
  TempDir() {
    std::string pattern = absl::StrCat("/tmp/hb-service-", getpid(), "-XXXXXX");
    if (mkdtemp(pattern.data()) == nullptr || chmod(pattern.c_str(), 0755) != 0) std::abort();
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

inline std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Of 127.0.0.1; free a moment ago.
inline uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  close(fd);
  return ntohs(address.sin_port);
}

class ServiceWorld : public testing::Test {
 protected:
  using State = ServiceStatus::State;

  ServiceWorld()
      : loop_(std::move(EventLoop::Create()).value()),
        prober_(std::move(HttpProber::Create(loop_.get())).value()) {}

  [[nodiscard]] bool RunUntil(const std::function<bool()>& holds,
                              Duration limit = absl::Seconds(20)) {
    const MonoTime end = BootNow() + limit;
    while (!holds()) {
      if (BootNow() > end) return false;
      loop_->RunOnce(absl::Milliseconds(10));
    }
    return true;
  }
  // Runs until the service is in that state, and says in which it was otherwise.
  testing::AssertionResult Becomes(const Service& service, State state,
                                   Duration limit = absl::Seconds(20)) {
    if (RunUntil([&] { return service.status().state == state; }, limit)) {
      return testing::AssertionSuccess() << service.status();
    }
    return testing::AssertionFailure() << "it is " << service.status();
  }
  // Fetches the page; the outcome's detail, or "good".
  std::string Fetch(const std::string& url, const std::string& body) {
    HttpRequest request;
    request.url = url;
    request.expect_body = body;
    std::string outcome;
    const HttpProber::FetchHandle fetch = prober_->Start(request, [&](const ProbeResult& result) {
      outcome = result.good ? "good" : result.detail;
    });
    return RunUntil([&] { return !outcome.empty(); }) ? outcome : "no outcome";
  }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<HttpProber> prober_;
  TempDir dir_;
};

}  // namespace hb::executor

#endif  // HB_TESTS_HOST_SERVICE_WORLD_H_
