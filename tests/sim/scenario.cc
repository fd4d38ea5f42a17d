#include "tests/sim/scenario.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/sim/world.h"

namespace hb::sim {
namespace {

bool ParseTime(std::string_view text, Time* time) {
  Duration d;
  if (!absl::ParseDuration(absl::string_view(text.data(), text.size()), &d)) return false;
  *time = absl::ToInt64Nanoseconds(d);
  return *time >= 0;
}

// "a" to "e", "ctl1", "ctl2", "witness"; -1: none of them.
int HostOf(std::string_view name) {
  for (int host = 0; host < kMaxHosts; ++host) {
    if (HostName(host) == name) return host;
  }
  return -1;
}

class Scenario {
 public:
  absl::StatusOr<std::string> Replay(const std::string& file) {
    std::string out;
    std::vector<std::string> lines = absl::StrSplit(file, '\n');
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    bool in_output = false;
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::string& line = lines[i];
      if (in_output) {
        in_output = !line.empty();
        if (!in_output) absl::StrAppend(&out, "\n");
        continue;
      }
      absl::StrAppend(&out, line, "\n");
      if (line == "----") {
        in_output = true;
        for (const std::string& said : std::exchange(said_, {})) absl::StrAppend(&out, said, "\n");
        began_ = world_ ? world_->now() : 0;
      } else if (!line.empty() && line[0] != '#') {
        if (absl::Status done = Do(line); !done.ok()) {
          return absl::InvalidArgumentError(absl::StrCat("line ", i + 1, ": ", done.message()));
        }
      }
    }
    if (!said_.empty()) return absl::InvalidArgumentError("the last block has no ----");
    return out;
  }

 private:
  absl::Status Do(const std::string& line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words[0] == "start") return Start(words);
    if (world_ == nullptr) return absl::InvalidArgumentError("it begins with start");
    if (words[0] == "run") {
      Time length = 0;
      if (words.size() != 2 || !ParseTime(words[1], &length)) {
        return absl::InvalidArgumentError("run takes a time: run 600ms");
      }
      world_->RunUntil(world_->now() + length);
      return absl::OkStatus();
    }
    if (words[0] == "state") {
      SayState();
      return absl::OkStatus();
    }
    if (words[0] == "reload") return Reload(words);
    return Fault(words);
  }

  absl::Status Start(const std::vector<std::string>& words) {
    plan_ = Plan();
    plan_.steady = true;
    plan_.controller_host[0] = kMaxNodes;
    plan_.chaos = kNever / 4;
    Config config;
    config.members = 3;
    for (size_t i = 1; i < words.size(); ++i) {
      if (absl::Status set = Set(words[i], &config); !set.ok()) return set;
    }
    // More to reload to.
    plan_.configs.assign(kMaxReloads, config);
    reloads_ = 0;
    world_ = std::make_unique<World>(plan_, [this](Time at, const std::string& text) {
      said_.push_back(absl::StrFormat("+%-8s %s", Since(at), text));
    });
    return absl::OkStatus();
  }

  absl::Status Set(const std::string& word, Config* config) {
    const std::pair<std::string, std::string> setting =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    const auto& [key, value] = setting;
    bool good = true;
    if (key == "nodes") {
      config->members = 0;
      for (const std::string& name : std::vector<std::string>(absl::StrSplit(value, ','))) {
        const int node = HostOf(name);
        good = good && node >= 0 && node < kMaxNodes;
        if (good) config->members |= 1U << static_cast<uint32_t>(node);
        if (good) plan_.nodes = std::max(plan_.nodes, node + 1);
      }
    } else if (key == "controller") {
      plan_.controller_host[0] = HostOf(value);
      good = plan_.controller_host[0] >= 0;
    } else if (key == "on_expiry") {
      config->on_expiry = value == "witness" ? OnExpiry::kWitness
                          : value == "hold"  ? OnExpiry::kHold
                                             : OnExpiry::kRelease;
      good = value == "witness" || value == "hold" || value == "release";
    } else if (key == "standby" || key == "failback" || key == "page") {
      bool& flag = key == "standby"    ? config->standby_runs
                   : key == "failback" ? config->auto_failback
                                       : config->fetch_page;
      flag = value == "running" || value == "auto" || value == "yes";
    } else if (key == "vips") {
      good = absl::SimpleAtoi(value, &config->vips) && config->vips >= 1 && config->vips <= 2;
    } else {
      Time* const time = key == "ttl"         ? &config->ttl
                         : key == "heartbeat" ? &config->heartbeat
                         : key == "witness"   ? &config->witness_interval
                         : key == "after"     ? &config->failback_after
                                              : nullptr;
      good = time != nullptr && ParseTime(value, time);
    }
    if (good) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(word, " is not understood"));
  }

  absl::Status Reload(const std::vector<std::string>& words) {
    if (words.size() < 3 || reloads_ + 1 >= kMaxReloads) {
      return absl::InvalidArgumentError("reload CONTROLLER KEY=VALUE..., a few times");
    }
    Config changed = plan_.configs[static_cast<size_t>(reloads_)];
    ++reloads_;
    for (size_t i = 2; i < words.size(); ++i) {
      if (absl::Status set = Set(words[i], &changed); !set.ok()) return set;
    }
    plan_.configs[static_cast<size_t>(reloads_)] = changed;
    world_->Replace(static_cast<size_t>(reloads_), changed);
    world_->Apply({world_->now(), FaultKind::kReload, 0, -1, reloads_});
    return absl::OkStatus();
  }

  absl::Status Fault(const std::vector<std::string>& words) {
    const std::optional<FaultKind> kind = FaultKindOf(words[0]);
    if (!kind) return absl::InvalidArgumentError(absl::StrCat("there is no fault ", words[0]));
    sim::Fault fault{world_->now(), *kind, -1, -1, 0};
    for (size_t i = 1; i < words.size(); ++i) {
      const int host = HostOf(words[i]);
      Time time = 0;
      if (host >= 0 && fault.a < 0) {
        fault.a = IsOfController(*kind) ? 0 : host;
      } else if (host >= 0 && fault.b < 0) {
        fault.b = host;
      } else if (!absl::SimpleAtoi(words[i], &fault.value)) {
        if (!ParseTime(words[i], &time)) {
          return absl::InvalidArgumentError(absl::StrCat(words[i], " is neither host nor number"));
        }
        fault.value = time;
      }
    }
    const bool global =
        *kind == FaultKind::kHealNetwork || *kind == FaultKind::kLoss || *kind == FaultKind::kDelay;
    if (fault.a < 0 && !global) return absl::InvalidArgumentError("of which host?");
    const bool pair = *kind == FaultKind::kCutLink || *kind == FaultKind::kMendLink ||
                      (*kind >= FaultKind::kBlockPing && *kind <= FaultKind::kUnblock);
    if (pair && fault.b < 0) return absl::InvalidArgumentError("it takes two hosts");
    world_->Apply(fault);
    return absl::OkStatus();
  }

  void SayState() {
    std::string serving;
    for (int n = 0; n < plan_.nodes; ++n) {
      if (world_->Serves(n)) absl::StrAppend(&serving, serving.empty() ? "" : " and ", HostName(n));
    }
    world_->SayWhatItThinks(0);
    said_.push_back(absl::StrFormat("+%-8s %s", Since(world_->now()),
                                    serving.empty() ? "nobody serves" : serving + " serves"));
  }

  std::string Since(Time at) const {
    return absl::StrCat((at - began_ + kMillisecond / 2) / kMillisecond, "ms");
  }

  static constexpr int kMaxReloads = 8;
  Plan plan_;
  std::unique_ptr<World> world_;
  int reloads_ = 0;
  Time began_ = 0;  // the block's time zero
  std::vector<std::string> said_;
};

}  // namespace

absl::StatusOr<std::string> Replay(const std::string& file) { return Scenario().Replay(file); }

}  // namespace hb::sim
