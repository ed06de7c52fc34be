// tests/sim/cluster/fault_injector.h
//
// FaultInjector breaks things as the scenario's plan says, until it is told to heal.
//
// The plan is a list of (time, kind), and each fault draws what else it needs from a stream of its
// own: leaving one out does not change the others.
//
// The fault atlas, so that no run asks for more than the promise (architecture.md):
//   * While a topic trusts the page cache (`os`), a machine only loses it when every partition has
//     all its replicas in sync and no disk is full, and until that is so again no other process
//     ends: a controller cannot tell which of several that were not shut down in order still has
//     its page cache. So never more than min.insync.replicas - 1 replicas are without what they
//     acknowledged.
//   * The disk of one node's partitions is replaced, put back to an older state, or damaged in a
//     batch, only when every partition has all its replicas in sync and no other process is about
//     to end, and until that is so again none ends: after unclean stops of all other replicas the
//     controller has nobody left to elect and halts. The metadata log has another disk.
//   * A voter loses the disk of its metadata log only if, in no voter set that some node believes
//     in, more than a minority is without theirs; until it is replaced no other voter is removed.
//   * One disk is full at a time.
// Everything else may come together.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/voter_change.h"
#include "tests/sim/clients/admin_storm.h"
#include "tests/sim/cluster/cluster_view.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/sim_node.h"
#include "tests/sim/cluster/sim_points.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/sim_network.h"
#include "tests/sim/world/sim_rpc.h"

namespace quorate::sim {

// What faults happen to.
struct FaultTargets {
  World& world;
  Links& links;
  Internet& internet;
  RpcExchange& exchange;
  SimPoints& points;
  const Scenario& scenario;
  std::vector<std::unique_ptr<SimNode>>& nodes;
  const std::vector<Process*>& producers;
  const std::vector<std::unique_ptr<AdminStorm>>& storms;
  const ClusterView& view;
  RunLog& log;
};

class FaultInjector {
 public:
  explicit FaultInjector(const FaultTargets& targets)
      : targets_(targets), plan_(targets.scenario.seed * 0xd1342543de82ef95u + 7) {}

  void Start();
  // No more faults that end a process: what came is beyond them all.
  void StandBack() { beyond_ = true; }
  // No faults from now on; links and disks are well, all nodes are started.
  void Heal();

 private:
  void Next();
  bool IsLeftOut(int number, FaultKind kind) const;
  void Inject(FaultKind kind);
  void InjectInto(FaultKind kind, SimNode& node, const char* what);
  void Fault(FaultKind kind, std::string text, std::vector<int32_t> nodes);
  // A node that is up, or null; `what` says how it was chosen.
  SimNode* Victim(const char** what);
  bool MayLosePages() const;
  // A machine is still without what it lost.
  bool Wounded();
  bool EndsAProcess(FaultKind kind) const;
  void CrashMachine(SimNode& node, const char* what);
  void CrashAll();
  void Wipe(SimNode& node, const char* what);
  // Voters come and go, and lose their disks.
  void ChangeVoters();
  void WipeVoter(SimNode& node);
  void RequestChange(SimNode& leader, VoterChange change, const std::string& text);
  // How many of `voters` have lost their disks.
  size_t LostVoters(const raft::VoterSet& voters) const;
  bool MayLoseVoter(const SimNode& node) const;
  void Isolate();
  void CutLink();
  void Ring();
  void HealBetween(const std::vector<std::pair<std::string, std::string>>& links, Micros after,
                   const char* what);
  void Storm();
  void LateCalls();
  void Pause(SimNode& node, const char* what);
  void JumpClock();
  void FillDisk(SimNode& node, const char* what);
  bool MayReplaceDisk() const;
  void RestoreOldDirectory(SimNode& node, const char* what);
  void SwapDirectories();
  void FailReads(SimNode& node, const char* what);
  // What an operator does about partitions that errors of a disk took offline.
  void RestartIfNeeded(SimNode& node);
  void FlipBit(SimNode& node);
  // In a batch that the next start of its process reads back; false if there is none, or if it must
  // not be now.
  bool FlipBitOfBatch(SimNode& node);
  void CrashAtPoint(SimNode& node, const char* what);
  void CrashLoop(SimNode& node, const char* what);
  void CrashAgain(SimNode& node, int rounds, uint64_t stream);
  void DriftClock();
  void Twice();
  void DisturbStream(FaultKind kind, StreamFault fault);
  void BlowStorm();
  void PauseProducer();
  Micros RestartDelay();
  Micros CutTime();
  SimNode::End MachineEnd();
  void RunLater(Micros delay, std::function<void()> task);

  const FaultTargets targets_;
  SeededRandom plan_;     // when which kind
  SeededRandom draw_{0};  // of the fault that is being injected
  int number_ = 0;        // its place in the plan, from 1 on
  bool healed_ = false;
  bool wounded_ = false;  // a machine lost its page cache while a topic trusts it, or was wiped
  bool disk_full_ = false;
  bool beyond_ = false;  // StandBack
};

}  // namespace quorate::sim
