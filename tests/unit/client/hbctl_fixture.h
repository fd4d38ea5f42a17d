// What the tests of the real hbctl share: a directory of their own with a socket in it, hbctl
// pointed at that socket, and a script for the controller.
#ifndef HB_TESTS_UNIT_CLIENT_HBCTL_FIXTURE_H_
#define HB_TESTS_UNIT_CLIENT_HBCTL_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fake_controller.h"
#include "run_hbctl.h"

namespace hb::client {

class HbctlFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = absl::StrCat("/tmp/hbctl-test-", getpid(), "-XXXXXX");
    ASSERT_NE(mkdtemp(name.data()), nullptr) << errno;
    directory_ = name;
  }
  void TearDown() override {
    for (const int fd : sockets_) close(fd);
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  std::string path() const { return directory_ + "/controller.sock"; }
  std::string listen() const { return "unix:" + path(); }

  // hbctl with --server set to this test's socket.
  std::vector<std::string> Arguments(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--server", "unix://" + path()});
    return arguments;
  }
  RunResult Run(const std::vector<std::string>& arguments, const RunOptions& options = {}) const {
    return RunHbctl(Arguments(arguments), options);
  }

  // A socket at path() that the kernel accepts connections for and nobody ever reads.
  void ListenSilently() {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_.push_back(fd);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << errno;
    ASSERT_EQ(::listen(fd, 8), 0) << errno;
  }

  std::string directory_;
  std::vector<int> sockets_;
};

// One cluster, web, served by master.
inline Script WebScript() {
  Script script;
  v1::ClusterStatus* web = script.status.add_clusters();
  web->set_name("web");
  web->set_active("master");
  web->set_serving(true);
  web->set_epoch(7);
  script.status.set_controller_id("c0ffee");
  script.version.set_version("9.9.9");
  script.version.set_protocol_version(1);
  script.version.set_controller_id("c0ffee");
  return script;
}

}  // namespace hb::client

#endif  // HB_TESTS_UNIT_CLIENT_HBCTL_FIXTURE_H_
