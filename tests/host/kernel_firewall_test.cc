// The firewall in the real kernel, judged by real packets: who can ping and connect to the node's
// own address, that the VIP stays public, and that rules of others are left as they were.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint16_t kPort = 80;

class FirewallTest : public HostTest {
 protected:
  void TearDown() override {
    for (const int fd : listeners_) close(fd);
  }

  absl::Status Apply(const FirewallRules& rules) {
    std::optional<absl::Status> outcome;
    host_->ApplyFirewall(rules, [&](absl::Status status) { outcome = std::move(status); });
    EXPECT_FALSE(outcome.has_value()) << "called from within";
    EXPECT_TRUE(Eventually([&] { return outcome.has_value(); }));
    return outcome.value_or(absl::UnknownError("never called"));
  }

  // Design S5: the peer .2 may, the other may not.
  static FirewallRules Protect() {
    FirewallRules rules;
    for (const auto& [own, peer] :
         {std::pair{"192.168.77.1", "192.168.77.2"}, {"fd77::1", "fd77::2"}}) {
      FirewallRules::Protected& protection = rules.own_addresses[Address(own)];
      protection.restrict_icmp_echo = true;
      protection.icmp_echo_sources = {Prefix(peer)};
      protection.tcp_sources[kPort] = {Prefix(peer)};
    }
    return rules;
  }

  void AddVips() {
    ASSERT_TRUE(host_->AddVip(MakeVip("192.168.77.111/24"), absl::Seconds(60)).ok());
    ASSERT_TRUE(host_->AddVip(MakeVip("fd77::6f/64"), absl::Seconds(60)).ok());
  }

  void Listen(uint16_t port) {
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listeners_.push_back(fd);
    const int off = 0;
    ASSERT_EQ(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    ASSERT_EQ(listen(fd, 64), 0);
  }

  bool Pings(const std::string& from, const std::string& to) {
    int status = 0;
    RunOnPeer(absl::StrCat("ping -n -c 1 -W 1 -I ", from, " ", to), &status);
    return status == 0;
  }

  // Whether a TCP connection comes about within a second (a SYN that is lost is sent again only
  // then).
  bool Connects(const std::string& from, const std::string& to, uint16_t port = kPort) {
    const Namespace::Inside inside(peer_);
    const IpAddress source = Address(from);
    const int fd = socket(source.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_storage address{};
    socklen_t size = source.ToSockaddr(0, &address);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0) << from;
    size = Address(to).ToSockaddr(port, &address);
    bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0;
    if (!connected && errno == EINPROGRESS) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      int error = 0;
      socklen_t error_size = sizeof error;
      connected = poll(&ready, 1, 900) == 1 &&
                  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 && error == 0;
    }
    close(fd);
    return connected;
  }

  // Both tables, without counters and times.
  static std::string Saved() {
    const std::string text = Sh("iptables-save -t filter; ip6tables-save -t filter");
    return std::regex_replace(text, std::regex("#[^\n]*\n|\\[\\d+:\\d+\\]"), "");
  }

  std::vector<int> listeners_;
};

TEST_F(FirewallTest, OwnAddressIsForThePeersAloneAndTheVipForAll) {
  AddVips();
  Listen(kPort);
  Listen(81);
  struct Case {
    const char* from;
    const char* own;
    const char* vip;
    bool allowed;
  };
  const std::vector<Case> cases = {{"192.168.77.2", "192.168.77.1", "192.168.77.111", true},
                                   {"192.168.77.3", "192.168.77.1", "192.168.77.111", false},
                                   {"fd77::2", "fd77::1", "fd77::6f", true},
                                   {"fd77::3", "fd77::1", "fd77::6f", false}};
  for (const Case& c : cases) {
    EXPECT_TRUE(Pings(c.from, c.own)) << "before, " << c.from;
    EXPECT_TRUE(Connects(c.from, c.own)) << "before, " << c.from;
  }
  const absl::Status status = Apply(Protect());
  ASSERT_TRUE(status.ok()) << status;
  for (const Case& c : cases) {
    EXPECT_EQ(Pings(c.from, c.own), c.allowed) << c.from;
    EXPECT_EQ(Connects(c.from, c.own), c.allowed) << c.from;
    EXPECT_TRUE(Pings(c.from, c.vip)) << c.from;
    EXPECT_TRUE(Connects(c.from, c.vip)) << c.from;
    EXPECT_TRUE(Connects(c.from, c.own, 81)) << "another port, " << c.from;
  }
  // Neighbour discovery lives: the entry is gone, and the VIP and the own address are still found.
  RunOnPeer("ip -6 neigh flush dev eth0");
  EXPECT_TRUE(Pings("fd77::3", "fd77::6f"));
  RunOnPeer("ip -6 neigh flush dev eth0");
  EXPECT_TRUE(Pings("fd77::2", "fd77::1"));
  Sh("ip -6 neigh flush dev eth0");  // the answer of a stranger to the node's question gets through
  EXPECT_TRUE(Connects("fd77::3", "fd77::1", 81));
  // The node may always reach itself.
  Sh("ping -n -c 1 -W 1 192.168.77.1; ping -n -c 1 -W 1 fd77::1");

  ASSERT_TRUE(Apply(FirewallRules{}).ok());
  EXPECT_TRUE(Pings("192.168.77.3", "192.168.77.1"));
  EXPECT_TRUE(Connects("fd77::3", "fd77::1"));
}

TEST_F(FirewallTest, RulesOfOthersStillApplyAndAreLeftAlone) {
  const std::string user =
      "-N MINE; -A MINE -p tcp -m tcp --dport 22 -j ACCEPT; -A INPUT -j MINE; "
      "-A INPUT -p tcp -m tcp --dport 23 -j DROP; -A FORWARD -j DROP";
  for (const char* tool : {"iptables", "ip6tables"}) {
    Sh(absl::StrCat("echo '", user, "' | tr ';' '\\n' | xargs -L1 ", tool));
  }
  const std::string before = Saved();
  ASSERT_THAT(before, HasSubstr("--dport 22"));
  ASSERT_TRUE(Apply(Protect()).ok());
  const std::string with = Saved();
  EXPECT_THAT(with, HasSubstr("-A INPUT -j HB-INPUT\n-A INPUT -j MINE\n"));
  EXPECT_THAT(with, HasSubstr("-A FORWARD -j DROP\n"));
  EXPECT_THAT(with, HasSubstr("-A MINE -p tcp -m tcp --dport 22 -j ACCEPT\n"));
  Listen(23);
  EXPECT_FALSE(Connects("192.168.77.2", "192.168.77.1", 23));
  ASSERT_TRUE(Apply(FirewallRules{}).ok());
  EXPECT_EQ(Saved(), before);
}

TEST_F(FirewallTest, ApplyingTwiceLeavesTheSame) {
  ASSERT_TRUE(Apply(Protect()).ok());
  const std::string once = Saved();
  EXPECT_THAT(once, HasSubstr("-A HB-INPUT -s 192.168.77.2/32 -d 192.168.77.1/32 -p icmp"));
  ASSERT_TRUE(Apply(Protect()).ok());
  EXPECT_EQ(Saved(), once);
}

TEST_F(FirewallTest, NewRulesReplaceTheOldOnes) {
  ASSERT_TRUE(Apply(Protect()).ok());
  FirewallRules rules;
  rules.own_addresses[Address("192.168.77.1")].tcp_sources[8080] = {Prefix("192.168.77.0/24")};
  ASSERT_TRUE(Apply(rules).ok());
  const std::string saved = Saved();
  EXPECT_THAT(saved, HasSubstr("-A HB-INPUT -s 192.168.77.0/24 -d 192.168.77.1/32 -p tcp -m tcp "
                               "--dport 8080 -j ACCEPT"));
  EXPECT_THAT(saved, Not(HasSubstr("icmp")));
  EXPECT_THAT(saved, Not(HasSubstr("fd77::")));
  EXPECT_THAT(Sh("ip6tables-save -t filter"), Not(HasSubstr("HB-INPUT")));
}

TEST_F(FirewallTest, JumpIsMovedBackToTheFrontAndMadeSingle) {
  ASSERT_TRUE(Apply(Protect()).ok());
  const std::string right = Sh("iptables -S INPUT");
  Sh("iptables -I INPUT 1 -j HB-INPUT; iptables -I INPUT 1 -p tcp -j ACCEPT");
  ASSERT_TRUE(Apply(Protect()).ok());
  EXPECT_EQ(Sh("iptables -S INPUT"), right + "-A INPUT -p tcp -j ACCEPT\n");
}

TEST_F(FirewallTest, FlushedTablesAreMadeAgain) {
  ASSERT_TRUE(Apply(Protect()).ok());
  const std::string right = Saved();
  Sh("iptables -F; iptables -X; ip6tables -F INPUT");
  ASSERT_TRUE(Apply(Protect()).ok());
  EXPECT_EQ(Saved(), right);
}

TEST_F(FirewallTest, RemovingWhatIsNotThereMakesNothing) {
  // `nft list` does not make the tables that the iptables tools make by looking.
  ASSERT_EQ(Sh("nft list ruleset"), "");
  ASSERT_TRUE(Apply(FirewallRules{}).ok());
  EXPECT_EQ(Sh("nft list ruleset"), "");
}

TEST_F(FirewallTest, ChainThatSomebodyElseUsesIsAnErrorAndNothingChanges) {
  ASSERT_TRUE(Apply(Protect()).ok());
  Sh("iptables -A FORWARD -j HB-INPUT");
  const std::string before = Sh("iptables -S");
  const absl::Status status = Apply(FirewallRules{});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("iptables-restore exited with status"));
  EXPECT_EQ(Sh("iptables -S"), before);
  EXPECT_THAT(Sh("ip6tables-save -t filter"), Not(HasSubstr("HB-INPUT")));
}

TEST_F(FirewallTest, NewerCallReplacesOneThatWaits) {
  std::vector<std::string> outcomes;
  const auto record = [&outcomes](const char* name) {
    return [&outcomes, name](const absl::Status& status) {
      outcomes.push_back(absl::StrCat(name, " ", absl::StatusCodeToString(status.code())));
    };
  };
  host_->ApplyFirewall(Protect(), record("first"));
  loop_->RunOnce(absl::Milliseconds(100));  // it begins
  FirewallRules second;
  second.own_addresses[Address("192.168.77.1")].tcp_sources[22] = {};
  host_->ApplyFirewall(second, record("second"));
  host_->ApplyFirewall(FirewallRules{}, record("third"));
  ASSERT_TRUE(Eventually([&] { return outcomes.size() == 3; }));
  EXPECT_THAT(outcomes, ::testing::ElementsAre("second CANCELLED", "first OK", "third OK"));
  EXPECT_THAT(Saved(), Not(HasSubstr("HB-INPUT")));
}

// In a process whose /usr/sbin is empty; the machine's is not touched.
TEST_F(FirewallTest, MissingToolIsNamed) {
  const pid_t child = fork();
  if (child == 0) {
    StartHost();  // an event loop does not survive fork(2)
    const bool hidden = unshare(CLONE_NEWNS) == 0 &&
                        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                        mount("none", "/usr/sbin", "tmpfs", 0, nullptr) == 0;
    const absl::Status status = Apply(Protect());
    const bool named = absl::IsNotFound(status) &&
                       absl::StrContains(status.message(), "firewall: iptables: no such program") &&
                       absl::StrContains(status.message(), "ip6tables: no such program");
    const bool nothing_to_remove = Apply(FirewallRules{}).ok();
    _exit(hidden && named && nothing_to_remove ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(FirewallTest, HostMayGoWhileAToolRuns) {
  bool called = false;
  host_->ApplyFirewall(Protect(), [&called](const absl::Status&) { called = true; });
  loop_->RunOnce(absl::Milliseconds(100));
  host_.reset();
  Wait(absl::Milliseconds(300));
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace hb::executor
