// The executor's shell: what it does to host, services and disk, in which order, and what it
// reports.
#include "executor/executor.h"

#include "tests/unit/executor/executor_fixture.h"

namespace hb::executor {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kAdd[] = "add 192.168.0.111/24 on eth0";
constexpr char kExtend[] = "extend 192.168.0.111/24 on eth0";
constexpr char kRemove[] = "remove 192.168.0.111/24 on eth0";
constexpr char kAnnounce[] = "announce 192.168.0.111/24 on eth0";

TEST_F(ExecutorTest, TakesOverServiceFirstThenAddressThenAnnouncements) {
  Make();
  Open();
  Tell({WebSpec()}, {WebOrder(true)});
  EXPECT_THAT(journal_, ElementsAre("guard 192.168.0.111", "firewall none", "start website"));
  website_->Become(State::kRunning);
  Pump();
  EXPECT_THAT(journal_, ElementsAre("guard 192.168.0.111", "firewall none", "start website",
                                    "add 192.168.0.111/24 on eth0", "open 192.168.0.111",
                                    "announce 192.168.0.111/24 on eth0"));
  EXPECT_EQ(host_.valid_for(TestVip()), absl::Seconds(2));
  EXPECT_TRUE(Last().holding);
  EXPECT_EQ(Last().epoch, 7);
  EXPECT_EQ(Last().seen.start_attempted, 1);
  EXPECT_THAT(Last().seen.vip_present, ElementsAre(true));
  EXPECT_THAT(Last().seen.obstacles, IsEmpty());
  EXPECT_EQ(status_, "web: active, epoch 7");
}

TEST_F(ExecutorTest, GivesUpTheAddressBeforeItStopsTheService) {
  Make();
  TakeOver();
  journal_.clear();
  Tell({}, {WebOrder(false)});
  EXPECT_THAT(journal_, ElementsAre("close 192.168.0.111", "remove 192.168.0.111/24 on eth0",
                                    "stop website"));
  EXPECT_FALSE(Last().holding);
  EXPECT_EQ(Last().void_before.incarnation, 3);
  EXPECT_EQ(status_, "web: standby");
}

TEST_F(ExecutorTest, ObeysNothingOfANewEpochBeforeItIsOnDisk) {
  Make();
  Open();
  disk_works_ = false;
  Tell({WebSpec()}, {WebOrder(true)});
  EXPECT_THAT(journal_, Not(Contains("start website")));
  EXPECT_EQ(Last().highest_epoch, 0);
  disk_works_ = true;
  Pump();
  EXPECT_THAT(journal_, Contains("start website"));
  EXPECT_EQ(store_.records.at("web").epoch, 7);
  EXPECT_EQ(Last().highest_epoch, 7);
}

TEST_F(ExecutorTest, ShowsAFullDiskAsAnObstacleAndTriesAgain) {
  Make();
  Open();
  store_.error = absl::UnavailableError("cannot write epochs: No space left on device");
  Tell({WebSpec()}, {WebOrder(true)});
  EXPECT_THAT(Last().seen.obstacles, Contains(HasSubstr("No space left on device")));
  EXPECT_THAT(journal_, Not(Contains("start website")));
  store_.error = absl::OkStatus();
  Pass(absl::Milliseconds(600));
  EXPECT_THAT(journal_, Contains("start website"));
  EXPECT_THAT(Last().seen.obstacles, IsEmpty());
}

TEST_F(ExecutorTest, AddsNoAddressThatIsNotOnRecord) {
  Make();
  Open();
  Tell({WebSpec()}, {WebOrder(false)});
  disk_works_ = false;
  Tell({}, {WebOrder(true)});  // the epoch is known: only the record of VIPs is to be written
  website_->Become(State::kRunning);
  EXPECT_THAT(journal_, Not(Contains(kAdd)));
  disk_works_ = true;
  Pump();
  EXPECT_THAT(journal_, Contains(kAdd));
  EXPECT_THAT(store_.vips, ElementsAre(TestVip()));
}

TEST_F(ExecutorTest, AddsNothingWhenTheLeaseEndedWhileTheRecordWasWritten) {
  Make();
  Open();
  Tell({WebSpec()}, {WebOrder(false)});
  disk_works_ = false;
  Tell({}, {WebOrder(true)});
  website_->Become(State::kRunning);
  Tell({}, {WebOrder(false)});
  disk_works_ = true;
  Pump();
  EXPECT_THAT(journal_, Not(Contains(kAdd)));
}

TEST_F(ExecutorTest, RestoresAnAddressThatSomebodyRemoved) {
  Make();
  TakeOver();
  journal_.clear();
  host_.vips.clear();
  host_.Changed();
  Pump();
  EXPECT_THAT(journal_, ElementsAre(kAdd, kAnnounce));
}

TEST_F(ExecutorTest, RemovesAnAddressThatSomebodyPutUpOnAStandby) {
  Make();
  Open();
  Tell({WebSpec()}, {WebOrder(false)});
  host_.vips.insert(TestVip());
  host_.Changed();
  Pump();
  EXPECT_THAT(journal_, Contains(kRemove));
}

TEST_F(ExecutorTest, ExtendsTheAddressWhileTheLeaseIsRenewed) {
  Make();
  TakeOver();
  journal_.clear();
  for (int i = 0; i < 15; ++i) {
    Pass(absl::Milliseconds(200));
    Renew();
  }
  EXPECT_EQ(std::count(journal_.begin(), journal_.end(), kExtend), 3);
  EXPECT_THAT(journal_, Not(Contains(kRemove)));
}

TEST_F(ExecutorTest, GivesUpWhenTheLeaseRunsOutEvenWithTheStreamStuck) {
  Make();
  TakeOver();
  stream_flows_ = false;
  Pass(absl::Milliseconds(900));
  EXPECT_TRUE(host_.HasVip(TestVip()));
  Pass(absl::Milliseconds(100));
  EXPECT_FALSE(host_.HasVip(TestVip()));
}

TEST_F(ExecutorTest, TheLeaseOutlivesTheStream) {
  Make();
  TakeOver();
  executor_->StreamClosed();
  EXPECT_EQ(status_, "web: active, epoch 7; no controller is connected");
  Pass(absl::Milliseconds(990));
  EXPECT_TRUE(host_.HasVip(TestVip()));
  Pass(absl::Milliseconds(10));
  EXPECT_FALSE(host_.HasVip(TestVip()));
}

TEST_F(ExecutorTest, ReportsOnlyWhatChanged) {
  Make();
  TakeOver();
  const size_t before = stream_.sent.size();
  Pass(absl::Milliseconds(400));
  ASSERT_EQ(stream_.sent.size(), before + 2);
  EXPECT_THAT(stream_.sent[before].clusters, IsEmpty());
  EXPECT_THAT(stream_.sent[before + 1].clusters, IsEmpty());
  website_->Become(State::kFailing, "check failed");
  ASSERT_EQ(stream_.sent.size(), before + 3) << "a change of the service is pushed at once";
  EXPECT_EQ(stream_.sent.back().clusters.at(0).seen.service.state, State::kFailing);
  Pump();
  executor_->StreamClosed();
  Open();
  EXPECT_EQ(stream_.sent.at(0).clusters.size(), 1) << "a new stream's first report has all";
  EXPECT_EQ(stream_.sent.at(0).number, before + 4) << "numbers go on";
}

TEST_F(ExecutorTest, HoldsReportsBackWhileOneIsBeingWritten) {
  Make();
  TakeOver();
  stream_flows_ = false;
  website_->Become(State::kFailing);
  const size_t before = stream_.sent.size();
  website_->Become(State::kRunning);
  website_->Become(State::kFailed, "exited with status 1");
  EXPECT_EQ(stream_.sent.size(), before);
  stream_flows_ = true;
  Pump();
  EXPECT_EQ(stream_.sent.size(), before + 1) << "changes are gathered";
  EXPECT_EQ(Last().seen.service.detail, "exited with status 1");
}

TEST_F(ExecutorTest, RemovesLeftoversOnTheRecordAndNoOtherAddress) {
  host_.vips = {TestVip(), TestVip("192.168.0.5/24")};
  MakeOnly({TestVip(), TestVip("192.168.0.112/24")});
  ASSERT_TRUE(executor_->Start().ok());
  EXPECT_THAT(journal_, ElementsAre(kRemove));
  EXPECT_THAT(host_.vips, ElementsAre(TestVip("192.168.0.5/24")));
  executor_->Wake();
  Pump();
  EXPECT_THAT(store_.vips, IsEmpty());
}

TEST_F(ExecutorTest, DoesNotStartOverALeftoverThatStays) {
  host_.vips = {TestVip()};
  host_.remove_error = absl::PermissionDeniedError("Operation not permitted");
  MakeOnly({TestVip()});
  EXPECT_THAT(std::string(executor_->Start().message()),
              HasSubstr("cannot remove 192.168.0.111/24 on eth0"));
}

TEST_F(ExecutorTest, NamesWhatStandsInTheWay) {
  struct Case {
    const char* name;
    bool exists, admin_up, carrier;
    const char* obstacle;
  };
  const Case cases[] = {
      {"missing", false, false, false,
       "eth1 does not exist on this node: create it or mend vips[].interface"},
      {"down", true, false, false, "eth1 is down: ip link set eth1 up"},
      {"unplugged", true, true, false, "eth1 has no carrier: check the cable"},
  };
  Make();
  Open();
  Spec spec = WebSpec();
  spec.vips = {TestVip("192.168.0.111/24", "eth1"), TestVip("192.168.0.112/24", "eth1")};
  Tell({spec});
  for (const Case& c : cases) {
    host_.SetLink("eth1", c.exists, c.admin_up, c.carrier);
    host_.Changed();
    Pump();
    EXPECT_THAT(Last().seen.obstacles, ElementsAre(c.obstacle)) << c.name;
  }
  host_.SetLink("eth1", true, true, true);
  host_.Changed();
  Pump();
  EXPECT_THAT(Last().seen.obstacles, IsEmpty());
}

TEST_F(ExecutorTest, SaysThatAServiceIsNotDefined) {
  Make();
  Open();
  Spec spec = WebSpec();
  spec.service = "mail";
  Tell({spec}, {WebOrder(true)});
  EXPECT_THAT(Last().seen.obstacles, ElementsAre("service mail is not defined in executor.yaml"));
  EXPECT_EQ(Last().seen.start_attempted, 1) << "the attempt is used up";
  EXPECT_FALSE(host_.HasVip(TestVip()));
}

TEST_F(ExecutorTest, LogsAFailingActOnceAndShowsItUntilItSucceeds) {
  Make();
  Open();
  host_.add_error = absl::PermissionDeniedError("Operation not permitted");
  ::testing::internal::CaptureStderr();
  Tell({WebSpec()}, {WebOrder(true)});
  website_->Become(State::kRunning);
  Pump();
  for (int i = 0; i < 10; ++i) {
    Pass(absl::Milliseconds(200));
    Renew();
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_GT(std::count(journal_.begin(), journal_.end(), "add failed 192.168.0.111/24 on eth0"), 5);
  const size_t first = log.find("Operation not permitted");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("Operation not permitted", first + 1), std::string::npos) << log;
  EXPECT_THAT(Last().seen.obstacles,
              ElementsAre("AddVip 192.168.0.111/24 on eth0 failed: Operation not permitted"));
  host_.add_error = absl::OkStatus();
  Pass(absl::Milliseconds(300));
  EXPECT_TRUE(host_.HasVip(TestVip()));
  EXPECT_THAT(Last().seen.obstacles, IsEmpty());
}

TEST_F(ExecutorTest, AFailureThatNobodyRepeatsBarsTheNodeForAWhileOnly) {
  Make();
  Open();
  host_.add_error = absl::UnavailableError("Cannot allocate memory");
  Tell({WebSpec()}, {WebOrder(true)});
  website_->Become(State::kRunning);
  Pump();
  Tell({}, {WebOrder(false)});
  Pass(absl::Seconds(29));
  EXPECT_THAT(Last().seen.obstacles, Contains(HasSubstr("Cannot allocate memory")));
  Pass(absl::Seconds(2));
  EXPECT_THAT(Last().seen.obstacles, IsEmpty());
}

TEST_F(ExecutorTest, AsksTheGatewayThatThereIsAtEachQuestion) {
  Make();
  Open();
  Spec spec = WebSpec();
  spec.on_expiry = OnExpiry::kWitness;
  spec.witness = "gateway";
  spec.witness_interval = absl::Milliseconds(200);
  host_.gateway = IpAddress::Parse("192.168.0.254").value();
  Tell({spec}, {WebOrder(true)});
  website_->Become(State::kRunning);
  Pass(absl::Milliseconds(1));
  ASSERT_THAT(prober_.asked, testing::SizeIs(1));
  EXPECT_EQ(prober_.asked[0].address, "192.168.0.254");
  host_.gateway = IpAddress::Parse("192.168.0.253").value();
  Pass(absl::Milliseconds(899));
  ASSERT_THAT(prober_.asked, testing::SizeIs(5));
  EXPECT_EQ(prober_.asked[4].address, "192.168.0.253");
  // Asked at 800 ms, answered: the address stays until 1800 ms.
  prober_.asked[4].done({true, "1 ms", absl::Milliseconds(1)});
  Pump();
  Pass(absl::Milliseconds(890));
  EXPECT_TRUE(host_.HasVip(TestVip()));
  EXPECT_TRUE(Last().beyond_lease);
  Pass(absl::Milliseconds(20));
  EXPECT_FALSE(host_.HasVip(TestVip()));
}

// ---- what an earlier process left ----

Record Followed(uint64_t epoch = 7) {
  Record record;
  record.epoch = epoch;
  record.controller = "controller-1";
  record.spec = WebSpecForRecord();
  return record;
}

TEST_F(ExecutorTest, TakesUpTheLeaseThatItFindsInTheGate) {
  host_.vips = {TestVip()};
  host_.gates[TestVip().address.address] = {now_ + absl::Milliseconds(600), 7, absl::Seconds(1)};
  MakeOnly({TestVip()}, {{"web", Followed()}});
  website_->Become(State::kRunning);
  ASSERT_TRUE(executor_->Start().ok());
  Pump();
  EXPECT_THAT(journal_, Not(Contains(kRemove)));
  EXPECT_EQ(status_, "web: active, epoch 7; no controller is connected");
  Open();
  EXPECT_TRUE(Last().holding);
  Tell({WebSpec()}, {WebOrder(true)});
  EXPECT_EQ(host_.gates[TestVip().address.address].until, now_ + absl::Seconds(1));
  EXPECT_THAT(store_.vips, ElementsAre(TestVip())) << "still on the record";
}

TEST_F(ExecutorTest, ClosesWhatNoLeaseKeepsOpenBeforeItRemovesTheAddress) {
  const IpAddress orphan = TestVip("192.168.0.112/24").address.address;
  host_.vips = {TestVip(), TestVip("192.168.0.112/24")};
  // One without an epoch, one of no cluster that is known here.
  host_.gates[TestVip().address.address] = {now_ + absl::Seconds(9), 0, absl::Seconds(1)};
  host_.gates[orphan] = {now_ + absl::Seconds(9), 5, absl::Seconds(1)};
  MakeOnly({TestVip(), TestVip("192.168.0.112/24")}, {{"web", Followed()}});
  ASSERT_TRUE(executor_->Start().ok());
  EXPECT_THAT(journal_, ElementsAre("close 192.168.0.111", "close 192.168.0.112", kRemove,
                                    "remove 192.168.0.112/24 on eth0", "unguard 192.168.0.112"));
}

TEST_F(ExecutorTest, DoesNotStartOverAGateThatDoesNotClose) {
  host_.gate_error = absl::UnavailableError("bpf: Input/output error");
  MakeOnly({}, {{"web", Followed()}});
  EXPECT_THAT(std::string(executor_->Start().message()), HasSubstr("Input/output error"));
}

TEST_F(ExecutorTest, AddsNoAddressWithoutAGateInFrontOfIt) {
  Make();
  Open();
  Tell({WebSpec()}, {WebOrder(true)});
  host_.gate_obstacles = {"the gate does not stand on eth0: a plain ingress qdisc is there"};
  website_->Become(State::kRunning);
  Pump();
  EXPECT_FALSE(host_.HasVip(TestVip()));
  EXPECT_THAT(Last().seen.obstacles,
              Contains("the gate does not stand on eth0: a plain ingress qdisc is there"));
  host_.gate_obstacles.clear();
  host_.Changed();
  Pass(absl::Milliseconds(300));
  EXPECT_TRUE(host_.HasVip(TestVip()));
}

// ---- peers ----

TEST_F(ExecutorTest, AsksItsPeersWhileTheControllerIsSilentAndCountsFromTheAsking) {
  Make();
  Open();
  Spec spec = WebSpec();
  spec.peers = {{"slave", "192.168.0.2:7401"}};
  Tell({spec}, {WebOrder(true)});
  website_->Become(State::kRunning);
  Pump();
  executor_->StreamClosed();
  Pass(absl::Milliseconds(500));
  const MonoTime asked = now_;
  ASSERT_EQ(peers_.asked.size(), 1u);
  EXPECT_EQ(peers_.asked[0].question.peer.executor, "192.168.0.2:7401");
  EXPECT_EQ(peers_.asked[0].question.epoch, 7u);
  Pass(absl::Milliseconds(100));
  PromiseReply reply;
  reply.given = true;
  reply.epoch = 7;
  reply.d = absl::Seconds(1);
  peers_.asked[0].done(reply);
  EXPECT_EQ(host_.gates[TestVip().address.address].until, asked + absl::Seconds(1));
}

TEST_F(ExecutorTest, AnswersAPromiseOnceItIsOnDisk) {
  Make();
  disk_works_ = false;
  PromiseRequest request;
  request.cluster = "web";
  request.from = "master";
  request.epoch = 7;
  request.vips = {TestVip().address.address};
  request.d = absl::Seconds(1);
  std::optional<AnswerPromise> answer;
  executor_->PromiseAsked(request, [&](const AnswerPromise& a) { answer = a; });
  EXPECT_FALSE(answer);
  disk_works_ = true;
  Pump();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->given);
  EXPECT_EQ(store_.records.at("web").longest_promise, absl::Seconds(1));
}

TEST_F(ExecutorTest, FollowsAnotherControllerOnlyWhenTheFirstHasBeenSilentLongEnough) {
  Make();
  TakeOver();
  EXPECT_FALSE(executor_->MayFollow("another").ok());
  executor_->StreamClosed();
  EXPECT_FALSE(executor_->MayFollow("another").ok());
  EXPECT_TRUE(executor_->MayFollow("controller-1").ok());
  Pass(absl::Milliseconds(1001));
  EXPECT_TRUE(executor_->MayFollow("another").ok());
}

TEST_F(ExecutorTest, ReportsTheClaimOfAnother) {
  Make();
  TakeOver();
  EXPECT_THAT(host_.watched, ElementsAre(TestVip()));
  host_.conflict_seen({TestVip(), "02:00:00:00:00:09"});
  Pump();
  EXPECT_EQ(Last().conflict, "02:00:00:00:00:09 claims 192.168.0.111");
}

// ---- the end ----

TEST_F(ExecutorTest, ToldToStopItLeavesTheLeaseToTheNextProcessUnlessOrderedOtherwise) {
  Make();
  TakeOver();
  journal_.clear();
  bool done = false;
  stream_flows_ = false;
  executor_->Leave([&] { done = true; });
  EXPECT_FALSE(done) << "the last report is still being written";
  stream_flows_ = true;
  Pump();
  EXPECT_TRUE(done);
  EXPECT_TRUE(Last().leaving);
  EXPECT_THAT(journal_, IsEmpty());
  EXPECT_THAT(store_.vips, ElementsAre(TestVip())) << "for the next one to know";
}

TEST_F(ExecutorTest, ToldToStopItWaitsForTheHandoverAndReportsTheRelease) {
  Make();
  TakeOver();
  Order order = WebOrder(true);
  order.on_leave = OnLeave::kWait;
  Tell({}, {order});
  journal_.clear();
  bool done = false;
  executor_->Leave([&] { done = true; });
  Pump();
  EXPECT_FALSE(done);
  EXPECT_THAT(journal_, IsEmpty());
  Tell({}, {WebOrder(false)});
  EXPECT_THAT(journal_, ElementsAre("close 192.168.0.111", kRemove));
  EXPECT_TRUE(done);
  EXPECT_FALSE(Last().holding);
  EXPECT_EQ(website_->status().state, State::kRunning);
}

TEST_F(ExecutorTest, AppliesTheFirewallAgainAfterAFailureAndNowAndThen) {
  Make();
  Open();
  Spec spec = WebSpec();
  spec.firewall = FirewallSpec{IpAddress::Parse("192.168.0.1").value(), {}, true, {80}};
  Tell({spec});
  EXPECT_THAT(journal_, ElementsAre("guard 192.168.0.111", "firewall rules"));
  host_.FinishFirewall(absl::UnavailableError("iptables: busy"));
  Pass(absl::Seconds(6));
  EXPECT_THAT(journal_, ElementsAre("guard 192.168.0.111", "firewall rules", "firewall rules"));
  EXPECT_THAT(Last().seen.obstacles, IsEmpty()) << "it bars no takeover";
  host_.FinishFirewall(absl::OkStatus());
  Pass(absl::Seconds(11));
  EXPECT_THAT(journal_, testing::SizeIs(4)) << "somebody may have flushed the tables";
}

}  // namespace
}  // namespace hb::executor
