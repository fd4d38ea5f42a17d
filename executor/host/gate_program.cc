// Loading by libbpf, pins by bpf(2). Every step looks first: what an earlier process left half done
// is completed, and nothing that still serves is taken away. The kernel's own words go into the
// error: nobody can guess from an errno what a verifier disliked.
#include "executor/host/gate_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "executor/host/gate.skel.h"
#include "executor/host/gate_layout.h"

#define HB_QUOTE(name) #name
#define HB_QUOTE_VALUE(name) HB_QUOTE(name)

namespace hb::executor {
namespace {

constexpr char kMapName[] = HB_QUOTE_VALUE(HB_GATE_MAP);
constexpr char kMapNameStart[] = "hb_gate_v";
constexpr char kMapPin[] = "map";
constexpr char kIncomingPin[] = "in";
constexpr char kOutgoingPin[] = "out";
constexpr char kNewPinSuffix[] = "_new";
constexpr size_t kMostWords = 1200;  // of the kernel's, kept for an error

struct SkeletonDeleter {
  void operator()(gate_bpf* skeleton) const { gate_bpf__destroy(skeleton); }
};

// libbpf and the verifier tell their reasons to a function without context.
std::string& Words() {
  static thread_local std::string words;
  return words;
}

__attribute__((format(printf, 2, 0))) int KeepWords(libbpf_print_level level, const char* format,
                                                    va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, 4096> text{};
  const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string& words = Words();
  words += text.data();
  if (words.size() > kMostWords) words.erase(0, words.size() - kMostWords);
  return size;
}

// While it lives, what libbpf says is kept in Words().
class Listener {
 public:
  Listener() : before_(libbpf_set_print(KeepWords)) { Words().clear(); }
  ~Listener() { libbpf_set_print(before_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  const libbpf_print_fn_t before_;
};

// One line of a log's lines.
std::string Joined(const std::string& words) {
  std::vector<std::string> lines = absl::StrSplit(words, '\n', absl::SkipWhitespace());
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, text.empty() ? "" : "; ", line);
  return text;
}

std::string Path(const std::string& directory, const std::string& pin) {
  return absl::StrCat(GatePinDirectory(directory), "/", pin);
}

// The file system that should be there: of PATH/hb/NODE it is PATH.
std::string MountPoint(const std::string& directory) {
  const std::filesystem::path parent = std::filesystem::path(directory).parent_path();
  return parent.filename() == "hb" ? parent.parent_path().string() : directory;
}

absl::Status MakeDirectory(const std::string& directory) {
  const std::filesystem::path whole = GatePinDirectory(directory);
  std::vector<std::filesystem::path> missing;
  std::filesystem::path existing = whole;
  struct statfs system {};
  while (statfs(existing.c_str(), &system) != 0) {
    if (errno != ENOENT || existing == existing.parent_path()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the gate's directory ", whole.string(), ": ", std::strerror(errno)));
    }
    missing.push_back(existing);
    existing = existing.parent_path();
  }
  if (static_cast<uint32_t>(system.f_type) != BPF_FS_MAGIC) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the gate's directory ", whole.string(),
        " lies on no BPF file system; mount one: mount -t bpf bpf ", MountPoint(directory)));
  }
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    if (mkdir(it->c_str(), 0700) == 0 || errno == EEXIST) continue;
    const std::string text = absl::StrCat("cannot make ", it->string(), ": ", std::strerror(errno));
    if (errno == EPERM || errno == EACCES) return absl::PermissionDeniedError(text);
    return absl::UnavailableError(text);
  }
  return absl::OkStatus();
}

absl::Status Pin(int fd, const std::string& path) {
  if (bpf_obj_pin(fd, path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("pinning ", path, ": ", std::strerror(errno)));
}

// Invalid where there is no pin.
absl::StatusOr<UniqueFd> OpenPin(const std::string& path) {
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (fd.valid() || errno == ENOENT) return fd;
  if (errno == EPERM || errno == EACCES) return GateLoadError(EPERM, "");
  return absl::UnavailableError(absl::StrCat("opening ", path, ": ", std::strerror(errno)));
}

absl::StatusOr<bpf_map_info> MapInfo(int fd) {
  bpf_map_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) return info;
  return absl::UnavailableError(absl::StrCat("looking at the gate's map: ", std::strerror(errno)));
}

absl::Status CheckLayout(int fd, const std::string& path) {
  const absl::StatusOr<bpf_map_info> info = MapInfo(fd);
  if (!info.ok()) return info.status();
  if (info->type == BPF_MAP_TYPE_HASH && info->key_size == sizeof(hb_gate_key) &&
      info->value_size == sizeof(hb_gate_value) && std::strcmp(info->name, kMapName) == 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the gate's map ", path, " is of layout ", absl::StripPrefix(info->name, kMapNameStart), " (",
      info->key_size, " + ", info->value_size, " bytes an entry), this build needs layout ",
      absl::StripPrefix(kMapName, kMapNameStart), " (", sizeof(hb_gate_key), " + ",
      sizeof(hb_gate_value),
      "); when the node holds no floating address, run hb-executor with --purge and start it"
      " again"));
}

struct ProgramIdentity {
  uint32_t id = 0;
  std::array<uint8_t, BPF_TAG_SIZE> tag{};  // of the instructions
  uint32_t map_id = 0;                      // 0: not exactly one map
};

absl::StatusOr<ProgramIdentity> Identify(int fd) {
  ProgramIdentity identity;
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  info.nr_map_ids = 1;
  info.map_ids = reinterpret_cast<uintptr_t>(&identity.map_id);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) {
    return absl::UnavailableError(
        absl::StrCat("looking at the gate's program: ", std::strerror(errno)));
  }
  identity.id = info.id;
  std::copy(std::begin(info.tag), std::end(info.tag), identity.tag.begin());
  if (info.nr_map_ids != 1) identity.map_id = 0;
  return identity;
}

// The pinned program if it is the same as `fresh`; else `fresh`, pinned in its place.
absl::StatusOr<GateProgram> Settle(int fresh, const std::string& path) {
  const absl::StatusOr<ProgramIdentity> own = Identify(fresh);
  if (!own.ok()) return own.status();
  absl::StatusOr<UniqueFd> pinned = OpenPin(path);
  if (!pinned.ok()) return pinned.status();
  if (pinned->valid()) {
    const absl::StatusOr<ProgramIdentity> found = Identify(pinned->get());
    if (found.ok() && found->tag == own->tag && found->map_id == own->map_id) {
      return GateProgram{*std::move(pinned), found->id};
    }
  }
  const std::string beside = absl::StrCat(path, kNewPinSuffix);
  (void)unlink(beside.c_str());
  if (absl::Status status = Pin(fresh, beside); !status.ok()) return status;
  if (rename(beside.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("pinning ", path, ": ", std::strerror(errno)));
  }
  // The object that `fresh` belongs to closes it.
  UniqueFd copy(dup(fresh));
  if (!copy.valid()) return absl::UnavailableError(std::strerror(errno));
  return GateProgram{std::move(copy), own->id};
}

}  // namespace

std::string GatePinDirectory(const std::string& directory) {
  const std::filesystem::path path = directory;
  const std::string name = absl::StrReplaceAll(path.filename().string(), {{".", "%"}});
  return (path.parent_path() / name).string();
}

absl::StatusOr<LoadedGate> LoadGate(const std::string& directory) {
  if (absl::Status status = MakeDirectory(directory); !status.ok()) return status;
  const Listener listener;
  const std::unique_ptr<gate_bpf, SkeletonDeleter> skeleton(gate_bpf__open());
  if (skeleton == nullptr) return GateLoadError(errno, Joined(Words()));

  const std::string map_path = Path(directory, kMapPin);
  absl::StatusOr<UniqueFd> map = OpenPin(map_path);
  if (!map.ok()) return map.status();
  const bool is_new = !map->valid();
  if (!is_new) {
    if (absl::Status status = CheckLayout(map->get(), map_path); !status.ok()) return status;
    const int error = bpf_map__reuse_fd(skeleton->maps.HB_GATE_MAP, map->get());
    if (error != 0) return GateLoadError(-error, Joined(Words()));
  }
  if (const int error = gate_bpf__load(skeleton.get()); error != 0) {
    return GateLoadError(-error, Joined(Words()));
  }
  if (is_new) {
    *map = UniqueFd(dup(bpf_map__fd(skeleton->maps.HB_GATE_MAP)));
    if (!map->valid()) return absl::UnavailableError(std::strerror(errno));
    if (absl::Status status = Pin(map->get(), map_path); !status.ok()) return status;
  }
  absl::StatusOr<GateProgram> incoming =
      Settle(bpf_program__fd(skeleton->progs.hb_gate_in), Path(directory, kIncomingPin));
  if (!incoming.ok()) return incoming.status();
  absl::StatusOr<GateProgram> outgoing =
      Settle(bpf_program__fd(skeleton->progs.hb_gate_out), Path(directory, kOutgoingPin));
  if (!outgoing.ok()) return outgoing.status();
  return LoadedGate{*std::move(map), *std::move(incoming), *std::move(outgoing)};
}

std::set<uint32_t> PinnedGatePrograms(const std::string& directory) {
  std::set<uint32_t> ids;
  for (const char* pin : {kIncomingPin, kOutgoingPin}) {
    const absl::StatusOr<UniqueFd> fd = OpenPin(Path(directory, pin));
    if (!fd.ok() || !fd->valid()) continue;
    const absl::StatusOr<ProgramIdentity> identity = Identify(fd->get());
    if (identity.ok()) ids.insert(identity->id);
  }
  return ids;
}

absl::Status RemoveGatePins(const std::string& directory) {
  const std::string whole = GatePinDirectory(directory);
  const auto gone = [](const std::string& path, int result) {
    if (result == 0 || errno == ENOENT) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("removing ", path, ": ", std::strerror(errno)));
  };
  const std::string fresh_in = absl::StrCat(kIncomingPin, kNewPinSuffix);
  const std::string fresh_out = absl::StrCat(kOutgoingPin, kNewPinSuffix);
  for (const std::string& pin : {fresh_in, fresh_out, std::string(kIncomingPin),
                                 std::string(kOutgoingPin), std::string(kMapPin)}) {
    const std::string path = Path(directory, pin);
    if (absl::Status status = gone(path, unlink(path.c_str())); !status.ok()) return status;
  }
  return gone(whole, rmdir(whole.c_str()));
}

absl::Status GateLoadError(int error, const std::string& words) {
  const bool verifier = absl::StrContains(words, "PROG LOAD LOG");
  const std::string said = absl::StrCat(std::strerror(error), words.empty() ? "" : " (", words,
                                        words.empty() ? "" : ")");
  if (error == EPERM && !verifier) {
    return absl::PermissionDeniedError(absl::StrCat(
        "loading the gate needs CAP_BPF and CAP_NET_ADMIN, in no user namespace; in the unit:"
        " AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_NET_RAW and the same in"
        " CapabilityBoundingSet=: ",
        said));
  }
  if (error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE) {
    return absl::UnavailableError(absl::StrCat("loading the gate: ", said));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "this kernel cannot run the gate; it needs Linux 5.10 or later with CONFIG_BPF_SYSCALL,"
      " CONFIG_NET_CLS_BPF, CONFIG_NET_CLS_ACT and CONFIG_NET_SCH_INGRESS: ",
      said));
}

}  // namespace hb::executor
