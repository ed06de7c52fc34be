// tests/sim/shrinker.h
//
// Shrink makes a run that fails smaller while it still fails in the same way: kinds of faults, then
// single faults are left out, and it is made shorter. Every step is a run of its own; equal input
// gives equal output.
#pragma once

#include <cstdint>

#include "tests/sim/runner.h"
#include "tests/sim/seed_run.h"

namespace quorate::sim {

struct ShrinkResult {
  RunnerOptions options;  // of the smaller run
  SeedReport report;      // of the smaller run; as `failure` if nothing could be left out
  int runs = 0;           // made on the way
};

// `failure` is what `options` give for `seed`. REQUIRES: !failure.passed.
ShrinkResult Shrink(const RunnerOptions& options, uint64_t seed, const SeedReport& failure);

}  // namespace quorate::sim
