// What is on disk, and what is not (L1, L4, L5, L11): stores that were restored, lost, doubled, and
// disks that are full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/lab/safety_fixture.h"
#include "tests/lab/small_disk.h"

namespace hb::lab {
namespace {

constexpr Duration kPlanned = absl::Seconds(1);

class SafetyStoreTest : public SafetyTest {
 protected:
  // A store that knows nothing of the last two epochs is kept for later.
  void SaveStoreAndMoveOn() {
    ASSERT_OK(hb_->SaveStore());
    ASSERT_OK(Ctl({"switchover", "web"}));
    ASSERT_OK(AwaitServedBy("slave"));
    ASSERT_OK(Ctl({"failback", "web"}));
    ASSERT_OK(AwaitServedBy("master"));
    ASSERT_OK(AwaitStatus(kAllHealthy));
  }
  absl::Status ReplaceStore(const std::string& by) {
    return by == "old" ? hb_->RestoreStore() : hb_->RemoveStore();
  }
};

TEST_P(SafetyStoreTest, AnOldOrEmptyStoreWhileAllRuns) {
  ASSERT_OK(Up());
  SaveStoreAndMoveOn();
  if (HasFatalFailure()) return;
  for (const char* store : {"old", "empty"}) {
    MonoTime mark = meter_->Mark();
    ASSERT_OK(KillController());
    ASSERT_OK(ReplaceStore(store));
    ASSERT_OK(hb_->StartController());
    Pause(3 * ttl());
    ExpectNothingLost(Measure(mark, absl::StrCat(store, " store")));
    ASSERT_OK(AwaitStatus(kAllHealthy));
    // Orders of the new one are obeyed.
    mark = meter_->Mark();
    ASSERT_OK(Ctl({"switchover", "web", "--to", "slave"}));
    ASSERT_OK(AwaitServedBy("slave"));
    ASSERT_OK(Ctl({"failback", "web"}));
    ASSERT_OK(AwaitServedBy("master"));
    ExpectOutageWithin(Measure(mark, absl::StrCat("moves on the ", store, " store")), kPlanned);
  }
}

TEST_P(SafetyStoreTest, AnOldOrEmptyStoreWhileTheHolderIsCutOff) {
  ASSERT_OK(Up());
  SaveStoreAndMoveOn();
  if (HasFatalFailure()) return;
  const MonoTime begin = meter_->Mark();
  for (const char* store : {"old", "empty"}) {
    MonoTime mark = meter_->Mark();
    ASSERT_OK(KillController());
    ASSERT_OK(CutOffFromAllButClient("master"));
    ASSERT_OK(ReplaceStore(store));
    ASSERT_OK(hb_->StartController());
    // An empty one activates nobody as long as the master does not follow it.
    Pause(4 * ttl());
    ExpectNeverTwo(Measure(mark, absl::StrCat(store, " store, holder cut off")));
    mark = meter_->Mark();
    ASSERT_OK(lab_->HealAll());
    ASSERT_OK(AwaitServedBy("master"));
    ExpectOutageWithin(Measure(mark, absl::StrCat(store, " store, healed")), TakeoverBound());
    ASSERT_OK(AwaitStatus(kAllHealthy));
  }
  ExpectNeverTwo(meter_->Since(begin));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyStoreTest,
                         ::testing::ValuesIn(Places(PlacesInCi(), StrictPlaces())), PlaceName);

// The first controller is on the slave and reaches it alone at first, the second on the third host
// and reaches the master alone.
class SafetyTwoControllersTest : public SafetyTest {
 protected:
  void UpWithTwo() {
    ASSERT_OK(Install({.watch_host = true}));
    DeploymentOptions options = HbOptions();
    options.controller_host = "watch";
    options.executors = false;
    absl::StatusOr<Deployment> installed = Deployment::Install(lab_.get(), options);
    ASSERT_OK(installed.status());
    second_ = std::make_unique<Deployment>(*installed);
    ASSERT_OK(lab_->Cut("slave", "master"));
    ASSERT_OK(lab_->Cut("slave", "watch"));
    ASSERT_OK(StartMeter());
    const MonoTime mark = meter_->Mark();
    ASSERT_OK(hb_->Start());
    ASSERT_OK(second_->StartController());
    Pause(2.5 * ttl());
    ExpectNobody(mark, "each reaches one node");
    const MonoTime healed = meter_->Mark();
    ASSERT_OK(lab_->HealAll());
    Pause(3 * ttl());
    ExpectNobody(healed, "both reach both");
  }
  void ExpectNobody(MonoTime mark, const std::string& what) {
    const MeterReport report = Measure(mark, what);
    EXPECT_EQ(report.http.answered, 0) << Everything();
    EXPECT_EQ(report.arp.answered, 0) << Everything();
  }
  std::unique_ptr<Deployment> second_;
};

TEST_P(SafetyTwoControllersTest, NobodyIsActiveUntilOneOfThemGoesAway) {
  UpWithTwo();
  if (HasFailure()) return;
  const MonoTime mark = meter_->Mark();
  const absl::StatusOr<Process*> other = lab_->host("watch")->Find(kControllerName);
  ASSERT_OK(other.status());
  ASSERT_OK((*other)->Kill());
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(mark, "one has gone away"), 2 * ttl() + TakeoverBound());
  // It comes back with its own store: that changes nothing.
  const MonoTime back = meter_->Mark();
  ASSERT_OK(second_->StartController());
  Pause(4 * ttl());
  ExpectNothingLost(Measure(back, "it is back"));
  ASSERT_OK(AwaitStatus(kAllHealthy));
}

TEST_P(SafetyTwoControllersTest, NobodyIsActiveUntilTheOperatorForcesIt) {
  UpWithTwo();
  if (HasFailure()) return;
  const MonoTime mark = meter_->Mark();
  // By the one that the master follows.
  const absl::StatusOr<RunResult> forced =
      second_->Ctl({"switchover", "web", "--to", "master", "--force"});
  ASSERT_OK(forced.status());
  EXPECT_EQ(forced->status, 0) << forced->output;
  ASSERT_OK(AwaitServedBy("master"));
  ExpectOutageWithin(Measure(mark, "forced"), TakeoverBound());
  const MonoTime served = meter_->Mark();
  Pause(4 * ttl());
  ExpectNothingLost(Measure(served, "after the force"));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyTwoControllersTest,
                         ::testing::ValuesIn(Places({{.on_expiry = "release"}},
                                                    {{.on_expiry = "release"},
                                                     {.on_expiry = "witness"}})),
                         PlaceName);

class SafetyDiskFullTest : public SafetyTest {};

TEST_P(SafetyDiskFullTest, ExecutorsHaveNoRoomForTheirState) {
  ASSERT_OK(Install());
  absl::StatusOr<SmallDisk> holders = SmallDisk::Mount(&lab_->master(), "/var/lib/hb/executor");
  ASSERT_OK(holders.status());
  absl::StatusOr<SmallDisk> standbys = SmallDisk::Mount(&lab_->slave(), "/var/lib/hb/executor");
  ASSERT_OK(standbys.status());
  ASSERT_OK(StartAll());
  const MonoTime begin = meter_->Mark();
  // A lease that is renewed needs no disk.
  ASSERT_OK(holders->Fill());
  ASSERT_OK(standbys->Fill());
  Pause(3 * ttl());
  ExpectNothingLost(Measure(begin, "disks full"));
  // To take over, the new epoch must be on disk first.
  MonoTime mark = meter_->Mark();
  ASSERT_OK(CutOffFromAllButClient("master"));
  Pause(TakeoverBound() - kSlack + absl::Seconds(1));
  const MeterReport report = Measure(mark, "holder cut off, disks full");
  ExpectNeverTwo(report);
  if (report.http.now != "slave") {
    ASSERT_OK(AwaitText("No space left on device", absl::Seconds(5)));
  }
  mark = meter_->Mark();
  ASSERT_OK(holders->Free());
  ASSERT_OK(standbys->Free());
  ASSERT_OK(AwaitServedBy("slave"));
  ExpectOutageWithin(Measure(mark, "room again"), TakeoverBound());
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitServedBy("master"));
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectNeverTwo(meter_->Since(begin));
}

TEST_P(SafetyDiskFullTest, TheControllerHasNoRoomForItsStore) {
  ASSERT_OK(Install());
  absl::StatusOr<SmallDisk> disk =
      SmallDisk::Mount(lab_->host("watch"), "/var/lib/hb", kControllerUser);
  ASSERT_OK(disk.status());
  ASSERT_OK(StartAll());
  const MonoTime begin = meter_->Mark();
  ASSERT_OK(disk->Fill());
  Pause(3 * ttl());
  ExpectNothingLost(Measure(begin, "store full"));
  MonoTime mark = meter_->Mark();
  ASSERT_OK(CutOffFromAllButClient("master"));
  Pause(TakeoverBound() - kSlack + absl::Seconds(1));
  const MeterReport report = Measure(mark, "holder cut off, store full");
  ExpectNeverTwo(report);
  if (report.http.now != "slave") {
    const std::string text = AllText();
    EXPECT_TRUE(absl::StrContains(text, "No space left on device") ||
                absl::StrContains(text, "disk is full"))
        << Everything();
  }
  mark = meter_->Mark();
  ASSERT_OK(disk->Free());
  ASSERT_OK(AwaitServedBy("slave"));
  ExpectOutageWithin(Measure(mark, "room again"), TakeoverBound());
  ASSERT_OK(lab_->HealAll());
  ASSERT_OK(AwaitServedBy("master"));
  ASSERT_OK(AwaitStatus(kAllHealthy));
  ExpectNeverTwo(meter_->Since(begin));
}

INSTANTIATE_TEST_SUITE_P(Safety, SafetyDiskFullTest,
                         ::testing::ValuesIn(Places({{.third_host = true, .on_expiry = "witness"}},
                                                    {{.third_host = true, .on_expiry = "release"},
                                                     {.third_host = true,
                                                      .on_expiry = "witness"}})),
                         PlaceName);

}  // namespace
}  // namespace hb::lab
