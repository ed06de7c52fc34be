// Power and disks: group H.
#include "tests/sim/scenarios/directed.h"

namespace quorate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using End = SimNode::End;

void H3(Stage& stage) {
  for (int round = 0; round < 5 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(300) * (1 + round));
    for (const auto& node : stage.nodes()) node->Crash(End::kMachine);
    for (const auto& node : stage.nodes()) {
      node->StartLater(milliseconds(5) + milliseconds(300) * (node->id().value() + round) % 1000);
    }
    stage.WaitForAllInSync();
  }
}

// One machine loses power while the others stand still or are cut off.
void H4(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(500));
    SimNode* const victim = round % 2 == 0 ? stage.LeaderOf() : stage.Follower();
    SimNode& other = stage.node(victim->id().value() % 3 + 1);
    if (round < 2) {
      stage.Isolate(other);
    } else {
      other.Pause();
    }
    stage.Restart(*victim, End::kMachine, milliseconds(200));
    stage.RunFor(seconds(2));
    stage.HealLinks();
    other.Resume();
    stage.WaitForAllInSync();
  }
}

// Stalls that come and go: what waits for the disk waits, the rest goes on.
void H5(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    SimNode* const victim = stage.LeaderOf();
    victim->SlowDown({seconds(1), seconds(5)});
    stage.RunFor(seconds(5));
    victim->SlowDown(stage.scenario().pool);
    stage.RunFor(seconds(5));
  }
  stage.WaitForAllInSync();
}

}  // namespace

std::vector<DirectedScenario> DiskScenarios() {
  return {
      {"H3", "all machines lose power at once", H3},
      {"H4", "one machine loses power, the others are cut off or stand still", H4},
      {"H5", "a disk that stalls for seconds, again and again", H5},
  };
}

}  // namespace quorate::sim
