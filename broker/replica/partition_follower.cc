// The follower side of Partition.
#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "broker/replica/partition.h"
#include "proto/kafka/status_to_error.h"
#include "storage/leader_epoch_cache.h"

namespace quorate {

using kafka::KafkaError;

std::optional<FetchPartition> Partition::NextFetch() const {
  if (role_ != Role::kFollower || state_.leader == kNoNode || !log_->failure().ok()) {
    return std::nullopt;
  }
  FetchPartition fetch;
  fetch.partition = id_;
  fetch.current_leader_epoch = state_.leader_epoch;
  fetch.fetch_offset = log_->end_offset();
  fetch.last_fetched_epoch = log_->latest_epoch().value_or(kNoLeaderEpoch);
  if (!compares_epochs_) fetch.last_fetched_epoch = kNoLeaderEpoch;  // scenarios A5, A14
  fetch.log_start_offset = log_->log_start_offset();
  fetch.high_watermark = high_watermark_;
  return fetch;
}

bool Partition::FlushForFetch(Task done) {
  if (role_ != Role::kFollower || !config_.flush_before_ack || !log_->failure().ok()) return false;
  if (log_->flushed_end_offset() >= log_->end_offset()) return false;
  flush_waiters_.emplace_back(log_->end_offset(), std::move(done));
  StartFlush();
  return true;
}

Partition::AnswerResult Partition::OnAnswer(const FetchPartition& fetch, const Answer& answer) {
  if (role_ != Role::kFollower) return AnswerResult::kApplied;
  // An answer to what was asked in another epoch, or of another place, says nothing of this log
  // (scenarios A11, A12).
  if (fetch.current_leader_epoch != state_.leader_epoch && !env_->bugs.accept_stale_fetch_answer) {
    return AnswerResult::kApplied;
  }
  if (fetch.fetch_offset != log_->end_offset() && !env_->bugs.accept_stale_fetch_answer) {
    return AnswerResult::kApplied;
  }
  if (!answer.status.ok()) {
    if (kafka::ErrorFor(answer.status) == KafkaError::kOffsetOutOfRange) {
      return OnOutOfRange(answer);
    }
    VLOG(1) << name_.DirectoryName() << ": fetch from " << state_.leader << ": " << answer.status;
    return AnswerResult::kRetry;
  }
  // First the cut; the high watermark of such an answer is of another log (scenario A10).
  if (answer.diverging.has_value()) {
    const AnswerResult result = OnDiverging(*answer.diverging);
    if (env_->bugs.believe_high_watermark_of_diverging_answer) {
      high_watermark_ = std::max(high_watermark_, answer.high_watermark);
    }
    return result;
  }
  if (env_->bugs.forget_epoch_after_empty_answer) compares_epochs_ = !answer.records.empty();
  bool moved = false;
  if (!answer.records.empty()) {
    FAILPOINT("broker.follower_append");
    const auto appended =
        log_->AppendAsFollower(answer.records, env_->loop->clock().WallNow(), state_.leader_epoch);
    moved = log_->end_offset() > fetch.fetch_offset;
    if (!appended.ok()) {
      LOG(WARNING) << name_.DirectoryName() << ": batches from " << state_.leader
                   << " not appended: " << appended.status();
      CheckLog();
      if (!log_->failure().ok()) GoOffline(log_->failure());
      return AnswerResult::kRetry;
    }
    if (config_.flush_before_ack || appended->rolled) StartFlush();
  }
  const Offset end = log_->end_offset();
  if (answer.log_start_offset > log_->log_start_offset()) {
    const auto raised = log_->IncrementLogStartOffset(std::min(answer.log_start_offset, end));
    moved = moved || (raised.ok() && *raised);
  }
  const Offset high_watermark =
      std::max(std::min(answer.high_watermark, end), log_->log_start_offset());
  if (high_watermark > high_watermark_) {
    SetHighWatermark(high_watermark);
  } else if (moved) {
    env_->logs->MarkDirty(shared_from_this());
  }
  return AnswerResult::kApplied;
}

Partition::AnswerResult Partition::OnDiverging(const EpochEndOffset& answer) {
  const TruncationStep step =
      NextTruncation(log_->epochs(), log_->log_start_offset(), log_->end_offset(), answer);
  const uint64_t version = log_->epochs().version();
  const Offset end = log_->end_offset();
  ++env_->truncations;
  FAILPOINT("broker.before_truncation");
  LOG(INFO) << name_.DirectoryName() << ": diverges from leader " << state_.leader
            << ", whose epoch " << answer.epoch << " ends at " << answer.end_offset << "; cut from "
            << end << " to " << step.truncate_to;
  TruncateTo(step.truncate_to, false);
  const bool progress =
      role_ != Role::kFollower || log_->end_offset() != end || log_->epochs().version() != version;
  return progress ? AnswerResult::kApplied : AnswerResult::kRetry;
}

Partition::AnswerResult Partition::OnOutOfRange(const Answer& answer) {
  if (answer.log_start_offset <= log_->end_offset()) return AnswerResult::kRetry;
  // What we hold lies wholly below what the leader still has.
  LOG(WARNING) << name_.DirectoryName() << ": ends at " << log_->end_offset()
               << ", below the leader's log start " << answer.log_start_offset
               << "; begins anew there";
  TruncateTo(answer.log_start_offset, true);
  return AnswerResult::kApplied;
}

void Partition::TruncateTo(Offset end, bool fully) {
  const absl::Status status = fully ? log_->TruncateFullyAndStartAt(end) : log_->TruncateTo(end);
  if (!status.ok()) {
    CheckLog();
    GoOffline(status);
    return;
  }
  // Log start, end and high watermark move together (scenario A15).
  high_watermark_ = std::clamp(high_watermark_, log_->log_start_offset(), log_->end_offset());
  env_->logs->MarkDirty(shared_from_this());
  env_->events->OnHighWatermarkMoved(this);
}

}  // namespace quorate
