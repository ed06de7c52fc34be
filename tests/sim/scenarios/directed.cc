#include "tests/sim/scenarios/directed.h"

#include <algorithm>

namespace quorate::sim {

const std::vector<DirectedScenario>& DirectedScenarios() {
  static const auto* all = [] {
    auto* list = new std::vector<DirectedScenario>;
    for (auto* group : {&ReplicationScenarios, &IsrScenarios, &QuorumScenarios, &DiskScenarios}) {
      for (const DirectedScenario& one : (*group)()) list->push_back(one);
    }
    return list;
  }();
  return *all;
}

const DirectedScenario* FindDirectedScenario(const std::string& id) {
  for (const DirectedScenario& scenario : DirectedScenarios()) {
    if (scenario.id == id) return &scenario;
  }
  return nullptr;
}

Scenario MakeDirected(const DirectedScenario& directed, uint64_t seed) {
  Scenario scenario;
  scenario.seed = seed;
  scenario.duration = std::chrono::minutes(5);
  TopicPlan topic;
  topic.name = "flush";
  topic.partitions = 1;
  topic.durability = "flush-before-ack";
  scenario.topics = {topic};
  scenario.producer.pause_high = Micros(20'000);
  scenario.rewind_pause = std::chrono::hours(1);
  scenario.links.low = Micros(100);
  scenario.links.high = Micros(800);
  scenario.pool.low = Micros(20);
  scenario.pool.high = Micros(1'500);
  scenario.replica_lag_ms = 1500;
  scenario.faults.restart_high = Micros(1'000'000);
  scenario.script = directed.script;
  if (directed.prepare != nullptr) directed.prepare(&scenario);
  return scenario;
}

}  // namespace quorate::sim
