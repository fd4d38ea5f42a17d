// What the host tests stand on: two network namespaces without names (they vanish with the test's
// last descriptor, however it ends), joined by a veth pair, and the tools that judge what the host
// code did.
//   node: eth0 192.168.77.1/24 fd77::1/64   peer: eth0 192.168.77.2/24 .3/24 fd77::2/64 ::3/64
#ifndef HB_TESTS_HOST_NAMESPACES_H_
#define HB_TESTS_HOST_NAMESPACES_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "common/event_loop.h"
#include "executor/host/linux_host.h"

namespace hb::executor {

// A network namespace of its own.
class Namespace {
 public:
  Namespace();
  ~Namespace();
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;
  int fd() const { return fd_; }

  // The calling thread is in the namespace while this lives.
  class Inside {
   public:
    explicit Inside(const Namespace& space);
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    int back_ = -1;
  };

 private:
  int fd_ = -1;
};

// Runs a command line and returns what it printed on both outputs; its exit status in `status`,
// without which anything but success fails the test.
std::string Sh(const std::string& command, int* status = nullptr);

IpAddress Address(const std::string& text);
IpPrefix Prefix(const std::string& text);
Vip MakeVip(const std::string& address, const std::string& interface = "eth0");

// A BPF file system of its own, mounted in a temporary directory; unmounted at the end. What is
// pinned there and held nowhere else goes with it.
class BpfFileSystem {
 public:
  BpfFileSystem();
  ~BpfFileSystem();
  BpfFileSystem(const BpfFileSystem&) = delete;
  BpfFileSystem& operator=(const BpfFileSystem&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The test's thread stands in the node's namespace.
class HostTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // Makes loop_ and host_ (anew), the gate pinned in gate_directory().
  void StartHost();
  std::string gate_directory() const { return bpffs_.path() + "/hb/node"; }
  // Runs a command line in the peer's namespace.
  std::string RunOnPeer(const std::string& command, int* status = nullptr);
  // Runs the loop until `condition` holds; false when it does not within 10 s.
  bool Eventually(const std::function<bool()>& condition);
  // Runs the loop for so long.
  void Wait(Duration time);
  // The line that `ip -o addr` prints for the address on eth0; empty when it is not there.
  std::string Shown(const std::string& address);

  Namespace node_;
  Namespace peer_;
  Namespace::Inside inside_{node_};
  BpfFileSystem bpffs_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<LinuxHost> host_;
  int changes_ = 0;
};

}  // namespace hb::executor

#endif  // HB_TESTS_HOST_NAMESPACES_H_
