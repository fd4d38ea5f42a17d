// The main of the cores' unit tests when they run against the mutated cores: HB_MUTANT names the
// defect; unset or empty, there is none. Exit status 2: there is no such mutant.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "tests/mutants/mutant.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* name = std::getenv("HB_MUTANT");  // NOLINT(concurrency-mt-unsafe): no threads yet
  if (name != nullptr && !hb::SelectMutant(name)) {
    std::cerr << "HB_MUTANT: there is no mutant called " << name << "\n";
    return 2;
  }
  return RUN_ALL_TESTS();
}
