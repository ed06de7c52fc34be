// tests/search/raft/search.h
//
// Breadth-first search of all cluster states that a Model allows, so that the first violation found
// has a shortest way to it.
//
// Memory: 8 bytes per distinct state for its fingerprint (at a load of 3/8 to 3/4), 8 for the step
// that led to it, and the states of two levels themselves.
//
// Tests only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/search/raft/model.h"

namespace quorate::raft::search {

struct SearchOptions {
  ModelOptions model;
  uint64_t states = 10'000'000;  // stop after so many distinct ones
  int depth = 1000;              // or so many steps
  double seconds = 1e9;          // or so long, by `clock`
  std::function<double()> clock = [] { return 0.0; };
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

struct SearchResult {
  uint64_t states = 0;     // distinct
  uint64_t steps = 0;      // taken, most to states known already
  int depth = 0;           // of the deepest state
  bool exhausted = false;  // there are no more states within the bounds
  int violations = 0;      // the search ends with the first
  std::string violation;
  int violation_depth = 0;
  std::vector<std::string> path;  // lines of a transcript: steps, and what each leaves
  Reached reached;
  uint64_t node_states = 0, messages = 0, core_steps = 0;
};

SearchResult Search(const SearchOptions& options);

// Turns on the bug switch of that name (bug_switches.h); false if there is none.
bool SetMutant(const std::string& name, BugSwitches* bugs);
std::vector<std::string> MutantNames();

}  // namespace quorate::raft::search
