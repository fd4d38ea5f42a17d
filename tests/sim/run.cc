#include "tests/sim/run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/time/clock.h"

namespace hb::sim {
namespace {

constexpr int kMaxShrinkRuns = 400;

// What a worker process tells its parent, through a pipe.
struct Told {
  uint64_t runs = 0;
  uint64_t events = 0;
  Time simulated = 0;
  uint64_t digest = 0;
  uint64_t moves = 0;
  Time slowest_recovery = 0;
  uint64_t slowest_seed = 0;
  bool failed = false;
  uint64_t failed_seed = 0;
  char property[64] = {};
  char text[256] = {};
};

Told Work(const Range& range, const PlanOptions& options, uint64_t first) {
  Told told;
  const absl::Time began = absl::Now();
  for (uint64_t seed = first; seed <= range.last; seed += static_cast<uint64_t>(range.jobs)) {
    const Outcome outcome = RunPlan(MakePlan(seed, options));
    ++told.runs;
    told.events += outcome.events;
    told.simulated += outcome.simulated;
    told.digest += outcome.digest;
    told.moves += static_cast<uint64_t>(outcome.moves);
    if (outcome.recovered_after != kNever && outcome.recovered_after > told.slowest_recovery) {
      told.slowest_recovery = outcome.recovered_after;
      told.slowest_seed = seed;
    }
    if (outcome.violation) {
      if (range.keep_going) {
        std::printf("violation seed=%llu property=%s %s\n", static_cast<unsigned long long>(seed),
                    outcome.violation->property.c_str(), outcome.violation->text.c_str());
        std::fflush(stdout);
      }
      if (!told.failed) {
        told.failed = true;
        told.failed_seed = seed;
        std::snprintf(told.property, sizeof told.property, "%s",
                      outcome.violation->property.c_str());
        std::snprintf(told.text, sizeof told.text, "%s", outcome.violation->text.c_str());
      }
      if (!range.keep_going) break;
    }
    if (range.seconds > 0 && absl::ToDoubleSeconds(absl::Now() - began) > range.seconds) break;
  }
  return told;
}

void AddTo(Totals& totals, const Told& told) {
  totals.runs += told.runs;
  totals.events += told.events;
  totals.simulated += told.simulated;
  totals.digest += told.digest;
  totals.moves += told.moves;
  if (told.slowest_recovery > totals.slowest_recovery) {
    totals.slowest_recovery = told.slowest_recovery;
    totals.slowest_seed = told.slowest_seed;
  }
  if (told.failed && (!totals.failed_seed || told.failed_seed < *totals.failed_seed)) {
    totals.failed_seed = told.failed_seed;
    totals.property = told.property;
    totals.text = told.text;
  }
}

}  // namespace

Outcome RunPlan(const Plan& plan, const World::Trace& trace) {
  World world(plan, trace);
  world.Run();
  return {world.violation(), world.events(), world.now(),
          world.digest(),    world.moves(),  world.recovered_after()};
}

Plan Shrink(Plan plan, const std::string& property) {
  int runs = 0;
  const auto still_fails = [&](const Plan& candidate) {
    ++runs;
    const Outcome outcome = RunPlan(candidate);
    return outcome.violation && outcome.violation->property == property;
  };
  size_t chunk = std::max<size_t>(plan.faults.size() / 2, 1);
  while (runs < kMaxShrinkRuns) {
    bool smaller = false;
    for (size_t from = 0; from < plan.faults.size() && runs < kMaxShrinkRuns;) {
      Plan candidate = plan;
      const size_t to = std::min(from + chunk, plan.faults.size());
      candidate.faults.erase(candidate.faults.begin() + static_cast<std::ptrdiff_t>(from),
                             candidate.faults.begin() + static_cast<std::ptrdiff_t>(to));
      if (still_fails(candidate)) {
        plan = candidate;
        smaller = true;
      } else {
        from = to;
      }
    }
    if (chunk == 1 && !smaller) break;
    if (!smaller) chunk = std::max<size_t>(chunk / 2, 1);
  }
  return plan;
}

Totals RunSeeds(const Range& range, const PlanOptions& options) {
  Totals totals;
  std::fflush(stdout);
  std::vector<std::pair<pid_t, int>> workers;
  for (int job = 0; job < range.jobs; ++job) {
    int ends[2];
    if (pipe(ends) != 0) break;
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[0]);
      const Told told = Work(range, options, range.first + static_cast<uint64_t>(job));
      const bool whole = write(ends[1], &told, sizeof told) == static_cast<ssize_t>(sizeof told);
      _exit(whole ? 0 : 1);
    }
    close(ends[1]);
    workers.emplace_back(pid, ends[0]);
  }
  for (const auto& [pid, fd] : workers) {
    Told told;
    const bool whole = read(fd, &told, sizeof told) == static_cast<ssize_t>(sizeof told);
    close(fd);
    int status = 0;
    waitpid(pid, &status, 0);
    if (whole) {
      AddTo(totals, told);
    } else {
      totals.failed_seed = range.first;
      totals.property = "crash";
      totals.text = "a worker ended without a result";
    }
  }
  return totals;
}

}  // namespace hb::sim
