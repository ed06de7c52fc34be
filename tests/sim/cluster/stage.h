// tests/sim/cluster/stage.h
//
// Stage: what a directed run does instead of random faults. A script moves time on, breaks and
// mends things at exact points, and waits for what must come; the clients, the checkers, the
// healing and the final reader of every run are there as always.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/replica/replica_requests.h"
#include "controller/image/metadata_image.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/producer.h"
#include "tests/sim/cluster/cluster_view.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/sim_node.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/sim_rpc.h"

namespace quorate::sim {

class Stage {
 public:
  struct Parts {
    World& world;
    Links& links;
    RpcExchange& exchange;
    const Scenario& scenario;
    std::vector<std::unique_ptr<SimNode>>& nodes;
    const ClusterView& view;
    const std::vector<PartitionName>& partitions;
    std::vector<std::unique_ptr<SimProducer>>& producers;
    Verdict& verdict;
    RunLog& log;
  };
  explicit Stage(const Parts& parts) : p_(parts) {}

  // Stops early once something is violated, as everything below does.
  void RunFor(Micros time);
  // Goes on until `condition` holds. False, and a violation, if that takes longer than `patience`.
  bool Wait(const std::string& what, const std::function<bool()>& condition,
            Micros patience = std::chrono::seconds(60));
  bool WaitForAllInSync();
  // The scenario's outcome.
  void Expect(bool holds, const std::string& what);
  bool ok() const { return p_.verdict.ok(); }
  void Say(const std::string& text) { p_.log.FaultEnds(text, {}); }

  const Scenario& scenario() const { return p_.scenario; }
  const std::vector<std::unique_ptr<SimNode>>& nodes() const { return p_.nodes; }
  SimNode& node(int32_t id) { return *p_.nodes[static_cast<size_t>(id - 1)]; }
  SimNode* ActiveController();
  // By the newest image; nullptr if there is none. Of the first partition unless told.
  const PartitionState* State(size_t partition = 0);
  TopicPartition Id(size_t partition = 0);
  SimNode* LeaderOf(size_t partition = 0);
  // A replica that neither leads the partition nor is the active controller, if there is one.
  SimNode* Follower(size_t partition = 0);
  std::optional<PartitionPositions> At(SimNode& node, size_t partition = 0);
  bool InIsr(const SimNode& node, size_t partition = 0);
  int32_t QuorumTerm();  // the highest that a node knows
  uint64_t Acked() const;

  void CutBoth(const SimNode& a, const SimNode& b);
  void CutOneWay(const SimNode& from, const SimNode& to);
  void CutHosts(const std::string& from, const std::string& to) { p_.links.Cut(from, to); }
  // From all other nodes, both ways; clients still reach it.
  void Isolate(const SimNode& node);
  void HealLinks() { p_.links.HealAll(); }
  void Weather(const LinkBehaviour& weather) { p_.links.set_behaviour(weather); }
  void Restart(SimNode& node, SimNode::End end, Micros after);
  void PauseProducers(bool paused);
  void Hang(SimNode& node, Micros time);

 private:
  Parts p_;
  ImagePtr image_;  // keeps what State gave
};

}  // namespace quorate::sim
