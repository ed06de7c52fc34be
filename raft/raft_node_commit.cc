// What listeners hear. Part of RaftNode (raft_node.h).
#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "raft/metadata_batch_codec.h"
#include "raft/raft_node.h"

namespace quorate {
namespace {

// What one turn of the loop reads and delivers; the rest comes in later turns.
constexpr int64_t kDeliveryBytes = 1 << 20;

}  // namespace

absl::Status RaftNode::CheckPrefix(LogIndex index, Term term) const {
  // The term of the record before the log's start is known too: its snapshot says it.
  if (index > core_->log_end() || index < core_->log_start() || index <= LogIndex(0)) {
    return absl::FailedPreconditionError(
        absl::StrFormat("index %d is not in the log, which holds [%d, %d)", index.value(),
                        core_->log_start().value(), core_->log_end().value()));
  }
  const Term found = core_->term_starts().TermAt(index - 1);
  if (found == term) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("the log has a record of term %d before index %d, not of term %d",
                      found.value(), index.value(), term.value()));
}

void RaftNode::StartDeliveryAt(LogIndex index) {
  QCHECK(!started_);
  QCHECK(index >= delivered_ && index <= core_->log_end());
  delivered_ = index;
  undelivered_.reset();  // the log has all that the newest snapshot is ahead of
}

void RaftNode::Notify() {
  if (notifying_ || failed_) return;
  notifying_ = true;
  // A listener may propose, which steps the core and queues more to say, or destroy this node.
  const std::weak_ptr<bool> alive = alive_;
  while (true) {
    if (!leader_changes_.empty()) {
      announced_leader_ = leader_changes_.front();
      leader_changes_.pop_front();
      for (MetadataListener* listener : listeners_) {
        listener->OnLeaderChange(announced_leader_);
        if (alive.expired()) return;
      }
      continue;
    }
    if (undelivered_ && !failed_) {
      const std::shared_ptr<const MetadataSnapshot> snapshot = std::move(undelivered_);
      undelivered_.reset();
      delivered_ = snapshot->end;
      for (MetadataListener* listener : listeners_) {
        listener->OnSnapshot(snapshot);
        if (alive.expired()) return;
      }
      continue;
    }
    if (delivered_ < core_->commit_index() && !failed_) {
      auto batches = ReadCommitted();
      if (!batches.ok()) {
        Fail(batches.status());
        break;
      }
      FAILPOINT("raft.before_apply");
      delivered_ = batches->back()->end();
      for (MetadataListener* listener : listeners_) {
        listener->OnCommit(*batches);
        if (alive.expired()) return;
      }
      if (delivered_ < core_->commit_index()) {
        env_.loop->Post(Guarded([this] { Notify(); }));
        break;
      }
      continue;
    }
    const bool active = core_->is_active_leader() && !persisting_ &&
                        (delivered_ > core_->leader_state()->term_start() ||
                         config_.bugs.active_before_first_commit) &&
                        announced_active_ != core_->term();
    if (!active) break;
    announced_active_ = core_->term();
    for (MetadataListener* listener : listeners_) {
      listener->OnBecomeActive(*announced_active_);
      if (alive.expired()) return;
    }
  }
  notifying_ = false;
  MaybeTakeSnapshot();
}

absl::StatusOr<std::vector<std::shared_ptr<const MetadataBatch>>> RaftNode::ReadCommitted() {
  Q_ASSIGN_OR_RETURN(const LogReadResult read,
                     log_->Read(Offset(delivered_.value()), Offset(core_->commit_index().value()),
                                BUGGIFY("raft.deliver_one_batch", 0.2) ? 1 : kDeliveryBytes,
                                /*at_least_one=*/true));
  Q_ASSIGN_OR_RETURN(const std::string bytes, read.ToBytes());
  bytes_since_snapshot_ += static_cast<int64_t>(bytes.size());
  // CRCs are looked at again: what was fine when it was written may have rotted (scenario C30).
  Q_ASSIGN_OR_RETURN(const std::vector<RecordBatchView> views,
                     ValidateBatches(bytes, BatchLimits{}, BatchOrigin{}));
  std::vector<std::shared_ptr<const MetadataBatch>> batches;
  LogIndex next = delivered_;
  for (const RecordBatchView& view : views) {
    Q_ASSIGN_OR_RETURN(std::shared_ptr<const MetadataBatch> batch, DecodeMetadataBatch(view));
    if (batch->first != next) {
      return absl::DataLossError("the metadata log has a gap at " + std::to_string(next.value()));
    }
    next = batch->end();
    batches.push_back(std::move(batch));
  }
  if (batches.empty()) {
    return absl::DataLossError("the metadata log has nothing at " +
                               std::to_string(delivered_.value()));
  }
  return batches;
}

}  // namespace quorate
