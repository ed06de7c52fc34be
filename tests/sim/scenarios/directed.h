// tests/sim/scenarios/directed.h
//
// Directed scenarios: known failures of systems like this (their ids: README.md here), each brought
// about in a whole simulated cluster at exactly the point where it hurts. The seed decides only
// what no scenario says: delays and what clients write.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/stage.h"

namespace quorate::sim {

struct DirectedScenario {
  const char* id;
  const char* title;
  void (*script)(Stage& stage);
  // What differs from three nodes and one partition at flush-before-ack; may be null.
  void (*prepare)(Scenario* scenario) = nullptr;
};

// All, by id.
const std::vector<DirectedScenario>& DirectedScenarios();
// nullptr if there is none of this id.
const DirectedScenario* FindDirectedScenario(const std::string& id);

// The run of `scenario` with `seed`.
Scenario MakeDirected(const DirectedScenario& scenario, uint64_t seed);

// By what they are about (directed_*.cc).
std::vector<DirectedScenario> ReplicationScenarios();
std::vector<DirectedScenario> IsrScenarios();
std::vector<DirectedScenario> QuorumScenarios();
std::vector<DirectedScenario> DiskScenarios();

}  // namespace quorate::sim
