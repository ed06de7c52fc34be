// tests/sim/cluster/fault_injector.h
//
// FaultInjector breaks things as the scenario's plan says, until it is told to heal.
//
// The fault atlas: while a topic trusts the page cache (`os`), a machine only loses it when every
// partition has all its replicas in sync, and until that is so again no other process ends: a
// controller cannot tell which of several that were not shut down in order still has its page
// cache. So never more than min.insync.replicas - 1 replicas are without what they acknowledged.
// Everything else may come together.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/sim_node.h"
#include "tests/sim/world/links.h"

namespace quorate::sim {

class FaultInjector {
 public:
  // `all_in_sync` tells whether every partition has all its replicas in sync.
  // `leader_of_some` returns the leader of a random partition, or null.
  FaultInjector(World& world, Links& links, const Scenario& scenario,
                std::vector<std::unique_ptr<SimNode>>& nodes, RunLog& log,
                std::function<bool()> all_in_sync, std::function<SimNode*()> leader_of_some)
      : world_(world),
        links_(links),
        scenario_(scenario),
        nodes_(nodes),
        log_(log),
        all_in_sync_(std::move(all_in_sync)),
        leader_of_some_(std::move(leader_of_some)) {}

  void Start();
  // No faults from now on; links and disks are well, all nodes are started.
  void Heal();

 private:
  void Next();
  void Inject(FaultKind kind);
  // A node that is up, or null; `what` says how it was chosen.
  SimNode* Victim(const char** what);
  bool MayLosePages() const;
  // A machine is still without what it lost.
  bool Wounded();
  void CrashMachine(SimNode& node, const char* what);
  void CrashAll();
  void Isolate();
  void CutLink();
  void Storm();
  Micros RestartDelay();
  Micros CutTime();
  SimNode::End MachineEnd();
  void RunLater(Micros delay, std::function<void()> task);

  World& world_;
  Links& links_;
  const Scenario& scenario_;
  std::vector<std::unique_ptr<SimNode>>& nodes_;
  RunLog& log_;
  const std::function<bool()> all_in_sync_;
  const std::function<SimNode*()> leader_of_some_;
  bool healed_ = false;
  bool wounded_ = false;  // a machine lost its page cache while a topic trusts it
};

}  // namespace quorate::sim
