// Promises between two executors over a real gRPC server on loopback, and what its messages may
// say.
#include "executor/peer_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/boot_clock.h"
#include "executor/controller_link.h"
#include "executor/wire.h"
#include "tests/fakes/silent_server.h"

namespace hb::executor {
namespace {

using ::testing::HasSubstr;

// Answers at once, later, or never.
class Giver : public PromiseHandler {
 public:
  enum class Mode { kAtOnce, kLater, kNever };
  void PromiseAsked(PromiseRequest request,
                    std::function<void(const AnswerPromise&)> answer) override {
    asked = std::move(request);
    if (mode == Mode::kAtOnce) return answer({0, true, 9, false, ""});
    if (mode == Mode::kLater) waiting = std::move(answer);
  }
  Mode mode = Mode::kAtOnce;
  std::optional<PromiseRequest> asked;
  std::function<void(const AnswerPromise&)> waiting;
};

class NoController : public StreamHandler {
 public:
  absl::Status MayFollow(const std::string& /*controller*/) const override {
    return absl::OkStatus();
  }
  void StreamOpened(Stream* /*stream*/, const std::string& /*controller*/) override {}
  void StreamClosed() override {}
  void StreamIdle() override {}
  absl::Status Receive(const Orders& /*orders*/) override { return absl::OkStatus(); }
};

class PeerLinkTest : public ::testing::Test {
 protected:
  PeerLinkTest() {
    ControllerLink::Options options;
    options.address = IpAddress::Parse("127.0.0.1").value();
    options.node = "slave";
    options.incarnation = 1;
    options.peer_service = &service_;
    link_ = ControllerLink::Start(options, loop_.get(), &controller_).value();
  }

  AskPromise Question(const std::string& to = "slave") const {
    return {"web",
            {to, "127.0.0.1:" + std::to_string(link_->port())},
            7,
            {IpAddress::Parse("192.168.0.111").value(), IpAddress::Parse("fd00::111").value()},
            absl::Milliseconds(1500)};
  }
  absl::StatusOr<PromiseReply> Ask(const AskPromise& question,
                                   Duration within = absl::Seconds(20)) {
    std::optional<absl::StatusOr<PromiseReply>> reply;
    client_.Ask(question, within,
                [&](absl::StatusOr<PromiseReply> r) { reply.emplace(std::move(r)); });
    EXPECT_FALSE(reply) << "never from within the call";
    RunUntil([&] { return reply.has_value(); });
    return reply.value_or(absl::InternalError("no answer"));
  }
  void RunUntil(const std::function<bool()>& done) {
    const MonoTime limit = BootNow() + absl::Seconds(30);
    while (!done() && BootNow() < limit) (void)loop_->RunOnce(absl::Milliseconds(50));
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  NoController controller_;
  Giver giver_;
  PeerService service_{loop_.get(), "slave", &giver_};
  std::unique_ptr<ControllerLink> link_;
  PeerClient client_{loop_.get(), "master"};
};

TEST_F(PeerLinkTest, AQuestionArrivesWholeAndItsAnswerComesBack) {
  const absl::StatusOr<PromiseReply> reply = Ask(Question());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->given);
  EXPECT_EQ(reply->epoch, 7u) << "that was asked for";
  EXPECT_EQ(reply->d, absl::Milliseconds(1500));
  EXPECT_EQ(reply->highest_epoch, 9u);
  ASSERT_TRUE(giver_.asked);
  EXPECT_EQ(giver_.asked->cluster, "web");
  EXPECT_EQ(giver_.asked->from, "master");
  EXPECT_EQ(giver_.asked->epoch, 7u);
  EXPECT_EQ(giver_.asked->d, absl::Milliseconds(1500));
  ASSERT_EQ(giver_.asked->vips.size(), 2u);
  EXPECT_EQ(giver_.asked->vips[1].ToString(), "fd00::111");
}

TEST_F(PeerLinkTest, AnAnswerMayTakeItsTimeAndARefusalSaysWhy) {
  giver_.mode = Giver::Mode::kLater;
  std::optional<absl::StatusOr<PromiseReply>> reply;
  client_.Ask(Question(), absl::Seconds(20),
              [&](absl::StatusOr<PromiseReply> r) { reply.emplace(std::move(r)); });
  RunUntil([&] { return giver_.waiting != nullptr; });
  ASSERT_TRUE(giver_.waiting);
  giver_.waiting({0, false, 8, true, "this node holds a lease of the cluster"});
  RunUntil([&] { return reply.has_value(); });
  ASSERT_TRUE(reply && reply->ok());
  EXPECT_FALSE((*reply)->given);
  EXPECT_TRUE((*reply)->holding);
  EXPECT_EQ((*reply)->refusal, "this node holds a lease of the cluster");
}

TEST_F(PeerLinkTest, WhoDoesNotAnswerInTimeHasNotPromised) {
  giver_.mode = Giver::Mode::kNever;
  EXPECT_EQ(Ask(Question(), absl::Milliseconds(100)).status().code(),
            absl::StatusCode::kUnavailable);
  AskPromise nobody = Question();
  nobody.peer.executor = "127.0.0.1:1";
  EXPECT_EQ(Ask(nobody, absl::Milliseconds(500)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(PeerLinkTest, AnotherNodeThanTheOneThatIsMeantRefuses) {
  const absl::StatusOr<PromiseReply> reply = Ask(Question("third"));
  EXPECT_THAT(std::string(reply.status().message()), HasSubstr("this is node slave, not third"));
  EXPECT_FALSE(giver_.asked);
}

TEST_F(PeerLinkTest, QuestionsThatWaitEndWhenTheExecutorDoes) {
  giver_.mode = Giver::Mode::kLater;
  std::optional<absl::StatusOr<PromiseReply>> reply;
  client_.Ask(Question(), absl::Seconds(20),
              [&](absl::StatusOr<PromiseReply> r) { reply.emplace(std::move(r)); });
  RunUntil([&] { return giver_.waiting != nullptr; });
  link_.reset();
  RunUntil([&] { return reply.has_value(); });
  ASSERT_TRUE(reply);
  EXPECT_THAT(std::string(reply->status().message()), HasSubstr("the executor is stopping"));
  giver_.waiting({0, true, 9, false, ""});  // too late, and harmless
}

// The last channel of a process takes gRPC's callback thread with it: it must not go on that very
// thread. (With the address sanitizer a wrong order is a double free.)
TEST(PeerClientTest, EndsWithItsQuestionsWhereverTheyStand) {
  const SilentServer peer;
  ASSERT_FALSE(peer.address().empty());
  const std::unique_ptr<EventLoop> loop = EventLoop::Create().value();
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    PeerClient client(loop.get(), "master");
    for (int n = 0; n < 3; ++n) {
      client.Ask({"web", {"slave", peer.address()}, 7, {}, absl::Seconds(1)}, absl::Seconds(60),
                 [&answers](const absl::StatusOr<PromiseReply>& /*reply*/) { ++answers; });
    }
    const MonoTime until = BootNow() + absl::Milliseconds(i);
    while (BootNow() < until) (void)loop->RunOnce(absl::Milliseconds(1));
  }
  (void)loop->RunOnce(absl::ZeroDuration());
  EXPECT_EQ(answers, 0) << "a client that is gone answers nobody";
}

TEST(PromiseWireTest, EachFieldIsJudged) {
  v1::PromiseRequest good;
  good.set_protocol_version(kProtocolVersion);
  good.set_cluster("web");
  good.set_from("master");
  good.set_to("slave");
  good.set_epoch(7);
  good.add_vips("192.168.0.111");
  good.mutable_duration()->set_seconds(60);
  ASSERT_TRUE(PromiseRequestFromWire(good, "slave").ok());
  struct Case {
    const char* name;
    std::function<void(v1::PromiseRequest&)> change;
    const char* text;
  };
  const Case cases[] = {
      {"version", [](auto& r) { r.set_protocol_version(2); }, "protocol version 1, not 2"},
      {"node", [](auto& r) { r.set_to(""); }, "this is node slave"},
      {"cluster", [](auto& r) { r.set_cluster("a b"); }, "promise.cluster"},
      {"from", [](auto& r) { r.set_from(""); }, "promise.from"},
      {"no epoch", [](auto& r) { r.set_epoch(0); }, "promise.epoch: 0"},
      {"epoch too high", [](auto& r) { r.set_epoch(kMaxEpoch + 1); }, "promise.epoch"},
      {"no VIP", [](auto& r) { r.clear_vips(); }, "promise.vips: 0 of them"},
      {"too many VIPs",
       [](auto& r) {
         for (int i = 0; i < kMaxVips; ++i) r.add_vips("192.168.0.112");
       },
       "promise.vips: 17 of them"},
      {"no address", [](auto& r) { r.set_vips(0, "here"); }, "promise.vips"},
      {"no duration", [](auto& r) { r.clear_duration(); }, "promise.duration"},
      {"too long", [](auto& r) { r.mutable_duration()->set_nanos(1); }, "promise.duration"},
      {"negative", [](auto& r) { r.mutable_duration()->set_seconds(-1); }, "promise.duration"},
      {"bad nanos", [](auto& r) { r.mutable_duration()->set_nanos(-1); }, "promise.duration"},
  };
  for (const Case& c : cases) {
    v1::PromiseRequest request = good;
    c.change(request);
    const auto read = PromiseRequestFromWire(request, "slave");
    ASSERT_FALSE(read.ok()) << c.name;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.text)) << c.name;
  }
}

}  // namespace
}  // namespace hb::executor
