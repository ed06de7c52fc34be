// tests/sim/cluster/scenario.h
//
// Scenario: all that a seed decides before a run begins: topics, clients, which kinds of faults
// come and how often, how slow disks and links are.
//
// A value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "broker/replica/bug_switches.h"
#include "raft/core/bug_switches.h"
#include "tests/sim/clients/producer.h"
#include "tests/sim/clients/topic_maker.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/sim_pool.h"

namespace quorate::sim {

enum class FaultKind {
  kProcessCrash,  // what is in the page cache survives
  kMachineCrash,  // what is not synced may be lost
  kCrashInWrite,  // a machine crash between two changes of its disk
  kAllCrash,      // all machines at once
  kCleanRestart,  // a shutdown in order
  kIsolate,       // one node from the other nodes, in one direction or both
  kCutLink,       // one link between two nodes, in one direction
  kStorm,         // slow links, retransmissions, resets
  kSlowDisk,      // one node's
  kFailedSync,    // one fsync fails, its pages are lost
};
inline constexpr int kFaultKinds = 10;
const char* FaultName(FaultKind kind);

struct FaultPlan {
  std::vector<FaultKind> kinds;  // those of this run
  Micros pause_mean{0};          // between faults
  // The chance that a crash hits a partition leader or the active controller, and not just anyone.
  double aimed = 0.7;
  Micros restart_high{0};  // longest time that a node stays down
  Micros cut_high{0};      // longest time that a link stays cut
};

struct Scenario {
  uint64_t seed = 0;
  Micros duration{0};  // until all is healed
  int nodes = 3;
  std::vector<TopicPlan> topics;
  bool has_os_topic = false;
  int producers = 2;
  ProducerOptions producer;
  int consumers = 2;
  LinkBehaviour links;
  PoolLatency pool;
  Millis wall_skew_high{0};
  int64_t replica_lag_ms = 0;
  FaultPlan faults;
  raft::BugSwitches raft_bugs;
  BugSwitches broker_bugs;
};

// Decides by `seed`; `seconds` simulated ones before the healing.
Scenario MakeScenario(uint64_t seed, int seconds);

// Switches a named mistake on; false if there is none of this name.
bool ApplyMutant(const std::string& name, Scenario* scenario);
// Their names.
std::vector<std::string> MutantNames();

}  // namespace quorate::sim
