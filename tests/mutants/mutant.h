// Which defect the mutated cores have now. The mutants, single-line defects of the pure cores, are
// listed in mutants.toml; generate.py writes them all into one copy of the cores, where MutantIs
// chooses. Nothing of this is in a production binary.
#ifndef HB_TESTS_MUTANTS_MUTANT_H_
#define HB_TESTS_MUTANTS_MUTANT_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace hb {

// A mutant's number follows from its name; generate.py knows how.
enum class Mutant : uint32_t { kNone = 0 };

struct MutantInfo {
  Mutant mutant;
  std::string_view name;    // "skip-l3-wait"
  std::string_view rule;    // that it breaks: "L3"
  std::string_view defect;  // one sentence
};

// In the table's order; without kNone.
const std::vector<MutantInfo>& Mutants();

// From now on the cores have this defect, and no other. "" is none. False, and nothing changed: no
// mutant has that name. Not while another thread runs a core.
[[nodiscard]] bool SelectMutant(std::string_view name);

extern Mutant selected_mutant;
inline bool MutantIs(Mutant mutant) { return selected_mutant == mutant; }

}  // namespace hb

#endif  // HB_TESTS_MUTANTS_MUTANT_H_
