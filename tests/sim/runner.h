#pragma once

#include <cstdint>
#include <string>

namespace quorate::sim {

struct RunnerOptions {
  uint64_t first = 1;
  uint64_t seeds = 1;
  int seconds = 60;                // simulated, under faults
  int jobs = 2;                    // seeds at the same time
  bool check_determinism = false;  // every tenth seed runs twice and must leave the same trace
  std::string mutant;              // a mistake to switch on
  bool until_found = false;        // stop at the first seed that fails
  bool json = false;               // one JSON object per seed instead of text
  bool loud = false;
};

// Runs each seed in a process of its own, so that a failed check ends one run and no more. Prints
// what failed with the command that shows it again, and the totals. Returns the exit code: 0 if
// all passed.
int RunSeeds(const RunnerOptions& options);

}  // namespace quorate::sim
