// hb-sim: runs the cores in a simulated world, from seeds. --help says how.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/sim/run.h"

#ifdef HB_SIM_MUTANTS
#include "tests/mutants/mutant.h"
#endif

namespace hb::sim {
namespace {

enum { kClean = 0, kViolated = 1, kUsage = 2 };

double Seconds(Time t) { return static_cast<double>(t) / kSecond; }

void PrintRates(const Totals& totals, double wall) {
  std::printf("%.0f simulated s in %.1f wall s: %.0f a second; %.0f events a second; %llu moves\n",
              Seconds(totals.simulated), wall, Seconds(totals.simulated) / wall,
              static_cast<double>(totals.events) / wall,
              static_cast<unsigned long long>(totals.moves));
  if (totals.slowest_seed != 0) {
    std::printf("slowest recovery %.1f s after the last fault, seed %llu\n",
                Seconds(totals.slowest_recovery),
                static_cast<unsigned long long>(totals.slowest_seed));
  }
  std::printf("digest=%016llx\n", static_cast<unsigned long long>(totals.digest));
}

int RunOne(uint64_t seed, const PlanOptions& options, bool trace, bool shrink) {
  Plan plan = MakePlan(seed, options);
  const auto print = [](Time at, const std::string& line) {
    std::printf("%10.3f s  %s\n", Seconds(at), line.c_str());
  };
  Outcome outcome = RunPlan(plan);
  if (outcome.violation && shrink) plan = Shrink(plan, outcome.violation->property);
  if (outcome.violation || trace) {
    std::printf("%s\n", Describe(plan).c_str());
    outcome = RunPlan(plan, print);
  }
  std::printf("%llu events in %.1f simulated s, digest=%016llx\n",
              static_cast<unsigned long long>(outcome.events), Seconds(outcome.simulated),
              static_cast<unsigned long long>(outcome.digest));
  if (!outcome.violation) return kClean;
  std::printf("violation seed=%llu property=%s at %.3f s: %s\nrepeat it: hb-sim --seed %llu\n",
              static_cast<unsigned long long>(seed), outcome.violation->property.c_str(),
              Seconds(outcome.violation->at), outcome.violation->text.c_str(),
              static_cast<unsigned long long>(seed));
  return kViolated;
}

int RunMany(const Range& range, const PlanOptions& options) {
  const absl::Time began = absl::Now();
  const Totals totals = RunSeeds(range, options);
  PrintRates(totals, absl::ToDoubleSeconds(absl::Now() - began));
  std::printf("seeds=%llu\n", static_cast<unsigned long long>(totals.runs));
  if (!totals.failed_seed) return kClean;
  std::printf("violation seed=%llu property=%s %s\nsee it: hb-sim --seed %llu\n",
              static_cast<unsigned long long>(*totals.failed_seed), totals.property.c_str(),
              totals.text.c_str(), static_cast<unsigned long long>(*totals.failed_seed));
  return kViolated;
}

int Bench(double length) {
  const absl::Time began = absl::Now();
  const Outcome outcome = RunPlan(QuietPlan(static_cast<Time>(length) * kSecond));
  Totals totals;
  totals.events = outcome.events;
  totals.simulated = outcome.simulated;
  totals.digest = outcome.digest;
  PrintRates(totals, absl::ToDoubleSeconds(absl::Now() - began));
  return outcome.violation ? kViolated : kClean;
}

bool ParseRange(const std::string& text, Range* range) {
  const std::vector<std::string> ends = absl::StrSplit(text, "..");
  return ends.size() == 2 && absl::SimpleAtoi(ends[0], &range->first) &&
         absl::SimpleAtoi(ends[1], &range->last) && range->first <= range->last;
}

}  // namespace
}  // namespace hb::sim

// Only CLI11 throws, and what it throws while parsing is caught.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  using namespace hb::sim;  // NOLINT(google-build-using-namespace)
  CLI::App app{
      "hb-sim: the cores of controller and executors in a simulated world of faults.\n"
      "Exit status: 0 nothing was violated, 1 something was, 2 usage."};
  uint64_t seed = 0;
  std::string seeds;
  std::string policy;
  std::string mutant;
  Range range;
  PlanOptions options;
  int nodes = 0;
  int controllers = 0;
  double bench = 0;
  bool trace = false;
  bool no_shrink = false;
  app.add_option("--seed", seed, "Run this one; a violation is shrunk and told as a dialogue");
  app.add_option("--seeds", seeds, "Run these: A..B");
  app.add_option("-j,--jobs", range.jobs, "Processes, with --seeds")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  app.add_option("--seconds", range.seconds, "With --seeds: stop after so many wall seconds");
  app.add_flag("--keep-going", range.keep_going, "With --seeds: run all, name every violation");
  app.add_option("--policy", policy, "Only this on_expiry")
      ->check(CLI::IsMember({"release", "witness", "hold"}));
  app.add_option("--nodes", nodes, "So many nodes")->check(CLI::Range(2, kMaxNodes));
  app.add_option("--controllers", controllers, "So many controllers")
      ->check(CLI::Range(1, kMaxControllers));
  app.add_option("--bench", bench,
                 "Simulate so many seconds of two quiet nodes, heartbeats at 200 ms, no probes");
  app.add_flag("--trace", trace, "With --seed: tell everything also when nothing is violated");
  app.add_flag("--no-shrink", no_shrink, "With --seed: keep all faults");
#ifdef HB_SIM_MUTANTS
  app.add_option("--mutant", mutant, "The defect to put into the cores");
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kClean : kUsage;
  }
#ifdef HB_SIM_MUTANTS
  if (!mutant.empty() && !hb::SelectMutant(mutant)) {
    std::fprintf(stderr, "hb-sim-mutants: there is no mutant %s\n", mutant.c_str());
    return kUsage;
  }
#endif
  if (!policy.empty()) {
    options.on_expiry = policy == "release"   ? hb::OnExpiry::kRelease
                        : policy == "witness" ? hb::OnExpiry::kWitness
                                              : hb::OnExpiry::kHold;
  }
  if (nodes != 0) options.nodes = nodes;
  if (controllers != 0) options.controllers = controllers;
  if (bench > 0) return Bench(bench);
  if (!seeds.empty()) {
    if (!ParseRange(seeds, &range)) {
      std::fprintf(stderr, "hb-sim: --seeds takes A..B with A <= B\n");
      return kUsage;
    }
    return RunMany(range, options);
  }
  if (app.count("--seed") == 0) {
    std::fprintf(stderr, "hb-sim: --seed N, --seeds A..B or --bench SECONDS; see --help\n");
    return kUsage;
  }
  return RunOne(seed, options, trace, !no_shrink);
}
