// Feeds the executor's state directory (executor/state, executor/record) any lines and any files.
// What is taken is what hb would have written, byte for byte, and holds for the core: a spec has
// what its policy needs, no promise is longer than any can be. A directory that opens keeps what is
// stored in it through the next opening; one that does not says which file, and what to do.
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "executor/record.h"
#include "executor/state.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/node_input.h"
#include "tests/fuzz/scratch_directory.h"

namespace hb::executor {
namespace {

using fuzz::Check;

void CheckRecord(const std::string& name, const Record& record) {
  Check(record.longest_promise >= absl::ZeroDuration() && record.longest_promise <= kMaxTtl,
        "a promise longer than any that is given");
  if (!record.spec) return;
  const Spec& spec = *record.spec;
  Check(spec.cluster == name && spec.revision != 0 && !spec.vips.empty() && !spec.service.empty(),
        "a spec that lacks something");
  const bool witness = spec.on_expiry == OnExpiry::kWitness;
  Check(witness == !spec.witness.empty(), "a witness without its policy, or the other way round");
  Check(!witness || spec.witness_interval > absl::ZeroDuration(), "a witness asked without pause");
}

void TryLine(const std::string& line) {
  const absl::StatusOr<std::pair<std::string, Record>> read = RecordFromLine(line);
  if (!read.ok()) {
    return Check(absl::IsInvalidArgument(read.status()) && !read.status().message().empty(),
                 "a refusal that says nothing");
  }
  CheckRecord(read->first, read->second);
  Check(RecordToLine(read->first, read->second) == line, "a line is taken that hb has not written");
}

// What the core asks for is written, and read back as it was.
void TryRecords(fuzz::ByteSource bytes) {
  for (const auto& [name, record] : ReadRecords(bytes)) {
    const std::string line = RecordToLine(name, record);
    const absl::StatusOr<std::pair<std::string, Record>> read = RecordFromLine(line);
    Check(read.ok() && read->first == name && read->second == record,
          absl::StrCat("a record is read back as another: ", line));
  }
}

std::unique_ptr<StateDirectory> Open(const fuzz::ScratchDirectory& directory) {
  absl::StatusOr<std::unique_ptr<StateDirectory>> state = StateDirectory::Open(directory.path());
  if (state.ok()) return *std::move(state);
  Check(absl::IsDataLoss(state.status()), "a damaged directory is refused as something else");
  Check(absl::StrContains(state.status().message(), directory.path()),
        "a refusal does not name the file");
  return nullptr;
}

void TryDirectory(const fuzz::ScratchDirectory& directory) {
  std::unique_ptr<StateDirectory> state = Open(directory);
  if (state == nullptr) return;
  const uint64_t incarnation = state->incarnation();
  Check(incarnation > 0, "start 0");
  std::map<std::string, Record> records = state->records();
  for (const auto& [name, record] : records) CheckRecord(name, record);
  std::set<Vip> vips = state->vips();
  Record record;
  record.epoch = records.contains("web") ? records["web"].epoch : 7;
  record.controller = "one";
  Check(state->StoreRecord("web", record).ok(), "a record can't be stored");
  records["web"] = record;
  vips.insert({IpPrefix{}, "eth0"});
  Check(state->StoreVips(vips).ok(), "VIPs can't be stored");
  state.reset();
  state = Open(directory);
  // The last start that can be counted.
  if (incarnation == UINT64_MAX) return Check(state == nullptr, "a start that was not counted");
  Check(state != nullptr, "what was stored is not taken any more");
  Check(state->incarnation() == incarnation + 1, "a start is not counted");
  Check(state->records() == records && state->vips() == vips, "what was stored is another now");
}

void TryFiles(fuzz::ByteSource bytes) {
  static const fuzz::ScratchDirectory directory("state");
  directory.Empty();
  const uint8_t how = bytes.Byte();
  const auto write = [&](const std::string& name, const std::string& contents) {
    // Most damage would end at the check sum.
    const bool sealed = (how & 0x80) == 0;
    directory.Write(name, sealed ? SealStateFile(name, contents) : contents);
  };
  // The files' contents stand behind each other, each ended by a zero.
  const std::string rest = bytes.Rest();
  const size_t first = std::min(rest.find('\0'), rest.size());
  const size_t second = std::min(rest.find('\0', first + 1), rest.size());
  if ((how & 1) == 0) write("clusters", rest.substr(0, first));
  if ((how & 2) == 0) {
    write("incarnation", first < rest.size() ? rest.substr(first + 1, second - first - 1) : "3\n");
  }
  if ((how & 4) == 0 && second < rest.size()) write("vips", rest.substr(second + 1));
  TryDirectory(directory);
}

}  // namespace
}  // namespace hb::executor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0) {
    hb::executor::TryFiles(hb::fuzz::ByteSource(data + 1, size - 1));
  } else if (data[0] % 4 == 1) {
    // A text that is unsealed is sealed to the same.
    const absl::StatusOr<std::string> lines = hb::executor::UnsealStateFile("vips", rest);
    hb::fuzz::Check(!lines.ok() || hb::executor::SealStateFile("vips", *lines) == rest,
                    "a file is taken that hb has not sealed");
  } else if (data[0] % 4 == 2) {
    hb::executor::TryRecords(hb::fuzz::ByteSource(data + 1, size - 1));
  } else {
    hb::executor::TryLine(rest);
  }
  return 0;
}
