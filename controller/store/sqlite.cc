#include "controller/store/sqlite.h"

#include <sqlite3.h>
#include <sys/random.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"

namespace hb::controller {
namespace {

constexpr int kSchemaVersion = 1;
constexpr int kKeptEvents = 10'000;

constexpr char kSchema[] = R"(
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
)";

// A prepared statement that resets itself when its use ends.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    result_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int64_t value) {
    if (result_ == SQLITE_OK) result_ = sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Statement& Bind(const std::string& value) {
    if (result_ == SQLITE_OK) {
      result_ = sqlite3_bind_text(statement_, ++bound_, value.data(),
                                  static_cast<int>(value.size()), SQLITE_TRANSIENT);
    }
    return *this;
  }
  // SQLITE_ROW, SQLITE_DONE, or an error.
  int Step() {
    if (result_ != SQLITE_OK && result_ != SQLITE_ROW) return result_;
    return result_ = sqlite3_step(statement_);
  }
  int64_t Integer(int column) { return sqlite3_column_int64(statement_, column); }
  std::string Text(int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text == nullptr ? "" : std::string(text, sqlite3_column_bytes(statement_, column));
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int result_ = SQLITE_OK;
  int bound_ = 0;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  ~SqliteStore() override { sqlite3_close_v2(db_); }

  absl::Status Prepare() {
    // The first statement that touches the file takes the lock, and keeps it until it is closed.
    for (const char* pragma : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL",
                               "PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"}) {
      if (absl::Status status = Execute(pragma); !status.ok()) return status;
    }
    Statement version(db_, "PRAGMA user_version");
    if (version.Step() != SQLITE_ROW) return Failed("reading the schema version");
    const int64_t found = version.Integer(0);
    if (found > kSchemaVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat("store ", path_, ": schema ", found, " is of a newer hb (this one knows ",
                       kSchemaVersion, "): upgrade, or name another file"));
    }
    if (found == 0) {
      if (absl::Status status = Execute(kSchema); !status.ok()) return status;
      unsigned char random[16];
      if (getrandom(random, sizeof random, 0) != sizeof random) {
        return absl::UnavailableError("getrandom failed");
      }
      const std::string id =
          absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(random), sizeof random));
      Statement insert(db_, "INSERT INTO identity (id) VALUES (?)");
      if (insert.Bind(id).Step() != SQLITE_DONE) return Failed("storing the identity");
    }
    if (absl::Status status = Execute("COMMIT"); !status.ok()) return status;
    Statement identity(db_, "SELECT id FROM identity");
    if (identity.Step() != SQLITE_ROW) {
      return absl::DataLossError(
          absl::StrCat("store ", path_, ": it has no identity; restore a backup or move it away"));
    }
    id_ = identity.Text(0);
    return absl::OkStatus();
  }

  const std::string& id() const override { return id_; }

  absl::StatusOr<std::optional<StoredCluster>> Load(const std::string& cluster) override {
    Statement select(db_,
                     "SELECT epoch, paused, placed, flapping, longest_ttl_ns FROM cluster"
                     " WHERE name = ?");
    switch (select.Bind(cluster).Step()) {
      case SQLITE_ROW:
        break;
      case SQLITE_DONE:
        return std::nullopt;
      default:
        return Failed("reading cluster " + cluster);
    }
    StoredCluster stored;
    stored.epoch = static_cast<uint64_t>(select.Integer(0));
    stored.paused = select.Integer(1) != 0;
    stored.placed = select.Integer(2) != 0;
    stored.flapping = select.Integer(3) != 0;
    stored.longest_ttl = absl::Nanoseconds(select.Integer(4));
    return stored;
  }

  absl::Status RecordTtl(const std::string& cluster, Duration ttl) override {
    Statement upsert(
        db_,
        "INSERT INTO cluster (name, longest_ttl_ns) VALUES (?1, ?2) ON CONFLICT (name)"
        " DO UPDATE SET longest_ttl_ns = max(longest_ttl_ns, excluded.longest_ttl_ns)");
    if (upsert.Bind(cluster).Bind(absl::ToInt64Nanoseconds(ttl)).Step() != SQLITE_DONE) {
      return Failed("storing the ttl of cluster " + cluster);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> ReserveEpoch(const std::string& cluster, uint64_t at_least) override {
    Statement upsert(db_,
                     "INSERT INTO cluster (name, epoch) VALUES (?1, ?2) ON CONFLICT (name)"
                     " DO UPDATE SET epoch = max(epoch + 1, excluded.epoch) RETURNING epoch");
    const int64_t floor = std::max(static_cast<int64_t>(at_least), absl::ToUnixSeconds(WallNow()));
    if (upsert.Bind(cluster).Bind(floor).Step() != SQLITE_ROW) {
      return Failed("storing an epoch of cluster " + cluster);
    }
    const auto epoch = static_cast<uint64_t>(upsert.Integer(0));
    // The statement commits when it has run to its end.
    if (upsert.Step() != SQLITE_DONE) return Failed("storing an epoch of cluster " + cluster);
    return epoch;
  }

  absl::Status SaveOverrides(const std::string& cluster, bool paused, bool placed,
                             bool flapping) override {
    Statement upsert(db_,
                     "INSERT INTO cluster (name, paused, placed, flapping) VALUES (?1, ?2, ?3, ?4)"
                     " ON CONFLICT (name) DO UPDATE SET paused = excluded.paused,"
                     " placed = excluded.placed, flapping = excluded.flapping");
    upsert.Bind(cluster).Bind(int64_t{paused}).Bind(int64_t{placed}).Bind(int64_t{flapping});
    if (upsert.Step() != SQLITE_DONE) return Failed("storing overrides of cluster " + cluster);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Append(const StoredEvent& event) override {
    Statement insert(db_,
                     "INSERT INTO event (time_ns, cluster, node, epoch, severity, type, reason,"
                     " detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    insert.Bind(absl::ToUnixNanos(event.time)).Bind(event.cluster).Bind(event.node);
    insert.Bind(static_cast<int64_t>(event.epoch)).Bind(int64_t{event.severity});
    insert.Bind(event.type).Bind(event.reason).Bind(event.detail);
    if (insert.Step() != SQLITE_DONE) return Failed("storing an event");
    const int64_t id = sqlite3_last_insert_rowid(db_);
    if (id % 100 == 0) {
      Statement prune(db_, "DELETE FROM event WHERE id <= ?");
      if (prune.Bind(id - kKeptEvents).Step() != SQLITE_DONE) return Failed("pruning events");
    }
    return static_cast<uint64_t>(id);
  }

  absl::StatusOr<std::vector<StoredEvent>> Events(const std::string& cluster, absl::Time since,
                                                  int limit) override {
    Statement select(db_,
                     "SELECT id, time_ns, cluster, node, epoch, severity, type, reason, detail"
                     " FROM event WHERE time_ns >= ?1 AND (?2 = '' OR cluster = ?2)"
                     " ORDER BY id DESC LIMIT ?3");
    const int64_t since_ns = since <= absl::UnixEpoch() ? 0 : absl::ToUnixNanos(since);
    select.Bind(since_ns).Bind(cluster).Bind(int64_t{limit});
    std::vector<StoredEvent> events;
    int result = 0;
    while ((result = select.Step()) == SQLITE_ROW) {
      StoredEvent event;
      event.id = static_cast<uint64_t>(select.Integer(0));
      event.time = absl::FromUnixNanos(select.Integer(1));
      event.cluster = select.Text(2);
      event.node = select.Text(3);
      event.epoch = static_cast<uint64_t>(select.Integer(4));
      event.severity = static_cast<int>(select.Integer(5));
      event.type = select.Text(6);
      event.reason = select.Text(7);
      event.detail = select.Text(8);
      events.push_back(std::move(event));
    }
    if (result != SQLITE_DONE) return Failed("reading events");
    std::reverse(events.begin(), events.end());
    return events;
  }

  absl::Status Failed(const std::string& what) const {
    const int code = sqlite3_errcode(db_) & 0xff;
    const std::string text = absl::StrCat("store ", path_, ": ", what, ": ", sqlite3_errmsg(db_));
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
      return absl::FailedPreconditionError(
          absl::StrCat(text, ": another process has it open; is another hb-controller running?"));
    }
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
      return absl::DataLossError(
          absl::StrCat(text, ": restore a backup, or move it away to start with an empty store"));
    }
    return absl::UnavailableError(text);
  }

 private:
  absl::Status Execute(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
    return Failed("opening it");
  }

  const std::string path_;
  sqlite3* const db_;
  std::string id_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("store ", path, ": making its directory: ", error.message()));
  }
  sqlite3* db = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (result != SQLITE_OK) {
    const std::string text = db == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(db);
    sqlite3_close_v2(db);
    return absl::UnavailableError(
        absl::StrCat("store ", path, ": ", text, ": may this user write there?"));
  }
  sqlite3_extended_result_codes(db, 1);
  auto store = std::make_unique<SqliteStore>(path, db);
  if (absl::Status status = store->Prepare(); !status.ok()) return status;
  return store;
}

}  // namespace hb::controller
