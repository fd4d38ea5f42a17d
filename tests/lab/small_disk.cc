#include "tests/lab/small_disk.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hb::lab {
namespace {

constexpr char kFiller[] = "/.fills-the-disk";

}  // namespace

absl::StatusOr<SmallDisk> SmallDisk::Mount(Host* host, std::string path, uid_t owner) {
  if (absl::Status made = host->MakeDirectory(path, 0755, owner); !made.ok()) return made;
  const std::string options = absl::StrCat("mode=755,size=16m,uid=", owner, ",gid=", owner);
  if (absl::Status mounted =
          host->RunOk({"mount", "-t", "tmpfs", "-o", options, "hb-lab-small-disk", path});
      !mounted.ok()) {
    return mounted;
  }
  return SmallDisk(host, std::move(path));
}

absl::Status SmallDisk::Fill() {
  // More than there is: it ends when the disk is full.
  const absl::StatusOr<RunResult> written =
      host_->Run({"/bin/dd", "if=/dev/zero", absl::StrCat("of=", path_, kFiller), "bs=4k",
                  "count=100000", "oflag=append", "conv=notrunc"});
  if (!written.ok()) return written.status();
  if (written->ok() || !absl::StrContains(written->output, "No space left on device")) {
    return absl::InternalError(absl::StrCat(path_, " is not full: ", written->output));
  }
  return absl::OkStatus();
}

absl::Status SmallDisk::Free() { return host_->RemoveFile(absl::StrCat(path_, kFiller)); }

}  // namespace hb::lab
