// The job that hb is for (design S1 to S6), with the real daemons, kernel and httpd, judged by what
// a client on the LAN sees; each with the controller on the slave and on a third host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/lab/deployment.h"
#include "tests/lab/lab.h"
#include "tests/lab/meter.h"

namespace hb::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

#define ASSERT_OK(expression)                                     \
  do {                                                            \
    const absl::Status& status_ = (expression);                   \
    ASSERT_TRUE(status_.ok()) << status_ << "\n" << Everything(); \
  } while (false)

// No limit here judges speed; they catch a hang.
constexpr Duration kLong = absl::Seconds(40);

class ScenarioTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    LabOptions options;
    options.third_host = GetParam();
    absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up(options);
    ASSERT_TRUE(lab.ok()) << lab.status();
    lab_ = *std::move(lab);
    DeploymentOptions deployment;
    deployment.binaries = HB_BINARIES;
    deployment.configs = HB_SOURCE_DIR "/deploy/config";
    deployment.edits = {{"after: 5s", "after: 1s"}};
    absl::StatusOr<Deployment> installed = Deployment::Install(lab_.get(), deployment);
    ASSERT_TRUE(installed.ok()) << installed.status();
    hb_ = std::make_unique<Deployment>(*installed);
  }

  void Start() {
    ASSERT_OK(hb_->Start());
    absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(*lab_);
    ASSERT_TRUE(meter.ok()) << meter.status();
    meter_ = *std::move(meter);
    ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  }

  // Waits until the log has the text.
  absl::Status AwaitLog(const std::string& text) {
    for (int i = 0; i < 4000; ++i) {
      if (absl::StrContains(hb_->EventLog(), text)) return absl::OkStatus();
      Pause(absl::Milliseconds(10));
    }
    return absl::DeadlineExceededError(absl::StrCat("the event log lacks ", text));
  }

  bool HasVip(Host& host) {
    const auto result = host.Run({"/sbin/ip", "-o", "address", "show"});
    return result.ok() && absl::StrContains(result->output, absl::StrCat(kVip, "/"));
  }

  // Until the host carries no VIP and runs no httpd: a standby as it should be.
  absl::Status AwaitIdle(Host& host) {
    for (int i = 0; i < 2000; ++i) {
      if (!HasVip(host) && host.ProcessesNamed("apache2").empty()) return absl::OkStatus();
      Pause(absl::Milliseconds(10));
    }
    return absl::DeadlineExceededError(absl::StrCat(host.name(), " still has the VIP or an httpd"));
  }

  std::string Everything() {
    std::string text = absl::StrCat("event log:\n", hb_ ? hb_->EventLog() : "", "\noutputs:\n",
                                    lab_ ? lab_->Outputs() : "");
    if (meter_) absl::StrAppend(&text, ToText(meter_->Since(MonoTime())));
    return text;
  }

  void ExpectNeverTwo(MonoTime since) {
    const MeterReport report = meter_->Since(since);
    EXPECT_EQ(report.arp.two_answered_time, absl::ZeroDuration()) << Everything();
    EXPECT_EQ(report.http.two_answered_time, absl::ZeroDuration()) << Everything();
  }

  std::unique_ptr<Lab> lab_;
  std::unique_ptr<Deployment> hb_;
  std::unique_ptr<Meter> meter_;
};

TEST_P(ScenarioTest, MasterServesAndTheSlaveIsIdle) {
  Start();
  EXPECT_TRUE(HasVip(lab_->master()));
  ASSERT_OK(AwaitIdle(lab_->slave()));
  const auto status = hb_->Ctl({"status", "-o", "json"});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->status, 0) << status->output;
  EXPECT_THAT(status->output, HasSubstr("\"active\": \"master\""));
  ExpectNeverTwo(MonoTime());
}

TEST_P(ScenarioTest, HttpdKilledAndBrokenTheSlaveServesUntilItIsMended) {
  Start();
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(hb_->BreakService("master"));
  ASSERT_OK(lab_->master().KillService("apache2"));
  ASSERT_OK(meter_->WaitUntilServedBy("slave", kLong));
  ASSERT_OK(AwaitLog("reason=\"Master apache service is down\""));
  EXPECT_FALSE(HasVip(lab_->master()));
  EXPECT_LT(meter_->Since(mark).http.outage.length, absl::Seconds(5)) << Everything();
  // The failback is tried, fails, and costs the client nothing.
  ASSERT_OK(AwaitLog("event=move_abandoned"));
  EXPECT_EQ(meter_->Settled(mark).http.now, "slave");
  const MonoTime mended = meter_->Mark();
  ASSERT_OK(hb_->MendService("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  ASSERT_OK(AwaitIdle(lab_->slave()));
  EXPECT_LT(meter_->Since(mended).http.outage.length, absl::Seconds(1)) << Everything();
  ExpectNeverTwo(mark);
}

TEST_P(ScenarioTest, HttpdHungIsFoundByThePageAlone) {
  Start();
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->master().SignalService("apache2", SIGSTOP));
  ASSERT_OK(meter_->WaitUntilServedBy("slave", kLong));
  ASSERT_OK(AwaitLog("reason=\"Master apache service is down\""));
  // The hung one is stopped for good and started anew for the failback.
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  ExpectNeverTwo(mark);
}

TEST_P(ScenarioTest, CablePulledAndPutBack) {
  Start();
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->PullCable("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("slave", kLong));
  ASSERT_OK(AwaitLog("reason=\"Master host or its network is down\""));
  EXPECT_LT(meter_->Since(mark).http.outage.length, absl::Seconds(10)) << Everything();
  // The master has given up by itself, unreachable as it is.
  EXPECT_FALSE(HasVip(lab_->master()));
  ASSERT_OK(lab_->PlugCable("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  ASSERT_OK(AwaitIdle(lab_->slave()));
  ExpectNeverTwo(mark);
}

TEST_P(ScenarioTest, HostCrashAndBoot) {
  Start();
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(lab_->PowerOff("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("slave", kLong));
  ASSERT_OK(lab_->PowerOn("master"));
  ASSERT_OK(hb_->StartExecutor("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  ExpectNeverTwo(mark);
}

TEST_P(ScenarioTest, FirewallLetsPeersAndControllerAlone) {
  Start();
  const auto works = [](Host& from, const std::vector<std::string>& argv) {
    const auto result = from.Run(argv);
    return result.ok() && result->status == 0;
  };
  const std::vector<std::string> ping = {"/bin/ping", "-c", "1", "-W", "1"};
  const std::vector<std::string> curl = {"/usr/bin/curl", "-s", "-o", "/dev/null", "-m", "1"};
  const auto with = [](std::vector<std::string> argv, const std::string& last) {
    argv.push_back(last);
    return argv;
  };
  EXPECT_FALSE(works(lab_->client(), with(ping, "192.168.0.1")));
  EXPECT_FALSE(works(lab_->client(), with(ping, "192.168.0.2")));
  EXPECT_FALSE(works(lab_->client(), with(curl, "http://192.168.0.1/")));
  EXPECT_TRUE(works(lab_->client(), with(ping, kVip)));
  EXPECT_TRUE(works(lab_->client(), with(curl, absl::StrCat("http://", kVip, "/"))));
  EXPECT_TRUE(works(lab_->slave(), with(ping, "192.168.0.1")));
  EXPECT_TRUE(works(lab_->slave(), with(curl, "http://192.168.0.1/")));
  EXPECT_TRUE(works(hb_->controller_host(), with(curl, "http://192.168.0.1/")));
  EXPECT_TRUE(works(hb_->controller_host(), with(ping, "192.168.0.1")));
  // The host itself is never locked out.
  EXPECT_TRUE(works(lab_->master(), with(curl, "http://192.168.0.1/")));
}

TEST_P(ScenarioTest, OperatorMovesPausesAndFailsBack) {
  Start();
  const MonoTime mark = meter_->Mark();
  auto result = hb_->Ctl({"switchover", "web"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->status, 0) << result->output;
  ASSERT_OK(meter_->WaitUntilServedBy("slave", kLong));
  EXPECT_LT(meter_->Since(mark).http.outage.length, absl::Seconds(1)) << Everything();
  // An operator's placement stays: no automatic failback.
  Pause(absl::Seconds(3));
  EXPECT_EQ(meter_->Settled(mark).http.now, "slave");
  result = hb_->Ctl({"pause", "web"});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 0) << result->output;
  result = hb_->Ctl({"failback", "web"});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 1) << result->output;
  EXPECT_THAT(result->output, HasSubstr("paused"));
  result = hb_->Ctl({"resume", "web"});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 0) << result->output;
  result = hb_->Ctl({"failback", "web"});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->status, 0) << result->output;
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  ExpectNeverTwo(mark);
}

TEST_P(ScenarioTest, ControllerRestartedTheHolderGoesOn) {
  Start();
  const MonoTime mark = meter_->Mark();
  const auto controller = hb_->controller_host().Find(kControllerName);
  ASSERT_TRUE(controller.ok());
  ASSERT_OK((*controller)->Kill());
  ASSERT_OK(hb_->StartController());
  ASSERT_OK(AwaitLog("event=adopted"));
  Pause(absl::Seconds(3));
  const MeterReport report = meter_->Settled(mark);
  EXPECT_EQ(report.http.now, "master");
  EXPECT_EQ(report.http.failed, 0) << Everything();
  EXPECT_EQ(report.http.moves.size(), 0u) << Everything();
}

TEST_P(ScenarioTest, HangupReopensTheLogAndReadsTheConfigAnew) {
  Start();
  Host& host = hb_->controller_host();
  const auto controller = host.Find(kControllerName);
  ASSERT_TRUE(controller.ok());
  const MonoTime mark = meter_->Mark();
  // A bad file changes nothing.
  const std::string good = *host.ReadFile("/etc/hb/controller.yaml");
  ASSERT_OK(host.WriteFile("/etc/hb/controller.yaml", "clusters: 7\n"));
  ASSERT_OK(host.RunOk({"/bin/mv", "/var/log/ha.log", "/var/log/ha.log.1"}));
  ASSERT_OK(host.WriteFile("/var/log/ha.log", "", 0640, kControllerUser));
  ASSERT_OK((*controller)->Signal(SIGHUP));
  for (int i = 0; i < 1000; ++i) {
    if (absl::StrContains(host.Output(kControllerName), "reload refused")) break;
    Pause(absl::Milliseconds(10));
  }
  EXPECT_THAT(host.Output(kControllerName), HasSubstr("/etc/hb/controller.yaml:1:"));
  // A good one is taken into force: the holder is adopted, undisturbed.
  std::string changed = good;
  const size_t at = changed.find("ttl: 1s");
  ASSERT_NE(at, std::string::npos);
  ASSERT_OK(host.WriteFile("/etc/hb/controller.yaml", changed.replace(at, 7, "ttl: 2s")));
  ASSERT_OK((*controller)->Signal(SIGHUP));
  ASSERT_OK(AwaitLog("event=adopted"));  // in the new file
  Pause(absl::Seconds(2));
  const auto status = hb_->Ctl({"status", "-o", "json"});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_THAT(status->output, HasSubstr("\"ttl\": \"2s\""));
  const MeterReport report = meter_->Settled(mark);
  EXPECT_EQ(report.http.failed, 0) << Everything();
  EXPECT_EQ(report.http.now, "master");
  ASSERT_OK((*controller)->Signal(SIGTERM));
  const absl::StatusOr<int> ended = (*controller)->Wait(kLong);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(*ended, 0) << Everything();
}

TEST_P(ScenarioTest, TwoClustersShareTheNodesAndTheirStreams) {
  Host& host = hb_->controller_host();
  const std::string sample = *host.ReadFile("/etc/hb/controller.yaml");
  std::string second = sample.substr(sample.find("  - name: web"));
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"name: web", "name: two"},
                                                        {"192.168.0.111/24", "192.168.0.112/24"},
                                                        {"priority: 50", "priority: 150"}}) {
    const size_t at = second.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    second.replace(at, from.size(), to);
  }
  ASSERT_OK(host.WriteFile("/etc/hb/controller.yaml", absl::StrCat(sample, "\n", second)));
  Start();
  const auto serves_second = [this] {
    const auto page =
        lab_->client().Run({"/usr/bin/curl", "-s", "-m", "1", "http://192.168.0.112/"});
    return page.ok() ? page->output : "";
  };
  // Each is active on the node that it prefers; both httpds run.
  for (int i = 0; i < 100 && serves_second().empty(); ++i) Pause(absl::Milliseconds(100));
  EXPECT_THAT(serves_second(), HasSubstr("slave"));
  EXPECT_EQ(meter_->Settled(MonoTime()).http.now, "master");
  // The master leaves: both are served by the slave.
  ASSERT_OK(lab_->PullCable("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("slave", kLong));
  EXPECT_THAT(serves_second(), HasSubstr("slave"));
  ASSERT_OK(lab_->PlugCable("master"));
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
  // The slave's httpd goes on: its other cluster needs it.
  Pause(absl::Seconds(2));
  EXPECT_THAT(serves_second(), HasSubstr("slave"));
  ExpectNeverTwo(MonoTime());
}

TEST_P(ScenarioTest, UnreachableExecutorIsAFactOfLife) {
  // The slave's executor comes late; the master is active after the longest lease that an empty
  // store has to assume, or at once when the slave shows up.
  ASSERT_OK(hb_->StartExecutor("master"));
  ASSERT_OK(hb_->StartController());
  Pause(absl::Seconds(2));
  auto status = hb_->Ctl({"status"});
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->status, 0) << status->output;
  EXPECT_THAT(status->output, HasSubstr("slave"));
  EXPECT_THAT(status->output, Not(HasSubstr("serves from")));
  ASSERT_OK(hb_->StartExecutor("slave"));
  absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(*lab_);
  ASSERT_TRUE(meter.ok()) << meter.status();
  meter_ = *std::move(meter);
  ASSERT_OK(meter_->WaitUntilServedBy("master", kLong));
}

INSTANTIATE_TEST_SUITE_P(Placement, ScenarioTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& placement) {
                           return placement.param ? "ControllerOnThirdHost" : "ControllerOnSlave";
                         });

}  // namespace
}  // namespace hb::lab
