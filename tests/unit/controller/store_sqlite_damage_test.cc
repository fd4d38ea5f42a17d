// The SQLite store on bad files and bad disks: each is refused with the file's name and a remedy,
// and an epoch that was given out is never lost or given again. Full and read-only disks are small
// ones of the test's own, in a mount namespace of its own: needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "common/lease_terms.h"
#include "store_sqlite_fixture.h"

namespace hb::controller {
namespace {

using testing::HasSubstr;

class SqliteStoreDamageTest : public SqliteStoreTest {
 protected:
  void TearDown() override {
    if (mounted_) {
      EXPECT_EQ(umount(dir_.c_str()), 0) << std::strerror(errno);
    }
    SqliteStoreTest::TearDown();
  }

  // A disk of 512 KiB at dir_.
  void MountDisk() {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "needs root: " << std::strerror(errno);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", dir_.c_str(), "tmpfs", 0, "size=512k"), 0) << std::strerror(errno);
    mounted_ = true;
  }
  void FillDisk() {
    std::ofstream filler(dir_ + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), 4096).flush()) {
    }
  }
  void EmptyDisk() { std::filesystem::remove(dir_ + "/filler"); }

  // As somebody whom permissions bind.
  absl::Status RefusalOfNobody(const std::string& path) {
    EXPECT_EQ(seteuid(65534), 0) << "needs root";
    absl::Status status = Refusal(path);
    EXPECT_EQ(seteuid(0), 0);
    return status;
  }

  void ExpectRefusal(const absl::Status& status, absl::StatusCode code, const std::string& what,
                     const std::string& remedy) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("store " + path_));
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    EXPECT_THAT(std::string(status.message()), HasSubstr(remedy));
  }

  bool mounted_ = false;
};

constexpr char kRestore[] = "restore a backup, or move it away";

TEST_F(SqliteStoreDamageTest, RefusesWhatIsNoDatabase) {
  std::ofstream(path_) << std::string(5120, 'x');
  ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "file is not a database", kRestore);
  std::ofstream(path_) << "see the backup\n";
  ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "15 bytes are no whole database",
                kRestore);
}

TEST_F(SqliteStoreDamageTest, RefusesTheDatabaseOfAnotherProgram) {
  Sql("CREATE TABLE cluster (name TEXT)");
  ExpectRefusal(Refusal(path_), absl::StatusCode::kFailedPrecondition, "of another program",
                "name another file");
  EXPECT_EQ(Ask("SELECT count(*) FROM sqlite_master"), "1") << "something was added to it";
}

TEST_F(SqliteStoreDamageTest, RefusesAStoreWithoutIdentityOrTables) {
  Open().reset();
  Sql("DELETE FROM identity");
  ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "it has no identity", kRestore);
  Sql("DROP TABLE identity");
  ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "no such table: identity", kRestore);
}

TEST_F(SqliteStoreDamageTest, RefusesAnIdentityThatEveryExecutorRefuses) {
  Open().reset();
  for (const std::string id : {"''", "'a b'", "x'ff'", "hex(zeroblob(65))"}) {
    Sql("UPDATE identity SET id = " + id);
    ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "its identity is none", kRestore);
  }
}

TEST_F(SqliteStoreDamageTest, RefusesWhatNoClusterCanHave) {
  ASSERT_TRUE(Open()->ReserveEpoch("web", 7).ok());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"epoch = -1", "the epoch of cluster web, -1,"},
      {"epoch = 4611686018427387905", "the epoch of cluster web, 4611686018427387905,"},
      {"epoch = 5, longest_ttl_ns = -1", "the longest ttl in ns of cluster web, -1,"},
      {"longest_ttl_ns = 60000000001", "the longest ttl in ns of cluster web, 60000000001,"},
      {"longest_ttl_ns = 0, terms_policy = 3", "the policy of cluster web, 3,"},
  };
  for (const auto& [set, what] : cases) {
    Sql("UPDATE cluster SET " + set);
    ExpectRefusal(Open()->Load().status(), absl::StatusCode::kDataLoss, what, kRestore);
  }
}

TEST_F(SqliteStoreDamageTest, SaysThatNoEpochIsLeftRatherThanToGiveOneTwice) {
  const std::unique_ptr<Store> store = Open();
  ExpectRefusal(store->ReserveEpoch("web", kMaxEpoch + 1).status(),
                absl::StatusCode::kFailedPrecondition, "no epoch left for cluster web", "mend");
  EXPECT_EQ(store->ReserveEpoch("web", kMaxEpoch).value_or(0), kMaxEpoch);
  ExpectRefusal(store->ReserveEpoch("web", 7).status(), absl::StatusCode::kFailedPrecondition,
                "no epoch left for cluster web", "mend");
  EXPECT_EQ(store->Load().value().at("web").epoch, kMaxEpoch);
}

TEST_F(SqliteStoreDamageTest, RefusesATruncatedFileWhereverItEnds) {
  {
    const auto store = Open();
    for (int i = 0; i < 200; ++i) {
      StoredEvent event = MakeEvent("web", i);
      event.detail = std::string(200, 'x');
      ASSERT_TRUE(store->Append(event).ok());
    }
  }
  const auto whole = std::filesystem::file_size(path_);
  ASSERT_GT(whole, 40'000U);
  for (const auto size :
       {whole - 1, whole - 4096, whole / 2, uintmax_t{4096}, uintmax_t{100}, uintmax_t{1}}) {
    const std::string copy = path_;
    path_ = dir_ + "/truncated.db";
    std::filesystem::copy_file(copy, path_, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(path_, size);
    ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "", kRestore);
    EXPECT_EQ(std::filesystem::file_size(path_), size) << "it was changed";
    path_ = copy;
  }
}

TEST_F(SqliteStoreDamageTest, RefusesADamagedPage) {
  {
    const auto store = Open();
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(store->Append(MakeEvent("web", i)).ok());
  }
  const auto pages = std::filesystem::file_size(path_) / 4096;
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  for (size_t page = 4; page < pages; ++page) {
    file.seekp(static_cast<std::streamoff>(page * 4096));
    file << std::string(64, '\xa5');
  }
  file.close();
  ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, "it is damaged", kRestore);
}

TEST_F(SqliteStoreDamageTest, RefusesALogWithoutItsDatabase) {
  std::ofstream(path_ + "-wal") << "what was not yet in the database";
  for (const bool empty_file : {false, true}) {
    if (empty_file) std::ofstream(path_).flush();
    ExpectRefusal(Refusal(path_), absl::StatusCode::kDataLoss, path_ + "-wal is there",
                  "restore a backup, or move the log away");
    EXPECT_TRUE(std::filesystem::exists(path_ + "-wal"));
  }
  std::filesystem::remove(path_ + "-wal");
  EXPECT_NE(Open(), nullptr) << "an empty file is a new store";
}

TEST_F(SqliteStoreDamageTest, RefusesWhatIsNoFile) {
  ASSERT_TRUE(std::filesystem::create_directory(path_));
  ExpectRefusal(Refusal(path_), absl::StatusCode::kFailedPrecondition, "it is a directory",
                "name a file");
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  ExpectRefusal(Refusal(path_), absl::StatusCode::kFailedPrecondition, "it is no regular file",
                "name a file");
  const std::string below = dir_ + "/file/controller.db";
  std::ofstream(dir_ + "/file") << "x";
  path_ = below;
  ExpectRefusal(Refusal(path_), absl::StatusCode::kUnavailable, "making its directory", "");
}

TEST_F(SqliteStoreDamageTest, SaysThatItMayNotWriteThere) {
  Open().reset();
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(path_.c_str(), 0444), 0);
  const std::string remedy = "may this user write there?";
  const auto unavailable = absl::StatusCode::kUnavailable;
  ExpectRefusal(RefusalOfNobody(path_), unavailable, "it is read-only", remedy);
  // The file may be written, but no log beside it.
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  ExpectRefusal(RefusalOfNobody(path_), unavailable, "attempt to write a readonly", remedy);
  path_ = dir_ + "/new.db";
  ExpectRefusal(RefusalOfNobody(path_), unavailable, "unable to open database file", remedy);
  path_ = dir_ + "/deeper/controller.db";
  ExpectRefusal(RefusalOfNobody(path_), unavailable, "making its directory: Permission denied", "");
}

TEST_F(SqliteStoreDamageTest, AReadOnlyDiskIsToldAndChangesNothing) {
  MountDisk();
  const std::string id = Open()->id();
  ASSERT_EQ(mount(nullptr, dir_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  ExpectRefusal(Refusal(path_), absl::StatusCode::kUnavailable, "read-only",
                "may this user write there?");
  ASSERT_EQ(mount(nullptr, dir_.c_str(), nullptr, MS_REMOUNT, nullptr), 0);
  EXPECT_EQ(Open()->id(), id);
}

TEST_F(SqliteStoreDamageTest, ANewStoreOnAFullDiskIsToldAndMadeLater) {
  MountDisk();
  FillDisk();
  ExpectRefusal(Refusal(path_), absl::StatusCode::kUnavailable, "disk is full", "make room");
  EmptyDisk();
  EXPECT_NE(Open(), nullptr);
}

TEST_F(SqliteStoreDamageTest, AMigrationOnAFullDiskLeavesTheOldFile) {
  MountDisk();
  Sql(kVersion1);
  FillDisk();
  ExpectRefusal(Refusal(path_), absl::StatusCode::kUnavailable, "disk is full", "make room");
  EmptyDisk();
  EXPECT_EQ(Ask("PRAGMA user_version"), "1");
  EXPECT_EQ(Ask("SELECT epoch FROM cluster WHERE name = 'web'"), "1795394606");
  EXPECT_EQ(Open()->Load().value().at("web").epoch, 1'795'394'606U);
}

TEST_F(SqliteStoreDamageTest, AnEpochThatCouldNotBeStoredLowersAndLosesNone) {
  MountDisk();
  uint64_t given = 0;
  {
    const auto store = Open();
    given = store->ReserveEpoch("web", 9'000'000'000).value();
    FillDisk();
    int refused = 0;
    for (int i = 0; i < 50; ++i) {
      const auto epoch = store->ReserveEpoch("web", 9'000'000'000);
      if (epoch.ok()) {
        EXPECT_GT(*epoch, given);
        given = *epoch;
        continue;
      }
      ++refused;
      ExpectRefusal(epoch.status(), absl::StatusCode::kUnavailable,
                    "storing an epoch of cluster web: database or disk is full", "make room");
      EXPECT_EQ(store->Load().value().at("web").epoch, given);
    }
    EXPECT_GT(refused, 40);
    ExpectRefusal(store->Append(MakeEvent("web", 1)).status(), absl::StatusCode::kUnavailable,
                  "storing an event", "make room");
    const StoredCluster more = {.paused = true, .terms_policy = 2};
    ExpectRefusal(store->Save({{"web", more}, {"mail", more}}, {}), absl::StatusCode::kUnavailable,
                  "storing", "make room");
    EXPECT_FALSE(store->Load().value().at("web").paused);
    EXPECT_EQ(store->Load().value().count("mail"), 0U);
  }
  {
    // Closing it on a full disk lost nothing either.
    EmptyDisk();
    const auto store = Open();
    EXPECT_EQ(store->Load().value().at("web").epoch, given);
    EXPECT_EQ(store->Load().value().at("web").terms_policy, 0);
    EXPECT_EQ(store->ReserveEpoch("web", 1).value(), given + 1);
    FillDisk();
    while (store->ReserveEpoch("web", 1).ok()) ++given;
    EmptyDisk();
    EXPECT_EQ(store->ReserveEpoch("web", 1).value(), given + 2) << "room again, the same store";
  }
  EXPECT_EQ(Open()->Load().value().at("web").epoch, given + 2);
}

}  // namespace
}  // namespace hb::controller
