// tests/sim/cluster/mutants.h
//
// The known mistakes that a run can be made with, to show that it is found: one rule of the product
// each, turned off by a bug switch.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/cluster/scenario.h"

namespace quorate::sim {

struct Mutant {
  const char* scenario;  // its id in the list of known failures
  const char* name;
  // Options of `quorate simulate` that bring about what it takes, most often a focused profile;
  // empty: the dense one finds it.
  const char* options;
  void (*apply)(Scenario* scenario);
};

// By scenario id. The names are unique.
const std::vector<Mutant>& Mutants();

// Switches a named mistake on; false if there is none of this name.
bool ApplyMutant(const std::string& name, Scenario* scenario);

}  // namespace quorate::sim
