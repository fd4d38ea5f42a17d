// A service's status out of its driver's and its checks', with a driver and a prober that do what
// the test says. The loop is the real one; nothing waits for longer than a check's or a start's
// (short) timeout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/boot_clock.h"
#include "executor/host/service/checked_service.h"
#include "executor/host/service/factory.h"

namespace hb::executor {
namespace {

using State = ServiceStatus::State;
using testing::ElementsAre;
using testing::IsEmpty;

class FakeDriver : public Service {
 public:
  explicit FakeDriver(EventLoop* loop) : status_(loop) {}

  void Start() override {
    calls.emplace_back("start");
    if (status_.state() == State::kStopped || status_.state() == State::kFailed) {
      status_.Set(State::kStarting, "driver starts");
    }
  }
  void Stop() override {
    calls.emplace_back("stop");
    status_.Set(status_.state() == State::kFailed ? State::kStopped : State::kStopping);
  }
  const ServiceStatus& status() const override { return status_.get(); }
  void OnChange(std::function<void()> changed) override { status_.OnChange(std::move(changed)); }

  void Become(State state, const std::string& detail = "") { status_.Set(state, detail); }

  std::vector<std::string> calls;

 private:
  ObservedStatus status_;
};

class FakeProber : public HttpProber {
 public:
  struct Question {
    std::string url;
    std::function<void(ProbeResult)> done;
  };

  FetchHandle Start(const HttpRequest& request, std::function<void(ProbeResult)> done) override {
    questions.push_back({request.url, std::move(done)});
    return nullptr;
  }
  // Answers all that are open.
  void Answer(bool good, const std::string& detail) {
    for (Question& question : std::exchange(questions, {})) question.done({good, detail, {}});
  }

  std::vector<Question> questions;
};

class CheckedServiceTest : public testing::Test {
 protected:
  CheckedServiceTest() : loop_(std::move(EventLoop::Create()).value()) {}

  FakeDriver* MakeDriver() {
    auto driver = std::make_unique<FakeDriver>(loop_.get());
    FakeDriver* raw = driver.get();
    driver_ = std::move(driver);
    return raw;
  }
  void Make(const std::vector<CheckDefinition>& checks,
            Duration start_timeout = absl::Seconds(20)) {
    service_ = std::make_unique<CheckedService>(loop_.get(), &prober_, std::move(driver_), checks,
                                                start_timeout);
    service_->OnChange([this] {
      EXPECT_FALSE(calling_) << "OnChange within a call";
      seen_.push_back(service_->status().state);
    });
  }
  void Start() {
    calling_ = true;
    service_->Start();
    calling_ = false;
  }
  void Stop() {
    calling_ = true;
    service_->Stop();
    calling_ = false;
  }
  void Settle() {
    while (loop_->RunOnce(absl::ZeroDuration())) {
    }
  }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& holds) {
    const MonoTime limit = BootNow() + absl::Seconds(20);
    while (!holds()) {
      if (BootNow() > limit) return false;
      loop_->RunOnce(absl::Milliseconds(10));
    }
    return true;
  }
  [[nodiscard]] bool Asked(size_t questions = 1) {
    return RunUntil([&] { return prober_.questions.size() >= questions; });
  }
  State state() const { return service_->status().state; }
  std::string detail() const { return service_->status().detail; }

  std::unique_ptr<EventLoop> loop_;
  FakeProber prober_;
  std::unique_ptr<FakeDriver> driver_;
  std::unique_ptr<CheckedService> service_;
  std::vector<State> seen_;
  bool calling_ = false;
};

CheckDefinition Check(const std::string& url = "http://a/") {
  return {url, absl::Milliseconds(30), absl::Seconds(10), 2};
}

TEST_F(CheckedServiceTest, WithoutChecksAliveSuffices) {
  FakeDriver* driver = MakeDriver();
  Make({});
  EXPECT_EQ(state(), State::kStopped);
  Start();
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kStarting, "driver starts"}));
  Settle();
  driver->Become(State::kRunning);
  Settle();
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kRunning, ""}));
  EXPECT_THAT(seen_, ElementsAre(State::kStarting, State::kRunning));
}

TEST_F(CheckedServiceTest, RunsOnceEveryCheckHasPassed) {
  FakeDriver* driver = MakeDriver();
  Make({Check("http://a/"), Check("http://b/")});
  Start();
  Settle();
  EXPECT_THAT(prober_.questions, IsEmpty()) << "asked before it was alive";
  driver->Become(State::kRunning);
  Settle();
  ASSERT_EQ(prober_.questions.size(), 2U);
  EXPECT_EQ(prober_.questions[0].url, "http://a/");
  prober_.questions[0].done({true, "200", {}});
  EXPECT_EQ(state(), State::kStarting);
  prober_.questions[1].done({false, "refused", {}});
  EXPECT_EQ(state(), State::kStarting);
  prober_.questions.clear();
  ASSERT_TRUE(Asked(2));  // both, again
  prober_.Answer(true, "200");
  EXPECT_EQ(state(), State::kRunning);
}

TEST_F(CheckedServiceTest, AsksOftenWhileItStarts) {
  FakeDriver* driver = MakeDriver();
  CheckDefinition check = Check();
  check.interval = absl::Hours(1);
  Make({check});
  Start();
  driver->Become(State::kRunning);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Asked()) << i;
    EXPECT_EQ(state(), State::kStarting);
    prober_.Answer(false, "refused");
  }
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  EXPECT_EQ(state(), State::kRunning);
}

TEST_F(CheckedServiceTest, GivesAStartUpWhoseCheckDoesNotPass) {
  FakeDriver* driver = MakeDriver();
  Make({Check()}, absl::Milliseconds(150));
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(RunUntil([&] {
    prober_.Answer(false, "500, expected 200-399");
    return state() != State::kStarting;
  }));
  EXPECT_EQ(
      service_->status(),
      (ServiceStatus{State::kStopping, "started but check http://a/: 500, expected 200-399"}));
  EXPECT_THAT(driver->calls, ElementsAre("start", "stop"));
  driver->Become(State::kStopped);
  Settle();
  EXPECT_EQ(service_->status(),
            (ServiceStatus{State::kFailed, "started but check http://a/: 500, expected 200-399"}));
  // The record of the failure is cleared by Stop(), and it starts again when told to.
  Stop();
  driver->Become(State::kStopped);
  Settle();
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kStopped, ""}));
}

TEST_F(CheckedServiceTest, StartsAgainWhileAStartIsGivenUp) {
  FakeDriver* driver = MakeDriver();
  Make({Check()}, absl::Milliseconds(50));
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(RunUntil([&] { return state() == State::kStopping; }));
  Start();
  EXPECT_EQ(state(), State::kStopping);
  driver->Become(State::kStopped);
  driver->Become(State::kStarting);  // in one turn, as the process driver does it
  Settle();
  EXPECT_EQ(state(), State::kStarting);
  driver->Become(State::kRunning);
  prober_.questions.clear();  // of the first start: not answered any more
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  EXPECT_EQ(state(), State::kRunning);
}

TEST_F(CheckedServiceTest, GivesAStartUpThatTheDriverNeverEnds) {
  FakeDriver* driver = MakeDriver();
  Make({Check()}, absl::Milliseconds(50));
  Start();
  ASSERT_TRUE(RunUntil([&] { return state() != State::kStarting; }));
  EXPECT_EQ(detail(), "did not start within 50 ms: driver starts");
  driver->Become(State::kFailed, "it went badly");
  Settle();
  EXPECT_EQ(state(), State::kFailed);
  EXPECT_EQ(detail(), "did not start within 50 ms: driver starts");
}

TEST_F(CheckedServiceTest, SaysWhyTheDriverFailed) {
  FakeDriver* driver = MakeDriver();
  Make({Check()});
  Start();
  driver->Become(State::kFailed, "exited with status 1");
  Settle();
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kFailed, "exited with status 1"}));
}

TEST_F(CheckedServiceTest, FailsAfterSoManyFailuresInARowAndRecoversAtTheFirstSuccess) {
  FakeDriver* driver = MakeDriver();
  CheckDefinition check = Check();
  check.fall = 3;
  Make({check});
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  // Two failures and a success: the row starts anew.
  for (const bool good : {false, false, true, false, false}) {
    ASSERT_TRUE(Asked());
    prober_.Answer(good, "refused");
    EXPECT_EQ(state(), State::kRunning);
  }
  ASSERT_TRUE(Asked());
  prober_.Answer(false, "refused");
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kFailing, "check http://a/: refused"}));
  ASSERT_TRUE(Asked());
  prober_.Answer(false, "503");
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kFailing, "check http://a/: 503"}));
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kRunning, ""}));
  EXPECT_THAT(driver->calls, ElementsAre("start")) << "a failing check restarts nothing";
}

TEST_F(CheckedServiceTest, CountsAProberThatSaysNothingAsFailing) {
  FakeDriver* driver = MakeDriver();
  CheckDefinition check = Check();
  check.timeout = absl::Milliseconds(20);
  Make({check});
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  ASSERT_EQ(state(), State::kRunning);
  ASSERT_TRUE(RunUntil([&] { return state() == State::kFailing; }));
  EXPECT_EQ(detail(), "check http://a/: timed out after 20 ms");
  // Answers that come after all are not taken for answers to later questions.
  const auto late = prober_.questions.front().done;
  late({true, "200", {}});
  EXPECT_EQ(state(), State::kFailing);
}

TEST_F(CheckedServiceTest, FoundAliveItIsWhatTheFirstCheckFinds) {
  for (const bool good : {true, false}) {
    FakeDriver* driver = MakeDriver();
    driver->Become(State::kRunning);
    Make({Check()});
    EXPECT_EQ(state(), State::kStarting);
    ASSERT_TRUE(Asked());
    prober_.Answer(good, "refused");
    EXPECT_EQ(state(), good ? State::kRunning : State::kFailing);
    EXPECT_THAT(driver->calls, IsEmpty());
    prober_.questions.clear();
  }
}

TEST_F(CheckedServiceTest, FoundStartingItIsNotStoppedForBeingSlow) {
  FakeDriver* driver = MakeDriver();
  driver->Become(State::kStarting, "asking systemd");
  Make({Check()}, absl::Milliseconds(1));
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kStarting, "asking systemd"}));
  driver->Become(State::kRunning);
  ASSERT_TRUE(Asked());
  prober_.Answer(false, "refused");
  EXPECT_EQ(state(), State::kFailing);
  EXPECT_THAT(driver->calls, IsEmpty());
}

TEST_F(CheckedServiceTest, PassesAStartOnToADriverThatDoesNotKnowYetWhatRuns) {
  FakeDriver* driver = MakeDriver();
  driver->Become(State::kStarting, "asking systemd");
  Make({Check()}, absl::Milliseconds(50));
  Start();
  EXPECT_THAT(driver->calls, ElementsAre("start"));
  ASSERT_TRUE(RunUntil([&] { return state() != State::kStarting; }));
  EXPECT_EQ(detail(), "did not start within 50 ms: asking systemd");
}

TEST_F(CheckedServiceTest, ADeathEndsTheChecks) {
  FakeDriver* driver = MakeDriver();
  Make({Check()});
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  ASSERT_TRUE(Asked());
  driver->Become(State::kFailed, "killed by signal 9 (Killed)");
  Settle();
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kFailed, "killed by signal 9 (Killed)"}));
  prober_.Answer(true, "200");  // of the dead
  EXPECT_EQ(state(), State::kFailed);
}

TEST_F(CheckedServiceTest, AStopGivesAStartUp) {
  FakeDriver* driver = MakeDriver();
  Make({Check()}, absl::Milliseconds(50));
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(Asked());
  Stop();
  EXPECT_EQ(state(), State::kStopping);
  prober_.Answer(true, "200");
  EXPECT_EQ(state(), State::kStopping);
  driver->Become(State::kStopped);
  Settle();
  EXPECT_EQ(state(), State::kStopped);
  EXPECT_FALSE(loop_->RunOnce(absl::Milliseconds(60))) << "a timer of the start is left";
}

TEST_F(CheckedServiceTest, ARestartByTheDriverIsAStart) {
  FakeDriver* driver = MakeDriver();
  Make({Check()}, absl::Milliseconds(100));
  Start();
  driver->Become(State::kRunning);
  ASSERT_TRUE(Asked());
  prober_.Answer(true, "200");
  driver->Become(State::kStarting, "systemd restarts it");
  Settle();
  EXPECT_EQ(state(), State::kStarting);
  driver->Become(State::kRunning);
  ASSERT_TRUE(RunUntil([&] { return state() == State::kStopping; })) << "no start timeout";
}

TEST_F(CheckedServiceTest, AnObserverMayDestroyTheService) {
  FakeDriver* driver = MakeDriver();
  Make({});
  bool called = false;
  service_->OnChange([&] {
    called = true;
    service_.reset();
  });
  Start();
  driver->Become(State::kRunning);
  Settle();
  EXPECT_TRUE(called);
  EXPECT_EQ(service_, nullptr);
}

TEST_F(CheckedServiceTest, TheFactoryRefusesWhatCannotBe) {
  const ProcessDefinition good{{"/bin/true"}, {}, "", SIGTERM};
  struct Case {
    std::string why;
    std::string name;
    std::variant<SystemdUnit, ProcessDefinition> run;
  };
  const std::vector<Case> cases = {
      {"service \"\"", "", good},
      {"a name has letters", "../etc/passwd", good},
      {"a name has letters", ".hidden", good},
      {"a name has letters", std::string(64, 'a'), good},
      {"no unit", "web", SystemdUnit{""}},
      {"no program", "web", ProcessDefinition{}},
      {"\"apache2\" is not an absolute path", "web",
       ProcessDefinition{{"apache2"}, {}, "", SIGTERM}},
      {"\"out.log\" is not an absolute path", "web",
       ProcessDefinition{{"/bin/true"}, {}, "out.log", SIGTERM}},
      {"\"A=B\" can't be", "web", ProcessDefinition{{"/bin/true"}, {{"A=B", "x"}}, "", SIGTERM}},
      {"NUL", "web", ProcessDefinition{{"/bin/true", std::string("a\0b", 3)}, {}, "", SIGTERM}},
  };
  for (const Case& c : cases) {
    const auto made =
        MakeService(loop_.get(), &prober_, {c.name, c.run, {}, {}, {}}, "/nonexistent");
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << c.why;
    EXPECT_THAT(std::string(made.status().message()), testing::HasSubstr(c.why));
  }
}

}  // namespace
}  // namespace hb::executor
