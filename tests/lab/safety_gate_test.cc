// Somebody's hands on what the gate stands on (L8): taken away, it is put back; where it cannot
// stand, the node does not count as able to hold, and says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "tests/lab/safety_fixture.h"

namespace hb::lab {
namespace {

class SafetyGateTest : public SafetyTest {
 protected:
  // Programs that stand on eth0 in both directions, as the kernel shows them.
  bool GateStands(std::string_view node) const {
    const absl::StatusOr<RunResult> shown =
        lab_->host(node)->Run({"bpftool", "net", "show", "dev", "eth0"});
    EXPECT_TRUE(shown.ok()) << shown.status();
    return shown.ok() && absl::StrContains(shown->output, "ingress") &&
           absl::StrContains(shown->output, "egress");
  }
  absl::Status AwaitGate(std::string_view node) const {
    const MonoTime deadline = BootNow() + absl::Seconds(5);
    while (!GateStands(node)) {
      if (BootNow() >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat("no gate stands on ", std::string(node)));
      }
      Pause(absl::Milliseconds(20));
    }
    return absl::OkStatus();
  }
  absl::Status RemoveGate(std::string_view node) const {
    return lab_->host(node)->RunOk({"tc", "qdisc", "del", "dev", "eth0", "clsact"});
  }
  // While the node's executor stands still: it would put the gate back in between.
  absl::Status PutPlainIngress(std::string_view node) const {
    Host& host = *lab_->host(node);
    const absl::StatusOr<Process*> executor = Executor(node);
    if (!executor.ok()) return executor.status();
    absl::Status done = (*executor)->Stop();
    done.Update(RemoveGate(node));
    done.Update(host.RunOk({"tc", "qdisc", "add", "dev", "eth0", "ingress"}));
    done.Update((*executor)->Continue());
    return done;
  }
};

TEST_P(SafetyGateTest, AGateThatIsTakenAwayIsPutBack) {
  ASSERT_OK(Up());
  for (const char* node : {"master", "slave"}) {
    ASSERT_OK(AwaitGate(node));
    const MonoTime mark = meter_->Mark();
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK(RemoveGate(node));
      ASSERT_OK(AwaitGate(node));
    }
    Pause(ttl());
    const MeterReport report = Measure(mark, absl::StrCat("gate of ", node, " taken away"));
    // What the holder loses while it puts the gate back is some milliseconds; it stays the holder.
    ExpectOutageWithin(report, absl::Milliseconds(100));
    EXPECT_TRUE(report.http.moves.empty()) << Everything();
    EXPECT_TRUE(GateStands(node));
    if (HasFailure()) return;
  }
  // The new one is under the lease as the old one was.
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(KillExecutor("master"));
  ASSERT_OK(AwaitServedBy("slave"));
  EXPECT_FALSE(ServesStaleNeighbour("master")) << Everything();
  ExpectOutageWithin(Measure(mark, "executor killed afterwards"), TakeoverBound());
}

TEST_P(SafetyGateTest, AStandbyWithAPlainIngressQdiscIsUnableAndSaysWhy) {
  ASSERT_OK(Up());
  const MonoTime mark = meter_->Mark();
  ASSERT_OK(AwaitGate("slave"));
  ASSERT_OK(PutPlainIngress("slave"));
  ASSERT_OK(AwaitStatus(
      R"(.clusters[0].nodes[] | select(.name == "slave") | .verdict == "NODE_VERDICT_UNABLE" and)"
      R"( ([.reason, .obstacles[]?] | join(" ") | test("ingress|qdisc")))",
      absl::Seconds(10)));
  const absl::StatusOr<RunResult> status = hb_->Ctl({"status"});
  ASSERT_OK(status.status());
  EXPECT_THAT(status->output, ::testing::ContainsRegex("ingress|qdisc"));
  // The operator is told the same, and the site stays where it is.
  const absl::StatusOr<RunResult> refused = hb_->Ctl({"switchover", "web", "--to", "slave"});
  ASSERT_OK(refused.status());
  EXPECT_EQ(refused->status, 1) << refused->output;
  EXPECT_THAT(refused->output, ::testing::ContainsRegex("ingress|qdisc"));
  ASSERT_OK(lab_->slave().RunOk({"tc", "qdisc", "del", "dev", "eth0", "ingress"}));
  ASSERT_OK(AwaitStatus(kAllHealthy, absl::Seconds(10)));
  ASSERT_OK(AwaitGate("slave"));
  ExpectNothingLost(Measure(mark, "standby without a gate"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyGateTest,
                         ::testing::ValuesIn(Places(PlacesInCi(), EveryPlace())), PlaceName);

}  // namespace
}  // namespace hb::lab
