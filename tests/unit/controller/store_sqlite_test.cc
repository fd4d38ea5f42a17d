// The SQLite store on real files in a directory of its own: what survives, which owner is refused,
// and how files of other versions are taken. Bad files and bad disks: store_sqlite_damage_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "common/boot_clock.h"
#include "store_sqlite_fixture.h"

namespace hb::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(SqliteStoreTest, MakesItsDirectoryAndKeepsItsIdentity) {
  path_ = dir_ + "/a/b/controller.db";
  const std::string id = Open()->id();
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(Open()->id(), id);
  path_ = dir_ + "/other.db";
  EXPECT_NE(Open()->id(), id);
}

TEST_F(SqliteStoreTest, EpochsRiseFromTheWallClockAndSurvive) {
  const auto wall = static_cast<uint64_t>(absl::ToUnixSeconds(WallNow()));
  uint64_t last = 0;
  {
    const auto store = Open();
    const auto first = store->ReserveEpoch("web", 1);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_GE(*first, wall);
    EXPECT_LE(*first, wall + 60);
    const auto far = store->ReserveEpoch("web", *first + 1'000'000);
    ASSERT_TRUE(far.ok());
    EXPECT_EQ(*far, *first + 1'000'000);
    const auto next = store->ReserveEpoch("web", 1);
    ASSERT_TRUE(next.ok());
    EXPECT_EQ(*next, *far + 1);
    last = *next;
    const auto other = store->ReserveEpoch("mail", 1);
    ASSERT_TRUE(other.ok());
    EXPECT_LT(*other, *far);
  }
  const auto store = Open();
  EXPECT_EQ(store->Load().value().at("web").epoch, last);
  EXPECT_EQ(store->ReserveEpoch("web", last).value(), last + 1);
}

TEST_F(SqliteStoreTest, AnEpochSurvivesAnOwnerThatIsKilled) {
  for (uint64_t epoch = 9'000'000'000; epoch < 9'000'000'005; ++epoch) {
    const pid_t child = fork();
    if (child == 0) {
      const auto store = OpenSqliteStore(path_);
      if (!store.ok() || store->get()->ReserveEpoch("web", 9'000'000'000).value_or(0) != epoch) {
        _exit(1);
      }
      kill(getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "epoch " << epoch << " was not given";
    EXPECT_GT(std::filesystem::file_size(path_ + "-wal"), 0U) << "nothing was left in the log";
  }
  EXPECT_EQ(Open()->Load().value().at("web").epoch, 9'000'000'004U);
}

TEST_F(SqliteStoreTest, KeepsOverridesTtlAndEpochApart) {
  {
    const auto store = Open();
    EXPECT_THAT(store->Load().value(), IsEmpty());
    EXPECT_TRUE(store->Save({{"web", {.longest_ttl = absl::Seconds(5)}}}, {}).ok());
    // The longest counts.
    const StoredCluster flags = {.paused = true, .flapping = true, .longest_ttl = absl::Seconds(1)};
    EXPECT_TRUE(store->Save({{"web", flags}}, {}).ok());
    EXPECT_TRUE(store->ReserveEpoch("web", 9'000'000'000).ok());
    EXPECT_TRUE(store->Save({{"mail", {.placed = true}}}, {}).ok());
  }
  const auto store = Open();
  const StoredCluster web = store->Load().value().at("web");
  EXPECT_EQ(web.longest_ttl, absl::Seconds(5));
  EXPECT_EQ(web.epoch, 9'000'000'000U);
  EXPECT_TRUE(web.paused);
  EXPECT_FALSE(web.placed);
  EXPECT_TRUE(web.flapping);
  const StoredCluster mail = store->Load().value().at("mail");
  EXPECT_EQ(mail.longest_ttl, absl::ZeroDuration());
  EXPECT_FALSE(mail.paused);
  EXPECT_TRUE(mail.placed);
  EXPECT_TRUE(store->Save({{"web", {}}}, {}).ok());
  EXPECT_FALSE(store->Load().value().at("web").paused);
  EXPECT_EQ(store->Load().value().at("web").epoch, 9'000'000'000U);
}

TEST_F(SqliteStoreTest, KeepsHolderAndTerms) {
  using Names = std::vector<std::string>;
  {
    const auto store = Open();
    StoredCluster saved = {.paused = true, .holder = "master"};
    EXPECT_TRUE(store->Save({{"web", saved}}, {}).ok());
    EXPECT_FALSE(store->Load().value().at("web").established);
    saved = {.placed = true, .established = true, .holder = "master@192.168.0.1:7070"};
    saved.terms_policy = 2;
    saved.terms_members = {"master", "slave-2.example"};
    saved.terms_vips = {"192.168.0.111", "fd00::111"};
    EXPECT_TRUE(store->Save({{"web", saved}, {"mail", {.flapping = true}}}, {}).ok());
    EXPECT_TRUE(store->ReserveEpoch("web", 9'000'000'000).ok());
  }
  const auto store = Open();
  const StoredCluster web = store->Load().value().at("web");
  EXPECT_FALSE(web.paused);
  EXPECT_TRUE(web.placed);
  EXPECT_TRUE(web.established);
  EXPECT_EQ(web.holder, "master@192.168.0.1:7070");
  EXPECT_EQ(web.terms_policy, 2);
  EXPECT_EQ(web.terms_members, (Names{"master", "slave-2.example"}));
  EXPECT_EQ(web.terms_vips, (Names{"192.168.0.111", "fd00::111"}));
  EXPECT_EQ(web.epoch, 9'000'000'000U);
  const StoredCluster mail = store->Load().value().at("mail");
  EXPECT_TRUE(mail.flapping);
  EXPECT_FALSE(mail.established);
  EXPECT_EQ(mail.holder, "");
  EXPECT_EQ(mail.terms_policy, 0);
  EXPECT_EQ(mail.terms_members, Names{});
  EXPECT_TRUE(store->Save({{"web", {}}}, {}).ok());
  EXPECT_FALSE(store->Load().value().at("web").established);
  EXPECT_EQ(store->Load().value().at("web").terms_vips, Names{});
  EXPECT_EQ(store->Load().value().at("web").epoch, 9'000'000'000U);
}

TEST_F(SqliteStoreTest, AnotherNameTakesEverythingAlong) {
  const auto store = Open();
  ASSERT_TRUE(store->Save({{"web", {.holder = "master"}}, {"mail", {}}}, {}).ok());
  ASSERT_TRUE(store->ReserveEpoch("web", 9'000'000'000).ok());
  ASSERT_TRUE(store->Append(MakeEvent("web", 100)).ok());
  StoredCluster record = store->Load().value().at("web");
  ASSERT_TRUE(store->Save({{"site", record}}, {"web"}).ok());
  StoredClusters clusters = store->Load().value();
  EXPECT_EQ(clusters.size(), 2U);
  EXPECT_EQ(clusters["site"].holder, "master");
  EXPECT_EQ(clusters["site"].epoch, 9'000'000'000U);
  EXPECT_EQ(clusters.count("mail"), 1U);
  EXPECT_EQ(Seconds(store->Events("web", absl::InfinitePast(), 10)), (std::vector<int64_t>{100}));
  // An epoch never falls, whatever a record says.
  record.epoch = 5;
  ASSERT_TRUE(store->Save({{"site", record}}, {}).ok());
  EXPECT_EQ(store->Load().value().at("site").epoch, 9'000'000'000U);
}

TEST_F(SqliteStoreTest, EventsComeBackWholeAndInOrder) {
  StoredEvent event = MakeEvent("web", 100);
  event.time += absl::Nanoseconds(7);
  event.node = "master";
  event.epoch = 42;
  event.severity = 2;
  event.reason = "Master apache service is down; \"quoted\" 'twice'";
  event.detail = "killed by signal 9";
  uint64_t first = 0;
  {
    const auto store = Open();
    const auto id = store->Append(event);
    ASSERT_TRUE(id.ok()) << id.status();
    first = *id;
    EXPECT_EQ(store->Append(MakeEvent("mail", 101)).value(), first + 1);
  }
  const auto store = Open();
  const auto events = store->Events("", absl::InfinitePast(), 10);
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 2U);
  const StoredEvent& read = events->front();
  EXPECT_EQ(read.id, first);
  EXPECT_EQ(read.time, event.time);
  EXPECT_EQ(read.cluster, "web");
  EXPECT_EQ(read.node, "master");
  EXPECT_EQ(read.epoch, 42U);
  EXPECT_EQ(read.severity, 2);
  EXPECT_EQ(read.type, "failover");
  EXPECT_EQ(read.reason, event.reason);
  EXPECT_EQ(read.detail, event.detail);
  EXPECT_EQ(store->Append(MakeEvent("web", 102)).value(), first + 2);  // ids go on
}

TEST_F(SqliteStoreTest, EventsAreFilteredAndLimitedToTheNewest) {
  const auto store = Open();
  for (int64_t second = 100; second < 106; ++second) {
    ASSERT_TRUE(store->Append(MakeEvent(second % 2 == 0 ? "web" : "mail", second)).ok());
  }
  using Expected = std::vector<int64_t>;
  const absl::Time past = absl::InfinitePast();
  EXPECT_EQ(Seconds(store->Events("", past, 3)), (Expected{103, 104, 105}));
  EXPECT_EQ(Seconds(store->Events("web", past, 10)), (Expected{100, 102, 104}));
  EXPECT_EQ(Seconds(store->Events("web", past, 2)), (Expected{102, 104}));
  EXPECT_EQ(Seconds(store->Events("", absl::FromUnixSeconds(104), 10)), (Expected{104, 105}));
  EXPECT_EQ(Seconds(store->Events("none", past, 10)), Expected{});
  EXPECT_EQ(Seconds(store->Events("", absl::FromUnixSeconds(200), 10)), Expected{});
}

TEST_F(SqliteStoreTest, OldEventsArePruned) {
  Open().reset();
  Sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10299)"
      " INSERT INTO event (time_ns, cluster, node, epoch, severity, type, reason, detail)"
      " SELECT i, 'web', '', 0, 0, 't', '', '' FROM n");
  const auto store = Open();
  EXPECT_EQ(store->Append(MakeEvent("web", 1)).value(), 10300U);
  const auto events = store->Events("", absl::InfinitePast(), 100'000);
  ASSERT_TRUE(events.ok());
  EXPECT_EQ(events->size(), 10'000U);
  EXPECT_EQ(events->front().id, 301U);
  // Never one more, whatever the id.
  for (uint64_t id = 10301; id < 10310; ++id) {
    EXPECT_EQ(store->Append(MakeEvent("web", 1)).value(), id);
    EXPECT_EQ(store->Events("", absl::InfinitePast(), 100'000)->size(), 10'000U);
  }
}

TEST_F(SqliteStoreTest, RefusesASecondOwner) {
  auto owner = Open();
  const absl::Status status = Refusal(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("store " + path_));
  EXPECT_THAT(status.message(), HasSubstr("is another hb-controller running?"));
  EXPECT_TRUE(owner->ReserveEpoch("web", 1).ok());  // the owner is not disturbed
  owner.reset();
  EXPECT_NE(Open(), nullptr);
}

TEST_F(SqliteStoreTest, BringsAFileOfVersion1UpToDateAndLosesNothing) {
  Sql(kVersion1);
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = Open();
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->id(), "0123456789abcdef0123456789abcdef");
    const StoredCluster web = store->Load().value().at("web");
    EXPECT_EQ(web.epoch, 1'795'394'606U);
    EXPECT_TRUE(web.paused);
    EXPECT_FALSE(web.placed);
    EXPECT_TRUE(web.flapping);
    EXPECT_EQ(web.longest_ttl, absl::Seconds(5));
    EXPECT_TRUE(web.established) << "it had an epoch, so it was in use";
    EXPECT_EQ(web.holder, "");
    EXPECT_EQ(web.terms_policy, 0);
    EXPECT_TRUE(web.terms_members.empty());
    EXPECT_TRUE(web.terms_vips.empty());
    const StoredCluster unused = store->Load().value().at("new");
    EXPECT_FALSE(unused.established);
    EXPECT_TRUE(unused.placed);
    const auto events = store->Events("", absl::InfinitePast(), 10);
    ASSERT_TRUE(events.ok());
    ASSERT_FALSE(events->empty());
    EXPECT_EQ(events->front().id, 41U);
    EXPECT_EQ(events->front().detail, "d");
    EXPECT_EQ(store->Append(MakeEvent("web", 1)).value(), 42U + opened);
  }
  EXPECT_EQ(Ask("PRAGMA user_version"), "3");
}

TEST_F(SqliteStoreTest, AMigrationThatFailsLeavesTheOldFileUsable) {
  Sql(kVersion1);
  // The last of its columns is there already.
  Sql("ALTER TABLE cluster ADD COLUMN terms_members TEXT");
  const absl::Status status = Refusal(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(status.message(), HasSubstr("store " + path_ + ": bringing it from schema 1 to 2"));
  EXPECT_THAT(status.message(), HasSubstr("duplicate column name: terms_members"));
  EXPECT_EQ(Ask("PRAGMA user_version"), "1");
  EXPECT_EQ(Ask("SELECT count(*) FROM pragma_table_info('cluster')"), "7") << "a part was done";
  EXPECT_EQ(Ask("SELECT epoch FROM cluster WHERE name = 'web'"), "1795394606");
  Sql("ALTER TABLE cluster DROP COLUMN terms_members");
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Load().value().at("web").epoch, 1'795'394'606U);
}

TEST_F(SqliteStoreTest, RefusesTheSchemaOfANewerHb) {
  Open().reset();
  Sql("PRAGMA user_version = 99");
  const absl::Status status = Refusal(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("schema 99 is of a newer hb"));
  EXPECT_THAT(status.message(), HasSubstr("upgrade, or name another file"));
}

}  // namespace
}  // namespace hb::controller
