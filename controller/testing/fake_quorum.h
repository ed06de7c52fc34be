// controller/testing/fake_quorum.h
//
// FakeQuorum: a metadata quorum in memory. The test says when this node leads, what is committed,
// and what another leader makes of the uncommitted rest.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/metadata_quorum.h"

namespace quorate::testing {

class FakeQuorum final : public MetadataQuorum {
 public:
  // `begin`: the log of this process begins there, what came before is stored.
  explicit FakeQuorum(NodeId self, LogIndex begin = LogIndex(0))
      : self_(self), commit_index_(begin), log_end_(begin) {}

  void AddListener(MetadataListener* listener) override { listeners_.push_back(listener); }
  absl::StatusOr<LogIndex> Propose(Term term, std::vector<std::string> records,
                                   std::string cause) override;
  size_t max_batch_bytes() const override { return max_batch_bytes_; }
  QuorumLeader leader() const override { return leader_; }
  LogIndex commit_index() const override { return commit_index_; }
  LogIndex log_end_index() const override { return log_end_; }
  // What is true of this node, and the replicas that the test set.
  void ChangeVoters(VoterChange change, VoterChangeDone done) override {
    voter_changes.push_back(change);
    done(voter_change_result);
  }
  void ConfirmLeadership(std::function<void(const absl::Status&)> done) override {
    done(leadership_confirmation);
  }
  absl::Status leadership_confirmation;
  std::vector<VoterChange> voter_changes;
  absl::Status voter_change_result;

  QuorumStatus Status() const override;

  // A new term, led by this node; earlier batches are committed first. The control record of the
  // term is committed before the listeners hear of the activation, unless `control_late`.
  void Lead(bool control_late = false);
  // A new term, led by `other`. The uncommitted batches are committed by it or lost.
  void Follow(NodeId other, bool keep_uncommitted);

  // Commits the next batch (false if there is none), or all.
  bool CommitOne();
  void CommitAll();

  // The next proposals fail with this status, after `after` more that succeed.
  void FailProposals(absl::Status status, int after = 0) {
    failure_ = std::move(status);
    fail_after_ = after;
  }
  void set_max_batch_bytes(size_t bytes) { max_batch_bytes_ = bytes; }
  void set_replicas(std::vector<QuorumReplicaStatus> replicas) { replicas_ = std::move(replicas); }
  // From now on the status names no leader, as when a leader has resigned and its listeners do not
  // know it yet.
  void ForgetLeaderInStatus() { leaderless_status_ = true; }

  // All batches in the log, committed or not.
  const std::vector<std::shared_ptr<const MetadataBatch>>& log() const { return log_; }
  size_t uncommitted() const { return log_.size() - committed_; }

 private:
  void Append(Term term, std::vector<std::string> records, std::string cause, bool control);

  const NodeId self_;
  std::vector<MetadataListener*> listeners_;
  QuorumLeader leader_;
  Term term_{0};
  std::vector<std::shared_ptr<const MetadataBatch>> log_;
  size_t committed_ = 0;  // batches
  LogIndex commit_index_;
  LogIndex log_end_;
  size_t max_batch_bytes_ = 1 << 20;
  absl::Status failure_;
  int fail_after_ = 0;
  std::vector<QuorumReplicaStatus> replicas_;
  bool leaderless_status_ = false;
};

}  // namespace quorate::testing
