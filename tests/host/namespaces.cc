// The namespaces and tools of namespaces.h. Every change of namespace that fails ends the process:
// going on would change the machine that the tests run on. The tools' output is returned as text;
// the tests judge it.
#include "tests/host/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"

namespace hb::executor {
namespace {

constexpr char kOwnNamespace[] = "/proc/thread-self/ns/net";

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s (the host tests need root)\n", what, std::strerror(errno));
  std::abort();
}

}  // namespace

Namespace::Namespace() {
  const int back = open(kOwnNamespace, O_RDONLY | O_CLOEXEC);
  Require(back >= 0, kOwnNamespace);
  Require(unshare(CLONE_NEWNET) == 0, "unshare");
  fd_ = open(kOwnNamespace, O_RDONLY | O_CLOEXEC);
  Require(fd_ >= 0, kOwnNamespace);
  Require(setns(back, CLONE_NEWNET) == 0, "setns");
  close(back);
}

Namespace::~Namespace() { close(fd_); }

Namespace::Inside::Inside(const Namespace& space)
    : back_(open(kOwnNamespace, O_RDONLY | O_CLOEXEC)) {
  Require(back_ >= 0, kOwnNamespace);
  Require(setns(space.fd(), CLONE_NEWNET) == 0, "setns");
}

Namespace::Inside::~Inside() {
  Require(setns(back_, CLONE_NEWNET) == 0, "setns");
  close(back_);
}

BpfFileSystem::BpfFileSystem() : path_("/tmp/hb_bpffs_XXXXXX") {
  Require(mkdtemp(path_.data()) != nullptr, "mkdtemp");
  Require(mount("bpf", path_.c_str(), "bpf", 0, nullptr) == 0, "mounting a BPF file system");
}

BpfFileSystem::~BpfFileSystem() {
  Require(umount2(path_.c_str(), MNT_DETACH) == 0, "umount");
  Require(rmdir(path_.c_str()) == 0, "rmdir");
}

std::string Sh(const std::string& command, int* status) {
  FILE* const pipe = popen(absl::StrCat("{ ", command, "\n} 2>&1").c_str(), "re");
  Require(pipe != nullptr, "popen");
  std::string output;
  std::array<char, 4096> chunk{};
  size_t size = 0;
  while ((size = fread(chunk.data(), 1, chunk.size(), pipe)) > 0) output.append(chunk.data(), size);
  const int raw = pclose(pipe);
  const int exit_status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
  if (status != nullptr) {
    *status = exit_status;
  } else {
    EXPECT_EQ(exit_status, 0) << command << "\n" << output;
  }
  return output;
}

IpAddress Address(const std::string& text) { return *IpAddress::Parse(text); }
IpPrefix Prefix(const std::string& text) { return *IpPrefix::Parse(text); }
Vip MakeVip(const std::string& address, const std::string& interface) {
  return Vip{Prefix(address), interface};
}

void HostTest::SetUp() {
  Sh("ip link set lo up");
  Sh(absl::StrCat("ip link add eth0 type veth peer name eth0 netns /proc/", getpid(), "/fd/",
                  peer_.fd()));
  // Without duplicate address detection the link-local address is there as soon as IPv6 works.
  const std::string up =
      "sysctl -qw net.ipv6.conf.eth0.dad_transmits=0; ip link set lo up; ip link set eth0 up;";
  Sh(up + "ip addr add 192.168.77.1/24 dev eth0; ip addr add fd77::1/64 dev eth0 nodad");
  RunOnPeer(up +
            "for n in 2 3; do ip addr add 192.168.77.$n/24 dev eth0;"
            "ip addr add fd77::$n/64 dev eth0 nodad; done");
  StartHost();
  ASSERT_NE(host_, nullptr);
  const std::string ready = "ip -o addr show dev eth0 scope link -tentative";
  ASSERT_TRUE(Eventually([&] { return !Sh(ready).empty() && !RunOnPeer(ready).empty(); }));
  ASSERT_TRUE(Eventually([this] { return host_->Link("eth0").usable(); }));
  Wait(absl::Milliseconds(50));
  changes_ = 0;
}

void HostTest::StartHost() {
  host_.reset();
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  ASSERT_TRUE(loop.ok()) << loop.status();
  loop_ = *std::move(loop);
  absl::StatusOr<std::unique_ptr<LinuxHost>> host =
      LinuxHost::Create(loop_.get(), gate_directory());
  ASSERT_TRUE(host.ok()) << host.status();
  host_ = *std::move(host);
  host_->OnChange([this] { ++changes_; });
}

std::string HostTest::RunOnPeer(const std::string& command, int* status) {
  const Namespace::Inside inside(peer_);
  return Sh(command, status);
}

bool HostTest::Eventually(const std::function<bool()>& condition) {
  const MonoTime end = BootNow() + absl::Seconds(10);
  while (!condition()) {
    if (BootNow() > end) return false;
    loop_->RunOnce(absl::Milliseconds(10));
  }
  return true;
}

void HostTest::Wait(Duration time) {
  const MonoTime end = BootNow() + time;
  while (BootNow() < end) loop_->RunOnce(absl::Milliseconds(5));
}

std::string HostTest::Shown(const std::string& address) {
  return Sh(absl::StrCat("ip -o addr show dev eth0 to ", address));
}

}  // namespace hb::executor
