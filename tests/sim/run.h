// Runs plans, one or many, and shrinks one that fails to the faults that it needs.
#ifndef HB_TESTS_SIM_RUN_H_
#define HB_TESTS_SIM_RUN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/world.h"

namespace hb::sim {

struct Outcome {
  std::optional<Violation> violation;
  uint64_t events = 0;
  Time simulated = 0;
  uint64_t digest = 0;
  int moves = 0;
  Time recovered_after = kNever;
};

Outcome RunPlan(const Plan& plan, const World::Trace& trace = {});

// The plan with every fault left out that the violation of `property` does not need. Bounded: at
// most some hundred runs.
Plan Shrink(Plan plan, const std::string& property);

struct Totals {
  uint64_t runs = 0;
  uint64_t events = 0;
  Time simulated = 0;
  uint64_t digest = 0;  // of all runs, whatever their order
  uint64_t moves = 0;
  Time slowest_recovery = 0;
  uint64_t slowest_seed = 0;
  std::optional<uint64_t> failed_seed;  // the lowest
  std::string property;
  std::string text;
};

struct Range {
  uint64_t first = 1;
  uint64_t last = 1;
  int jobs = 1;
  double seconds = 0;       // stop after so long; 0: when all are done
  bool keep_going = false;  // also after a violation
};
// In `jobs` processes.
Totals RunSeeds(const Range& range, const PlanOptions& options);

}  // namespace hb::sim

#endif  // HB_TESTS_SIM_RUN_H_
