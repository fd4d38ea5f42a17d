#include "tests/mutants/mutant.h"

namespace hb {

Mutant selected_mutant = Mutant::kNone;

const std::vector<MutantInfo>& Mutants() {
  static const std::vector<MutantInfo> mutants = {
#define HB_MUTANT(id, name, rule, defect) {Mutant{id}, name, rule, defect},
#include "tests/mutants/mutants.inc"
#undef HB_MUTANT
  };
  return mutants;
}

bool SelectMutant(std::string_view name) {
  if (name.empty()) {
    selected_mutant = Mutant::kNone;
    return true;
  }
  for (const MutantInfo& info : Mutants()) {
    if (info.name != name) continue;
    selected_mutant = info.mutant;
    return true;
  }
  return false;
}

}  // namespace hb
