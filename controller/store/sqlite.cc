#include "controller/store/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/boot_clock.h"
#include "common/lease_terms.h"

namespace hb::controller {
namespace {

constexpr int kKeptEvents = 10'000;
constexpr uintmax_t kSmallestPageBytes = 512;

// How a store comes from one schema version to the next; the first makes an empty file a store.
// Steps that were released are never changed, only followed by others.
constexpr const char* kMigrations[] = {
    R"(
      CREATE TABLE identity (id TEXT NOT NULL);
      INSERT INTO identity (id) VALUES (lower(hex(randomblob(16))));
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
    )",
    // A cluster with an epoch was in use.
    R"(
      ALTER TABLE cluster ADD COLUMN established INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE cluster ADD COLUMN holder TEXT NOT NULL DEFAULT '';
      ALTER TABLE cluster ADD COLUMN terms_policy INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE cluster ADD COLUMN terms_members TEXT NOT NULL DEFAULT '';
      UPDATE cluster SET established = 1 WHERE epoch > 0;
    )",
    R"(
      ALTER TABLE cluster ADD COLUMN terms_vips TEXT NOT NULL DEFAULT '';
    )",
};
constexpr int kSchemaVersion = static_cast<int>(std::size(kMigrations));

constexpr size_t kLongestIdentity = 128;
constexpr int64_t kLoosestPolicy = 2;  // StoredCluster::terms_policy

constexpr char kDamaged[] = ": restore a backup, or move it away to start with an empty store";

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
    if (sqlite3_db_readonly(db_, "main") == 1) return MayNotWrite("it is read-only");
    // The first statement that touches the file takes the lock, and keeps it until it is closed.
    for (const auto& [pragma, wanted] : {std::pair{"locking_mode = EXCLUSIVE", "exclusive"},
                                         std::pair{"journal_mode = WAL", "wal"}}) {
      Statement set(db_, absl::StrCat("PRAGMA ", pragma).c_str());
      if (set.Step() != SQLITE_ROW) return Failed("opening it");
      if (const std::string answer = set.Text(0); answer != wanted) {
        return absl::UnavailableError(absl::StrCat("store ", path_, ": PRAGMA ", pragma,
                                                   " was answered with '", answer,
                                                   "': put it on a local disk with room"));
      }
    }
    if (absl::Status status = Execute("PRAGMA synchronous = FULL", "opening it"); !status.ok()) {
      return status;
    }
    if (absl::Status status = CheckSound(); !status.ok()) return status;
    if (absl::Status status = Migrate(); !status.ok()) return status;
    Statement identity(db_, "SELECT id FROM identity");
    switch (identity.Step()) {
      case SQLITE_ROW:
        id_ = identity.Text(0);
        return CheckIdentity();
      case SQLITE_DONE:
        return absl::DataLossError(absl::StrCat("store ", path_, ": it has no identity", kDamaged));
      default:
        return Failed("reading its identity");
    }
  }

  const std::string& id() const override { return id_; }

  absl::StatusOr<StoredClusters> Load() override {
    Statement select(db_,
                     "SELECT epoch, paused, placed, flapping, longest_ttl_ns, established, holder,"
                     " terms_policy, terms_members, terms_vips, name FROM cluster");
    StoredClusters clusters;
    int result = 0;
    while ((result = select.Step()) == SQLITE_ROW) {
      const std::string name = select.Text(10);
      if (absl::Status status = CheckRanges(name, select); !status.ok()) return status;
      StoredCluster& stored = clusters[name];
      stored.epoch = static_cast<uint64_t>(select.Integer(0));
      stored.paused = select.Integer(1) != 0;
      stored.placed = select.Integer(2) != 0;
      stored.flapping = select.Integer(3) != 0;
      stored.longest_ttl = absl::Nanoseconds(select.Integer(4));
      stored.established = select.Integer(5) != 0;
      stored.holder = select.Text(6);
      stored.terms_policy = static_cast<int>(select.Integer(7));
      stored.terms_members = absl::StrSplit(select.Text(8), ',', absl::SkipEmpty());
      stored.terms_vips = absl::StrSplit(select.Text(9), ',', absl::SkipEmpty());
    }
    if (result != SQLITE_DONE) return Failed("reading the clusters");
    return clusters;
  }

  absl::StatusOr<uint64_t> ReserveEpoch(const std::string& cluster, uint64_t at_least) override {
    if (at_least > kMaxEpoch) return NoEpochLeft(cluster);
    Statement upsert(db_,
                     "INSERT INTO cluster (name, epoch) VALUES (?1, ?2) ON CONFLICT (name)"
                     " DO UPDATE SET epoch = max(epoch + 1, excluded.epoch) WHERE epoch < ?3"
                     " RETURNING epoch");
    const int64_t floor = std::max(static_cast<int64_t>(at_least), absl::ToUnixSeconds(WallNow()));
    switch (upsert.Bind(cluster).Bind(floor).Bind(static_cast<int64_t>(kMaxEpoch)).Step()) {
      case SQLITE_ROW:
        break;
      case SQLITE_DONE:
        return NoEpochLeft(cluster);
      default:
        return Failed("storing an epoch of cluster " + cluster);
    }
    const auto epoch = static_cast<uint64_t>(upsert.Integer(0));
    // The statement commits when it has run to its end.
    if (upsert.Step() != SQLITE_DONE) return Failed("storing an epoch of cluster " + cluster);
    return epoch;
  }

  absl::Status Save(const StoredClusters& clusters,
                    const std::vector<std::string>& erased) override {
    Transaction transaction(this);
    constexpr char kWhat[] = "storing the clusters";
    if (absl::Status status = transaction.Begin(kWhat); !status.ok()) return status;
    for (const auto& [name, cluster] : clusters) {
      if (!Put(name, cluster)) return Failed("storing cluster " + name);
    }
    for (const std::string& name : erased) {
      Statement erase(db_, "DELETE FROM cluster WHERE name = ?");
      if (erase.Bind(name).Step() != SQLITE_DONE) return Failed("erasing cluster " + name);
    }
    return transaction.Commit(kWhat);
  }

  absl::StatusOr<uint64_t> Append(const StoredEvent& event) override {
    Transaction transaction(this);
    if (absl::Status status = transaction.Begin("storing an event"); !status.ok()) return status;
    Statement insert(db_,
                     "INSERT INTO event (time_ns, cluster, node, epoch, severity, type, reason,"
                     " detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    insert.Bind(absl::ToUnixNanos(event.time)).Bind(event.cluster).Bind(event.node);
    insert.Bind(static_cast<int64_t>(event.epoch)).Bind(int64_t{event.severity});
    insert.Bind(event.type).Bind(event.reason).Bind(event.detail);
    if (insert.Step() != SQLITE_DONE) return Failed("storing an event");
    const int64_t id = sqlite3_last_insert_rowid(db_);
    Statement prune(db_, "DELETE FROM event WHERE id <= ?");
    if (prune.Bind(id - kKeptEvents).Step() != SQLITE_DONE) return Failed("pruning events");
    if (absl::Status status = transaction.Commit("storing an event"); !status.ok()) return status;
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

 private:
  // Rolled back when it goes without having been committed.
  class Transaction {
   public:
    explicit Transaction(SqliteStore* store) : store_(store) {}
    ~Transaction() {
      // What failed may have rolled back already; then this fails, and nothing is open either way.
      if (open_) sqlite3_exec(store_->db_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    absl::Status Begin(const std::string& what) {
      absl::Status status = store_->Execute("BEGIN IMMEDIATE", what);
      open_ = status.ok();
      return status;
    }
    absl::Status Commit(const std::string& what) {
      absl::Status status = store_->Execute("COMMIT", what);
      open_ = !status.ok();
      return status;
    }

   private:
    SqliteStore* const store_;
    bool open_ = false;
  };

  bool Put(const std::string& name, const StoredCluster& cluster) {
    Statement upsert(
        db_,
        "INSERT INTO cluster (name, epoch, paused, placed, flapping, longest_ttl_ns, established,"
        " holder, terms_policy, terms_members, terms_vips)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (name) DO UPDATE SET"
        " epoch = max(epoch, excluded.epoch), paused = excluded.paused, placed = excluded.placed,"
        " flapping = excluded.flapping,"
        " longest_ttl_ns = max(longest_ttl_ns, excluded.longest_ttl_ns),"
        " established = excluded.established, holder = excluded.holder,"
        " terms_policy = excluded.terms_policy, terms_members = excluded.terms_members,"
        " terms_vips = excluded.terms_vips");
    upsert.Bind(name).Bind(static_cast<int64_t>(cluster.epoch)).Bind(int64_t{cluster.paused});
    upsert.Bind(int64_t{cluster.placed}).Bind(int64_t{cluster.flapping});
    upsert.Bind(absl::ToInt64Nanoseconds(cluster.longest_ttl)).Bind(int64_t{cluster.established});
    upsert.Bind(cluster.holder).Bind(int64_t{cluster.terms_policy});
    upsert.Bind(absl::StrJoin(cluster.terms_members, ","));
    return upsert.Bind(absl::StrJoin(cluster.terms_vips, ",")).Step() == SQLITE_DONE;
  }

  // Looks at every page; a few milliseconds.
  absl::Status CheckSound() const {
    Statement check(db_, "PRAGMA quick_check(1)");
    if (check.Step() != SQLITE_ROW) return Failed("checking it");
    const std::string found = check.Text(0);
    if (found == "ok") return absl::OkStatus();
    const std::string first_line = found.substr(0, found.find('\n'));
    return absl::DataLossError(
        absl::StrCat("store ", path_, ": it is damaged: ", first_line, kDamaged));
  }

  // An executor takes no other.
  absl::Status CheckIdentity() const {
    const bool graph =
        std::all_of(id_.begin(), id_.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (graph && !id_.empty() && id_.size() <= kLongestIdentity) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("store ", path_, ": its identity is none", kDamaged));
  }

  // SQLite lets a column hold anything. `row`: as Load selects it.
  absl::Status CheckRanges(const std::string& cluster, Statement& row) const {
    constexpr int kEpochColumn = 0;
    constexpr int kTtlColumn = 4;
    constexpr int kPolicyColumn = 7;
    struct Range {
      int column;
      const char* what;
      int64_t most;
    };
    for (const Range& range :
         {Range{kEpochColumn, "epoch", static_cast<int64_t>(kMaxEpoch)},
          Range{kTtlColumn, "longest ttl in ns", absl::ToInt64Nanoseconds(kMaxTtl)},
          Range{kPolicyColumn, "policy", kLoosestPolicy}}) {
      const int64_t value = row.Integer(range.column);
      if (value >= 0 && value <= range.most) continue;
      return absl::DataLossError(absl::StrCat("store ", path_, ": the ", range.what, " of cluster ",
                                              cluster, ", ", value, ", is out of range", kDamaged));
    }
    return absl::OkStatus();
  }

  absl::Status NoEpochLeft(const std::string& cluster) const {
    return absl::FailedPreconditionError(
        absl::StrCat("store ", path_, ": there is no epoch left for cluster ", cluster,
                     ": the highest has been seen on a node; mend its state directory and restore "
                     "a backup of the store"));
  }

  // Brings the schema to kSchemaVersion. On failure the file is of the last version that was
  // reached, whole.
  absl::Status Migrate() {
    absl::StatusOr<int64_t> version = Integer("PRAGMA user_version");
    if (!version.ok()) return version.status();
    if (*version < 0 || *version > kSchemaVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat("store ", path_, ": schema ", *version, " is of a newer hb (this one knows ",
                       kSchemaVersion, "): upgrade, or name another file"));
    }
    absl::StatusOr<int64_t> objects = Integer("SELECT count(*) FROM sqlite_master");
    if (!objects.ok()) return objects.status();
    if (*version == 0 && *objects != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "store ", path_, ": it is the database of another program: name another file"));
    }
    for (auto from = static_cast<int>(*version); from < kSchemaVersion; ++from) {
      const std::string what = from == 0 ? std::string("making it")
                                         : absl::StrCat("bringing it from schema ", from, " to ",
                                                        from + 1, " (nothing was changed)");
      Transaction transaction(this);
      absl::Status status = transaction.Begin(what);
      if (status.ok()) status = Execute(kMigrations[from], what);
      if (status.ok()) status = Execute(absl::StrCat("PRAGMA user_version = ", from + 1), what);
      if (status.ok()) status = transaction.Commit(what);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> Integer(const char* query) const {
    Statement select(db_, query);
    if (select.Step() != SQLITE_ROW) return Failed("reading its schema");
    return select.Integer(0);
  }

  absl::Status Execute(const std::string& sql, const std::string& what) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
      return absl::OkStatus();
    }
    return Failed(what);
  }

  absl::Status MayNotWrite(const std::string& what) const {
    return absl::UnavailableError(
        absl::StrCat("store ", path_, ": ", what, ": may this user write there?"));
  }

  // What the last statement failed with.
  absl::Status Failed(const std::string& what) const {
    std::string text = absl::StrCat(what, ": ", sqlite3_errmsg(db_));
    switch (sqlite3_errcode(db_) & 0xff) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return absl::FailedPreconditionError(
            absl::StrCat("store ", path_, ": ", text,
                         ": another process has it open; is another hb-controller running?"));
      case SQLITE_NOTADB:
      case SQLITE_CORRUPT:
      case SQLITE_ERROR:  // tables that are not what their version says
        return absl::DataLossError(absl::StrCat("store ", path_, ": ", text, kDamaged));
      case SQLITE_CANTOPEN:
      case SQLITE_READONLY:
      case SQLITE_PERM:
        return MayNotWrite(text);
      case SQLITE_FULL:
        return absl::UnavailableError(
            absl::StrCat("store ", path_, ": ", text, ": make room on its disk"));
      case SQLITE_IOERR:
        absl::StrAppend(&text, ": ", std::strerror(sqlite3_system_errno(db_)));
        break;
      default:
        break;
    }
    return absl::UnavailableError(absl::StrCat("store ", path_, ": ", text));
  }

  const std::string path_;
  sqlite3* const db_;
  std::string id_;
};

// What SQLite would put up with, or say in fewer words.
absl::Status CheckPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("store ", path, ": making its directory: ", error.message()));
  }
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "store ", path, ": ",
        std::filesystem::is_directory(status) ? "it is a directory" : "it is no regular file",
        ": name a file"));
  }
  const auto size_of = [](const std::string& file) {
    std::error_code absent;
    const auto size = std::filesystem::file_size(file, absent);
    return absent ? 0 : size;
  };
  const auto size = size_of(path);
  const auto log_size = size_of(path + "-wal");
  // SQLite throws a log away whose database is not there.
  if (size == 0 && log_size > 0) {
    return absl::DataLossError(absl::StrCat(
        "store ", path, ": its log ", path, "-wal is there, but what it belongs to is not",
        ": restore a backup, or move the log away to start with an empty store"));
  }
  // Without a log that makes it whole, a database ends where a page ends: SQLite reads what is
  // missing of the last one as zeroes, and takes less than a header for an empty file.
  if (size % kSmallestPageBytes != 0 && log_size == 0 && size_of(path + "-journal") == 0) {
    return absl::DataLossError(absl::StrCat("store ", path, ": ", size,
                                            " bytes are no whole database; it is cut off, or "
                                            "something else",
                                            kDamaged));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  if (absl::Status status = CheckPath(path); !status.ok()) return status;
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
