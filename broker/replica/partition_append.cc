// The produce path of Partition.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "broker/replica/partition.h"
#include "proto/kafka/status_to_error.h"
#include "storage/record_batch.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// The client-visible form of what Log::AppendAsLeader refused.
absl::Status AppendError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return KafkaStatus(KafkaError::kCorruptMessage, Text(status));
    case absl::StatusCode::kInvalidArgument:
      return KafkaStatus(KafkaError::kInvalidRecord, Text(status));
    case absl::StatusCode::kResourceExhausted:
      if (Log::IsBatchTooLarge(status)) {
        return KafkaStatus(KafkaError::kMessageTooLarge, Text(status));
      }
      return KafkaStatus(KafkaError::kKafkaStorageError, Text(status));
    default:
      return KafkaStatus(KafkaError::kKafkaStorageError, Text(status));
  }
}

absl::Status VerdictError(ProducerVerdict verdict) {
  switch (verdict) {
    case ProducerVerdict::kAccept:
    case ProducerVerdict::kDuplicate:
      return absl::OkStatus();
    case ProducerVerdict::kDuplicateForgotten:
      return KafkaStatus(KafkaError::kDuplicateSequenceNumber);
    case ProducerVerdict::kOutOfOrderSequence:
      return KafkaStatus(KafkaError::kOutOfOrderSequenceNumber);
    case ProducerVerdict::kStaleProducerEpoch:
      return KafkaStatus(KafkaError::kInvalidProducerEpoch);
    case ProducerVerdict::kUnknownProducer:
      return KafkaStatus(KafkaError::kUnknownProducerId);
    case ProducerVerdict::kStaleCoordinatorEpoch:
    case ProducerVerdict::kInvalidTxnState:
      return KafkaStatus(KafkaError::kInvalidTxnState);
  }
  return KafkaStatus(KafkaError::kUnknownServerError);
}

}  // namespace

AppendOutcome Partition::Refusal(absl::Status why) const {
  AppendOutcome outcome;
  if (kafka::ErrorFor(why) == KafkaError::kNotLeaderOrFollower) outcome.current_leader = hint();
  outcome.status = std::move(why);
  if (log_ != nullptr) outcome.log_start_offset = log_->log_start_offset();
  return outcome;
}

void Partition::Append(AppendRequest request, AppendDone done) {
  const MonoTime deadline = env_->loop->Now() + request.timeout;
  appends_.push_back(PendingAppend{std::move(request), std::move(done), deadline});
  if (role_ != Role::kOpening && taken_epoch_ != kNoLeaderEpoch) ScheduleDrain();
}

void Partition::ScheduleDrain() {
  if (drain_posted_) return;
  drain_posted_ = true;
  env_->loop->Post([self = shared_from_this()] {
    self->drain_posted_ = false;
    if (self->env_->alive) self->Drain();
  });
}

absl::Status Partition::CheckAppend(const PendingAppend& append, WallMillis now) const {
  const AppendRequest& request = append.request;
  if (role_ == Role::kOffline) {
    return KafkaStatus(KafkaError::kKafkaStorageError, Text(offline_why_));
  }
  if (!leader_.has_value()) return KafkaStatus(KafkaError::kNotLeaderOrFollower);
  if (request.expected_epoch != kNoLeaderEpoch && request.expected_epoch != state_.leader_epoch) {
    return KafkaStatus(KafkaError::kNotLeaderOrFollower);
  }
  if (BUGGIFY("broker.append_refused", 0.003)) return KafkaStatus(KafkaError::kNotLeaderOrFollower);
  if (request.acks == -1 && !leader_->HasMinIsr(config_.min_isr) && !env_->bugs.ignore_min_isr) {
    return KafkaStatus(
        KafkaError::kNotEnoughReplicas,
        absl::StrFormat("%s: %d in-sync replicas, min.insync.replicas is %d", name_.DirectoryName(),
                        leader_->isr().size(), config_.min_isr));
  }
  return CheckBatch(request, now);
}

absl::Status Partition::CheckBatch(const AppendRequest& request, WallMillis now) const {
  if (request.origin != AppendOrigin::kClient) return absl::OkStatus();
  const auto batch = RecordBatchView::Parse(request.batches.view());
  if (!batch.ok()) return KafkaStatus(KafkaError::kCorruptMessage, Text(batch.status()));
  if (batch->is_transactional()) {
    return KafkaStatus(KafkaError::kInvalidRecord, "transactions are not served yet");
  }
  if (config_.log_append_time) return absl::OkStatus();
  const WallMillis newest = batch->max_timestamp();
  if (newest < 0) return absl::OkStatus();  // no timestamp
  const WallMillis oldest = batch->base_timestamp();
  if (newest - now > config_.timestamp_after_max_ms ||
      (oldest >= 0 && now - oldest > config_.timestamp_before_max_ms)) {
    return KafkaStatus(
        KafkaError::kInvalidTimestamp,
        absl::StrFormat("timestamps %d to %d are out of bounds at %d", oldest, newest, now));
  }
  return absl::OkStatus();
}

void Partition::Drain() {
  if (role_ == Role::kOpening || appends_.empty()) return;
  std::vector<PendingAppend> appends = std::exchange(appends_, {});
  if (appends.size() > 1 && BUGGIFY("broker.append_one_by_one", 0.5)) {
    appends_.assign(std::make_move_iterator(appends.begin() + 1),
                    std::make_move_iterator(appends.end()));
    appends.resize(1);
    ScheduleDrain();
  }
  const WallMillis now = env_->loop->clock().WallNow();
  std::vector<LeaderAppend> pieces;
  std::vector<PendingAppend> accepted;
  std::vector<std::pair<AppendDone, absl::Status>> refused;
  pieces.reserve(appends.size());
  accepted.reserve(appends.size());
  for (PendingAppend& append : appends) {
    absl::Status status = CheckAppend(append, now);
    if (!status.ok()) {
      refused.emplace_back(std::move(append.done), std::move(status));
      continue;
    }
    pieces.push_back(
        LeaderAppend{append.request.batches, append.request.origin,
                     config_.log_append_time && append.request.origin == AppendOrigin::kClient});
    accepted.push_back(std::move(append));
  }
  // Callbacks may re-enter; from here on state is whole before each of them.
  if (!pieces.empty()) {
    const Offset end_before = log_->end_offset();
    leader_->OnAppend(end_before, env_->loop->Now());
    std::vector<absl::StatusOr<AppendResult>> results =
        log_->AppendAsLeader(pieces, state_.leader_epoch, now);
    QCHECK_EQ(results.size(), accepted.size());
    bool rolled = false;
    for (const auto& result : results) rolled = rolled || (result.ok() && result->rolled);
    if (log_->end_offset() > end_before) WakeFollowers();
    if (config_.flush_before_ack || rolled || BUGGIFY("broker.flush_early", 0.1)) StartFlush();
    const auto self = shared_from_this();  // a callback may drop this partition
    for (size_t i = 0; i < accepted.size(); ++i) {
      OnAppended(std::move(accepted[i]), std::move(results[i]));
    }
    AdvanceHighWatermark();
    ArmLagTimer();
    CheckLog();
  }
  for (auto& [done, status] : refused) done(Refusal(std::move(status)));
}

void Partition::OnAppended(PendingAppend append, absl::StatusOr<AppendResult> result) {
  const absl::Status status =
      result.ok() ? VerdictError(result->verdict) : AppendError(result.status());
  // Clients take a duplicate for a success, whether or not its offsets are still known: the answer
  // waits until the batch it stands for is committed, wherever in the log that is.
  const bool forgotten = result.ok() && result->verdict == ProducerVerdict::kDuplicateForgotten;
  if (!status.ok() && !forgotten) {
    append.done(Refusal(status));
    return;
  }
  AppendOutcome outcome;
  outcome.status = status;
  if (!forgotten) {
    outcome.base_offset = result->first_offset;
    outcome.last_offset = result->last_offset;
    outcome.log_append_time = result->log_append_time;
  }
  outcome.log_start_offset = log_->log_start_offset();
  outcome.leader_epoch = taken_epoch_;
  const Offset needed = forgotten ? log_->end_offset() : result->last_offset + 1;
  if (BUGGIFY("broker.ack_times_out_early", 0.003)) append.deadline = env_->loop->Now();
  if (append.request.acks != -1 || needed <= high_watermark_ || env_->bugs.ack_before_isr) {
    append.done(std::move(outcome));
    return;
  }
  if (!leader_.has_value()) {  // a callback before this one ended the role
    append.done(Refusal(KafkaStatus(KafkaError::kNotLeaderOrFollower)));
    return;
  }
  ack_waiters_.emplace(needed,
                       AckWaiter{std::move(outcome), std::move(append.done), append.deadline});
  ArmAckTimer();
}

void Partition::AckUpTo(Offset high_watermark) {
  if (!ack_waiters_.empty() && BUGGIFY("broker.ack_late", 0.01)) {
    env_->loop->RunAfter(Millis(30), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self != nullptr && self->env_->alive && !self->retired_) {
        self->AckUpTo(self->high_watermark_);
      }
    });
    return;
  }
  const bool enough =
      leader_.has_value() && (leader_->HasMinIsr(config_.min_isr) || env_->bugs.ignore_min_isr);
  std::vector<AckWaiter> ready;
  while (!ack_waiters_.empty() && ack_waiters_.begin()->first <= high_watermark) {
    ready.push_back(std::move(ack_waiters_.begin()->second));
    ack_waiters_.erase(ack_waiters_.begin());
  }
  if (!ready.empty()) FAILPOINT("broker.before_ack");
  for (AckWaiter& waiter : ready) {
    if (!enough) waiter.outcome.status = KafkaStatus(KafkaError::kNotEnoughReplicasAfterAppend);
    waiter.done(std::move(waiter.outcome));
  }
}

void Partition::FailWaiters(const absl::Status& why) {
  for (auto& [needed, waiter] : std::exchange(ack_waiters_, {})) waiter.done(Refusal(why));
}

void Partition::ArmAckTimer() {
  if (ack_timer_ != TimerId::kNone || ack_waiters_.empty()) return;
  MonoTime first = MonoTime::Max();
  for (const auto& [needed, waiter] : ack_waiters_) first = std::min(first, waiter.deadline);
  const Micros delay = std::max(first - env_->loop->Now(), Micros(0));
  ack_timer_ = env_->loop->RunAfter(delay, [this] {
    ack_timer_ = TimerId::kNone;
    OnAckTimer();
  });
}

void Partition::OnAckTimer() {
  const MonoTime now = env_->loop->Now();
  std::vector<AppendDone> expired;
  for (auto it = ack_waiters_.begin(); it != ack_waiters_.end();) {
    if (it->second.deadline > now) {
      ++it;
      continue;
    }
    expired.push_back(std::move(it->second.done));
    it = ack_waiters_.erase(it);
  }
  ArmAckTimer();
  for (AppendDone& done : expired) done(Refusal(KafkaStatus(KafkaError::kRequestTimedOut)));
}

}  // namespace quorate
