// What the tests of the SQLite store share: a directory of their own, the store in it, and SQL past
// the store.
#ifndef HB_TESTS_UNIT_CONTROLLER_STORE_SQLITE_FIXTURE_H_
#define HB_TESTS_UNIT_CONTROLLER_STORE_SQLITE_FIXTURE_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "controller/store/sqlite.h"

namespace hb::controller {

// What hb 0.1 wrote, in its first weeks: schema version 1.
inline constexpr char kVersion1[] = R"(
  PRAGMA journal_mode = WAL;
  CREATE TABLE identity (id TEXT NOT NULL);
  CREATE TABLE cluster (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL DEFAULT 0,
    paused INTEGER NOT NULL DEFAULT 0,
    placed INTEGER NOT NULL DEFAULT 0,
    flapping INTEGER NOT NULL DEFAULT 0,
    longest_ttl_ns INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ns INTEGER NOT NULL,
    cluster TEXT NOT NULL,
    node TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    type TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
  );
  CREATE INDEX event_time ON event (time_ns);
  PRAGMA user_version = 1;
  INSERT INTO identity VALUES ('0123456789abcdef0123456789abcdef');
  INSERT INTO cluster VALUES ('web', 1795394606, 1, 0, 1, 5000000000);
  INSERT INTO cluster VALUES ('new', 0, 0, 1, 0, 0);
  INSERT INTO event VALUES (41, 1795394606000000000, 'web', 'master', 7, 2, 'failover', 'r', 'd');
)";

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
  // The first column of the first row; empty: none.
  std::string Ask(const std::string& query) {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    std::string answer;
    const auto keep = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0] == nullptr ? "" : values[0];
      return 1;
    };
    sqlite3_exec(db, query.c_str(), keep, &answer, nullptr);
    sqlite3_close_v2(db);
    return answer;
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

}  // namespace hb::controller

#endif  // HB_TESTS_UNIT_CONTROLLER_STORE_SQLITE_FIXTURE_H_
