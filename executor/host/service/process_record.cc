// See process_record.h. The file is four lines of "key value", read strictly: a file that is not
// exactly what Format() writes is corrupt.
#include "executor/host/service/process_record.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "executor/host/service/unique_fd.h"

namespace hb::executor {
namespace {

constexpr size_t kLongestFile = 8192;

absl::Status FileError(int error, std::string_view act, const std::string& path) {
  const std::string message = absl::StrCat(std::string(act), " ", path, ": ", std::strerror(error));
  return error == ENOENT || error == ESRCH ? absl::NotFoundError(message)
                                           : absl::UnavailableError(message);
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return FileError(errno, "read", path);
  std::string text(kLongestFile, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

template <typename T>
bool Number(absl::string_view text, T* out) {
  return !text.empty() && absl::ascii_isdigit(static_cast<unsigned char>(text[0])) &&
         absl::SimpleAtoi(text, out);
}

}  // namespace

absl::StatusOr<ProcessStat> ParseProcessStat(std::string_view text) {
  // "PID (NAME) STATE PPID PGRP SESSION ... ": the name may hold anything, so it ends at the last
  // ')'.
  const absl::Status bad = absl::InvalidArgumentError("not a line of /proc/PID/stat");
  const size_t open = text.find(" (");
  const size_t close = text.rfind(") ");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return bad;
  const std::vector<std::string> fields =
      absl::StrSplit(std::string(text.substr(close + 2)), ' ');  // the first one is field 3
  ProcessStat stat;
  if (fields.size() < 20 || fields[0].size() != 1) return bad;
  stat.state = fields[0][0];
  if (!Number(std::string(text.substr(0, open)), &stat.pid) || !Number(fields[2], &stat.group) ||
      !Number(fields[3], &stat.session) || !Number(fields[19], &stat.start_time)) {
    return bad;
  }
  return stat;
}

absl::StatusOr<ProcessStat> ReadProcessStat(pid_t pid) {
  absl::StatusOr<std::string> text = ReadSmallFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!text.ok()) return text.status();
  return ParseProcessStat(*text);
}

std::string ProcessExecutable(pid_t pid) {
  std::string path(4096, '\0');
  const ssize_t size =
      readlink(absl::StrCat("/proc/", pid, "/exe").c_str(), path.data(), path.size());
  if (size <= 0 || static_cast<size_t>(size) == path.size()) return "";
  path.resize(static_cast<size_t>(size));
  return std::string(absl::StripSuffix(path, " (deleted)"));
}

bool ProcessCatches(pid_t pid, int signal) {
  const absl::StatusOr<std::string> text = ReadSmallFile(absl::StrCat("/proc/", pid, "/status"));
  if (!text.ok()) return false;
  const size_t field = text->find("\nSigCgt:\t");
  uint64_t caught = 0;
  return field != std::string::npos && absl::SimpleHexAtoi(text->substr(field + 9, 16), &caught) &&
         (caught >> (signal - 1) & 1) != 0;
}

std::vector<ProcessStat> LivingMembers(pid_t group) {
  std::vector<ProcessStat> members;
  // Signal 0 asks without a look through /proc; an unreaped member counts here, so a "yes" must be
  // looked at.
  if (kill(-group, 0) != 0 && errno == ESRCH) return members;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) return members;
  // readdir(3) is safe here: the stream is this function's own.
  while (const dirent* entry = readdir(proc.get())) {
    pid_t pid = 0;
    if (!Number(entry->d_name, &pid)) continue;
    const absl::StatusOr<ProcessStat> stat = ReadProcessStat(pid);
    if (stat.ok() && stat->group == group && !stat->dead()) members.push_back(*stat);
  }
  return members;
}

std::string ProcessRecord::Format() const {
  return absl::StrCat("hb-process 1\npid ", pid, "\nstart ", start_time, "\nboot ", boot_id,
                      "\nexecutable ", executable, "\n");
}

absl::StatusOr<ProcessRecord> ProcessRecord::Parse(std::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  if (lines.size() != 6 || lines[0] != "hb-process 1" || !lines[5].empty()) {
    return absl::InvalidArgumentError("not a process record");
  }
  std::vector<absl::string_view> values;
  const char* const keys[] = {"pid ", "start ", "boot ", "executable "};
  for (size_t i = 0; i < 4; ++i) {
    absl::string_view value = lines[i + 1];
    if (!absl::ConsumePrefix(&value, keys[i])) {
      return absl::InvalidArgumentError(absl::StrCat("no \"", keys[i], "\" where it belongs"));
    }
    values.push_back(value);
  }
  ProcessRecord record;
  // 1 is init, and kill(-1) would reach everybody.
  if (!Number(values[0], &record.pid) || record.pid <= 1) {
    return absl::InvalidArgumentError(absl::StrCat("bad pid \"", values[0], "\""));
  }
  if (!Number(values[1], &record.start_time)) {
    return absl::InvalidArgumentError(absl::StrCat("bad start \"", values[1], "\""));
  }
  if (values[2].empty()) return absl::InvalidArgumentError("no boot id");
  record.boot_id = std::string(values[2]);
  record.executable = std::string(values[3]);
  // A leading zero, a space behind a number.
  if (record.Format() != text) {
    return absl::InvalidArgumentError("a number is not as it was written");
  }
  return record;
}

absl::StatusOr<std::string> BootId() {
  absl::StatusOr<std::string> text = ReadSmallFile("/proc/sys/kernel/random/boot_id");
  if (!text.ok()) return text.status();
  return std::string(absl::StripAsciiWhitespace(*text));
}

absl::StatusOr<ProcessRecord> ReadRecord(const std::string& path) {
  absl::StatusOr<std::string> text = ReadSmallFile(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<ProcessRecord> record = ProcessRecord::Parse(*text);
  if (record.ok()) return record;
  return absl::InvalidArgumentError(absl::StrCat(path, " is corrupt: ", record.status().message()));
}

absl::Status WriteRecord(const std::string& path, const ProcessRecord& record) {
  const std::string temporary = path + ".new";
  const std::string text = record.Format();
  {
    const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) return FileError(errno, "write", temporary);
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) {
      return FileError(written < 0 ? errno : ENOSPC, "write", temporary);
    }
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) return FileError(errno, "write", path);
  return absl::OkStatus();
}

absl::Status RemoveRecord(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(errno, "remove", path);
}

}  // namespace hb::executor
