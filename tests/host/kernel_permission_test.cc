// Without the capabilities that it needs, the host says at once which one is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>

#include "executor/host/linux_host.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// What Create() says in a child process that has given up privileges by `drop`.
std::string CreateWithout(const std::string& gate_directory, const std::function<bool()>& drop) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    std::string said = "privileges not dropped";
    if (drop()) {
      absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
      said = LinuxHost::Create(loop->get(), gate_directory).status().ToString();
    }
    const ssize_t written = write(ends[1], said.data(), said.size());
    _exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 512> chunk{};
  ssize_t size = 0;
  while ((size = read(ends[0], chunk.data(), chunk.size())) > 0) {
    said.append(chunk.data(), static_cast<size_t>(size));
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return said;
}

bool DropCapability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return false;
  data[static_cast<size_t>(capability / 32)].effective &= ~(1U << (capability % 32));
  return syscall(SYS_capset, &header, data.data()) == 0;
}

class PermissionTest : public ::testing::Test {
 protected:
  Namespace space_;
  Namespace::Inside inside_{space_};
  BpfFileSystem bpffs_;
  const std::string directory_ = bpffs_.path() + "/hb/node";
};

TEST_F(PermissionTest, RootMay) {
  EXPECT_EQ(CreateWithout(directory_, [] { return true; }), "OK");
}

TEST_F(PermissionTest, OrdinaryUserMayNot) {
  EXPECT_THAT(CreateWithout(directory_, [] { return setuid(65534) == 0; }),
              AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("CAP_NET_ADMIN")));
}

TEST_F(PermissionTest, MissingNetAdminIsNamed) {
  EXPECT_THAT(CreateWithout(directory_, [] { return DropCapability(CAP_NET_ADMIN); }),
              AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("CAP_NET_ADMIN"),
                    HasSubstr("Operation not permitted")));
}

TEST_F(PermissionTest, MissingBpfIsNamed) {
  // Before CAP_BPF there was CAP_SYS_ADMIN, and it still serves.
  EXPECT_THAT(
      CreateWithout(directory_,
                    [] { return DropCapability(CAP_BPF) && DropCapability(CAP_SYS_ADMIN); }),
      AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("CAP_BPF"), HasSubstr("AmbientCapabilities"),
            HasSubstr("Operation not permitted")));
}

TEST_F(PermissionTest, TheCapabilitiesOfTheUnitSuffice) {
  EXPECT_EQ(CreateWithout(directory_,
                          [] {
                            for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
                              if (capability == CAP_BPF || capability == CAP_NET_ADMIN ||
                                  capability == CAP_NET_RAW) {
                                continue;
                              }
                              if (!DropCapability(capability)) return false;
                            }
                            return true;
                          }),
            "OK");
}

TEST_F(PermissionTest, MissingNetRawIsNamed) {
  EXPECT_THAT(CreateWithout(directory_, [] { return DropCapability(CAP_NET_RAW); }),
              AllOf(HasSubstr("PERMISSION_DENIED"), HasSubstr("CAP_NET_RAW")));
}

}  // namespace
}  // namespace hb::executor
