// hb-executor as people run it: the real binary, the real kernel, a namespace of its own. Judged by
// what the kernel shows, by exit statuses, by what it tells systemd, and by what stands on its
// standard error.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/boot_clock.h"
#include "tests/host/executor_daemon_world.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr Duration kTtl = absl::Milliseconds(500);
constexpr Duration kLongTtl = absl::Seconds(10);

int64_t Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST_F(ExecutorDaemonTest, APortInUseIsOneClearLineAndStatus1) {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage name{};
  const socklen_t length = Address("127.0.0.1").ToSockaddr(port_, &name);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&name), length), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  EXPECT_EQ(StartDaemon()->Wait(), 1);
  EXPECT_THAT(Errors(), StartsWith("hb-executor: cannot listen on 127.0.0.1:7401: address in use"));
  EXPECT_EQ(Lines(Errors()), 1) << Errors();
  close(taken);
}

TEST_F(ExecutorDaemonTest, ABadConfigIsOneLineAnErrorAndStatus2) {
  WriteFile("executor.yaml", "node: master\nlisten: nowhere\nbogus: 1\n");
  EXPECT_EQ(StartDaemon()->Wait(), 2);
  const std::string errors = Errors();
  EXPECT_THAT(errors, AllOf(HasSubstr("executor.yaml:2:"), HasSubstr("executor.yaml:3:"),
                            HasSubstr("bogus"), HasSubstr("allow")));
  EXPECT_GE(Lines(errors), 3);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/state")) << "something was half-applied";
  std::filesystem::remove(directory_ + "/executor.yaml");
  EXPECT_EQ(StartDaemon()->Wait(), 2);
}

TEST_F(ExecutorDaemonTest, CheckTouchesNothing) {
  const std::string file = directory_ + "/executor.yaml";
  EXPECT_EQ(DaemonProcess({"--config", file, "--check"}, directory_ + "/errors").Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/state"));
  EXPECT_EQ(DaemonProcess({"--config", file, "--chekc"}, directory_ + "/errors").Wait(), 2);
  EXPECT_EQ(DaemonProcess({"--version"}, directory_ + "/errors").Wait(), 0);
}

TEST_F(ExecutorDaemonTest, ASecondInstanceOnOneStateDirectoryIsStatus1) {
  const auto first = StartServing();
  const std::string before = Errors();
  EXPECT_EQ(StartDaemon()->Wait(), 1);
  const std::string added = Errors().substr(before.size());
  EXPECT_THAT(added, AllOf(HasSubstr(directory_ + "/state"), HasSubstr("in use by another")));
  EXPECT_EQ(Lines(added), 1) << added;
}

TEST_F(ExecutorDaemonTest, WithoutPrivilegeItSaysWhatIsMissing) {
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(chown(directory_.c_str(), kNobody, kNobody), 0);
  DaemonProcess daemon({"--config", directory_ + "/executor.yaml"}, directory_ + "/errors", {},
                       kNobody);
  EXPECT_EQ(daemon.Wait(), 1);
  EXPECT_THAT(Errors(), HasSubstr("CAP_NET_"));
  EXPECT_EQ(Lines(Errors()), 1) << Errors();
}

TEST_F(ExecutorDaemonTest, InATimeNamespaceWithAnOffsetItDoesNotStart) {
  int status = 0;
  Sh("unshare --time --boottime 3600 " HB_EXECUTOR " --config " + directory_ + "/executor.yaml > " +
         directory_ + "/errors 2>&1",
     &status);
  EXPECT_EQ(status, 1);
  EXPECT_THAT(Errors(), StartsWith("hb-executor: this process runs in a time namespace that shifts "
                                   "its boottime clock by 3600 s"));
  EXPECT_THAT(Errors(), HasSubstr("run it in the host's time namespace"));
  EXPECT_EQ(Lines(Errors()), 1) << Errors();
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/state")) << "it went on";
}

TEST_F(ExecutorDaemonTest, TakesOverAndGivesUpWhenTheLeaseIsNotRenewed) {
  const auto daemon = StartServing();
  TestController controller(port_);
  ASSERT_TRUE(controller.Answer(Activate(7, kTtl)));
  ASSERT_TRUE(controller.KeepUntil([&] { return VipIsUp() && controller.web().holding(); }));
  // The shell that becomes it takes its time to write its number down.
  EXPECT_TRUE(controller.KeepUntil([&] { return ServiceRuns(); }));
  EXPECT_EQ(controller.web().epoch(), 7);
  // Renewed for longer than one lease.
  const MonoTime renewed_until = BootNow() + 3 * kTtl;
  ASSERT_TRUE(controller.KeepUntil([&] {
    EXPECT_TRUE(VipIsUp());
    return BootNow() > renewed_until;
  }));
  const MonoTime read = controller.answered_report_read();
  ASSERT_TRUE(EventuallyVipIs(false));
  const MonoTime gone = BootNow();
  EXPECT_LE(gone - read, kTtl + absl::Milliseconds(100));
  EXPECT_GE(gone - read, kTtl - absl::Milliseconds(150)) << "given up before its time";
  ASSERT_TRUE(controller.KeepUntil([&] { return !controller.web().holding(); }));
  EXPECT_TRUE(controller.web().has_void_before());
}

TEST_F(ExecutorDaemonTest, AKilledExecutorsLeaseIsTakenUpByTheNext) {
  auto daemon = StartServing();
  {
    TestController controller(port_);
    ASSERT_TRUE(controller.Answer(Activate(7, kLongTtl)));
    ASSERT_TRUE(controller.KeepUntil([&] { return VipIsUp(); }));
  }
  daemon->Signal(SIGKILL);
  EXPECT_EQ(daemon->Wait(), 128 + SIGKILL);
  ASSERT_TRUE(VipIsUp());
  daemon = StartServing();
  EXPECT_TRUE(VipIsUp());
  EXPECT_THAT(Errors(), HasSubstr("lease of epoch 7 taken up"));
  EXPECT_TRUE(ServiceRuns()) << "services outlive the executor";
  TestController controller(port_);
  EXPECT_TRUE(controller.web().holding());
  EXPECT_EQ(controller.web().epoch(), 7);
  // The epoch outlives it, too.
  EXPECT_EQ(controller.web().highest_epoch(), 7);
  ASSERT_TRUE(controller.Answer(Activate(6, kLongTtl)));
  ASSERT_TRUE(controller.KeepUntil([&] { return !controller.web().refusal().empty(); }));
  EXPECT_THAT(controller.web().refusal(), HasSubstr("epoch 6 is stale"));
  EXPECT_TRUE(VipIsUp());
}

TEST_F(ExecutorDaemonTest, ALeftoverWhoseLeaseHasRunOutIsRemovedAtTheNextStart) {
  auto daemon = StartServing();
  {
    TestController controller(port_);
    ASSERT_TRUE(controller.Answer(Activate(7, absl::Milliseconds(1500))));
    ASSERT_TRUE(controller.KeepUntil([&] { return VipIsUp(); }));
  }
  daemon->Signal(SIGKILL);
  EXPECT_EQ(daemon->Wait(), 128 + SIGKILL);
  // As if somebody had taken the address's lifetime off: nothing but the next start removes it.
  Sh("ip addr change 192.168.77.111/24 dev eth0 valid_lft forever preferred_lft forever");
  const MonoTime end = BootNow() + absl::Milliseconds(1600);
  while (BootNow() < end) usleep(10'000);
  ASSERT_TRUE(VipIsUp());
  daemon = StartServing();
  EXPECT_FALSE(VipIsUp()) << "it served before the leftover was removed";
  EXPECT_THAT(Errors(), HasSubstr("vip removed vip=192.168.77.111/24 interface=eth0 "
                                  "reason=\"left behind by an executor that was killed\""));
  EXPECT_THAT(Sh("ip addr show dev eth0"), HasSubstr("192.168.77.1/24"));
}

TEST_F(ExecutorDaemonTest, SigtermLeavesTheLeaseToTheNextUnlessOrderedOtherwise) {
  auto daemon = StartServing();
  TestController controller(port_);
  v1::Orders keep = Activate(7, kLongTtl);
  ASSERT_TRUE(controller.Answer(keep));
  ASSERT_TRUE(controller.KeepUntil([&] { return VipIsUp() && controller.web().holding(); }));
  daemon->Signal(SIGTERM);
  EXPECT_EQ(controller.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(controller.web().leaving());
  EXPECT_EQ(daemon->Wait(), 0);
  EXPECT_TRUE(VipIsUp());
  EXPECT_TRUE(ServiceRuns());
  daemon = StartServing();
  TestController next(port_);
  EXPECT_TRUE(next.web().holding());
  v1::Orders release = Activate(7, kLongTtl);
  release.mutable_clusters(0)->set_on_leave(v1::ON_LEAVE_RELEASE);
  ASSERT_TRUE(next.Answer(release));
  ASSERT_TRUE(next.ReadReport());
  daemon->Signal(SIGTERM);
  EXPECT_EQ(next.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(next.web().holding()) << "the last report tells of the release";
  EXPECT_EQ(daemon->Wait(), 0);
  EXPECT_FALSE(VipIsUp());
  EXPECT_TRUE(ServiceRuns());
}

TEST_F(ExecutorDaemonTest, PurgeTakesEverythingOfHbOffTheHost) {
  auto daemon = StartServing();
  {
    TestController controller(port_);
    ASSERT_TRUE(controller.Answer(Activate(7, kLongTtl)));
    ASSERT_TRUE(controller.KeepUntil([&] { return VipIsUp(); }));
  }
  EXPECT_THAT(Sh("tc filter show dev eth0 ingress"), HasSubstr("bpf"));
  EXPECT_EQ(StartDaemon({}, {"--purge"})->Wait(), 1);
  EXPECT_THAT(Errors(), HasSubstr("in use by another hb-executor"));
  EXPECT_TRUE(VipIsUp());
  daemon->Signal(SIGKILL);
  EXPECT_EQ(daemon->Wait(), 128 + SIGKILL);
  EXPECT_EQ(StartDaemon({}, {"--purge"})->Wait(), 0) << Errors();
  EXPECT_FALSE(VipIsUp());
  EXPECT_THAT(Sh("tc filter show dev eth0 ingress"), Not(HasSubstr("bpf")));
  EXPECT_THAT(Sh("iptables-save"), Not(HasSubstr("HB-")));
  EXPECT_EQ(StartDaemon({}, {"--purge"})->Wait(), 0) << "again changes nothing: " << Errors();
}

TEST_F(ExecutorDaemonTest, RestoresTheVipThatSomebodyRemoved) {
  const auto daemon = StartServing();
  TestController controller(port_);
  ASSERT_TRUE(controller.Answer(Activate(7, kLongTtl)));
  ASSERT_TRUE(controller.KeepUntil([&] { return VipIsUp(); }));
  Sh("ip addr del 192.168.77.111/24 dev eth0");
  EXPECT_TRUE(EventuallyVipIs(true));
  // Said a moment after it is there.
  EXPECT_TRUE(controller.KeepUntil([&] {
    return Errors().find("it had disappeared from the interface") != std::string::npos;
  })) << Errors();
}

TEST_F(ExecutorDaemonTest, AFullDiskKeepsTheNodeFromTakingOverAndSaysSo) {
  const std::string state = directory_ + "/state";
  std::filesystem::create_directory(state);
  Sh("mount -t tmpfs -o size=40k tmpfs " + state);
  {
    const auto daemon = StartServing();
    int status = 0;
    Sh("head -c 100000 /dev/zero > " + state + "/filler", &status);
    EXPECT_NE(status, 0) << "the disk is not full";
    TestController controller(port_);
    ASSERT_TRUE(controller.Answer(Activate(7, kLongTtl)));
    const auto obstacle = [&] {
      return controller.web().obstacles_size() > 0 &&
             controller.web().obstacles(0).find("No space left on device") != std::string::npos;
    };
    EXPECT_TRUE(controller.KeepUntil(obstacle)) << controller.web().DebugString();
    EXPECT_FALSE(VipIsUp());
    EXPECT_EQ(controller.web().highest_epoch(), 0);
    Sh("rm " + state + "/filler");
    EXPECT_TRUE(controller.KeepUntil([&] { return VipIsUp(); }));
  }
  Sh("umount " + state);
}

TEST_F(ExecutorDaemonTest, TellsSystemdHowItIs) {
  const std::string path = directory_ + "/notify";
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
  const auto told = [fd](const std::string& wanted) {
    char text[1024];
    ssize_t count = 0;
    while ((count = recv(fd, text, sizeof text, 0)) > 0) {
      if (std::string(text, static_cast<size_t>(count)) == wanted) return true;
    }
    return false;
  };
  const MonoTime start = BootNow();
  const auto daemon = StartDaemon({"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=300000"});
  EXPECT_TRUE(told("STATUS=no controller is connected"));
  EXPECT_TRUE(told("READY=1"));
  RecordProperty("ready_after_ms", static_cast<int>(absl::ToInt64Milliseconds(BootNow() - start)));
  EXPECT_TRUE(told("WATCHDOG=1"));
  TestController controller(port_);
  ASSERT_TRUE(controller.Answer(Activate(7, kLongTtl)));
  ASSERT_TRUE(controller.KeepUntil([&] { return controller.web().holding(); }));
  EXPECT_TRUE(told("STATUS=web: active, epoch 7"));
  daemon->Signal(SIGTERM);
  EXPECT_TRUE(told("STOPPING=1"));
  close(fd);
}

TEST_F(ExecutorDaemonTest, SighupJudgesTheFileAndGoesOn) {
  const auto daemon = StartServing();
  const auto says = [this](const std::string& text) {
    for (int i = 0; i < 1000 && Errors().find(text) == std::string::npos; ++i) usleep(10'000);
    return Errors().find(text) != std::string::npos;
  };
  daemon->Signal(SIGHUP);
  EXPECT_TRUE(says("config unchanged"));
  const std::string sound = ReadFile(directory_ + "/executor.yaml");
  WriteFile("executor.yaml", sound + "bogus: 1\n");
  daemon->Signal(SIGHUP);
  EXPECT_TRUE(says("config refused; going on with the old one"));
  std::string changed = sound;
  changed.replace(changed.find("node: master"), 12, "node: mister");
  WriteFile("executor.yaml", changed);
  daemon->Signal(SIGHUP);
  EXPECT_TRUE(says("restart hb-executor to use it"));
  EXPECT_THAT(Errors(), HasSubstr("changed=node"));
  TestController controller(port_);  // it serves as before
  EXPECT_TRUE(controller.Answer());
}

}  // namespace
}  // namespace hb::executor
