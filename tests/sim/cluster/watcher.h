// tests/sim/cluster/watcher.h
//
// Watcher looks at all nodes at once, every few milliseconds, tells the checkers what it sees and
// writes down who leads, which replicas are in sync and which logs were cut.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/replica/replica_requests.h"
#include "controller/image/metadata_image.h"
#include "raft/metadata_quorum.h"
#include "tests/sim/checkers/broker_epoch_checker.h"
#include "tests/sim/checkers/commit_durability_checker.h"
#include "tests/sim/checkers/follower_checker.h"
#include "tests/sim/checkers/idle_checker.h"
#include "tests/sim/checkers/isr_shape_checker.h"
#include "tests/sim/checkers/isr_superset_checker.h"
#include "tests/sim/checkers/leader_completeness_checker.h"
#include "tests/sim/checkers/leadership_checker.h"
#include "tests/sim/checkers/metadata_checker.h"
#include "tests/sim/checkers/recovery_checker.h"
#include "tests/sim/checkers/snapshot_checker.h"
#include "tests/sim/checkers/term_checker.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/checkers/vote_checker.h"
#include "tests/sim/checkers/voter_set_checker.h"
#include "tests/sim/checkers/watermark_checker.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/sim_node.h"

namespace quorate::sim {

class Watcher {
 public:
  // `fences_in_steps`: the controller writes each change of a fencing into a batch of its own, so
  // that a fenced broker is in an ISR for a moment.
  Watcher(World& world, const Scenario& scenario,
          const std::vector<std::unique_ptr<SimNode>>& nodes,
          const std::vector<PartitionName>& partitions, bool fences_in_steps, Verdict& verdict,
          RunLog& log);

  // Looks again and again from now on: every few milliseconds, or, in a sparse run in which
  // nothing has happened for a while, twice in a second.
  void Start();
  // Sees no more: what follows breaks rules that hold within the promise.
  void Stop() { stopped_ = true; }
  void OnAck(const PartitionName& partition, int64_t offset) {
    leader_completeness_.OnAck(partition, offset, world_.now());
    isr_supersets_.OnCommitted(partition, offset + 1);
  }
  IdleMoment Moment() const;
  // By the newest image that any node ever had; kNoNode if the partition has none.
  NodeId LeaderOf(const PartitionName& partition) const;

 private:
  // What the last look at a node's quorum state and snapshots saw. While nothing of it changes
  // there is nothing to check again.
  struct SeenQuorum {
    uint64_t incarnation = 0;
    raft::ReplicaKey key;
    QuorumLeader leader;
    raft::Role role = raft::Role::kObserver;
    raft::ReplicaKey voted_for;
    bool persisting = false;
    LogIndex log_start;
    LogIndex commit;
    LogIndex durable_end;
    LogIndex log_end;
    uint64_t truncations = 0;
    std::vector<raft::SnapshotId> snapshots;
    int64_t installed = 0;
    LogIndex image;
    bool operator==(const SeenQuorum&) const = default;
  };
  // The same of one replica of a partition.
  struct SeenReplica {
    uint64_t incarnation = 0;
    BrokerEpoch broker_epoch = kNoBrokerEpoch;
    PartitionPositions at;
    uint64_t truncations = 0;
    Offset opened_end;          // where its log ended when it was opened
    bool fetched_anew = false;  // instead of one that was damaged
    // Of a leader: what it takes for committed, and whom it counts as in sync.
    PartitionEpoch partition_epoch;
    uint64_t maximal_isr = 0;  // bit i: node i
    uint64_t fetched = 0;      // likewise, who fetched in this epoch
    bool operator==(const SeenReplica&) const = default;
  };
  // What is known of one partition of the run.
  struct Watched {
    PartitionName name;
    std::string text;  // of the name
    bool flushes = false;
    std::optional<TopicPartition> id;  // once it exists
    PartitionState state;              // of the newest image
    int32_t shown_epoch = -1;
    bool told = false;                             // an image had news since the last look
    std::vector<int64_t> ends;                     // of the logs, by node; -1 = never seen
    std::vector<std::optional<SeenReplica>> seen;  // by node; none: not there
  };

  void Look();
  void OnProcessEnds(SimNode& node);
  // False if there was nothing new.
  bool LookAtQuorum(SimNode& node);
  void LookAtVotes(SimNode& node);
  void LookAtSnapshots(SimNode& node);
  void LookAtCommits();
  void LookAtImage(SimNode& node);
  void OnNewestImage(const MetadataImage& image);
  void OnState(Watched& watched, const MetadataImage& image, const PartitionState& state);
  std::optional<SeenReplica> See(const Watched& watched, SimNode& node) const;
  void LookAtPartition(Watched& watched);
  void LookAtReplica(Watched& watched, SimNode& node, const SeenReplica& replica);
  void LookAtLeader(Watched& watched, SimNode& node, const SeenReplica& leader);
  void LookAtFollowers(const Watched& watched, SimNode& node, const SeenReplica& leader);

  World& world_;
  const Scenario& scenario_;
  const bool fences_in_steps_;
  const std::vector<std::unique_ptr<SimNode>>& nodes_;
  RunLog& log_;
  LeadershipChecker leaders_;
  WatermarkChecker watermarks_;
  MetadataChecker metadata_;
  SnapshotChecker snapshots_;
  TermChecker terms_;
  CommitDurabilityChecker commits_;
  IsrShapeChecker isr_shapes_;
  IsrSupersetChecker isr_supersets_;
  FollowerChecker followers_;
  BrokerEpochChecker broker_epochs_;
  VoteChecker votes_;
  RecoveryChecker recoveries_;
  LeaderCompletenessChecker leader_completeness_;
  VoterSetChecker voter_sets_;
  std::vector<Watched> partitions_;
  std::vector<std::optional<SeenQuorum>> seen_;  // by node; none: down
  std::vector<int64_t> seen_index_;              // of each node's image
  // Snapshots that each node started from or installed, and the index from which on its image rests
  // on the last of them; -1: that was looked at.
  std::vector<std::pair<uint64_t, int64_t>> restored_;
  std::vector<int64_t> restored_at_;
  bool stopped_ = false;
  int64_t newest_index_ = -1;
  std::map<int32_t, BrokerEpoch> registered_;  // by node, in the newest image
  int32_t shown_term_ = 0;
  std::map<int32_t, raft::ReplicaKey> seen_keys_;  // which replica of the metadata log a node is
};

}  // namespace quorate::sim
