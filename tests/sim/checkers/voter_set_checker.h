// tests/sim/checkers/voter_set_checker.h
//
// VoterSetChecker: changes of the metadata quorum's voters keep to the rules (I8), and no identity
// votes twice or without being asked (I9).
//   * What is committed at an index is the same set on all nodes.
//   * Committed sets differ from the one before by one voter at most.
//   * A leader has at most one set that it does not know as committed.
//   * A voter, that is a node with its disk, votes for one candidate in a term, whatever became of
//     its processes; and only a voter campaigns.
//   * Who has a snapshot has, at its end, the set that was committed last before it (D7).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "raft/core/raft_core.h"
#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class VoterSetChecker {
 public:
  explicit VoterSetChecker(Verdict& verdict) : verdict_(verdict) {}

  // `core` as it is now. `persisting`: its term and vote are still on their way to the disk, so
  // nobody was told of them.
  void OnCore(const raft::RaftCore& core, bool persisting = false);

 private:
  void CheckCommitted(const raft::RaftCore& core);
  void CheckSnapshot(const raft::RaftCore& core);
  void CheckVote(const raft::RaftCore& core);
  void Add(const raft::RaftCore& core, const std::string& what);

  Verdict& verdict_;
  std::map<LogIndex, raft::VoterSet> committed_;
  std::map<std::pair<raft::ReplicaKey, Term>, raft::ReplicaKey> votes_;
  std::map<raft::ReplicaKey, LogIndex> checked_;  // records before it were compared
  struct SeenSnapshot {
    LogIndex end;  // 0: none
    bool compared = false;
  };
  std::map<raft::ReplicaKey, SeenSnapshot> seen_snapshots_;
};

}  // namespace quorate::sim
