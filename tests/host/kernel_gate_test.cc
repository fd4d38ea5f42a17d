// The gate as the other end of the cable sees it: open, closed, and closed by itself on time,
// whatever has become of the process that opened it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "common/boot_clock.h"
#include "tests/host/raw_frames.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kVip[] = "192.168.77.111";
constexpr char kVip6[] = "fd77::6f";

class GateTrafficTest : public GateTest {
 protected:
  void SetUp() override {
    GateTest::SetUp();
    AddAddress(std::string(kVip) + "/24");
    AddAddress(std::string(kVip6) + "/64");
  }
  void ForgetNeighbours() { RunOnPeer("ip neigh flush all"); }
};

TEST_F(GateTrafficTest, AnAddressThatIsNotInItPasses) {
  EXPECT_TRUE(Arpings(kVip));
  EXPECT_TRUE(Pings(kVip));
  EXPECT_TRUE(Pings(kVip6));
}

TEST_F(GateTrafficTest, ClosedAnswersNothingAndOpenAnswersAll) {
  CloseGate(kVip);
  CloseGate(kVip6);
  EXPECT_FALSE(Arpings(kVip));
  EXPECT_FALSE(Pings(kVip)) << "the neighbour is not known";
  EXPECT_FALSE(Pings(kVip6)) << "the neighbour is not known";
  Open(kVip);
  Open(kVip6);
  ForgetNeighbours();
  EXPECT_TRUE(Arpings(kVip));
  EXPECT_TRUE(Pings(kVip));
  EXPECT_TRUE(Pings(kVip6));
  CloseGate(kVip);
  CloseGate(kVip6);
  EXPECT_FALSE(Pings(kVip)) << "the neighbour is known";
  EXPECT_FALSE(Pings(kVip6)) << "the neighbour is known";
}

TEST_F(GateTrafficTest, OtherAddressesOfTheNodeGoOn) {
  CloseGate(kVip);
  CloseGate(kVip6);
  EXPECT_TRUE(Arpings("192.168.77.1"));
  EXPECT_TRUE(Pings("192.168.77.1"));
  EXPECT_TRUE(Pings("fd77::1"));
  Sh("ping -c 1 -W 1 192.168.77.2; ping -c 1 -W 1 -I fd77::1 fd77::2");
}

TEST_F(GateTrafficTest, TheNodeItselfSendsNothingFromAClosedAddress) {
  int status = 0;
  Sh("ping -c 1 -W 1 -I 192.168.77.111 192.168.77.2", &status);
  EXPECT_EQ(status, 0);
  CloseGate(kVip);
  Sh("ping -c 1 -W 0.3 -I 192.168.77.111 192.168.77.2", &status);
  EXPECT_NE(status, 0);
}

TEST_F(GateTrafficTest, ItClosesByItselfOnTime) {
  SetGate(kVip, BootNow() + absl::Milliseconds(400));
  SetGate(kVip6, BootNow() + absl::Milliseconds(400));
  EXPECT_TRUE(Pings(kVip));
  EXPECT_TRUE(Pings(kVip6));
  const MonoTime end = BootNow() + absl::Milliseconds(400);
  while (BootNow() < end) usleep(1000);
  EXPECT_FALSE(Pings(kVip));
  EXPECT_FALSE(Pings(kVip6));
  EXPECT_FALSE(Arpings(kVip));
}

// Every 2 ms a ping, each answered one printed with its wall-clock instant: the last is before the
// deadline, and not long before.
TEST_F(GateTrafficTest, TheDeadlineIsKeptToAFewMilliseconds) {
  Open(kVip);
  ASSERT_TRUE(Pings(kVip));
  const MonoTime until = BootNow() + absl::Milliseconds(300);
  const absl::Time until_wall = WallNow() + absl::Milliseconds(300);
  SetGate(kVip, until);
  int status = 0;
  const std::string last = RunOnPeer(
      "ping -n -D -i 0.002 -c 250 -W 0.1 192.168.77.111 | grep 'bytes from' | tail -1 |"
      " tr -d '[' | cut -d']' -f1",
      &status);
  ASSERT_EQ(status, 0);
  const double late = std::stod(last) - absl::ToDoubleSeconds(until_wall - absl::UnixEpoch());
  EXPECT_LT(late, 0.005);
  EXPECT_GT(late, -0.1);
}

// The deadline passes while the only process that ever held the gate is stopped; and again when
// it has ended.
TEST_F(GateTrafficTest, ItClosesThoughItsProcessIsStoppedOrGone) {
  host_.reset();
  const std::string directory = bpffs_.path() + "/hb/other";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
    absl::StatusOr<std::unique_ptr<LinuxHost>> host = LinuxHost::Create(loop->get(), directory);
    const bool set =
        host.ok() &&
        (*host)->SetGate(Address(kVip), {BootNow() + absl::Milliseconds(400), 1, {}}).ok();
    if (write(ready[1], set ? "1" : "0", 1) != 1) _exit(1);
    raise(SIGSTOP);
    pause();
  }
  char said = '0';
  ASSERT_EQ(read(ready[0], &said, 1), 1);
  EXPECT_EQ(said, '1');
  close(ready[0]);
  close(ready[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  EXPECT_TRUE(Pings(kVip));
  usleep(400'000);
  EXPECT_FALSE(Pings(kVip)) << "its process is stopped";
  EXPECT_TRUE(Pings("192.168.77.1"));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_FALSE(Pings(kVip)) << "its process is gone";
}

TEST_F(GateTrafficTest, AConnectionToTheAddressStallsAtTheDeadline) {
  Open(kVip);
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage at{};
  const socklen_t size = Address(kVip).ToSockaddr(7777, &at);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  const auto connect_from_peer = [&] {
    const Namespace::Inside inside(peer_);
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    return fd;
  };
  const UniqueFd client = connect_from_peer();
  const UniqueFd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(server.valid());
  const timeval limit{.tv_sec = 0, .tv_usec = 300'000};
  for (const UniqueFd* fd : {&client, &server}) {
    setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  char byte = 0;
  EXPECT_EQ(send(client.get(), "a", 1, 0), 1);
  EXPECT_EQ(recv(server.get(), &byte, 1, 0), 1);
  SetGate(kVip, BootNow() + absl::Milliseconds(50));
  usleep(60'000);
  EXPECT_EQ(send(client.get(), "b", 1, 0), 1);
  EXPECT_EQ(recv(server.get(), &byte, 1, 0), -1) << "to the address";
  EXPECT_EQ(send(server.get(), "c", 1, 0), 1);
  EXPECT_EQ(recv(client.get(), &byte, 1, 0), -1) << "from the address";
}

TEST_F(GateTrafficTest, EntriesAreReadAsTheyWereSet) {
  const MonoTime until = BootNow() + absl::Seconds(5);
  const GateLease lease{until, 77, absl::Milliseconds(1500)};
  EXPECT_THAT(host_->Gates(), IsEmpty());
  ASSERT_TRUE(host_->SetGate(Address(kVip), lease).ok());
  ASSERT_TRUE(host_->SetGate(Address(kVip6), {MonoTime::Infinite(), 0, {}}).ok());
  EXPECT_EQ(*host_->ReadGate(Address(kVip)), lease);
  EXPECT_TRUE(absl::IsNotFound(host_->ReadGate(Address("192.168.77.112")).status()));
  EXPECT_THAT(host_->Gates(),
              ElementsAre(Pair(Address(kVip), lease),
                          Pair(Address(kVip6), GateLease{MonoTime::Infinite(), 0, {}})));
  EXPECT_TRUE(host_->RemoveGate(Address(kVip)).ok());
  EXPECT_TRUE(host_->RemoveGate(Address(kVip)).ok()) << "of nothing";
  EXPECT_TRUE(absl::IsNotFound(host_->ReadGate(Address(kVip)).status()));
  EXPECT_TRUE(host_->SetGate(Address(kVip), {MonoTime() - absl::Seconds(5), 1, {}}).ok());
  EXPECT_EQ(host_->ReadGate(Address(kVip))->until, MonoTime()) << "before the boot is closed";
}

TEST_F(GateTrafficTest, AFullMapRefusesAndKeepsWhatItHas) {
  const auto nth = [](int i) {
    return Address("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  };
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(host_->SetGate(nth(i), {}).ok()) << i;
  const absl::Status status = host_->SetGate(nth(1024), {});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("1024 entries and no room"));
  EXPECT_EQ(host_->Gates().size(), 1024U);
  EXPECT_TRUE(host_->SetGate(nth(7), {MonoTime::Infinite(), 1, {}}).ok());
}

}  // namespace
}  // namespace hb::executor
