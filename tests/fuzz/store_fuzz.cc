// Feeds the controller's store (controller/store) a database of any content: a sound one whose rows
// hold what SQLite lets a row hold, tables and versions that are not as they should be, and bytes
// that are damaged; or no database at all. It opens or says why not, with the file's name. What it
// gives is in range, whatever the rows say; an epoch that it reserves is higher than what it gave,
// and both it and what is saved are there after the next opening.
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/lease_terms.h"
#include "controller/store/sqlite.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/scratch_directory.h"

namespace hb::controller {
namespace {

using fuzz::ByteSource;
using fuzz::Check;

constexpr int kMaxStatements = 8;

const fuzz::ScratchDirectory& Directory() {
  static const fuzz::ScratchDirectory directory("store");
  return directory;
}

void Execute(const std::string& sql) {
  sqlite3* db = nullptr;
  if (sqlite3_open(Directory().Path("hb.db").c_str(), &db) == SQLITE_OK) {
    sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  }
  sqlite3_close(db);
}

// A store with a cluster and an event, as bytes.
const std::string& SoundStore() {
  static const std::string* const bytes = [] {
    Directory().Empty();
    auto store = OpenSqliteStore(Directory().Path("hb.db"));
    Check(store.ok(), "a new store does not open");
    StoredCluster web;
    web.longest_ttl = absl::Seconds(1);
    web.terms_policy = 1;
    web.terms_members = {"a", "b"};
    web.terms_vips = {"192.168.0.111"};
    Check((*store)->Save({{"web", web}}, {}).ok(), "no cluster can be stored");
    (void)(*store)->Append({0, absl::UnixEpoch(), "web", "a", 1, 0, "adopted", "because", ""});
    store->reset();
    Execute("PRAGMA journal_mode = DELETE; UPDATE cluster SET epoch = 5; VACUUM");
    return new std::string(Directory().Read("hb.db"));
  }();
  return *bytes;
}

std::string ReadValue(ByteSource& bytes) {
  constexpr std::array<const char*, 10> kValues = {
      "0",    "1",       "-1",     "9223372036854775807", "-9223372036854775808",
      "NULL", "1.5e300", "'a,,b'", "4611686018427387904", "60000000000"};
  const uint8_t kind = bytes.Byte();
  if (kind < 0x80) return kValues[kind % kValues.size()];
  if (kind < 0xc0) return absl::StrCat(static_cast<int64_t>(bytes.Number()));
  return absl::StrCat("x'", absl::BytesToHexString(bytes.Text(8)), "'");
}

// What somebody, or another hb, may have done to it.
std::string ReadStatement(ByteSource& bytes) {
  constexpr std::array<const char*, 11> kColumns = {
      "epoch",          "paused",      "placed", "flapping",
      "longest_ttl_ns", "established", "holder", "terms_policy",
      "terms_members",  "terms_vips",  "name"};
  constexpr std::array<const char*, 9> kEventColumns = {
      "id", "time_ns", "cluster", "node", "epoch", "severity", "type", "reason", "detail"};
  const uint8_t what = bytes.Byte();
  switch (what % 8) {
    case 0:
    case 1:
    case 2:
      return absl::StrCat("UPDATE cluster SET ", bytes.Pick(kColumns), " = ", ReadValue(bytes));
    case 3:
      return absl::StrCat("UPDATE event SET ", bytes.Pick(kEventColumns), " = ", ReadValue(bytes));
    case 4:
      return absl::StrCat("UPDATE identity SET id = ", ReadValue(bytes));
    case 5:
      return (what & 8) != 0 ? "DELETE FROM identity" : "DROP TABLE cluster";
    case 6:
      return absl::StrCat("PRAGMA user_version = ", bytes.Byte() % 5);
    default:
      return absl::StrCat("UPDATE sqlite_sequence SET seq = ", ReadValue(bytes));
  }
}

void Prepare(ByteSource& bytes) {
  const std::string& sound = SoundStore();
  Directory().Empty();
  const uint8_t how = bytes.Byte();
  if ((how & 7) == 7) return Directory().Write("hb.db", bytes.Rest());
  Directory().Write("hb.db", sound);
  for (int i = 0; i < (how >> 3) % kMaxStatements; ++i) Execute(ReadStatement(bytes));
  if ((how & 7) != 6) return;
  std::string damaged = Directory().Read("hb.db");
  while (!bytes.empty() && !damaged.empty()) {
    const size_t at = bytes.Byte() << 8 | bytes.Byte();
    damaged[at % damaged.size()] = static_cast<char>(bytes.Byte());
  }
  Directory().Write("hb.db", damaged);
}

void CheckFailure(const absl::Status& status) {
  Check(
      absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) || absl::IsUnavailable(status),
      absl::StrCat("a failure of another kind: ", status.ToString()));
  Check(absl::StrContains(status.message(), Directory().Path("hb.db")),
        "a failure does not name the file");
}

std::unique_ptr<Store> Open() {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(Directory().Path("hb.db"));
  if (store.ok()) {
    const std::string& id = (*store)->id();
    const bool graph =
        std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f; });
    Check(!id.empty() && id.size() <= 128 && graph, "an identity that every executor refuses");
    return *std::move(store);
  }
  CheckFailure(store.status());
  return nullptr;
}

std::optional<StoredCluster> Load(Store& store) {
  absl::StatusOr<StoredClusters> stored = store.Load();
  if (!stored.ok()) {
    CheckFailure(stored.status());
    return std::nullopt;
  }
  for (const auto& [name, cluster] : *stored) {
    Check(cluster.epoch <= kMaxEpoch, "an epoch out of range");
    Check(cluster.longest_ttl >= absl::ZeroDuration() && cluster.longest_ttl <= kMaxTtl,
          "a ttl out of range");
    Check(cluster.terms_policy >= 0 && cluster.terms_policy <= 2, "no policy");
  }
  return (*stored)["web"];
}

void Use(Store& store) {
  const std::optional<StoredCluster> before = Load(store);
  if (!before) return;
  const absl::StatusOr<std::vector<StoredEvent>> events = store.Events("", absl::UnixEpoch(), 100);
  if (!events.ok()) CheckFailure(events.status());
  const absl::StatusOr<uint64_t> first = store.ReserveEpoch("web", 0);
  if (!first.ok()) return CheckFailure(first.status());
  Check(*first > before->epoch, "L4: an epoch that is reserved is not higher");
  const absl::StatusOr<uint64_t> epoch = store.ReserveEpoch("web", before->epoch + 1);
  if (!epoch.ok()) return CheckFailure(epoch.status());
  Check(*epoch > *first && *epoch <= kMaxEpoch, "L4: an epoch is given twice, or out of range");
  StoredCluster record;
  record.paused = true;
  record.holder = "b";
  record.terms_policy = 2;
  record.terms_members = {"b"};
  if (absl::Status status = store.Save({{"web", record}}, {"mail"}); !status.ok()) {
    return CheckFailure(status);
  }
  if (absl::StatusOr<uint64_t> id =
          store.Append({0, absl::UnixEpoch(), "web", "", *epoch, 1, "moved", "because", ""});
      !id.ok()) {
    CheckFailure(id.status());
  }
  const std::optional<StoredCluster> after = Load(store);
  if (!after) return;
  Check(after->epoch == *epoch && after->paused && after->holder == "b" &&
            after->terms_policy == 2 && after->terms_members == std::vector<std::string>{"b"},
        "what was saved is another now");
}

}  // namespace
}  // namespace hb::controller

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hb::controller;
  hb::fuzz::ByteSource bytes(data, size);
  Prepare(bytes);
  std::unique_ptr<Store> store = Open();
  if (store == nullptr) return 0;
  Use(*store);
  const std::optional<StoredCluster> before = Load(*store);
  store.reset();
  store = Open();
  hb::fuzz::Check(store != nullptr, "what was closed does not open again");
  if (!before) return 0;
  const std::optional<StoredCluster> after = Load(*store);
  hb::fuzz::Check(after && after->epoch == before->epoch && after->holder == before->holder,
                  "what was stored is gone after the next opening");
  return 0;
}
