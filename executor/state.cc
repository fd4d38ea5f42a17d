#include "executor/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "executor/record.h"

namespace hb::executor {
namespace {

constexpr char kIncarnationFile[] = "incarnation";
constexpr char kClustersFile[] = "clusters";
constexpr char kVipsFile[] = "vips";
constexpr size_t kMaxFileBytes = size_t{4} << 20;

absl::Status ErrnoStatus(const std::string& what, const std::string& object, int error) {
  const std::string text = absl::StrCat(what, " ", object, ": ", std::strerror(error));
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

// FNV-1a: tells a torn or edited file, not a forged one.
uint64_t Sum(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

absl::Status MakeDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return ErrnoStatus("cannot make directory", parent, errno);
    }
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus("cannot make the state directory", path, errno);
  }
  return absl::OkStatus();
}

// Nothing where there is no such file.
absl::StatusOr<std::optional<std::string>> ReadFileAt(int directory_fd, const char* name,
                                                      const std::string& path) {
  const int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return std::optional<std::string>();
  if (fd < 0) return ErrnoStatus("cannot read", path, errno);
  const absl::Cleanup closer = [fd] { close(fd); };
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("cannot read", path, errno);
    if (count == 0) return std::make_optional(std::move(text));
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > kMaxFileBytes) {
      return absl::DataLossError(absl::StrCat(path, " is too large to be a state file"));
    }
  }
}

absl::Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("cannot write", path, errno);
    text.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

// Written beside it, synced, renamed over it, and the directory synced: all of it or nothing.
absl::Status ReplaceFileAt(int directory_fd, const std::string& directory, const char* name,
                           std::string_view text) {
  const std::string temporary = absl::StrCat(name, ".new");
  const std::string path = absl::StrCat(directory, "/", name);
  const int fd = openat(directory_fd, temporary.c_str(),
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return ErrnoStatus("cannot write", absl::StrCat(path, ".new"), errno);
  absl::Status status = WriteAll(fd, text, absl::StrCat(path, ".new"));
  if (status.ok() && fsync(fd) != 0) status = ErrnoStatus("cannot sync", path, errno);
  if (close(fd) != 0 && status.ok()) status = ErrnoStatus("cannot write", path, errno);
  if (status.ok() && renameat(directory_fd, temporary.c_str(), directory_fd, name) != 0) {
    status = ErrnoStatus("cannot replace", path, errno);
  }
  if (!status.ok()) {
    unlinkat(directory_fd, temporary.c_str(), 0);
    return status;
  }
  if (fsync(directory_fd) != 0) return ErrnoStatus("cannot sync", directory, errno);
  return absl::OkStatus();
}

// The lines of a file; nothing where it is missing. DataLoss names the file and says `remedy`.
absl::StatusOr<std::optional<std::vector<std::string>>> ReadLines(int directory_fd,
                                                                  const std::string& directory,
                                                                  const char* name,
                                                                  const std::string& remedy) {
  const std::string path = absl::StrCat(directory, "/", name);
  absl::StatusOr<std::optional<std::string>> text = ReadFileAt(directory_fd, name, path);
  if (!text.ok()) return text.status();
  if (!*text) return std::optional<std::vector<std::string>>();
  absl::StatusOr<std::string> lines = UnsealStateFile(name, **text);
  if (!lines.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, " is damaged (", std::string(lines.status().message()), "); ", remedy));
  }
  return std::make_optional<std::vector<std::string>>(
      absl::StrSplit(*lines, '\n', absl::SkipEmpty()));
}

absl::Status BadLine(const std::string& directory, const char* name, const std::string& line,
                     const std::string& remedy) {
  return absl::DataLossError(absl::StrCat(directory, "/", name, " is damaged (it does not have \"",
                                          line, "\" as hb writes it); ", remedy));
}

std::string EpochRemedy(const std::string& directory) {
  return absl::StrCat(
      "restore it from a copy; or, once no controller that may still send old "
      "orders to this node runs, remove all of ",
      directory, " and start again");
}

}  // namespace

std::string SealStateFile(const std::string& name, const std::string& lines) {
  const std::string body = absl::StrCat("hb ", name, " 1\n", lines);
  return absl::StrCat(body, absl::StrFormat("sum %016x\n", Sum(body)));
}

absl::StatusOr<std::string> UnsealStateFile(const std::string& name, const std::string& text) {
  const std::string head = absl::StrCat("hb ", name, " 1\n");
  constexpr size_t kTailBytes = sizeof("sum 0123456789abcdef\n") - 1;
  if (text.empty()) return absl::InvalidArgumentError("it is empty");
  if (!absl::StartsWith(text, head)) {
    return absl::InvalidArgumentError(
        absl::StrCat("it does not begin with \"", "hb ", name, " 1", "\""));
  }
  if (text.size() < head.size() + kTailBytes) {
    return absl::InvalidArgumentError("it has been cut short");
  }
  const std::string body = text.substr(0, text.size() - kTailBytes);
  if (text.substr(body.size()) != absl::StrFormat("sum %016x\n", Sum(body))) {
    return absl::InvalidArgumentError("its check sum is wrong");
  }
  return body.substr(head.size());
}

absl::StatusOr<std::unique_ptr<StateDirectory>> StateDirectory::Open(const std::string& directory) {
  if (absl::Status status = MakeDirectories(directory); !status.ok()) return status;
  const int directory_fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd < 0) {
    return ErrnoStatus("cannot open the state directory", directory, errno);
  }
  const int lock_fd = openat(directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock_fd < 0) {
    const int error = errno;
    close(directory_fd);
    return ErrnoStatus("cannot open", absl::StrCat(directory, "/lock"), error);
  }
  auto state =
      std::unique_ptr<StateDirectory>(new StateDirectory(directory, directory_fd, lock_fd));
  if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return ErrnoStatus("cannot lock", absl::StrCat(directory, "/lock"), errno);
    }
    return absl::FailedPreconditionError(
        absl::StrCat("state directory ", directory,
                     " is in use by another hb-executor: stop that one, or give this one a "
                     "directory of its own (state: in executor.yaml)"));
  }
  if (absl::Status status = state->Load(); !status.ok()) return status;
  if (absl::Status status = state->WriteIncarnation(); !status.ok()) return status;
  return state;
}

StateDirectory::~StateDirectory() {
  close(lock_fd_);
  close(directory_fd_);
}

absl::Status StateDirectory::Load() {
  const std::string remedy = EpochRemedy(directory_);
  auto incarnation = ReadLines(directory_fd_, directory_, kIncarnationFile, remedy);
  if (!incarnation.ok()) return incarnation.status();
  auto clusters = ReadLines(directory_fd_, directory_, kClustersFile, remedy);
  if (!clusters.ok()) return clusters.status();
  const std::string vips_remedy =
      "take the floating addresses off this node's interfaces (ip address delete) and remove the "
      "file";
  auto vips = ReadLines(directory_fd_, directory_, kVipsFile, vips_remedy);
  if (!vips.ok()) return vips.status();
  if (*incarnation && !*clusters) {
    return absl::DataLossError(absl::StrCat(directory_, "/", kClustersFile, " is missing, though ",
                                            kIncarnationFile, " is there; ", remedy));
  }
  absl::Status status = *clusters ? ReadRecords(**clusters, remedy) : WriteRecords({});
  if (!status.ok()) return status;
  if (*incarnation) {
    const std::vector<std::string>& lines = **incarnation;
    if (lines.size() != 1 || !absl::SimpleAtoi(lines[0], &incarnation_) || incarnation_ == 0 ||
        incarnation_ == UINT64_MAX) {
      return BadLine(directory_, kIncarnationFile, lines.empty() ? "" : lines[0], remedy);
    }
  } else if (!records_.empty()) {
    return absl::DataLossError(absl::StrCat(directory_, "/", kIncarnationFile,
                                            " is missing, though ", kClustersFile, " is there; ",
                                            remedy));
  }
  for (const std::string& line : vips->value_or(std::vector<std::string>())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    absl::StatusOr<IpPrefix> address = IpPrefix::Parse(words[0]);
    if (words.size() != 2 || !address.ok() || words[1].empty()) {
      return BadLine(directory_, kVipsFile, line, vips_remedy);
    }
    vips_.insert({*address, words[1]});
  }
  return absl::OkStatus();
}

absl::Status StateDirectory::WriteIncarnation() {
  const uint64_t next = incarnation_ + 1;
  absl::Status status = ReplaceFileAt(directory_fd_, directory_, kIncarnationFile,
                                      SealStateFile(kIncarnationFile, absl::StrCat(next, "\n")));
  if (status.ok()) incarnation_ = next;
  return status;
}

absl::Status StateDirectory::ReadRecords(const std::vector<std::string>& lines,
                                         const std::string& remedy) {
  for (const std::string& line : lines) {
    absl::StatusOr<std::pair<std::string, Record>> record = RecordFromLine(line);
    if (record.ok() && records_.emplace(record->first, std::move(record->second)).second) continue;
    const std::string why =
        record.ok() ? "a cluster is there twice" : std::string(record.status().message());
    return absl::DataLossError(absl::StrCat(directory_, "/", kClustersFile, " is damaged (", why,
                                            ", in \"", line, "\"); ", remedy));
  }
  return absl::OkStatus();
}

absl::Status StateDirectory::WriteRecords(const std::map<std::string, Record>& records) {
  std::string lines;
  for (const auto& [cluster, record] : records) {
    absl::StrAppend(&lines, RecordToLine(cluster, record), "\n");
  }
  return ReplaceFileAt(directory_fd_, directory_, kClustersFile,
                       SealStateFile(kClustersFile, lines));
}

absl::Status StateDirectory::StoreRecord(const std::string& cluster, const Record& record) {
  if (cluster.empty() || cluster.find_first_of(" =\n") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("\"", cluster, "\" is no cluster's name"));
  }
  const auto it = records_.find(cluster);
  if (it != records_.end()) {
    if (it->second == record) return absl::OkStatus();
    if (record.epoch < it->second.epoch) {
      return absl::FailedPreconditionError(absl::StrCat("cluster ", cluster, ": epoch ",
                                                        record.epoch, " is below the stored one, ",
                                                        it->second.epoch));
    }
  }
  std::map<std::string, Record> next = records_;
  next[cluster] = record;
  absl::Status status = WriteRecords(next);
  if (status.ok()) records_ = std::move(next);
  return status;
}

absl::Status StateDirectory::StoreVips(const std::set<Vip>& vips) {
  if (vips == vips_) return absl::OkStatus();
  std::string lines;
  for (const Vip& vip : vips) {
    absl::StrAppend(&lines, vip.address.ToString(), " ", vip.interface, "\n");
  }
  absl::Status status =
      ReplaceFileAt(directory_fd_, directory_, kVipsFile, SealStateFile(kVipsFile, lines));
  if (status.ok()) vips_ = vips;
  return status;
}

}  // namespace hb::executor
