// See fake_clock.h; the preloaded half is stepped_clock.cc.
#include "tests/lab/fake_clock.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace hb::lab {
namespace {

std::string OffsetFile(const std::string& name) { return absl::StrCat("/run/hb-lab-clock/", name); }

}  // namespace

absl::StatusOr<std::vector<std::string>> FakeClockEnvironment(Host& host, const std::string& name) {
  if (!host.FileExists(OffsetFile(name))) {
    const std::string none(sizeof(int64_t), '\0');
    if (absl::Status set = host.WriteFile(OffsetFile(name), none); !set.ok()) return set;
  }
  // A sanitizer's runtime wants to be the first library; it need not be before this one.
  const char* asan = getenv("ASAN_OPTIONS");
  return std::vector<std::string>{
      absl::StrCat("LD_PRELOAD=", HB_LAB_STEPPED_CLOCK),
      absl::StrCat("HB_LAB_STEPPED_CLOCK=", OffsetFile(name)),
      absl::StrCat("ASAN_OPTIONS=", asan != nullptr ? absl::StrCat(asan, ":") : "",
                   "verify_asan_link_order=0"),
  };
}

absl::Status SetFakeClock(Host& host, const std::string& name, Duration offset) {
  const int64_t seconds = absl::ToInt64Seconds(offset);
  std::string bytes(sizeof(seconds), '\0');
  std::memcpy(bytes.data(), &seconds, sizeof(seconds));
  // In place and in one write: the daemon has the file mapped.
  return host.RunOk({"/bin/dd", absl::StrCat("of=", OffsetFile(name)), "bs=8", "count=1",
                     "conv=notrunc,nocreat", "status=none"},
                    absl::Seconds(20), bytes);
}

}  // namespace hb::lab
