// tests/sim/seed_run.h
//
// SeedRun: one seed in a child process, which reports through a pipe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/runner.h"

namespace quorate::sim {

// What a run left.
struct SeedReport {
  uint64_t seed = 0;
  bool passed = false;
  std::map<std::string, std::string> fields;  // by name: counts, the trace hash
  std::vector<std::string> violations;        // "checker: text"
  std::vector<std::string> story;
  std::vector<std::pair<int, std::string>> injected;  // number in the plan, kind

  // The checker of the first violation.
  std::string Checker() const;
  // "0" if it is not there.
  const std::string& Field(const std::string& name) const;
};

class SeedRun {
 public:
  // Starts the child.
  SeedRun(const RunnerOptions& options, uint64_t seed);

  int pipe() const { return pipe_; }
  // Reads what is there; false once the child is done and Report may be called.
  // BLOCKS: until there is something.
  bool Read();
  SeedReport Report() const;

 private:
  uint64_t seed_;
  pid_t pid_ = 0;
  int pipe_ = -1;
  int status_ = 0;
  std::string output_;
};

// Runs `seed` to its end.
SeedReport RunOne(const RunnerOptions& options, uint64_t seed);

}  // namespace quorate::sim
