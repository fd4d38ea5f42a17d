// The systemd driver against a real systemd and Debian's own apache2.service. Runs as root inside a
// booted host that it has for itself (on-host.sh): it writes units to /run/systemd/system, kills
// apache, D-Bus and makes systemd re-execute itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "executor/host/service/factory.h"
#include "tests/host/service_world.h"

namespace hb::executor {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr char kApache[] = "apache2.service";
constexpr char kUnits[] = "/run/systemd/system/";

// Its exit status.
int Systemctl(std::vector<std::string> argv, const std::string& output = "/dev/null") {
  argv.insert(argv.begin(), "systemctl");
  const pid_t pid = fork();
  if (pid == 0) {
    if (freopen(output.c_str(), "w", stdout) == nullptr) _exit(126);
    std::vector<char*> pointers;
    pointers.reserve(argv.size() + 1);
    for (std::string& argument : argv) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class ServiceSystemdTest : public ServiceWorld {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists("/run/systemd/system")) << "no systemd here";
    ASSERT_EQ(Systemctl({"stop", kApache}), 0);
    Systemctl({"reset-failed"});
  }
  void TearDown() override {
    service_.reset();
    for (const std::string& unit : units_) {
      if (Show(unit, "ActiveState") != "inactive") Systemctl({"kill", "--signal=SIGKILL", unit});
      Systemctl({"stop", unit});
      std::filesystem::remove(kUnits + unit);
    }
    std::filesystem::remove_all(std::string(kUnits) + kApache + ".d");
    ASSERT_EQ(Systemctl({"daemon-reload"}), 0);
  }

  // A unit of the test's own; `service` is what stands under [Service].
  void WriteUnit(const std::string& unit, const std::string& service,
                 const std::string& head = "") {
    WriteFile(kUnits + unit, "[Unit]\n" + head + "\n[Service]\n" + service + "\n");
    units_.push_back(unit);
    ASSERT_EQ(Systemctl({"daemon-reload"}), 0);
  }
  void NeverRestartApache() {
    const std::string drop_in = std::string(kUnits) + kApache + ".d";
    std::filesystem::create_directories(drop_in);
    WriteFile(drop_in + "/no-restart.conf", "[Service]\nRestart=no\n");
    ASSERT_EQ(Systemctl({"daemon-reload"}), 0);
  }
  std::string Show(const std::string& unit, const std::string& property) {
    const std::string output = dir_ / "show";
    EXPECT_EQ(Systemctl({"show", "--value", "--property", property, unit}, output), 0);
    return std::string(absl::StripAsciiWhitespace(ReadFile(output)));
  }
  pid_t MainPid(const std::string& unit) {
    pid_t pid = 0;
    EXPECT_TRUE(absl::SimpleAtoi(Show(unit, "MainPID"), &pid));
    return pid;
  }

  // Between two looks, each a run of systemctl, the service's loop has its turns.
  testing::AssertionResult Shows(const std::string& unit, const std::string& property,
                                 const std::string& value) {
    std::string shown;
    for (int i = 0; i < 200; ++i) {
      shown = Show(unit, property);
      if (shown == value) return testing::AssertionSuccess();
      static_cast<void>(RunUntil([] { return false; }, absl::Milliseconds(100)));
    }
    return testing::AssertionFailure() << unit << " has " << property << " " << shown;
  }

  void Make(const std::string& unit, Duration start_timeout = absl::Seconds(30),
            Duration stop_timeout = absl::Seconds(10)) {
    ServiceDefinition definition;
    definition.name = "website";
    definition.run = SystemdUnit{unit};
    definition.start_timeout = start_timeout;
    definition.stop_timeout = stop_timeout;
    if (unit == kApache) {
      definition.checks = {{"http://127.0.0.1/", absl::Milliseconds(200), absl::Seconds(1), 2}};
    }
    service_.reset();
    seen_.clear();
    service_ = std::move(MakeService(loop_.get(), prober_.get(), definition, dir_.path())).value();
    service_->OnChange([this] { seen_.push_back(service_->status().state); });
    EXPECT_EQ(service_->status().state, State::kStarting) << "nobody has told yet";
  }
  testing::AssertionResult IsNow(State state) { return Becomes(*service_, state); }
  std::string detail() const { return service_->status().detail; }

  std::unique_ptr<Service> service_;
  std::vector<State> seen_;
  std::vector<std::string> units_;
};

TEST_F(ServiceSystemdTest, StartsApacheAndStopsIt) {
  Make(kApache);
  ASSERT_TRUE(IsNow(State::kStopped));
  service_->Start();
  EXPECT_EQ(service_->status().state, State::kStarting);
  ASSERT_TRUE(IsNow(State::kRunning));
  EXPECT_EQ(detail(), "");
  EXPECT_EQ(Fetch("http://127.0.0.1/", "Apache2 Debian Default Page"), "good");
  service_->Start();  // nothing to do
  EXPECT_EQ(service_->status().state, State::kRunning);
  service_->Stop();
  EXPECT_EQ(service_->status().state, State::kStopping);
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_EQ(detail(), "");
  EXPECT_EQ(Show(kApache, "ActiveState"), "inactive");
  EXPECT_THAT(Fetch("http://127.0.0.1/", ""), Not("good"));
  EXPECT_THAT(seen_, Not(Contains(State::kFailed)));
}

TEST_F(ServiceSystemdTest, ReportsAKilledApacheAtOnce) {
  NeverRestartApache();
  Make(kApache);
  ASSERT_TRUE(IsNow(State::kStopped));
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  const MonoTime killed = BootNow();
  ASSERT_EQ(kill(MainPid(kApache), SIGKILL), 0);
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_LT(BootNow() - killed, absl::Seconds(5));
  EXPECT_EQ(detail(), "apache2.service failed (signal): main process killed by signal 9 (Killed)");
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  ASSERT_EQ(kill(MainPid(kApache), SIGKILL), 0);
  ASSERT_TRUE(IsNow(State::kFailed));
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_EQ(detail(), "");
  EXPECT_TRUE(Shows(kApache, "ActiveState", "inactive")) << "not reset";
}

TEST_F(ServiceSystemdTest, FollowsARestartBySystemd) {
  Make(kApache);  // Debian's unit has Restart=on-abort
  ASSERT_TRUE(IsNow(State::kStopped));
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  const pid_t first = MainPid(kApache);
  ASSERT_EQ(kill(first, SIGKILL), 0);
  ASSERT_TRUE(RunUntil([&] { return service_->status().state != State::kRunning; }));
  ASSERT_TRUE(IsNow(State::kRunning));
  EXPECT_NE(MainPid(kApache), first);
  EXPECT_EQ(Fetch("http://127.0.0.1/", "Apache2 Debian Default Page"), "good");
}

TEST_F(ServiceSystemdTest, AUnitStoppedBySomebodyElseHasFailed) {
  Make(kApache);
  ASSERT_TRUE(IsNow(State::kStopped));
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  ASSERT_EQ(Systemctl({"stop", kApache}), 0);
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "stopped by somebody else");
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_EQ(detail(), "");
}

TEST_F(ServiceSystemdTest, FindsARunningApacheAndASomebodyElsesRestartDoesNoHarm) {
  ASSERT_EQ(Systemctl({"start", kApache}), 0);
  Make(kApache);
  ASSERT_TRUE(IsNow(State::kRunning));
  EXPECT_THAT(seen_, Not(Contains(State::kStopped)));
  const pid_t first = MainPid(kApache);
  ASSERT_EQ(Systemctl({"restart", kApache}), 0);
  ASSERT_NE(MainPid(kApache), first);
  ASSERT_TRUE(IsNow(State::kRunning));
  ASSERT_EQ(Systemctl({"stop", kApache}), 0);
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "stopped by somebody else");
  ASSERT_EQ(Systemctl({"start", kApache}), 0);
  ASSERT_TRUE(IsNow(State::kRunning));
}

TEST_F(ServiceSystemdTest, AStartThatWasAskedForBeforeSystemdAnsweredIsDone) {
  Make(kApache);
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  EXPECT_THAT(seen_, Not(Contains(State::kStopped)));
  Make(kApache);
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_THAT(seen_, Not(Contains(State::kRunning)));
}

TEST_F(ServiceSystemdTest, AStartWhileItStopsStartsItAfterwards) {
  Make(kApache);
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  const pid_t first = MainPid(kApache);
  service_->Stop();
  service_->Start();
  EXPECT_EQ(service_->status().state, State::kStopping);
  ASSERT_TRUE(IsNow(State::kRunning));
  EXPECT_NE(MainPid(kApache), first);
}

TEST_F(ServiceSystemdTest, AMissingUnitFails) {
  Make("hb-missing.service");
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "there is no unit hb-missing.service");
  service_->Start();
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "there is no unit hb-missing.service");
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  // Once it is there, it can be started.
  WriteUnit("hb-missing.service", "ExecStart=/bin/sleep 1000");
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
}

TEST_F(ServiceSystemdTest, AMaskedUnitFails) {
  ASSERT_EQ(Systemctl({"mask", "--runtime", "hb-masked.service"}), 0);
  Make("hb-masked.service");
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "hb-masked.service is masked");
  service_->Start();
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "hb-masked.service is masked");
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  ASSERT_EQ(Systemctl({"unmask", "--runtime", "hb-masked.service"}), 0);
}

TEST_F(ServiceSystemdTest, AnImpossibleUnitNameFails) {
  Make("apache2");  // without its kind
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_THAT(detail(), HasSubstr("apache2"));
}

TEST_F(ServiceSystemdTest, SaysWhyAStartFailed) {
  WriteUnit("hb-false.service", "Type=oneshot\nExecStart=/bin/false");
  WriteUnit("hb-needs.service", "ExecStart=/bin/sleep 1000",
            "Requires=hb-false.service\nAfter=hb-false.service");
  WriteUnit("hb-simple.service", "Type=exec\nExecStart=/no/such/program");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"hb-false.service",
       "hb-false.service failed (exit-code): main process exited with status 1"},
      {"hb-needs.service", "systemd could not start it: job result dependency"},
      {"hb-simple.service",
       "hb-simple.service failed (exit-code): main process exited with status 203"},
  };
  for (const auto& [unit, why] : cases) {
    Make(unit);
    service_->Start();
    ASSERT_TRUE(IsNow(State::kFailed)) << unit;
    EXPECT_EQ(detail(), why);
    service_->Stop();
    ASSERT_TRUE(IsNow(State::kStopped)) << unit;
  }
}

TEST_F(ServiceSystemdTest, IsNotHeldUpByTheLimitOnStarts) {
  WriteUnit("hb-limited.service", "Type=oneshot\nExecStart=/bin/false",
            "StartLimitIntervalSec=1h\nStartLimitBurst=1");
  Make("hb-limited.service");
  for (int i = 0; i < 3; ++i) {
    service_->Start();
    ASSERT_EQ(service_->status().state, State::kStarting);
    ASSERT_TRUE(IsNow(State::kFailed));
    EXPECT_THAT(detail(), HasSubstr("exited with status 1"));
  }
}

TEST_F(ServiceSystemdTest, AProgramThatEndsByItselfHasFailed) {
  WriteUnit("hb-short.service", "ExecStart=/bin/sleep 0.3");
  Make("hb-short.service");
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "ended by itself: main process exited with status 0");
}

TEST_F(ServiceSystemdTest, KillsWhatDoesNotStop) {
  WriteUnit("hb-stubborn.service",
            "Type=exec\nTimeoutStopSec=infinity\nExecStart=/bin/sh -c \"trap '' TERM; while :; do "
            "sleep 1; done\"");
  Make("hb-stubborn.service", absl::Seconds(30), absl::Milliseconds(500));
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_EQ(MainPid("hb-stubborn.service"), 0);
}

TEST_F(ServiceSystemdTest, GivesAStartUpThatTakesTooLong) {
  WriteUnit("hb-slow.service", "Type=notify\nExecStart=/bin/sleep 1000");
  Make("hb-slow.service", absl::Milliseconds(500));
  service_->Start();
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_THAT(detail(), HasSubstr("did not start within 500 ms"));
  EXPECT_EQ(Show("hb-slow.service", "MainPID"), "0");
  // And one that is taken back.
  service_->Start();
  ASSERT_TRUE(Shows("hb-slow.service", "ActiveState", "activating"));
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_EQ(Show("hb-slow.service", "MainPID"), "0");
}

TEST_F(ServiceSystemdTest, TakesAStartBackThatStillWaitsForAnotherUnit) {
  WriteUnit("hb-slow.service", "Type=notify\nExecStart=/bin/sleep 1000");
  WriteUnit("hb-waits.service", "ExecStart=/bin/sleep 1000",
            "Requires=hb-slow.service\nAfter=hb-slow.service");
  Make("hb-waits.service");
  service_->Start();
  ASSERT_TRUE(Shows("hb-slow.service", "ActiveState", "activating"));
  EXPECT_EQ(service_->status().state, State::kStarting);
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
  EXPECT_EQ(Show("hb-waits.service", "Job"), "") << "the start still waits";
}

TEST_F(ServiceSystemdTest, SurvivesTheDeathOfTheBus) {
  NeverRestartApache();
  Make(kApache);
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  seen_.clear();
  ASSERT_EQ(kill(MainPid("dbus.service"), SIGKILL), 0);
  // It reconnects, which starts the bus again, and it sees what happens then.
  const pid_t apache = MainPid(kApache);
  loop_->RunOnce(absl::ZeroDuration());
  ASSERT_EQ(kill(apache, SIGKILL), 0);
  ASSERT_TRUE(RunUntil([&] { return detail().find("killed by signal 9") != std::string::npos; }))
      << service_->status();
  service_->Start();
  ASSERT_TRUE(IsNow(State::kRunning));
  service_->Stop();
  ASSERT_TRUE(IsNow(State::kStopped));
}

TEST_F(ServiceSystemdTest, SurvivesSystemdReexecutingItself) {
  NeverRestartApache();
  Make(kApache);
  service_->Start();
  ASSERT_TRUE(RunUntil([&] { return !seen_.empty() && seen_.back() == State::kRunning; }));
  seen_.clear();
  ASSERT_EQ(Systemctl({"daemon-reexec"}), 0);
  EXPECT_FALSE(RunUntil([this] { return !seen_.empty(); }, absl::Milliseconds(1500)))
      << "a healthy service was reported as " << service_->status();
  ASSERT_EQ(kill(MainPid(kApache), SIGKILL), 0);
  ASSERT_TRUE(IsNow(State::kFailed));
  EXPECT_EQ(detail(), "apache2.service failed (signal): main process killed by signal 9 (Killed)");
}

}  // namespace
}  // namespace hb::executor
