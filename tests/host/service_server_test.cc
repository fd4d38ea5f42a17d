// Real web servers as services, through the factory: apache2 and nginx, started, checked, killed,
// frozen, stopped, as the executor would. Each on a free port of 127.0.0.1, from a directory of its
// own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "executor/host/service/factory.h"
#include "executor/host/service/process_record.h"
#include "executor/host/service/signal_name.h"
#include "tests/host/service_world.h"

namespace hb::executor {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ServiceServerTest : public ServiceWorld {
 protected:
  ServiceServerTest() : port_(FreePort()), url_(absl::StrCat("http://127.0.0.1:", port_, "/")) {
    WriteFile(dir_ / "index.html", absl::StrCat("page of ", getpid(), "\n"));
  }
  ~ServiceServerTest() override {
    if (service_ == nullptr) return;
    service_->Stop();
    EXPECT_TRUE(Becomes(*service_, State::kStopped)) << "left running";
    if (HasFailure()) std::cerr << ReadFile(dir_ / "error.log") << ReadFile(dir_ / "output");
  }

  ServiceDefinition Apache() {
    const std::string modules = "/usr/lib/apache2/modules/";
    WriteFile(dir_ / "apache.conf",
              absl::StrCat("ServerRoot ", dir_.path(), "\nServerName localhost\nPidFile ",
                           dir_ / "apache.pid", "\nListen 127.0.0.1:", port_,
                           "\nUser www-data\nGroup www-data\n", "LoadModule mpm_event_module ",
                           modules, "mod_mpm_event.so\n", "LoadModule authz_core_module ", modules,
                           "mod_authz_core.so\n", "LoadModule dir_module ", modules, "mod_dir.so\n",
                           "DocumentRoot ", dir_.path(), "\nErrorLog ", dir_ / "error.log",
                           "\nStartServers 2\nGracefulShutdownTimeout 5\n"));
    return Definition({{"/usr/sbin/apache2", "-DFOREGROUND", "-f", dir_ / "apache.conf"},
                       {},
                       dir_ / "output",
                       ParseSignalName("SIGWINCH").value()});
  }
  ServiceDefinition Nginx() {
    WriteFile(dir_ / "nginx.conf",
              absl::StrCat("user www-data;\nworker_processes 2;\npid ", dir_ / "nginx.pid",
                           ";\nerror_log ", dir_ / "error.log",
                           ";\nevents {}\nhttp { access_log off; server { listen 127.0.0.1:", port_,
                           "; root ", dir_.path(), "; } }\n"));
    return Definition({{"/usr/sbin/nginx", "-c", dir_ / "nginx.conf", "-g", "daemon off;"},
                       {},
                       dir_ / "output",
                       ParseSignalName("SIGQUIT").value()});
  }
  ServiceDefinition Definition(ProcessDefinition process) const {
    ServiceDefinition definition;
    definition.name = "website";
    definition.run = std::move(process);
    definition.checks = {{url_, absl::Milliseconds(100), absl::Milliseconds(200), 2}};
    return definition;
  }
  void Make(const ServiceDefinition& definition) {
    service_.reset();
    service_ = std::move(MakeService(loop_.get(), prober_.get(), definition, dir_.path())).value();
  }
  pid_t pid() const { return ReadRecord(dir_ / "website.pid")->pid; }
  std::string FetchPage() { return Fetch(url_, absl::StrCat("page of ", getpid())); }

  const uint16_t port_;
  const std::string url_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceServerTest, ApacheServesItsPageWhenItCountsAsRunningAndStopsGracefully) {
  Make(Apache());
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kStopped, ""}));
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  EXPECT_EQ(FetchPage(), "good");
  const pid_t leader = pid();
  EXPECT_GE(LivingMembers(leader).size(), 3U);
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_EQ(service_->status().detail, "") << "it had to be killed";
  EXPECT_THAT(LivingMembers(leader), IsEmpty());
  EXPECT_THAT(FetchPage(), testing::Not("good"));
}

TEST_F(ServiceServerTest, ApachesDeathIsKnownAtOnceAndItsPortIsFreeForARestart) {
  ServiceDefinition definition = Apache();
  definition.checks[0].interval = absl::Hours(1);  // not the check, but the pidfd has to tell
  Make(definition);
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  for (int i = 0; i < 3; ++i) {
    const pid_t leader = pid();
    ASSERT_EQ(kill(leader, SIGKILL), 0);
    ASSERT_TRUE(Becomes(*service_, State::kFailed, absl::Seconds(2)));
    EXPECT_EQ(service_->status().detail, "killed by signal 9 (Killed)");
    EXPECT_THAT(LivingMembers(leader), IsEmpty());
    service_->Start();
    ASSERT_TRUE(Becomes(*service_, State::kRunning));
    EXPECT_EQ(FetchPage(), "good");
  }
}

TEST_F(ServiceServerTest, AFrozenApacheFailsItsCheckAndRecovers) {
  Make(Apache());
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  const pid_t leader = pid();
  ASSERT_EQ(kill(-leader, SIGSTOP), 0);
  const MonoTime frozen = BootNow();
  ASSERT_TRUE(Becomes(*service_, State::kFailing));
  // One interval until the next question, then fall × timeout, and the slack of a busy machine.
  EXPECT_LT(BootNow() - frozen, absl::Milliseconds(100 + 2 * 200 + 1500));
  EXPECT_THAT(service_->status().detail, StartsWith("check " + url_ + ": "));
  ASSERT_EQ(kill(-leader, SIGCONT), 0);
  EXPECT_TRUE(Becomes(*service_, State::kRunning));
}

TEST_F(ServiceServerTest, ApacheIsFoundAgainByARestartedExecutor) {
  Make(Apache());
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  const pid_t leader = pid();
  Make(Apache());
  EXPECT_EQ(service_->status().state, State::kStarting) << "before its check was asked";
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  EXPECT_EQ(pid(), leader);
  // Frozen while the executor restarts: what its first check finds.
  ASSERT_EQ(kill(-leader, SIGSTOP), 0);
  Make(Apache());
  ASSERT_TRUE(Becomes(*service_, State::kFailing));
  ASSERT_EQ(kill(-leader, SIGCONT), 0);
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
}

TEST_F(ServiceServerTest, AnApacheThatServesNoPageIsGivenUp) {
  ServiceDefinition definition = Apache();
  definition.checks[0].http = url_ + "missing";
  definition.start_timeout = absl::Seconds(3);
  Make(definition);
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_THAT(service_->status().detail, StartsWith("started but check " + url_ + "missing: 404"));
  EXPECT_THAT(FetchPage(), testing::Not("good")) << "it was not stopped";
}

TEST_F(ServiceServerTest, AnApacheWithABrokenConfigSaysItsStatus) {
  ServiceDefinition definition = Apache();
  WriteFile(dir_ / "apache.conf", ReadFile(dir_ / "apache.conf") + "NoSuchDirective on\n");
  Make(definition);
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_EQ(service_->status().detail, "exited with status 1");
  EXPECT_THAT(ReadFile(dir_ / "output"), HasSubstr("NoSuchDirective"));
}

TEST_F(ServiceServerTest, NginxServesItsPageAndStopsGracefully) {
  Make(Nginx());
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  EXPECT_EQ(FetchPage(), "good");
  const pid_t leader = pid();
  ASSERT_EQ(kill(leader, SIGKILL), 0);
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_THAT(LivingMembers(leader), IsEmpty());
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  EXPECT_EQ(FetchPage(), "good");
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_EQ(service_->status().detail, "");
}

TEST_F(ServiceServerTest, AUnitWithoutASystemdFailsAndSaysSo) {
  ASSERT_EQ(setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + (dir_ / "no-bus")).c_str(), 1), 0);
  ServiceDefinition definition;
  definition.name = "website";
  definition.run = SystemdUnit{"apache2.service"};
  Make(definition);
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kStarting, "asking systemd"}));
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_EQ(service_->status().detail,
            "can't ask systemd: the system bus: No such file or directory");
  service_->Start();
  EXPECT_EQ(service_->status().state, State::kStarting);
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  service_.reset();
}

}  // namespace
}  // namespace hb::executor
