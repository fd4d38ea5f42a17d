// The SQLite store on real files in a directory of its own: what survives, who is refused, and what
// the refusals say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/boot_clock.h"
#include "controller/store/sqlite.h"

namespace hb::controller {
namespace {

using testing::HasSubstr;

class SqliteStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "hb-store-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
    path_ = dir_ + "/controller.db";
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<Store> Open() {
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  absl::Status Refusal(const std::string& path) { return OpenSqliteStore(path).status(); }
  void Sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close_v2(db);
  }
  static StoredEvent MakeEvent(const std::string& cluster, int64_t second) {
    StoredEvent event;
    event.cluster = cluster;
    event.time = absl::FromUnixSeconds(second);
    event.type = "failover";
    return event;
  }
  static std::vector<int64_t> Seconds(const absl::StatusOr<std::vector<StoredEvent>>& events) {
    std::vector<int64_t> seconds;
    EXPECT_TRUE(events.ok()) << events.status();
    if (events.ok()) {
      for (const StoredEvent& event : *events) seconds.push_back(absl::ToUnixSeconds(event.time));
    }
    return seconds;
  }

  std::string dir_;
  std::string path_;
};

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
  const auto loaded = store->Load("web");
  ASSERT_TRUE(loaded.ok() && loaded->has_value());
  EXPECT_EQ((*loaded)->epoch, last);
  EXPECT_EQ(store->ReserveEpoch("web", last).value(), last + 1);
}

TEST_F(SqliteStoreTest, KeepsOverridesTtlAndEpochApart) {
  {
    const auto store = Open();
    const auto absent = store->Load("web");
    ASSERT_TRUE(absent.ok());
    EXPECT_FALSE(absent->has_value());
    EXPECT_TRUE(store->RecordTtl("web", absl::Seconds(5)).ok());
    EXPECT_TRUE(store->RecordTtl("web", absl::Seconds(1)).ok());  // the longest counts
    EXPECT_TRUE(store->SaveOverrides("web", true, false, true).ok());
    EXPECT_TRUE(store->ReserveEpoch("web", 9'000'000'000).ok());
    EXPECT_TRUE(store->SaveOverrides("mail", false, true, false).ok());
  }
  const auto store = Open();
  const auto web = store->Load("web");
  ASSERT_TRUE(web.ok() && web->has_value());
  EXPECT_EQ((*web)->longest_ttl, absl::Seconds(5));
  EXPECT_EQ((*web)->epoch, 9'000'000'000U);
  EXPECT_TRUE((*web)->paused);
  EXPECT_FALSE((*web)->placed);
  EXPECT_TRUE((*web)->flapping);
  const auto mail = store->Load("mail");
  ASSERT_TRUE(mail.ok() && mail->has_value());
  EXPECT_EQ((*mail)->longest_ttl, absl::ZeroDuration());
  EXPECT_FALSE((*mail)->paused);
  EXPECT_TRUE((*mail)->placed);
  EXPECT_TRUE(store->SaveOverrides("web", false, false, false).ok());
  EXPECT_FALSE(store->Load("web").value()->paused);
  EXPECT_EQ(store->Load("web").value()->epoch, 9'000'000'000U);
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

TEST_F(SqliteStoreTest, RefusesWhatIsNoDatabase) {
  std::ofstream(path_) << std::string(5000, 'x');
  const absl::Status status = Refusal(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("store " + path_));
  EXPECT_THAT(status.message(), HasSubstr("restore a backup, or move it away"));
}

TEST_F(SqliteStoreTest, RefusesAStoreWithoutIdentity) {
  Open().reset();
  Sql("DELETE FROM identity");
  const absl::Status status = Refusal(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("it has no identity"));
}

TEST_F(SqliteStoreTest, RefusesTheSchemaOfANewerHb) {
  Open().reset();
  Sql("PRAGMA user_version = 99");
  const absl::Status status = Refusal(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("schema 99 is of a newer hb"));
  EXPECT_THAT(status.message(), HasSubstr("upgrade, or name another file"));
}

TEST_F(SqliteStoreTest, SaysThatItMayNotWriteThere) {
  const std::string closed = dir_ + "/closed";
  ASSERT_TRUE(std::filesystem::create_directory(closed));
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(closed.c_str(), 0555), 0);
  // Permissions do not bind root.
  const bool root = geteuid() == 0;
  ASSERT_EQ(root ? seteuid(65534) : 0, 0);
  const absl::Status file = Refusal(closed + "/controller.db");
  const absl::Status directory = Refusal(closed + "/deeper/controller.db");
  ASSERT_EQ(root ? seteuid(0) : 0, 0);
  EXPECT_EQ(file.code(), absl::StatusCode::kUnavailable) << file;
  EXPECT_THAT(file.message(), HasSubstr("may this user write there?"));
  EXPECT_EQ(directory.code(), absl::StatusCode::kUnavailable) << directory;
  EXPECT_THAT(directory.message(), HasSubstr("making its directory: Permission denied"));
}

TEST_F(SqliteStoreTest, AFileWhereTheDirectoryShouldBeIsAnError) {
  std::ofstream(dir_ + "/file") << "x";
  const absl::Status status = Refusal(dir_ + "/file/controller.db");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr(dir_ + "/file/controller.db"));
}

}  // namespace
}  // namespace hb::controller
