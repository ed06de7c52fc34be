// tests/sim/runner.h
//
// RunSeeds: many simulated runs and what people and scripts read of them. Behind `quorate
// simulate`.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/cluster/scenario.h"

namespace quorate::sim {

struct RunnerOptions {
  uint64_t first = 1;
  uint64_t seeds = 1;
  ScenarioOptions scenario;
  int jobs = 2;                    // seeds at the same time
  bool check_determinism = false;  // every tenth seed runs twice and must leave the same trace
  std::string directed;            // id of a directed scenario, instead of random faults
  std::string mutant;              // a mistake to switch on
  bool until_found = false;        // stop at the first seed that fails
  bool shrink = false;             // look for a smaller run that fails like the first one that does
  bool json = false;               // one JSON object per seed instead of text
  bool loud = false;               // every line of a run's log as it comes, on stderr
};

// Runs each seed in a process of its own, so that a failed check ends one run and no more. Prints
// what failed with the command that shows it again, and the totals; on stderr a line of progress
// every 10 seconds. Returns the exit code: 0 if all passed, 1 if not, 2 for an unknown mutant.
int RunSeeds(const RunnerOptions& options);

// The command that repeats the run of `seed`.
std::string ReproductionLine(const RunnerOptions& options, uint64_t seed);

}  // namespace quorate::sim
