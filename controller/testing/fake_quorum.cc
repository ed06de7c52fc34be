#include "controller/testing/fake_quorum.h"

#include "base/check.h"

namespace quorate::testing {

void FakeQuorum::Append(Term term, std::vector<std::string> records, std::string cause,
                        bool control) {
  auto batch = std::make_shared<MetadataBatch>();
  batch->first = log_end_;
  batch->term = term;
  batch->cause = std::move(cause);
  batch->control = control;
  batch->records = std::move(records);
  log_end_ = batch->end();
  log_.push_back(std::move(batch));
}

absl::StatusOr<LogIndex> FakeQuorum::Propose(Term term, std::vector<std::string> records,
                                             std::string cause) {
  QCHECK(!records.empty());
  if (leader_.leader != self_ || leader_.term != term) {
    return absl::FailedPreconditionError("this node does not lead the term");
  }
  if (!failure_.ok() && fail_after_-- <= 0) return failure_;
  size_t bytes = 0;
  for (const std::string& record : records) bytes += record.size();
  if (bytes + cause.size() > max_batch_bytes_) return absl::InvalidArgumentError("too large");
  const LogIndex first = log_end_;
  Append(term, std::move(records), std::move(cause), false);
  return first;
}

QuorumStatus FakeQuorum::Status() const {
  QuorumStatus status;
  status.node = self_;
  status.leader = leaderless_status_ ? kNoNode : leader_.leader;
  status.role = status.leader == self_ ? "leader" : "follower";
  status.term = leader_.term;
  status.commit_index = commit_index_;
  status.log_end = log_end_;
  if (status.leader == self_) status.replicas = replicas_;
  return status;
}

void FakeQuorum::Lead(bool control_late) {
  CommitAll();
  leader_ = {++term_, self_};
  for (MetadataListener* listener : listeners_) listener->OnLeaderChange(leader_);
  Append(term_, {"leader change"}, "", true);
  if (!control_late) CommitAll();
  for (MetadataListener* listener : listeners_) listener->OnBecomeActive(term_);
}

void FakeQuorum::Follow(NodeId other, bool keep_uncommitted) {
  leader_ = {++term_, other};
  if (!keep_uncommitted) {
    log_.resize(committed_);
    log_end_ = commit_index_;
  }
  for (MetadataListener* listener : listeners_) listener->OnLeaderChange(leader_);
  Append(term_, {"leader change"}, "", true);
  CommitAll();
}

bool FakeQuorum::CommitOne() {
  if (committed_ == log_.size()) return false;
  const auto batch = log_[committed_++];
  commit_index_ = batch->end();
  for (MetadataListener* listener : listeners_) listener->OnCommit({batch});
  return true;
}

void FakeQuorum::CommitAll() {
  while (CommitOne()) {
  }
}

}  // namespace quorate::testing
