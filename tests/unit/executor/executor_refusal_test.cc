// What the executor refuses by its own config, whoever orders it: nothing of it is done, the report
// says why, the log says it once.
#include "tests/unit/executor/executor_fixture.h"

namespace hb::executor {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Refusal {
  const char* name;
  std::function<void(Spec*)> change;
  const char* text;
};

IpAddress At(const std::string& text) { return IpAddress::Parse(text).value(); }

const std::vector<Refusal>& Refusals() {
  static const std::vector<Refusal> refusals = {
      {"another interface", [](Spec* spec) { spec->vips = {TestVip("192.168.0.111/24", "eth9")}; },
       "interface eth9 is not in allow.interfaces of executor.yaml (eth0, eth1)"},
      {"a VIP from elsewhere", [](Spec* spec) { spec->vips = {TestVip("10.0.0.1/24")}; },
       "VIP 10.0.0.1 is not within allow.vips of executor.yaml (192.168.0.0/24)"},
      {"one bad VIP among good ones",
       [](Spec* spec) { spec->vips.push_back(TestVip("192.168.1.1/24")); },
       "VIP 192.168.1.1 is not within allow.vips"},
      {"an IPv6 VIP where IPv4 is allowed",
       [](Spec* spec) { spec->vips = {TestVip("fd00::1/64")}; },
       "VIP fd00::1 is not within allow.vips"},
      {"the node's own address", [](Spec* spec) { spec->vips = {TestVip("192.168.0.1/24")}; },
       "VIP 192.168.0.1 is this node's own address (listen in executor.yaml)"},
      {"another port",
       [](Spec* spec) {
         spec->firewall = FirewallSpec{At("192.168.0.1"), {}, false, {80, 22}};
       },
       "TCP port 22 is not in allow.firewall_tcp of executor.yaml (80)"},
      {"protecting the VIP",
       [](Spec* spec) {
         spec->firewall = FirewallSpec{At("192.168.0.111"), {}, true, {}};
       },
       "firewall.own_address 192.168.0.111 is a VIP"},
      {"protecting another cluster's VIP",
       [](Spec* spec) {
         spec->firewall = FirewallSpec{At("192.168.0.50"), {}, true, {}};
       },
       "firewall.own_address 192.168.0.50 is a VIP of cluster other"},
      {"another cluster's VIP", [](Spec* spec) { spec->vips = {TestVip("192.168.0.50/32")}; },
       "VIP 192.168.0.50 belongs to cluster other here"},
      {"another cluster's own address",
       [](Spec* spec) { spec->vips = {TestVip("192.168.0.2/24")}; },
       "VIP 192.168.0.2 is this node's own address to cluster other"},
  };
  return refusals;
}

Spec OtherSpec() {
  Spec spec;
  spec.cluster = "other";
  spec.revision = 9;
  spec.vips = {TestVip("192.168.0.50/24")};
  spec.service = "website";
  spec.firewall = FirewallSpec{At("192.168.0.2"), {}, true, {}};
  return spec;
}

TEST_F(ExecutorTest, RefusesWhatExecutorYamlDoesNotAllow) {
  for (const Refusal& refusal : Refusals()) {
    SCOPED_TRACE(refusal.name);
    journal_.clear();
    Make();
    Open();
    Tell({OtherSpec()});
    journal_.clear();
    Spec spec = WebSpec();
    refusal.change(&spec);
    Order order = WebOrder(true);
    ::testing::internal::CaptureStderr();
    Tell({spec}, {order});
    Tell({spec}, {order});
    website_->Become(State::kRunning);
    Pass(absl::Seconds(1));
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(Last().refusal, HasSubstr(refusal.text));
    EXPECT_EQ(Last().spec_revision, 0);
    EXPECT_FALSE(Last().holding);
    EXPECT_THAT(journal_, IsEmpty());
    EXPECT_THAT(host_.vips, IsEmpty());
    const size_t first = log.find(refusal.text);
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find(refusal.text, first + 1), std::string::npos) << "said twice: " << log;
  }
}

TEST_F(ExecutorTest, GoesOnByTheOldSpecWhenTheNewOneIsRefused) {
  Make();
  TakeOver();
  Spec spec = WebSpec();
  spec.revision = 6;
  spec.vips = {TestVip("10.0.0.1/24")};
  Tell({spec});
  EXPECT_EQ(Last().spec_revision, 5);
  EXPECT_THAT(Last().refusal, HasSubstr("10.0.0.1"));
  EXPECT_TRUE(host_.HasVip(TestVip()));
}

TEST_F(ExecutorTest, AVipMayMoveFromOneClusterToAnotherInOneMessage) {
  Make();
  Open();
  Tell({WebSpec()});
  Spec renamed = WebSpec();
  renamed.cluster = "www";
  Orders message;
  message.forget = {"web"};
  message.specs = {renamed};
  ASSERT_TRUE(executor_->Receive(message).ok());
  Pump();
  EXPECT_EQ(Last("www").spec_revision, 5);
  EXPECT_EQ(Last("www").refusal, "");
}

TEST_F(ExecutorTest, RefusesAServiceOrderForASpecThatIsNotKnown) {
  Make();
  Open();
  Tell({}, {WebOrder(true)});
  EXPECT_EQ(Last().refusal, "the order is for a spec that is not known here");
  EXPECT_THAT(journal_, IsEmpty());
}

TEST_F(ExecutorTest, RefusesAnEpochBelowTheOneOnDisk) {
  Make({}, {{"web", Record{.epoch = 9}}});
  Open();
  Tell({WebSpec()}, {WebOrder(true, 8)});
  EXPECT_THAT(Last().refusal, HasSubstr("epoch 8 is stale"));
}

TEST_F(ExecutorTest, TakesOnlySoManyClusters) {
  Make();
  Open();
  Orders message;
  for (size_t i = 0; i <= Executor::kMaxClusters; ++i) {
    Order order = WebOrder(false);
    order.cluster = "cluster" + std::to_string(i);
    message.orders.push_back(order);
  }
  EXPECT_EQ(executor_->Receive(message).code(), absl::StatusCode::kResourceExhausted);
  message.orders.pop_back();
  EXPECT_TRUE(executor_->Receive(message).ok());
}

}  // namespace
}  // namespace hb::executor
