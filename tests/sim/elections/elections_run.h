// tests/sim/elections/elections_run.h
//
// ElectionsRun: one run of the profile "elections": three, five or nine voters of the metadata
// quorum and nothing else, a fault every few dozen milliseconds, most of them aimed at the leader,
// and proposals all the time. Thousands of elections in a real second, for the mistakes of Raft
// that the whole cluster meets too seldom; in half of the runs with a snapshot every few batches.
// Those who believe to lead are asked for reads. Then all is healed, a leader must be found within
// ten election timeouts, and all logs must become one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/checkers/commit_durability_checker.h"
#include "tests/sim/checkers/flush_checker.h"
#include "tests/sim/checkers/leadership_checker.h"
#include "tests/sim/checkers/metadata_checker.h"
#include "tests/sim/checkers/read_barrier_checker.h"
#include "tests/sim/checkers/snapshot_checker.h"
#include "tests/sim/checkers/step_checker.h"
#include "tests/sim/checkers/term_checker.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/checkers/vote_checker.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/simulation.h"
#include "tests/sim/elections/quorum_node.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/sim_rpc.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

class ElectionsRun final : private CommitListener {
 public:
  // `loud`: the run's log goes to stderr as it comes.
  ElectionsRun(Scenario scenario, bool loud);
  ~ElectionsRun() override;

  RunResult Run();

 private:
  void OnCommitted(int32_t node, uint64_t incarnation, const MetadataBatch& batch) override;
  void OnSnapshot(int32_t node, uint64_t incarnation, const MetadataSnapshot& snapshot) override;
  std::shared_ptr<const SnapshotState> StateOf(int32_t node, uint64_t incarnation) override;
  void OnUnexpectedEnd(int32_t node, const absl::Status& why) override;

  // Again and again: look at all nodes; propose; break something.
  void Look();
  void LookAt(QuorumNode& node);
  void LookAtSnapshots(QuorumNode& node);
  void ProposeSome();
  void Read(QuorumNode& node);
  void NextFault();
  void Inject(FaultKind kind);
  void InjectInto(FaultKind kind, QuorumNode& node);
  void Cut(const std::vector<std::pair<std::string, std::string>>& links, const std::string& text);
  void Later(Micros delay, std::function<void()> task);
  QuorumNode* Leader();
  QuorumNode* Victim();
  Micros ShortTime(int64_t high_ms) { return Micros(draw_.Between(1'000, high_ms * 1000)); }
  bool HealAndWait();
  RunResult Result();

  Scenario scenario_;
  World world_;
  Links links_{world_};
  RpcExchange exchange_{links_};
  RunLog log_;
  Verdict verdict_;
  LeadershipChecker leaders_{verdict_};
  TermChecker terms_{verdict_};
  VoteChecker votes_{verdict_};
  MetadataChecker metadata_{verdict_};
  FlushChecker flushes_{verdict_};
  SnapshotChecker snapshots_{verdict_};
  ReadBarrierChecker reads_{verdict_};
  StepChecker steps_{verdict_};
  std::unique_ptr<CommitDurabilityChecker> commits_;
  std::vector<std::unique_ptr<QuorumNode>> nodes_;

  SeededRandom plan_;  // when which fault
  SeededRandom reading_{scenario_.seed ^ 0x72656164u};
  SeededRandom draw_{0};  // of the fault that is being injected
  int number_ = 0;
  bool healed_ = false;
  uint64_t proposed_ = 0;
  uint64_t committed_ = 0;  // records, as their leaders heard
  // What each process has heard as committed, folded, by node.
  struct Heard {
    uint64_t incarnation = 0;
    int64_t next = 0;
    int32_t term = 0;  // of the last record
    uint64_t hash = 0;
  };
  std::map<int32_t, Heard> heard_;
  std::map<int32_t, int64_t> claimed_;  // durable ends that were compared with the disk, by node
  int64_t highest_commit_ = 0;
  uint64_t snapshots_heard_ = 0;
  std::set<int32_t> terms_led_;
};

}  // namespace quorate::sim
