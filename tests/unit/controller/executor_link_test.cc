// The link to an executor that does not let the controller in: silence ends it, so does its owner,
// and of refusals only one says that another controller is followed.
#include "controller/executor_link.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "common/boot_clock.h"
#include "fake_executor.h"
#include "tests/fakes/silent_server.h"

namespace hb::controller {
namespace {

class ExecutorLinkTest : public ::testing::Test {
 protected:
  std::unique_ptr<ExecutorLink> Link(Duration silence) { return Link(silence, server_.address()); }
  std::unique_ptr<ExecutorLink> Link(Duration silence, const std::string& address) {
    return std::make_unique<ExecutorLink>(
        loop_.get(), ExecutorLink::Options{"master", address, "controller", silence},
        ExecutorLink::Listener{[this](const v1::ExecutorHello&) { ++opened_; },
                               [](const v1::Report&) {},
                               [this](const std::string& why, bool refused) {
                                 closed_.push_back(why);
                                 refused_ = refused;
                               }});
  }
  void RunUntil(const std::function<bool()>& done) {
    const MonoTime limit = BootNow() + absl::Seconds(30);
    while (!done() && BootNow() < limit) (void)loop_->RunOnce(absl::Milliseconds(10));
  }

  SilentServer server_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  int opened_ = 0;
  std::vector<std::string> closed_;
  bool refused_ = false;
};

TEST_F(ExecutorLinkTest, SilenceEndsAnAttemptAndTheNextOneIsMade) {
  ASSERT_FALSE(server_.address().empty());
  const auto link = Link(absl::Milliseconds(50));
  RunUntil([this] { return closed_.size() >= 3; });
  ASSERT_GE(closed_.size(), 3u);
  EXPECT_EQ(closed_.front(), "no answer within 50 ms");
  EXPECT_FALSE(link->open());
  EXPECT_EQ(opened_, 0);
}

TEST_F(ExecutorLinkTest, OnlyOneRefusalSaysThatAnotherControllerIsFollowed) {
  struct Case {
    const char* name;
    grpc::StatusCode code;
    bool refused;
  };
  const Case cases[] = {
      {"another is followed", grpc::StatusCode::ABORTED, true},
      {"another version, another node", grpc::StatusCode::FAILED_PRECONDITION, false},
      {"no identity", grpc::StatusCode::INVALID_ARGUMENT, false},
      {"a newer session", grpc::StatusCode::ALREADY_EXISTS, false},
      {"stopping", grpc::StatusCode::UNAVAILABLE, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    FakeExecutor executor(grpc::Status(c.code, "the reason"));
    closed_.clear();
    const auto link = Link(absl::Seconds(20), executor.address());
    RunUntil([this] { return !closed_.empty(); });
    ASSERT_FALSE(closed_.empty());
    EXPECT_EQ(closed_.front(), "the reason");
    EXPECT_EQ(refused_, c.refused);
  }
}

// The last channel of a process takes gRPC's callback thread with it: it must not go on that very
// thread. (With the address sanitizer a wrong order is a double free.)
TEST_F(ExecutorLinkTest, EndsWithItsCallWhereverThatStands) {
  ASSERT_FALSE(server_.address().empty());
  for (int i = 0; i < 20; ++i) {
    auto link = Link(absl::Milliseconds(20));
    const MonoTime until = BootNow() + absl::Milliseconds(4 * i);
    while (BootNow() < until) (void)loop_->RunOnce(absl::Milliseconds(1));
    link.reset();
    closed_.clear();
    (void)loop_->RunOnce(absl::ZeroDuration());
    EXPECT_TRUE(closed_.empty()) << "a link that is gone calls nobody";
  }
}

}  // namespace
}  // namespace hb::controller
