// What the daemons say to bad input, as installed: one clear line a problem with place and remedy,
// the documented exit status, and nothing half-applied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/lab/deployment.h"
#include "tests/lab/lab.h"

namespace hb::lab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Duration kLong = absl::Seconds(40);

struct Ended {
  int status = -1;
  std::string output;
  long lines() const { return std::count(output.begin(), output.end(), '\n'); }
};

class BadInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up({});
    ASSERT_TRUE(lab.ok()) << lab.status();
    lab_ = *std::move(lab);
    absl::StatusOr<Deployment> hb = Deployment::Install(
        lab_.get(), {.binaries = HB_BINARIES, .configs = HB_SOURCE_DIR "/deploy/config"});
    ASSERT_TRUE(hb.ok()) << hb.status();
    hb_ = std::make_unique<Deployment>(*hb);
    sample_ = *lab_->slave().ReadFile("/etc/hb/controller.yaml");
  }

  // The sample with `from` replaced by `to`.
  std::string Edited(const std::string& from, const std::string& to) {
    std::string text = sample_;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }

  Ended Run(Host& host, const std::vector<std::string>& argv, const ProgramOptions& options = {}) {
    ProgramOptions o = options;
    const std::string name = absl::StrCat("bad-", ++runs_);
    o.output_file = host.output_file(name);
    const absl::StatusOr<Process*> process = host.Spawn(name, argv, o);
    if (!process.ok()) return {-1, process.status().ToString()};
    const absl::StatusOr<int> status = (*process)->Wait(kLong);
    if (!status.ok()) return {-1, absl::StrCat("it runs on: ", host.Output(name))};
    return {*status, host.Output(name)};
  }

  Ended RunController(const std::string& config) {
    EXPECT_TRUE(lab_->slave().WriteFile("/etc/hb/bad.yaml", config).ok());
    return Run(lab_->slave(), {HB_BINARIES "/hb-controller", "--config", "/etc/hb/bad.yaml"});
  }

  std::unique_ptr<Lab> lab_;
  std::unique_ptr<Deployment> hb_;
  std::string sample_;
  int runs_ = 0;
};

TEST_F(BadInputTest, TheControllersConfigIsRefusedWithPlaceAndRemedy) {
  const Ended broken = RunController(sample_ + "\n  - [unclosed\n");
  EXPECT_EQ(broken.status, 2);
  EXPECT_THAT(broken.output, StartsWith("/etc/hb/bad.yaml:"));
  EXPECT_EQ(broken.lines(), 1) << broken.output;

  const Ended unknown = RunController(Edited("    heartbeat: 200ms", "    hartbeat: 200ms"));
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.output, AllOf(StartsWith("/etc/hb/bad.yaml:"), HasSubstr("hartbeat"),
                                    HasSubstr("heartbeat")));
  EXPECT_EQ(unknown.lines(), 1) << unknown.output;

  const size_t cluster = sample_.find("  - name: web");
  std::string second = sample_.substr(cluster);
  second.replace(second.find("web"), 3, "two");
  const Ended twice = RunController(sample_ + "\n" + second);
  EXPECT_EQ(twice.status, 2);
  EXPECT_THAT(twice.output,
              AllOf(HasSubstr("clusters[1].vips[0].address"), HasSubstr("192.168.0.111")));

  const Ended missing = Run(lab_->slave(), {HB_BINARIES "/hb-controller", "--config", "/nowhere"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.output, AllOf(HasSubstr("/nowhere"), HasSubstr("No such file")));

  const Ended tls = RunController(Edited("insecure: true", "tls: {ca: /a, cert: /b, key: /c}"));
  EXPECT_EQ(tls.status, 2);
  EXPECT_THAT(tls.output, HasSubstr("tls"));
  // Nothing was opened by any of them.
  EXPECT_FALSE(lab_->slave().FileExists("/var/lib/hb/controller.db"));
}

TEST_F(BadInputTest, AWitnessGatewayThatIsNotThereIsAConfigError) {
  ASSERT_TRUE(lab_->slave().RunOk({"/sbin/ip", "route", "del", "default"}).ok());
  ASSERT_TRUE(lab_->slave().RunOk({"/sbin/ip", "-6", "route", "del", "default"}).ok());
  const Ended ended = RunController(sample_);
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("clusters[0].witness.address"), HasSubstr("gateway")));
  EXPECT_EQ(ended.lines(), 1) << ended.output;
}

TEST_F(BadInputTest, ASecondControllerIsToldWhatIsTaken) {
  ASSERT_TRUE(hb_->Start().ok());
  const Ended store = RunController(sample_);
  EXPECT_EQ(store.status, 1);
  EXPECT_THAT(store.output,
              AllOf(HasSubstr("/var/lib/hb/controller.db"), HasSubstr("another hb-controller")));
  const Ended socket = RunController(Edited("/controller.db", "/other.db"));
  EXPECT_EQ(socket.status, 1);
  EXPECT_THAT(socket.output, AllOf(HasSubstr("cannot listen on unix:///run/hb/controller.sock"),
                                   HasSubstr("another hb-controller")));
  std::string port = Edited("/controller.db", "/third.db");
  port.replace(port.find("controller.sock"), 15, "elsewhere.sock");
  const Ended taken = RunController(port);
  EXPECT_EQ(taken.status, 1);
  EXPECT_THAT(taken.output, HasSubstr("cannot listen on 192.168.0.2:7400: address in use"));
  // The first goes on.
  const auto status = hb_->Ctl({"status"});
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->status, 0) << status->output;
}

TEST_F(BadInputTest, MissingPrivilegesAreNamed) {
  ProgramOptions nobody;
  nobody.user = kControllerUser;
  const Ended controller = Run(lab_->slave(), {HB_BINARIES "/hb-controller"}, nobody);
  EXPECT_EQ(controller.status, 1);
  EXPECT_THAT(controller.output, HasSubstr("CAP_NET_RAW"));
  const Ended executor = Run(lab_->master(), {HB_BINARIES "/hb-executor"}, nobody);
  EXPECT_EQ(executor.status, 1) << executor.output;
  EXPECT_EQ(executor.lines(), 1) << executor.output;
}

TEST_F(BadInputTest, InATimeNamespaceWithAnOffsetTheControllerDoesNotStart) {
  const std::string program = HB_BINARIES "/hb-controller";
  const Ended ended =
      Run(lab_->slave(), {"/usr/bin/unshare", "--time", "--boottime", "3600", program});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.output, AllOf(StartsWith("this process runs in a time namespace that shifts "
                                             "its boottime clock by 3600 s"),
                                  HasSubstr("run it in the host's time namespace")));
  EXPECT_EQ(ended.lines(), 1) << ended.output;
  EXPECT_FALSE(lab_->slave().FileExists("/var/lib/hb/controller.db")) << "it went on";
}

TEST_F(BadInputTest, ReleaseWithTheControllerOnANodeIsWarnedOfAndStarts) {
  sample_ = Edited("on_expiry: witness}", "on_expiry: release}");
  sample_ = Edited("    witness: {address: gateway, interval: 200ms}\n", "");
  // It is the host's own address that tells, not a listener's.
  ASSERT_TRUE(
      lab_->slave().WriteFile("/etc/hb/bad.yaml", Edited("  - 192.168.0.2:7400\n", "")).ok());
  const std::string program = HB_BINARIES "/hb-controller";
  const Ended ended =
      Run(lab_->slave(), {"/usr/bin/timeout", "1", program, "--config", "/etc/hb/bad.yaml"});
  EXPECT_EQ(ended.status, 124) << "it did not run on: " << ended.output;
  EXPECT_THAT(ended.output,
              HasSubstr("warning config is valid, but reason=\"cluster web has on_expiry: release, "
                        "and the controller runs on its node slave: its loss makes"));
}

TEST_F(BadInputTest, AMissingInterfaceIsShownAndTheDaemonsGoOn) {
  ASSERT_TRUE(
      lab_->slave()
          .WriteFile("/etc/hb/controller.yaml", Edited("interface: eth0}", "interface: eth7}"))
          .ok());
  for (const char* node : {"master", "slave"}) {
    Host& host = *lab_->host(node);
    std::string config = *host.ReadFile("/etc/hb/executor.yaml");
    const size_t at = config.find("[eth0]");
    ASSERT_NE(at, std::string::npos);
    ASSERT_TRUE(host.WriteFile("/etc/hb/executor.yaml", config.replace(at, 6, "[eth7]")).ok());
  }
  ASSERT_TRUE(hb_->Start().ok());
  std::string shown;
  for (int i = 0; i < 1000; ++i) {
    const auto status = hb_->Ctl({"status"});
    ASSERT_TRUE(status.ok());
    shown = status->output;
    if (absl::StrContains(shown, "eth7 does not exist")) break;
    Pause(absl::Milliseconds(10));
  }
  EXPECT_THAT(shown, HasSubstr("eth7 does not exist"));
}

}  // namespace
}  // namespace hb::lab
