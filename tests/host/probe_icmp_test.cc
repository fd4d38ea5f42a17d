// IcmpProber against the real kernel, in network namespaces of its own: with a ping socket and with
// a raw one, to hosts that answer, keep silent, can't be reached, or answer falsely.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/ip_icmp.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/boot_clock.h"
#include "common/probe/icmp.h"
#include "tests/host/probe_false_host.h"
#include "tests/host/probe_fixture.h"
#include "tests/host/probe_netns.h"

namespace hb {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

constexpr char kOpen[] = "0 2147483647";
constexpr char kClosed[] = "1 0";
constexpr Duration kNever = absl::Seconds(15);  // a timeout that is not reached

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

// A prober whose sockets are in `netns`; the loop itself may run anywhere.
class Pinger {
 public:
  explicit Pinger(ProbeNetns* netns) {
    netns->Run([this] { prober_ = IcmpProber::Create(loop_.get()).value(); });
  }

  ProbeResult Ping(const IpAddress& address, Duration timeout) {
    std::optional<ProbeResult> result;
    const IcmpProber::PingHandle handle =
        prober_->Start(address, timeout, [&result](ProbeResult r) {
          EXPECT_FALSE(result.has_value()) << "called twice";
          result = std::move(r);
        });
    EXPECT_FALSE(result.has_value()) << "called from within Start";
    EXPECT_TRUE(RunLoopUntil(loop(), [&] { return result.has_value(); }));
    return result.value_or(ProbeResult{});
  }

  EventLoop* loop() { return loop_.get(); }
  std::unique_ptr<IcmpProber>& prober() { return prober_; }

 private:
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<IcmpProber> prober_;
};

// Two hosts on a wire: 10.77.0.1 / fd77::1 asks, 10.77.0.2 / fd77::2 is asked. The parameter is the
// asker's ping_group_range: open (ping socket) or closed (raw socket).
class ProbeIcmpTest : public ::testing::TestWithParam<const char*> {
 protected:
  ProbeIcmpTest() {
    here_.Sysctl("net.ipv4.ping_group_range", GetParam());
    here_.Command(
        absl::StrCat("ip link add veth0 type veth peer name veth1 netns ", there_.thread_id()));
    here_.Command("ip addr add 10.77.0.1/24 dev veth0");
    here_.Command("ip addr add fd77::1/64 dev veth0 nodad");
    there_.Command("ip addr add 10.77.0.2/24 dev veth1");
    there_.Command("ip addr add fd77::2/64 dev veth1 nodad");
    here_.Command("ip link set veth0 up");
    there_.Command("ip link set veth1 up");
  }

  ProbeNetns here_;
  ProbeNetns there_;
};

INSTANTIATE_TEST_SUITE_P(Sockets, ProbeIcmpTest, ::testing::Values(kOpen, kClosed),
                         [](const ::testing::TestParamInfo<const char*>& param) {
                           return std::string(param.param == kOpen ? "Ping" : "Raw");
                         });

TEST_P(ProbeIcmpTest, HostsThatAnswerAreGood) {
  Pinger pinger(&here_);
  for (const char* address :
       {"127.0.0.1", "127.1.2.3", "::1", "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"}) {
    const MonoTime before = BootNow();
    const ProbeResult result = pinger.Ping(Ip(address), kNever);
    EXPECT_TRUE(result.good) << address << ": " << result.detail;
    EXPECT_GT(result.round_trip, absl::ZeroDuration()) << address;
    EXPECT_LE(result.round_trip, BootNow() - before) << address;
    EXPECT_THAT(result.detail, MatchesRegex("[0-9.]+ m?s")) << address;
  }
}

TEST_P(ProbeIcmpTest, SilenceTimesOut) {
  there_.Sysctl("net.ipv4.icmp_echo_ignore_all", "1");
  there_.Sysctl("net.ipv6.icmp.echo_ignore_all", "1");
  Pinger pinger(&here_);
  for (const char* address : {"10.77.0.2", "fd77::2", "10.77.0.99", "fd77::99"}) {
    const Duration timeout = absl::Milliseconds(150);
    const MonoTime before = BootNow();
    const ProbeResult result = pinger.Ping(Ip(address), timeout);
    const Duration took = BootNow() - before;
    EXPECT_FALSE(result.good) << address;
    EXPECT_EQ(result.detail, "timed out after 150 ms") << address;
    EXPECT_GE(took, timeout) << address;
    EXPECT_LT(took, timeout + absl::Seconds(2)) << address;
  }
}

TEST_P(ProbeIcmpTest, NoRouteFailsAtOnce) {
  here_.Command("ip route add prohibit 10.99.1.0/24");
  Pinger pinger(&here_);
  EXPECT_EQ(pinger.Ping(Ip("10.99.0.1"), kNever).detail, "Network is unreachable");
  EXPECT_EQ(pinger.Ping(Ip("fd99::1"), kNever).detail, "Network is unreachable");
  EXPECT_EQ(pinger.Ping(Ip("10.99.1.1"), kNever).detail, "Permission denied");
  EXPECT_TRUE(pinger.Ping(Ip("10.77.0.2"), kNever).good);
}

TEST_P(ProbeIcmpTest, AFirewallOfItsOwnFailsAtOnce) {
  here_.Command("iptables -w -A OUTPUT -p icmp -d 10.77.0.2 -j DROP");
  Pinger pinger(&here_);
  EXPECT_EQ(pinger.Ping(Ip("10.77.0.2"), kNever).detail, "Operation not permitted");
}

TEST_P(ProbeIcmpTest, ARoutersUnreachableFailsAtOnce) {
  there_.Sysctl("net.ipv4.ip_forward", "1");
  there_.Sysctl("net.ipv6.conf.all.forwarding", "1");
  there_.Command("ip route add unreachable 10.99.0.0/24");
  there_.Command("ip -6 route add unreachable fd99::/64");
  here_.Command("ip route add 10.99.0.0/24 via 10.77.0.2");
  here_.Command("ip -6 route add fd99::/64 via fd77::2");
  Pinger pinger(&here_);
  const ProbeResult v4 = pinger.Ping(Ip("10.99.0.5"), kNever);
  EXPECT_FALSE(v4.good);
  EXPECT_EQ(v4.detail, "No route to host, says 10.77.0.2");
  const ProbeResult v6 = pinger.Ping(Ip("fd99::5"), kNever);
  EXPECT_FALSE(v6.good);
  EXPECT_EQ(v6.detail, "Network is unreachable, says fd77::2");
}

TEST_P(ProbeIcmpTest, AHostWithoutArpFailsWhenTheKernelGivesUp) {
  here_.Sysctl("net.ipv4.neigh.veth0.retrans_time_ms", "20");
  Pinger pinger(&here_);
  const ProbeResult result = pinger.Ping(Ip("10.77.0.99"), kNever);
  EXPECT_FALSE(result.good);
  EXPECT_EQ(result.detail, "No route to host, says 10.77.0.1");
}

TEST_P(ProbeIcmpTest, OneHostsErrorIsNotAnothers) {
  there_.Sysctl("net.ipv4.ip_forward", "1");
  there_.Sysctl("net.ipv4.icmp_ratemask", "0");  // no limit to the complaints
  there_.Command(
      "iptables -w -A FORWARD -d 10.99.0.0/24 -j REJECT --reject-with icmp-host-unreachable");
  there_.Command("ip route add 10.99.0.0/24 dev veth1");
  here_.Command("ip route add 10.99.0.0/24 via 10.77.0.2");
  Pinger pinger(&here_);
  // First of all ARP: what waits for its answer is queued by the kernel, but not without limit.
  ASSERT_TRUE(pinger.Ping(Ip("10.77.0.2"), kNever).good);
  constexpr int kMany = 200;
  std::vector<IcmpProber::PingHandle> handles;
  std::vector<ProbeResult> results(kMany);
  int finished = 0;
  for (int i = 0; i < kMany; ++i) {
    const IpAddress address = Ip(i % 2 == 0 ? absl::StrCat("10.99.0.", 1 + i) : "10.77.0.2");
    handles.push_back(pinger.prober()->Start(address, absl::Seconds(5), [&, i](ProbeResult r) {
      results[i] = std::move(r);
      ++finished;
    }));
  }
  ASSERT_TRUE(RunLoopUntil(pinger.loop(), [&] { return finished == kMany; }));
  for (int i = 0; i < kMany; ++i) {
    if (i % 2 == 0) {
      EXPECT_EQ(results[i].detail, "No route to host, says 10.77.0.2") << i;
    } else {
      EXPECT_TRUE(results[i].good) << i << ": " << results[i].detail;
    }
  }
}

TEST_P(ProbeIcmpTest, ProbersBesideEachOtherGetTheirOwnAnswers) {
  Pinger one(&here_);
  Pinger two(&here_);
  // Equal sequence numbers to one address: only the ids and payloads tell them apart.
  for (int i = 0; i < 20; ++i) {
    std::optional<ProbeResult> second;
    const IcmpProber::PingHandle handle =
        two.prober()->Start(Ip("10.77.0.2"), kNever, [&](ProbeResult r) { second = std::move(r); });
    EXPECT_TRUE(one.Ping(Ip("10.77.0.2"), kNever).good);
    EXPECT_FALSE(second.has_value());
    EXPECT_TRUE(RunLoopUntil(two.loop(), [&] { return second.has_value(); }));
    EXPECT_TRUE(second->good) << second->detail;
  }
}

TEST_P(ProbeIcmpTest, TheUnreachableOfAnotherProberIsNotItsOwn) {
  there_.Sysctl("net.ipv4.icmp_echo_ignore_all", "1");
  Pinger one(&here_);
  Pinger two(&here_);
  std::optional<ProbeResult> silent;
  const IcmpProber::PingHandle handle = one.prober()->Start(
      Ip("10.99.0.1"), absl::Milliseconds(300), [&](ProbeResult r) { silent = std::move(r); });
  EXPECT_TRUE(RunLoopUntil(one.loop(), [&] { return silent.has_value(); }));
  EXPECT_EQ(silent->detail, "Network is unreachable");
  // The same sequence number, another prober: a router's word on the one must not end the other.
  there_.Sysctl("net.ipv4.ip_forward", "1");
  there_.Command("ip route add unreachable 10.99.0.0/24");
  here_.Command("ip route add 10.99.0.0/24 via 10.77.0.2");
  silent.reset();
  const IcmpProber::PingHandle waits = one.prober()->Start(
      Ip("10.77.0.2"), absl::Milliseconds(300), [&](ProbeResult r) { silent = std::move(r); });
  EXPECT_EQ(two.Ping(Ip("10.99.0.1"), kNever).detail, "No route to host, says 10.77.0.2");
  EXPECT_EQ(two.Ping(Ip("10.99.0.2"), kNever).detail, "No route to host, says 10.77.0.2");
  EXPECT_TRUE(RunLoopUntil(one.loop(), [&] { return silent.has_value(); }));
  EXPECT_EQ(silent->detail, "timed out after 300 ms");
}

TEST_P(ProbeIcmpTest, AThousandAtATime) {
  Pinger pinger(&here_);
  constexpr int kMany = 1000;
  std::vector<IcmpProber::PingHandle> handles;
  int good = 0;
  int finished = 0;
  for (int i = 0; i < kMany; ++i) {
    const IpAddress address = Ip(absl::StrCat("127.0.", i / 250, ".", 1 + i % 250));
    handles.push_back(pinger.prober()->Start(address, absl::Seconds(5), [&](const ProbeResult& r) {
      good += r.good ? 1 : 0;
      ++finished;
    }));
  }
  ASSERT_TRUE(RunLoopUntil(pinger.loop(), [&] { return finished == kMany; }));
  EXPECT_EQ(good, kMany);
}

TEST_P(ProbeIcmpTest, MoreAtATimeThanThereAreSequenceNumbersFail) {
  there_.Sysctl("net.ipv4.icmp_echo_ignore_all", "1");
  Pinger pinger(&here_);
  std::vector<IcmpProber::PingHandle> handles;
  handles.reserve(65536);
  for (int i = 0; i < 65536; ++i) {
    handles.push_back(pinger.prober()->Start(Ip("10.77.0.2"), kNever, [](const ProbeResult&) {}));
  }
  EXPECT_EQ(pinger.Ping(Ip("127.0.0.1"), kNever).detail, "too many pings under way");
  handles.pop_back();
  EXPECT_TRUE(pinger.Ping(Ip("127.0.0.1"), kNever).good);
}

TEST_P(ProbeIcmpTest, ACancelledPingDoesNotCallBack) {
  there_.Sysctl("net.ipv4.icmp_echo_ignore_all", "1");
  Pinger pinger(&here_);
  int called = 0;
  for (const char* address : {"127.0.0.1", "10.77.0.2", "10.99.0.1"}) {
    IcmpProber::PingHandle handle = pinger.prober()->Start(
        Ip(address), absl::Milliseconds(50), [&called](const ProbeResult&) { ++called; });
    handle.reset();
  }
  RunLoopFor(pinger.loop(), absl::Milliseconds(150));
  EXPECT_EQ(called, 0);
  EXPECT_TRUE(pinger.Ping(Ip("127.0.0.1"), kNever).good);
}

TEST_P(ProbeIcmpTest, TheCallbackMayDestroyItsHandleAndStartAnother) {
  Pinger pinger(&here_);
  constexpr int kChain = 50;
  int answered = 0;
  IcmpProber::PingHandle handle;
  std::function<void(ProbeResult)> next = [&](const ProbeResult& result) {
    EXPECT_TRUE(result.good) << result.detail;
    handle.reset();
    if (++answered < kChain) handle = pinger.prober()->Start(Ip("10.77.0.2"), kNever, next);
  };
  handle = pinger.prober()->Start(Ip("10.77.0.2"), kNever, next);
  EXPECT_TRUE(RunLoopUntil(pinger.loop(), [&] { return answered == kChain; }));
}

TEST_P(ProbeIcmpTest, ACallbackMayCancelTheOthersAndTheProber) {
  Pinger pinger(&here_);
  std::vector<IcmpProber::PingHandle> handles;
  int called = 0;
  handles.reserve(10);
  for (int i = 0; i < 10; ++i) {
    handles.push_back(
        pinger.prober()->Start(Ip("127.0.0.1"), absl::Milliseconds(100), [&](const ProbeResult&) {
          ++called;
          handles.clear();
          pinger.prober().reset();
        }));
  }
  EXPECT_TRUE(RunLoopUntil(pinger.loop(), [&] { return called > 0; }));
  RunLoopFor(pinger.loop(), absl::Milliseconds(150));
  EXPECT_EQ(called, 1);
}

TEST_P(ProbeIcmpTest, AnswersThatWaitCountThoughTheLoopWasLate) {
  constexpr int kMany = 600;  // more than are read in one turn
  Pinger pinger(&here_);
  // Whichever family's socket the loop looks at last, its pings once have the first deadlines.
  for (const char* hasty : {"127.0.0.1", "::1"}) {
    std::vector<IcmpProber::PingHandle> handles;
    std::vector<std::string> bad;
    int finished = 0;
    handles.reserve(kMany);
    for (int i = 0; i < kMany; ++i) {
      const IpAddress address = Ip(i % 2 == 0 ? "127.0.0.1" : "::1");
      const Duration timeout = absl::Milliseconds(address == Ip(hasty) ? 20 : 40);
      handles.push_back(pinger.prober()->Start(address, timeout, [&](const ProbeResult& r) {
        if (!r.good) bad.push_back(r.detail);
        ++finished;
      }));
    }
    absl::SleepFor(absl::Milliseconds(60));  // the loop itself is stuck: that is the case
    ASSERT_TRUE(RunLoopUntil(pinger.loop(), [&] { return finished == kMany; }));
    EXPECT_THAT(bad, IsEmpty()) << hasty;
  }
}

TEST_P(ProbeIcmpTest, WithoutIpv6OnlyIpv6Fails) {
  here_.Sysctl("net.ipv6.conf.all.disable_ipv6", "1");
  Pinger pinger(&here_);
  EXPECT_TRUE(pinger.Ping(Ip("10.77.0.2"), kNever).good);
  const ProbeResult result = pinger.Ping(Ip("fd77::2"), kNever);
  EXPECT_FALSE(result.good);
  EXPECT_THAT(result.detail, AnyOf("Network is unreachable", "Cannot assign requested address"));
}

TEST_P(ProbeIcmpTest, AnswersThatAreNoCopyAreNotTaken) {
  const struct {
    const char* name;
    std::function<void(ProbeFalseHost::Bytes*)> change;
    bool good;
  } cases[] = {
      {"right", [](ProbeFalseHost::Bytes*) {}, true},
      {"first byte of the payload", [](ProbeFalseHost::Bytes* b) { (*b)[8] ^= 1; }, false},
      {"last byte of the payload", [](ProbeFalseHost::Bytes* b) { b->back() ^= 1; }, false},
      {"another sequence number", [](ProbeFalseHost::Bytes* b) { (*b)[7] ^= 1; }, false},
      {"another id", [](ProbeFalseHost::Bytes* b) { (*b)[5] ^= 1; }, false},
      {"too short", [](ProbeFalseHost::Bytes* b) { b->pop_back(); }, false},
      {"no payload", [](ProbeFalseHost::Bytes* b) { b->resize(8); }, false},
      {"too long", [](ProbeFalseHost::Bytes* b) { b->push_back(0); }, false},
      {"much too long", [](ProbeFalseHost::Bytes* b) { b->resize(1400); }, false},
      {"no echo reply", [](ProbeFalseHost::Bytes* b) { (*b)[0] = ICMP_TIMESTAMPREPLY; }, false},
  };
  Pinger pinger(&here_);
  for (const auto& c : cases) {
    const ProbeFalseHost host(&there_, [&c](ProbeFalseHost::Bytes* reply, const auto& send) {
      c.change(reply);
      send(*reply);
    });
    const ProbeResult result =
        pinger.Ping(Ip("10.77.0.2"), c.good ? kNever : absl::Milliseconds(100));
    EXPECT_EQ(result.good, c.good) << c.name << ": " << result.detail;
  }
}

TEST_P(ProbeIcmpTest, AnswersFromAnotherAddressAreNotTaken) {
  there_.Command("ip addr add 10.77.0.3/24 dev veth1");
  Pinger pinger(&here_);
  const ProbeFalseHost host(
      &there_, [](ProbeFalseHost::Bytes* reply, const auto& send) { send(*reply); }, "10.77.0.3");
  EXPECT_EQ(pinger.Ping(Ip("10.77.0.2"), absl::Milliseconds(150)).detail, "timed out after 150 ms");
  EXPECT_TRUE(pinger.Ping(Ip("10.77.0.3"), kNever).good);
}

TEST_P(ProbeIcmpTest, DuplicatesAndLateAnswersAreDropped) {
  ProbeFalseHost::Bytes late;
  const ProbeFalseHost host(&there_, [&late](ProbeFalseHost::Bytes* reply, const auto& send) {
    if (!late.empty()) send(late);  // the one before
    send(*reply);
    send(*reply);
    send(*reply);
    late = *reply;
  });
  Pinger pinger(&here_);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pinger.Ping(Ip("10.77.0.2"), kNever).good);
  RunLoopFor(pinger.loop(), absl::Milliseconds(20));
}

// Runs `f` in a child of `netns` that has user and group nobody and no capability; returns what it
// says.
std::string SayWithoutPrivileges(ProbeNetns* netns, const std::function<std::string()>& f) {
  std::string said;
  netns->Run([&] {
    std::array<int, 2> fds{};
    ASSERT_EQ(pipe(fds.data()), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      // Directly, for libc's would change every thread's.
      const bool dropped = syscall(SYS_setgroups, 0, nullptr) == 0 &&
                           syscall(SYS_setresgid, 65534, 65534, 65534) == 0 &&
                           syscall(SYS_setresuid, 65534, 65534, 65534) == 0;
      const std::string text = dropped ? f() : "privileges not dropped";
      const bool written = write(fds[1], text.data(), text.size()) >= 0;
      _exit(written ? 0 : 1);
    }
    close(fds[1]);
    char buffer[4096];
    for (ssize_t got = 0; (got = read(fds[0], buffer, sizeof buffer)) > 0;) {
      said.append(buffer, static_cast<size_t>(got));
    }
    close(fds[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  });
  return said;
}

std::string CreateAndPingLoopback() {
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  const absl::StatusOr<std::unique_ptr<IcmpProber>> prober = IcmpProber::Create(loop.get());
  if (!prober.ok()) return prober.status().ToString();
  std::string said;
  const IcmpProber::PingHandle handle = (*prober)->Start(
      Ip("127.0.0.1"), kNever, [&](const ProbeResult& r) { said = r.good ? "good" : r.detail; });
  return RunLoopUntil(loop.get(), [&] { return !said.empty(); }) ? said : "nothing";
}

TEST(ProbeIcmpPrivilegeTest, WithNeitherSocketItSaysWhatWouldHelp) {
  ProbeNetns netns;
  netns.Sysctl("net.ipv4.ping_group_range", kClosed);
  EXPECT_THAT(SayWithoutPrivileges(&netns, CreateAndPingLoopback),
              AllOf(StartsWith("PERMISSION_DENIED: ICMP: "), HasSubstr("CAP_NET_RAW"),
                    HasSubstr("net.ipv4.ping_group_range"), HasSubstr("Permission denied"),
                    HasSubstr("Operation not permitted")));
}

TEST(ProbeIcmpPrivilegeTest, APingSocketNeedsNoPrivilege) {
  ProbeNetns netns;
  netns.Sysctl("net.ipv4.ping_group_range", "65534 65534");
  EXPECT_EQ(SayWithoutPrivileges(&netns, CreateAndPingLoopback), "good");
}

}  // namespace
}  // namespace hb
