// The meter judged against faults of known length, with a real Apache on both nodes and the VIP
// moved by hand.
#include "tests/lab/meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>

#include "common/boot_clock.h"
#include "tests/lab/lab.h"

namespace hb::lab {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Le;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr Duration kPatience =
    absl::Seconds(20);  // for what has to happen, however busy the machine

class MeterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up({});
    ASSERT_TRUE(lab.ok()) << lab.status();
    lab_ = *std::move(lab);
    for (Host* node : {&lab_->master(), &lab_->slave()}) {
      const absl::StatusOr<Process*> apache = node->Spawn("apache", ApacheArgv());
      ASSERT_TRUE(apache.ok()) << apache.status();
    }
    Give(lab_->master());
    absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(*lab_);
    ASSERT_TRUE(meter.ok()) << meter.status();
    meter_ = *std::move(meter);
    ASSERT_EQ(meter_->WaitUntilServedBy("master", kPatience), absl::OkStatus()) << lab_->Outputs();
  }

  void Give(Host& node) {
    ASSERT_EQ(node.RunOk({"ip", "addr", "add", "192.168.0.111/32", "dev", "eth0"}),
              absl::OkStatus());
    ASSERT_EQ(node.RunOk({"arping", "-q", "-U", "-c1", "-w1", "-I", "eth0", kVip}),
              absl::OkStatus());
  }

  void Take(Host& node) {
    ASSERT_EQ(node.RunOk({"ip", "addr", "del", "192.168.0.111/32", "dev", "eth0"}),
              absl::OkStatus());
  }

  std::unique_ptr<Lab> lab_;
  std::unique_ptr<Meter> meter_;
};

TEST_F(MeterTest, SeesNothingWrongWhereNothingIs) {
  const MonoTime mark = meter_->Mark();
  ASSERT_EQ(meter_->WaitFor([](const MeterReport& report) { return report.http.answered >= 100; },
                            kPatience),
            absl::OkStatus());
  const MeterReport report = meter_->Since(mark);
  EXPECT_EQ(report.http.failed, 0) << ToText(report);
  EXPECT_EQ(report.http.outage.length, absl::ZeroDuration());
  EXPECT_EQ(report.http.two_answered_time, absl::ZeroDuration());
  EXPECT_EQ(report.arp.two_answered_time, absl::ZeroDuration());
  EXPECT_EQ(report.icmp.outage.length, absl::ZeroDuration()) << ToText(report);
  EXPECT_THAT(report.http.answered_by, UnorderedElementsAre(Key("master")));
  EXPECT_THAT(report.arp.answered_by, UnorderedElementsAre(Key("master")));
  EXPECT_GT(report.icmp.answered, 50);
  const MeterReport all = meter_->Stop();
  EXPECT_EQ(all.http.undecided, 0);
  EXPECT_LE(all.from, mark);
  EXPECT_EQ(meter_->Stop().http.total, all.http.total);
}

TEST_F(MeterTest, CountsTheOutageOfAKilledService) {
  const MonoTime mark = meter_->Mark();
  ASSERT_EQ(lab_->master().KillService("apache2"), absl::OkStatus());
  const MonoTime killed = BootNow();
  ASSERT_EQ(meter_->WaitFor(
                [](const MeterReport& report) {
                  return report.http.outage.length > absl::Milliseconds(300);
                },
                kPatience),
            absl::OkStatus());
  EXPECT_EQ(meter_->Since(mark).http.now, "");
  EXPECT_TRUE(meter_->Since(mark).http.outage.ongoing);
  const MonoTime restarting = BootNow();
  ASSERT_TRUE(lab_->master().Spawn("apache", ApacheArgv()).ok());
  ASSERT_EQ(meter_->WaitUntilServedBy("master", kPatience), absl::OkStatus()) << lab_->Outputs();
  const MonoTime answered = BootNow();
  const MeterReport report = meter_->Since(mark);
  EXPECT_FALSE(report.http.outage.ongoing);
  EXPECT_THAT(report.http.outage.length,
              AllOf(Ge(restarting - killed - report.stall), Le(answered - mark)))
      << ToText(report);
  EXPECT_GT(report.http.failed, 50);
  // The host itself was there all the time.
  EXPECT_LT(report.icmp.outage.length, absl::Milliseconds(200)) << ToText(report);
  EXPECT_THAT(report.arp.answered_by, UnorderedElementsAre(Key("master")));
}

TEST_F(MeterTest, SeesAHungServiceAsUnanswered) {
  const MonoTime mark = meter_->Mark();
  ASSERT_EQ(lab_->master().SignalService("apache2", SIGSTOP), absl::OkStatus());
  ASSERT_EQ(meter_->WaitFor(
                [](const MeterReport& report) {
                  return report.http.outage.length > absl::Milliseconds(1200);
                },
                kPatience),
            absl::OkStatus());
  ASSERT_EQ(lab_->master().SignalService("apache2", SIGCONT), absl::OkStatus());
  ASSERT_EQ(meter_->WaitUntilServedBy("master", kPatience), absl::OkStatus());
  // Those that had not yet timed out were answered in the end: what is left is the time whose
  // requests failed.
  const MeterReport report = meter_->Since(mark);
  EXPECT_GT(report.http.failed, 0) << ToText(report);
  EXPECT_GE(report.http.longest_gap, absl::Milliseconds(1100)) << ToText(report);
}

TEST_F(MeterTest, FollowsTheVipToAnotherHost) {
  const MonoTime mark = meter_->Mark();
  ASSERT_EQ(meter_->WaitFor([](const MeterReport& report) { return report.http.answered >= 20; },
                            kPatience),
            absl::OkStatus());
  Take(lab_->master());
  const MonoTime taken = BootNow();
  ASSERT_EQ(meter_->WaitFor(
                [](const MeterReport& report) {
                  return report.arp.outage.length > absl::Milliseconds(250);
                },
                kPatience),
            absl::OkStatus());
  const MonoTime giving = BootNow();
  Give(lab_->slave());
  ASSERT_EQ(meter_->WaitUntilServedBy("slave", kPatience), absl::OkStatus());
  const MonoTime served = BootNow();
  const MeterReport report = meter_->Since(mark);
  for (const SeriesReport* series : {&report.http, &report.arp, &report.icmp}) {
    EXPECT_THAT(series->outage.length, AllOf(Ge(giving - taken - report.stall), Le(served - mark)))
        << ToText(report);
    EXPECT_EQ(series->two_answered_time, absl::ZeroDuration()) << ToText(report);
  }
  EXPECT_THAT(report.arp.answered_by, UnorderedElementsAre(Key("master"), Key("slave")));
  ASSERT_EQ(report.http.moves.size(), 1U);
  EXPECT_EQ(report.http.moves[0].from, "master");
  EXPECT_EQ(report.http.moves[0].to, "slave");
}

TEST_F(MeterTest, CountsTheTimeInWhichTwoHostsHoldTheVip) {
  const MonoTime mark = meter_->Mark();
  const MonoTime giving = BootNow();
  Give(lab_->slave());
  const MonoTime given = BootNow();
  ASSERT_EQ(meter_->WaitFor([](const MeterReport& report) { return report.arp.two_answered > 100; },
                            kPatience),
            absl::OkStatus());
  const MonoTime taking = BootNow();
  Take(lab_->master());
  const MonoTime taken = BootNow();
  ASSERT_EQ(meter_->WaitUntilServedBy("slave", kPatience), absl::OkStatus());
  const MeterReport report = meter_->Since(mark);
  const Duration slack = 2 * (report.stall + absl::Milliseconds(5));
  EXPECT_GT(report.arp.two_answered, 100);
  EXPECT_THAT(report.arp.two_answered_time,
              AllOf(Ge(taking - given - slack), Le(taken - giving + slack)))
      << ToText(report);
  EXPECT_THAT(report.arp.answered_by,
              UnorderedElementsAre(Pair("master", Ge(100)), Pair("slave", Ge(100))));
}

TEST_F(MeterTest, SeesAHostWithoutCable) {
  const MonoTime mark = meter_->Mark();
  ASSERT_EQ(lab_->PullCable("master"), absl::OkStatus());
  ASSERT_EQ(meter_->WaitFor(
                [](const MeterReport& report) {
                  return report.arp.outage.length > absl::Milliseconds(200) &&
                         report.http.outage.length > absl::Milliseconds(200) &&
                         report.icmp.outage.length > absl::Milliseconds(200);
                },
                kPatience),
            absl::OkStatus());
  ASSERT_EQ(lab_->PlugCable("master"), absl::OkStatus());
  ASSERT_EQ(meter_->WaitUntilServedBy("master", kPatience), absl::OkStatus());
  EXPECT_FALSE(meter_->Since(mark).http.outage.ongoing);
}

// A client that is left on the wrong MAC must stay there: the questions about ARP are not to heal
// it.
TEST_F(MeterTest, LeavesTheClientsOwnArpTableAlone) {
  Take(lab_->master());
  ASSERT_EQ(lab_->client().RunOk({"ip", "neigh", "replace", kVip, "lladdr", "02:68:62:00:00:63",
                                  "nud", "permanent", "dev", "eth0"}),
            absl::OkStatus());
  Give(lab_->slave());
  const MonoTime mark = meter_->Mark();
  ASSERT_EQ(meter_->WaitFor([](const MeterReport& report) { return report.arp.answered > 100; },
                            kPatience),
            absl::OkStatus());
  EXPECT_EQ(meter_->Since(mark).arp.now, "slave");
  EXPECT_EQ(meter_->Since(mark).icmp.answered, 0);
}

TEST_F(MeterTest, TellsWhatItSawInsteadOfTheNodeAskedFor) {
  const absl::Status status = meter_->WaitUntilServedBy("slave", absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("now master"));
}

TEST_F(MeterTest, RefusesWhatItCannotMeasure) {
  EXPECT_TRUE(absl::IsInvalidArgument(Meter::Start(*lab_, {.vip = "nowhere"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Meter::Start(*lab_, {.vip = "fd00::1"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Meter::Start(*lab_, {.path = "page"}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Meter::Start(*lab_, {.interval = absl::Microseconds(10)}).status()));
}

}  // namespace
}  // namespace hb::lab
