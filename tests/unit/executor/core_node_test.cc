// The node at work, as a dialogue with a small world: taking over, giving up, keeping VIP, service
// and rules as they should be. What it obeys and when a lease ends is in core_node_order_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "executor/core/node.h"
#include "tests/unit/executor/core_world.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration kMs = absl::Milliseconds(1);

const Vip kSecond = MakeVip("192.168.0.112/24", "eth1");

Spec TwoVips() {
  Spec spec = MakeSpec();
  spec.vips.push_back(kSecond);
  return spec;
}

TEST(NodeTest, TakesOverWithTheServiceFirstThenTheVipThenAnnouncements) {
  World w;
  w.starts_at_once = false;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  EXPECT_THAT(w.Log(), ElementsAre("0 persist web 7", "0 start website #1"));
  EXPECT_TRUE(w.Reported().holding) << "with the lease it may answer at any moment";
  EXPECT_EQ(w.Reported().epoch, 7u);
  w.Run(50 * kMs);
  EXPECT_THAT(w.Log(), IsEmpty());
  w.SetService(State::kRunning);
  EXPECT_THAT(w.Log(),
              ElementsAre("50 add 192.168.0.111/24 on eth0 for 2s", "50 open 192.168.0.111",
                          "50 announce 192.168.0.111/24 on eth0"));
  EXPECT_TRUE(w.Reported().seen.vip_present[0]);
}

TEST(NodeTest, AnnouncesInABurstThenEverySecondForFiveSeconds) {
  World w;
  w.TakeOver();
  w.RunRenewed(9000 * kMs);
  std::vector<std::string> expected;
  for (const char* at : {"20", "100", "300", "1000", "2000", "3000", "4000", "5000"}) {
    expected.push_back(std::string(at) + " announce 192.168.0.111/24 on eth0");
  }
  EXPECT_EQ(w.LogOf("announce"), expected);
}

TEST(NodeTest, AnnouncesForAtLeastTheTtl) {
  World w;
  w.Connect();
  Order order = Active(7);
  order.ttl = absl::Milliseconds(8500);
  w.Send({order}, {MakeSpec()});
  w.RunRenewed(12000 * kMs);
  const std::vector<std::string> log = w.LogOf("announce");
  ASSERT_EQ(log.size(), 12u);
  EXPECT_EQ(log.back(), "8000 announce 192.168.0.111/24 on eth0");
}

TEST(NodeTest, AnnouncementThatCameLateStandsForThoseItMissed) {
  World w;
  w.TakeOver();
  w.Freeze(200 * kMs);
  w.Run(150 * kMs);
  EXPECT_THAT(w.LogOf("announce"), ElementsAre("200 announce 192.168.0.111/24 on eth0",
                                               "300 announce 192.168.0.111/24 on eth0"));
}

TEST(NodeTest, GivesUpTheVipBeforeItStopsTheService) {
  World w;
  w.TakeOver();
  w.RunRenewed(400 * kMs);
  w.Log();
  const ReportId answered = w.Newest();
  w.Send({Standby(7)});
  EXPECT_THAT(w.Log(), ElementsAre("400 close 192.168.0.111", "400 remove 192.168.0.111/24 on eth0",
                                   "400 stop website"));
  EXPECT_FALSE(w.Reported().holding);
  EXPECT_GT(w.Reported().void_before, answered) << "the proof that nothing on its way counts";
  EXPECT_LE(w.Reported().void_before, w.Newest());
  w.Run(2000 * kMs);
  EXPECT_THAT(w.Log(), IsEmpty()) << "no announcement, no refresh, no repetition";
}

TEST(NodeTest, WithoutAGateItSaysThatItHoldsUntilTheVipIsGoneAndKeepsTheServiceTillThen) {
  World w;
  w.TakeOver();
  w.gate_stands = false;
  w.removing_fails = true;
  w.Send({Standby(7)});
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.111", "0 remove 192.168.0.111/24 on eth0"));
  EXPECT_TRUE(w.Reported().holding);
  EXPECT_FALSE(w.node.Holds(kWeb, w.now));
  w.Run(600 * kMs);
  EXPECT_THAT(w.Log(), ElementsAre("250 remove 192.168.0.111/24 on eth0",
                                   "500 remove 192.168.0.111/24 on eth0"));
  w.removing_fails = false;
  w.Run(200 * kMs);
  EXPECT_THAT(w.Log(), ElementsAre("750 remove 192.168.0.111/24 on eth0", "750 stop website"));
  EXPECT_FALSE(w.Reported().holding);
}

TEST(NodeTest, VipRemovedBySomebodyIsRestoredAtOnceAndAnnouncedAgain) {
  World w;
  w.TakeOver();
  w.RunRenewed(6500 * kMs);
  w.Log();
  w.DropVip(MakeVip());
  EXPECT_THAT(w.Log(), ElementsAre("6500 add 192.168.0.111/24 on eth0 for 2s",
                                   "6500 announce 192.168.0.111/24 on eth0"));
  w.RunRenewed(400 * kMs);
  EXPECT_EQ(w.LogOf("announce").size(), 3u) << "the whole burst";
}

TEST(NodeTest, VipPutUpBySomebodyIsRemovedFromAStandby) {
  World w;
  w.Connect();
  w.Send({Standby(7)}, {MakeSpec()});
  w.Log();
  w.vips.insert(MakeVip());
  w.Do({});
  EXPECT_THAT(w.Log(), ElementsAre("0 remove 192.168.0.111/24 on eth0"));
}

TEST(NodeTest, VipWhoseRemovalFailedIsTakenUpAgainByTheNextLease) {
  World w;
  w.TakeOver();
  w.removing_fails = true;
  w.Send({Standby(7)});
  w.Log();
  w.SetService(State::kFailed);
  w.Log();
  w.Send({Active(7)});
  EXPECT_THAT(w.Log(), IsEmpty()) << "the gate stays closed while no service answers behind it";
  w.SetService(State::kRunning);
  EXPECT_THAT(w.Log(), ElementsAre("0 open 192.168.0.111", "0 announce 192.168.0.111/24 on eth0",
                                   "0 add 192.168.0.111/24 on eth0 for 2s"));
}

TEST(NodeTest, AnnouncesAgainWhenTheCarrierComesBack) {
  World w;
  w.TakeOver();
  w.RunRenewed(6500 * kMs);
  w.Log();
  w.SetLink("eth0", false);
  EXPECT_FALSE(w.Reported().seen.link_usable[0]);
  w.RunRenewed(100 * kMs);
  EXPECT_THAT(w.LogOf("announce"), IsEmpty());
  w.SetLink("eth0", true);
  EXPECT_THAT(w.Log(), ElementsAre("6600 announce 192.168.0.111/24 on eth0"));
}

TEST(NodeTest, AddsNoVipToADeadLink) {
  World w;
  w.dead_links.insert("eth0");
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.Run(500 * kMs);
  EXPECT_THAT(w.LogOf("add"), IsEmpty());
  w.SetLink("eth0", true);
  EXPECT_THAT(w.Log(),
              ElementsAre("500 add 192.168.0.111/24 on eth0 for 2s", "500 open 192.168.0.111",
                          "500 announce 192.168.0.111/24 on eth0"));
}

TEST(NodeTest, OneDeadLinkDoesNotSilenceTheOtherVip) {
  World w;
  w.dead_links.insert("eth1");
  w.Connect();
  w.Send({Active(7)}, {TwoVips()});
  EXPECT_THAT(w.Log(), ElementsAre("0 persist web 7", "0 start website #1",
                                   "0 add 192.168.0.111/24 on eth0 for 2s", "0 open 192.168.0.111",
                                   "0 open 192.168.0.112", "0 announce 192.168.0.111/24 on eth0"));
  w.Run(50 * kMs);
  w.Log();
  w.SetLink("eth1", true);
  EXPECT_THAT(w.Log(), ElementsAre("50 add 192.168.0.112/24 on eth1 for 2s",
                                   "50 announce 192.168.0.111/24 on eth0",
                                   "50 announce 192.168.0.112/24 on eth1"));
}

TEST(NodeTest, FailingAddIsRetriedEveryQuarterSecondHoweverOftenOrdersCome) {
  World w;
  w.adding_fails = true;
  w.Connect();
  Orders orders;
  orders.answers = w.Newest();
  orders.heartbeat = 20 * kMs;
  orders.specs = {MakeSpec()};
  orders.orders = {Active(7)};
  w.SendMessage(orders);
  w.RunRenewed(1100 * kMs);
  EXPECT_THAT(w.LogOf("add"), ElementsAre("0 add 192.168.0.111/24 on eth0 for 2s",
                                          "250 add 192.168.0.111/24 on eth0 for 2s",
                                          "500 add 192.168.0.111/24 on eth0 for 2s",
                                          "750 add 192.168.0.111/24 on eth0 for 2s",
                                          "1000 add 192.168.0.111/24 on eth0 for 2s"));
  w.adding_fails = false;
  w.RunRenewed(200 * kMs);
  EXPECT_THAT(w.Log(),
              ElementsAre("1250 add 192.168.0.111/24 on eth0 for 2s", "1250 open 192.168.0.111",
                          "1250 announce 192.168.0.111/24 on eth0",
                          "1270 announce 192.168.0.111/24 on eth0"));
}

TEST(NodeTest, ServiceThatDiesBeforeTheVipIsUpKeepsItDown) {
  World w;
  w.adding_fails = true;
  w.Connect();
  w.Send({Active(7)}, {MakeSpec()});
  w.SetService(State::kFailed);
  w.adding_fails = false;
  w.Log();
  w.Run(600 * kMs);
  EXPECT_THAT(w.Log(), IsEmpty()) << "the address follows the service";
}

TEST(NodeTest, RefreshesTheAddressOnceASecond) {
  World w;
  w.TakeOver();
  w.RunRenewed(3900 * kMs);
  EXPECT_THAT(w.LogOf("add"), ElementsAre("1000 add 192.168.0.111/24 on eth0 for 2s",
                                          "2000 add 192.168.0.111/24 on eth0 for 2s",
                                          "3000 add 192.168.0.111/24 on eth0 for 2s"));
}

TEST(NodeTest, AddressOutlivesTheLeaseByLessThanTwoSeconds) {
  World w;
  w.Connect();
  Order order = Active(7);
  order.ttl = 1200 * kMs;
  w.Send({order}, {MakeSpec()});
  EXPECT_THAT(w.LogOf("add"), ElementsAre("0 add 192.168.0.111/24 on eth0 for 3s"));
}

TEST(NodeTest, ServiceThatDiesIsNotStartedAgainUnasked) {
  World w;
  w.services[kSite] = State::kRunning;  // it ran before the order came, which uses attempt 1 up
  w.TakeOver();
  w.SetService(State::kFailed);
  EXPECT_THAT(w.Log(), IsEmpty());
  EXPECT_EQ(w.Reported().seen.service.state, State::kFailed);
  EXPECT_TRUE(w.Has()) << "the address stays until the controller moves it";
  Order again = Active(7);
  again.start_attempt = 2;
  w.Send({again});
  EXPECT_THAT(w.Log(), ElementsAre("0 start website #2"));
}

TEST(NodeTest, StandbyMayKeepItsServiceRunning) {
  World w;
  w.Connect();
  Order order = Standby(7);
  order.service_running = true;
  order.start_attempt = 1;
  w.Send({order}, {MakeSpec()});
  EXPECT_THAT(w.Log(), ElementsAre("0 persist web 7", "0 start website #1"));
  EXPECT_FALSE(w.Reported().holding);
}

TEST(NodeTest, SharedServiceIsStoppedOnlyWhenNoClusterWantsIt) {
  World w;
  w.Connect();
  Spec other = MakeSpec("api");
  other.vips = {kSecond};
  w.Send({Active(7), Active(7, "api")}, {MakeSpec(), other});
  w.Log();
  w.Send({Standby(7)});
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.111", "0 remove 192.168.0.111/24 on eth0"));
  w.Send({Standby(7, "api")});
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.112", "0 remove 192.168.0.112/24 on eth1",
                                   "0 stop website"));
}

TEST(NodeTest, SharedServiceIsStoppedWhenTheClusterThatWantedItIsForgotten) {
  World w;
  w.Connect();
  Spec other = MakeSpec("api");
  other.vips = {kSecond};
  w.Send({Standby(7), Active(7, "api")}, {MakeSpec(), other});
  w.Log();
  Orders forget;
  forget.answers = w.Newest();
  forget.forget = {"api"};
  w.SendMessage(forget);
  w.Run(kMs);
  EXPECT_THAT(w.Log(), ElementsAre("0 close 192.168.0.112", "0 remove 192.168.0.112/24 on eth1",
                                   "0 persist api 7", "0 stop website"));
}

TEST(NodeTest, ServiceIsLeftAloneWithoutAStandingOrder) {
  World w;
  w.TakeOver();
  w.Send({Standby(7)});
  w.Disconnect();
  w.Log();
  w.SetService(State::kRunning);  // by somebody, while no controller is there
  w.Run(1000 * kMs);
  EXPECT_THAT(w.Log(), IsEmpty());
  w.Connect();
  w.Send({Standby(7)});
  EXPECT_THAT(w.Log(), ElementsAre("1000 stop website"));
}

TEST(NodeTest, FirewallRulesOfAllClustersAreMerged) {
  const IpAddress own = IpAddress::Parse("192.168.0.1").value();
  const IpPrefix a = IpPrefix::Parse("192.168.0.2").value();
  const IpPrefix b = IpPrefix::Parse("192.168.0.3").value();
  Spec web = MakeSpec();
  web.firewall = FirewallSpec{own, {a}, true, {80}};
  Spec api = MakeSpec("api");
  api.vips = {kSecond};
  api.firewall = FirewallSpec{own, {b}, false, {80, 443}};

  World w;
  w.Connect();
  w.Send({}, {web, api});
  EXPECT_THAT(w.Log(), ElementsAre("0 persist web 0", "0 persist api 0", "0 firewall applied"));
  ASSERT_EQ(w.rules.own_addresses.size(), 1u);
  FirewallRules::Protected expected;
  expected.restrict_icmp_echo = true;
  expected.icmp_echo_sources = {a};
  expected.tcp_sources[80] = {a, b};
  expected.tcp_sources[443] = {b};
  EXPECT_EQ(w.rules.own_addresses[own], expected);

  w.Send({}, {web, api});
  EXPECT_THAT(w.Log(), IsEmpty()) << "nothing changed";

  w.SendForgetting();
  EXPECT_THAT(w.Log(), Contains("0 firewall applied"));
  expected = {};
  expected.tcp_sources[80] = {b};
  expected.tcp_sources[443] = {b};
  EXPECT_EQ(w.rules.own_addresses[own], expected);

  api.revision = 12;
  api.firewall.reset();
  w.Send({}, {api});
  EXPECT_TRUE(w.rules.empty());
}

TEST(NodeTest, WhatItDecidesByItselfIsNoted) {
  World w;
  w.TakeOver(7, MakeSpec(kWeb, kRevision, OnExpiry::kRelease));
  w.Disconnect();
  w.Run(1000 * kMs);
  EXPECT_THAT(w.Log(true), Contains("1000 note warning: lease given up: it ran out unrenewed"));
}

}  // namespace
}  // namespace hb::executor
