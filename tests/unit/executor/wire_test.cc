// The wire's messages: what is read of good ones, and the refusal of each thing that may be wrong
// with one.
#include "executor/wire.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hb::executor {
namespace {

using ::testing::HasSubstr;

constexpr char kGood[] = R"pb(
  answers { incarnation: 3 number: 12 }
  heartbeat { nanos: 200000000 }
  specs {
    cluster: "web"
    revision: 5
    vips { address: "192.168.0.111/24" interface: "eth0" }
    vips { address: "fd00::111/64" interface: "eth0.7" }
    service: "website"
    on_expiry: ON_EXPIRY_WITNESS
    witness: "gateway"
    witness_interval { nanos: 200000000 }
    firewall {
      own_address: "192.168.0.1"
      sources: "192.168.0.2"
      sources: "10.0.0.0/8"
      restrict_icmp_echo: true
      restrict_tcp: 80
    }
  }
  clusters {
    cluster: "web"
    spec_revision: 5
    role: ROLE_ACTIVE
    epoch: 7
    ttl { seconds: 1 }
    service { wanted: WANTED_RUNNING start_attempt: 4 }
  }
  forget: "mail"
)pb";

v1::Orders Good() {
  v1::Orders orders;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kGood, &orders));
  return orders;
}

TEST(WireTest, ReadsWholeOrders) {
  const absl::StatusOr<Orders> orders = OrdersFromWire(Good());
  ASSERT_TRUE(orders.ok()) << orders.status();
  EXPECT_EQ(orders->answers, (ReportId{3, 12}));
  EXPECT_EQ(orders->heartbeat, absl::Milliseconds(200));
  ASSERT_EQ(orders->specs.size(), 1);
  const Spec& spec = orders->specs[0];
  EXPECT_EQ(spec.cluster, "web");
  EXPECT_EQ(spec.revision, 5);
  ASSERT_EQ(spec.vips.size(), 2);
  EXPECT_EQ(spec.vips[0].ToString(), "192.168.0.111/24 on eth0");
  EXPECT_EQ(spec.vips[1].ToString(), "fd00::111/64 on eth0.7");
  EXPECT_EQ(spec.service, "website");
  EXPECT_EQ(spec.on_expiry, OnExpiry::kWitness);
  EXPECT_EQ(spec.witness, "gateway");
  EXPECT_EQ(spec.witness_interval, absl::Milliseconds(200));
  ASSERT_TRUE(spec.firewall.has_value());
  EXPECT_EQ(spec.firewall->own_address.ToString(), "192.168.0.1");
  EXPECT_EQ(spec.firewall->sources.at(1).ToString(), "10.0.0.0/8");
  EXPECT_TRUE(spec.firewall->restrict_icmp_echo);
  EXPECT_EQ(spec.firewall->restrict_tcp, std::vector<uint16_t>{80});
  ASSERT_EQ(orders->orders.size(), 1);
  const Order& order = orders->orders[0];
  EXPECT_TRUE(order.active);
  EXPECT_EQ(order.epoch, 7);
  EXPECT_EQ(order.ttl, absl::Seconds(1));
  EXPECT_TRUE(order.service_running);
  EXPECT_EQ(order.start_attempt, 4);
  EXPECT_EQ(orders->forget, std::vector<std::string>{"mail"});
}

TEST(WireTest, ReadsTheEmptyRenewal) {
  const absl::StatusOr<Orders> orders = OrdersFromWire(v1::Orders());
  ASSERT_TRUE(orders.ok());
  EXPECT_EQ(orders->answers, ReportId{});
  EXPECT_FALSE(orders->heartbeat.has_value());
}

struct Refusal {
  const char* name;
  std::function<void(v1::Orders*)> change;
  const char* field;
};

v1::ClusterSpec* SpecOf(v1::Orders* orders) { return orders->mutable_specs(0); }
v1::ClusterOrder* OrderOf(v1::Orders* orders) { return orders->mutable_clusters(0); }

std::vector<Refusal> SpecRefusals() {
  return {
      {"no cluster", [](auto* o) { SpecOf(o)->clear_cluster(); }, "spec.cluster"},
      {"cluster with a space", [](auto* o) { SpecOf(o)->set_cluster("a b"); }, "spec.cluster"},
      {"cluster with a line break", [](auto* o) { SpecOf(o)->set_cluster("a\nb"); },
       "spec.cluster"},
      {"long cluster", [](auto* o) { SpecOf(o)->set_cluster(std::string(64, 'a')); },
       "spec.cluster"},
      {"cluster twice", [](auto* o) { *o->add_specs() = o->specs(0); }, "spec.cluster"},
      {"no revision", [](auto* o) { SpecOf(o)->clear_revision(); }, "spec.revision"},
      {"no VIP", [](auto* o) { SpecOf(o)->clear_vips(); }, "spec.vips"},
      {"17 VIPs",
       [](auto* o) {
         for (int i = 0; i < 15; ++i) *SpecOf(o)->add_vips() = SpecOf(o)->vips(0);
       },
       "spec.vips"},
      {"VIP is no address", [](auto* o) { SpecOf(o)->mutable_vips(0)->set_address("web/24"); },
       "spec.vips.address"},
      {"VIP is multicast",
       [](auto* o) { SpecOf(o)->mutable_vips(0)->set_address("224.0.0.18/32"); },
       "spec.vips.address"},
      {"VIP is 0.0.0.0", [](auto* o) { SpecOf(o)->mutable_vips(0)->set_address("0.0.0.0/0"); },
       "spec.vips.address"},
      {"VIP prefix too long",
       [](auto* o) { SpecOf(o)->mutable_vips(0)->set_address("192.168.0.111/33"); },
       "spec.vips.address"},
      {"VIP twice", [](auto* o) { SpecOf(o)->mutable_vips(1)->set_address("192.168.0.111/32"); },
       "spec.vips.address"},
      {"no interface", [](auto* o) { SpecOf(o)->mutable_vips(0)->clear_interface(); },
       "spec.vips.interface"},
      {"interface is a path", [](auto* o) { SpecOf(o)->mutable_vips(0)->set_interface("../eth0"); },
       "spec.vips.interface"},
      {"interface too long",
       [](auto* o) { SpecOf(o)->mutable_vips(0)->set_interface("sixteen-letters-"); },
       "spec.vips.interface"},
      {"no service", [](auto* o) { SpecOf(o)->clear_service(); }, "spec.service"},
      {"service is a command", [](auto* o) { SpecOf(o)->set_service("/bin/sh -c true"); },
       "spec.service"},
      {"no policy", [](auto* o) { SpecOf(o)->clear_on_expiry(); }, "spec.on_expiry"},
      {"unknown policy", [](auto* o) { SpecOf(o)->set_on_expiry(static_cast<v1::OnExpiry>(9)); },
       "spec.on_expiry"},
      {"no witness", [](auto* o) { SpecOf(o)->clear_witness(); }, "spec.witness"},
      {"witness is a name", [](auto* o) { SpecOf(o)->set_witness("router"); }, "spec.witness"},
      {"no witness interval", [](auto* o) { SpecOf(o)->clear_witness_interval(); },
       "spec.witness_interval"},
      {"witness interval too long",
       [](auto* o) { SpecOf(o)->mutable_witness_interval()->set_seconds(11); },
       "spec.witness_interval"},
      {"no own address", [](auto* o) { SpecOf(o)->mutable_firewall()->clear_own_address(); },
       "spec.firewall.own_address"},
      {"a source is a name",
       [](auto* o) { SpecOf(o)->mutable_firewall()->set_sources(0, "slave"); },
       "spec.firewall.sources"},
      {"65 sources",
       [](auto* o) {
         for (int i = 0; i < 63; ++i) SpecOf(o)->mutable_firewall()->add_sources("10.0.0.1");
       },
       "spec.firewall.sources"},
      {"port 0", [](auto* o) { SpecOf(o)->mutable_firewall()->set_restrict_tcp(0, 0); },
       "spec.firewall.restrict_tcp"},
      {"port 65536", [](auto* o) { SpecOf(o)->mutable_firewall()->set_restrict_tcp(0, 65536); },
       "spec.firewall.restrict_tcp"},
      {"65 ports",
       [](auto* o) {
         for (int i = 0; i < 64; ++i) SpecOf(o)->mutable_firewall()->add_restrict_tcp(80);
       },
       "spec.firewall.restrict_tcp"},
  };
}

std::vector<Refusal> OrderRefusals() {
  return {
      {"heartbeat too short", [](auto* o) { o->mutable_heartbeat()->set_nanos(9'999'999); },
       "heartbeat"},
      {"heartbeat too long", [](auto* o) { o->mutable_heartbeat()->set_seconds(11); }, "heartbeat"},
      {"65 specs",
       [](auto* o) {
         for (int i = 0; i < 64; ++i) *o->add_specs() = o->specs(0);
       },
       "specs: 65"},
      {"65 orders",
       [](auto* o) {
         for (int i = 0; i < 64; ++i) *o->add_clusters() = o->clusters(0);
       },
       "clusters: 65"},
      {"65 forgotten",
       [](auto* o) {
         for (int i = 0; i < 64; ++i) o->add_forget("a");
       },
       "forget: 65"},
      {"forget nothing", [](auto* o) { o->set_forget(0, ""); }, "forget"},
      {"order without a cluster", [](auto* o) { OrderOf(o)->clear_cluster(); }, "order.cluster"},
      {"two orders for a cluster", [](auto* o) { *o->add_clusters() = o->clusters(0); },
       "order.cluster"},
      {"order without a revision", [](auto* o) { OrderOf(o)->clear_spec_revision(); },
       "order.spec_revision"},
      {"no role", [](auto* o) { OrderOf(o)->clear_role(); }, "order.role"},
      {"unknown role", [](auto* o) { OrderOf(o)->set_role(static_cast<v1::Role>(7)); },
       "order.role"},
      {"no epoch", [](auto* o) { OrderOf(o)->clear_epoch(); }, "order.epoch"},
      {"an epoch that leaves no room", [](auto* o) { OrderOf(o)->set_epoch(UINT64_MAX); },
       "order.epoch"},
      {"active without ttl", [](auto* o) { OrderOf(o)->clear_ttl(); }, "order.ttl"},
      {"ttl over 60 s",
       [](auto* o) {
         OrderOf(o)->mutable_ttl()->set_seconds(60);
         OrderOf(o)->mutable_ttl()->set_nanos(1);
       },
       "order.ttl"},
      {"negative ttl", [](auto* o) { OrderOf(o)->mutable_ttl()->set_seconds(-1); }, "order.ttl"},
      {"ttl's nanos are malformed",
       [](auto* o) { OrderOf(o)->mutable_ttl()->set_nanos(1'000'000'000); }, "order.ttl"},
      {"ttl beyond all durations",
       [](auto* o) { OrderOf(o)->mutable_ttl()->set_seconds(INT64_MAX); }, "order.ttl"},
      {"no word on the service", [](auto* o) { OrderOf(o)->clear_service(); },
       "order.service.wanted"},
      {"an unknown word on the service",
       [](auto* o) {
         OrderOf(o)->mutable_service()->set_wanted(static_cast<v1::ServiceOrder::Wanted>(5));
       },
       "order.service.wanted"},
  };
}

TEST(WireTest, RefusesEachThingThatIsWrong) {
  std::vector<Refusal> refusals = SpecRefusals();
  for (Refusal& refusal : OrderRefusals()) refusals.push_back(std::move(refusal));
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    v1::Orders orders = Good();
    refusal.change(&orders);
    const absl::Status status = OrdersFromWire(orders).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(refusal.field));
    EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
  }
}

TEST(WireTest, RefusesAHelloThatIsNotMeantForThisNode) {
  struct Case {
    const char* name;
    std::function<void(v1::ControllerHello*)> change;
    absl::StatusCode code;
    const char* text;
  };
  const Case cases[] = {
      {"another version", [](auto* h) { h->set_protocol_version(2); },
       absl::StatusCode::kFailedPrecondition, "protocol version 1, not 2"},
      {"no version", [](auto* h) { h->clear_protocol_version(); },
       absl::StatusCode::kFailedPrecondition, "protocol version 1, not 0"},
      {"another node", [](auto* h) { h->set_node("master"); },
       absl::StatusCode::kFailedPrecondition, "this is node slave, not master"},
      {"no identity", [](auto* h) { h->clear_controller_id(); }, absl::StatusCode::kInvalidArgument,
       "controller_id"},
      {"identity with a line break", [](auto* h) { h->set_controller_id("a\nb"); },
       absl::StatusCode::kInvalidArgument, "controller_id"},
      {"identity too long", [](auto* h) { h->set_controller_id(std::string(129, 'a')); },
       absl::StatusCode::kInvalidArgument, "controller_id"},
  };
  v1::ControllerHello good;
  good.set_protocol_version(1);
  good.set_controller_id("c0ffee");
  good.set_node("slave");
  EXPECT_EQ(HelloFromWire(good, "slave").value().controller_id, "c0ffee");
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::ControllerHello hello = good;
    c.change(&hello);
    const absl::Status status = HelloFromWire(hello, "slave").status();
    EXPECT_EQ(status.code(), c.code);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.text));
  }
}

TEST(WireTest, WritesWholeReports) {
  ClusterReport cluster;
  cluster.cluster = "web";
  cluster.spec_revision = 5;
  cluster.holding = true;
  cluster.beyond_lease = true;
  cluster.epoch = 7;
  cluster.highest_epoch = 8;
  cluster.void_before = {3, 12};
  cluster.vips = {"192.168.0.111/24", "192.168.0.112/24"};
  cluster.seen.vip_present = {true, false};
  cluster.seen.link_usable = {true, true};
  cluster.seen.service = {ServiceStatus::State::kFailed, "exited with status 1"};
  cluster.seen.start_attempted = 4;
  cluster.seen.obstacles = {"eth1 is down"};
  cluster.refusal = "no";
  Report report;
  report.number = 13;
  report.answered = 11;
  report.followed_for = absl::Seconds(1);
  report.clusters = {cluster};
  v1::ExecutorMessage expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(report {
             number: 13
             clusters {
               cluster: "web"
               spec_revision: 5
               holding: true
               epoch: 7
               highest_epoch: 8
               void_before { incarnation: 3 number: 12 }
               service {
                 state: SERVICE_STATE_FAILED
                 detail: "exited with status 1"
                 start_attempt: 4
               }
               vips { address: "192.168.0.111/24" present: true link_up: true }
               vips { address: "192.168.0.112/24" link_up: true }
               obstacles: "eth1 is down"
               refusal: "no"
               beyond_lease: true
             }
             answered: 11
             followed_for { seconds: 1 }
           })pb",
      &expected));
  EXPECT_EQ(ReportToWire(report).DebugString(), expected.DebugString());
}

TEST(WireTest, TextThatIsNoUtf8CannotBreakAReport) {
  ClusterReport cluster;
  cluster.seen.service.detail = std::string("caf\xe9\0\n", 6) + std::string(9999, 'x');
  Report report;
  report.clusters = {cluster};
  const v1::ExecutorMessage message = ReportToWire(report);
  v1::ExecutorMessage read;
  ASSERT_TRUE(read.ParseFromString(message.SerializeAsString()));
  EXPECT_THAT(read.report().clusters(0).service().detail(), HasSubstr("caf???x"));
  EXPECT_LE(read.report().clusters(0).service().detail().size(), 500);
}

TEST(WireTest, EachServiceStateHasItsOwnWord) {
  std::set<v1::ServiceState> words;
  using State = ServiceStatus::State;
  for (const State state : {State::kStopped, State::kStarting, State::kRunning, State::kFailing,
                            State::kStopping, State::kFailed}) {
    Report report;
    report.clusters.emplace_back().seen.service.state = state;
    words.insert(ReportToWire(report).report().clusters(0).service().state());
  }
  EXPECT_EQ(words.size(), 6);
  EXPECT_FALSE(words.contains(v1::SERVICE_STATE_UNSPECIFIED));
}

}  // namespace
}  // namespace hb::executor
