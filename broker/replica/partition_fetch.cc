// The read side of Partition: fetches, waiting for them, offsets by time and by epoch.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "broker/replica/fetch_purgatory.h"
#include "broker/replica/partition.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

constexpr Offset kUntold{std::numeric_limits<int64_t>::max()};

bool IsFollower(const FetchSpec& spec) { return spec.internal && spec.replica != kNoNode; }

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

absl::Status Partition::CheckLeader(LeaderEpoch current_leader_epoch) const {
  if (role_ == Role::kOffline) {
    return KafkaStatus(KafkaError::kKafkaStorageError, Text(offline_why_));
  }
  if (current_leader_epoch != kNoLeaderEpoch && state_.leader_epoch != kNoLeaderEpoch) {
    if (current_leader_epoch < state_.leader_epoch) {
      return KafkaStatus(KafkaError::kFencedLeaderEpoch);
    }
    if (current_leader_epoch > state_.leader_epoch) {
      return KafkaStatus(KafkaError::kUnknownLeaderEpoch);
    }
  }
  if (!leader_.has_value()) return KafkaStatus(KafkaError::kNotLeaderOrFollower);
  return absl::OkStatus();
}

absl::Status Partition::CheckFetch(const FetchSpec& spec, const FetchPartition& fetch) const {
  const absl::Status leads = CheckLeader(fetch.current_leader_epoch);
  if (!leads.ok() || !IsFollower(spec)) return leads;
  if (!leader_->ReplicaEnd(spec.replica).has_value()) {
    return KafkaStatus(KafkaError::kNotLeaderOrFollower,
                       absl::StrFormat("broker %d is no replica of %s", spec.replica.value(),
                                       name_.DirectoryName()));
  }
  if (spec.replica_epoch < env_->brokers(spec.replica).epoch) {
    return KafkaStatus(KafkaError::kStaleBrokerEpoch);
  }
  return absl::OkStatus();
}

std::optional<EpochEndOffset> Partition::Divergence(const FetchSpec& spec,
                                                    const FetchPartition& fetch) const {
  const Offset start = log_->log_start_offset();
  const Offset end = log_->end_offset();
  if (fetch.last_fetched_epoch == kNoLeaderEpoch || env_->bugs.leader_ignores_epochs) {
    // A follower without epochs that is ahead of us can only be told our end.
    if (IsFollower(spec) && fetch.fetch_offset > end) {
      return EpochEndOffset{log_->latest_epoch().value_or(state_.leader_epoch), end};
    }
    return std::nullopt;
  }
  if (fetch.fetch_offset < start) return std::nullopt;  // OFFSET_OUT_OF_RANGE
  const absl::StatusOr<EpochEndOffset> ours = log_->EndOffsetFor(fetch.last_fetched_epoch);
  if (!ours.ok()) {
    // All our epochs are later than the fetcher's: nothing above our start can be of its epoch.
    if (fetch.fetch_offset == start) return std::nullopt;
    return EpochEndOffset{fetch.last_fetched_epoch, start};
  }
  if (ours->epoch < fetch.last_fetched_epoch || ours->end_offset < fetch.fetch_offset) {
    return *ours;
  }
  return std::nullopt;
}

void Partition::Admit(const FetchSpec& spec, const FetchPartition& fetch) {
  if (!IsFollower(spec) || !CheckFetch(spec, fetch).ok()) return;
  // What diverges is not held, however far it reaches.
  if (fetch.fetch_offset > log_->end_offset() || Divergence(spec, fetch).has_value()) return;
  const FetchVerdict verdict =
      leader_->RecordFetch(spec.replica, spec.replica_epoch, fetch.fetch_offset, log_->end_offset(),
                           env_->loop->Now(), env_->brokers);
  if (verdict != FetchVerdict::kAccepted) return;
  if (!leader_->InIsr(spec.replica)) TryPropose();
  AdvanceHighWatermark();
}

FetchPartitionResult Partition::ReadFor(const FetchSpec& spec, const FetchPartition& fetch,
                                        int64_t max_bytes, bool at_least_one, bool* answer_now) {
  FetchPartitionResult result;
  result.partition = id_;
  if ((role_ == Role::kOpening || taken_epoch_ == kNoLeaderEpoch) && !retired_) {
    // Answered like this only if the wait ends before the log is open.
    result.status = KafkaStatus(KafkaError::kNotLeaderOrFollower, "the log is being opened");
    result.current_leader = hint();
    return result;
  }
  const auto fail = [&](absl::Status why) {
    *answer_now = true;
    const KafkaError error = kafka::ErrorFor(why);
    if (error == KafkaError::kNotLeaderOrFollower || error == KafkaError::kFencedLeaderEpoch) {
      result.current_leader = hint();
    }
    result.status = std::move(why);
    return result;
  };
  if (absl::Status status = CheckFetch(spec, fetch); !status.ok()) return fail(std::move(status));
  if (BUGGIFY("broker.fetch_refused", 0.002)) {
    return fail(KafkaStatus(KafkaError::kNotLeaderOrFollower));
  }
  result.high_watermark = high_watermark_;
  result.last_stable_offset = log_->LastStableOffset(high_watermark_);
  result.log_start_offset = log_->log_start_offset();
  if ((result.diverging = Divergence(spec, fetch)).has_value()) {
    *answer_now = true;
    return result;
  }
  if (fetch.fetch_offset < log_->log_start_offset() || fetch.fetch_offset > log_->end_offset()) {
    return fail(
        KafkaStatus(KafkaError::kOffsetOutOfRange,
                    absl::StrFormat("offset %d is outside of [%d, %d]", fetch.fetch_offset.value(),
                                    log_->log_start_offset().value(), log_->end_offset().value())));
  }
  const bool follower = IsFollower(spec);
  const Offset upper = follower || env_->bugs.read_above_high_watermark ? log_->end_offset()
                       : spec.isolation == Isolation::kReadCommitted    ? result.last_stable_offset
                                                                        : high_watermark_;
  if (follower && fetch.high_watermark != kUntold &&
      std::min(high_watermark_, fetch.fetch_offset) > fetch.high_watermark) {
    *answer_now = true;
  }
  if (fetch.fetch_offset >= upper || max_bytes <= 0) return result;
  auto read = log_->Read(fetch.fetch_offset, upper, max_bytes, at_least_one);
  if (!read.ok()) return fail(KafkaStatus(KafkaError::kKafkaStorageError, Text(read.status())));
  result.records = std::move(read->slices);
  result.record_bytes = read->bytes;
  if (result.record_bytes > 0 && !follower && spec.isolation == Isolation::kReadCommitted) {
    auto aborted = log_->AbortedTransactions(fetch.fetch_offset, read->next_offset);
    if (!aborted.ok()) {
      result.records.clear();
      result.record_bytes = 0;
      return fail(KafkaStatus(KafkaError::kKafkaStorageError, Text(aborted.status())));
    }
    result.aborted = *std::move(aborted);
  }
  return result;
}

void Partition::Watch(WatchKey key, const FetchSpec& spec, const FetchPartition& fetch) {
  watches_[key] = Watched{IsFollower(spec), fetch.fetch_offset, fetch.high_watermark};
}

void Partition::WakeFollowers() {
  for (const auto& [key, watched] : watches_) {
    if (watched.follower) env_->purgatory->Wake(key);
  }
}

void Partition::WakeForHighWatermark() {
  for (const auto& [key, watched] : watches_) {
    if (!watched.follower ||
        (watched.known_high_watermark != kUntold &&
         std::min(high_watermark_, watched.fetch_offset) > watched.known_high_watermark)) {
      env_->purgatory->Wake(key);
    }
  }
}

void Partition::WakeAll() {
  for (const auto& [key, watched] : watches_) env_->purgatory->Wake(key);
}

ListOffsetsOutcome Partition::OffsetFor(const ListOffsetsQuery& query) const {
  ListOffsetsOutcome outcome;
  outcome.status = CheckLeader(query.current_leader_epoch);
  if (!outcome.status.ok()) return outcome;
  // Right after an election the high watermark may be one this leader's predecessor has passed.
  const bool behind = !query.for_replica && (high_watermark_ < leader_->epoch_start() ||
                                             BUGGIFY("broker.offset_not_available", 0.1));
  const Offset upper = query.for_replica ? log_->end_offset()
                       : query.isolation == Isolation::kReadCommitted
                           ? log_->LastStableOffset(high_watermark_)
                           : high_watermark_;
  absl::StatusOr<std::optional<TimestampedOffset>> found;
  switch (query.timestamp) {
    case kLatestTimestamp:
      if (behind) {
        outcome.status = KafkaStatus(KafkaError::kOffsetNotAvailable);
        return outcome;
      }
      outcome.offset = upper;
      outcome.leader_epoch = state_.leader_epoch;
      return outcome;
    case kEarliestTimestamp:
    case kEarliestLocalTimestamp:
      outcome.offset = log_->log_start_offset();
      outcome.leader_epoch = log_->EpochAt(outcome.offset).value_or(kNoLeaderEpoch);
      return outcome;
    case kLatestTieredTimestamp:
    case kEarliestPendingUploadTimestamp:
      return outcome;  // nothing is tiered
    case kMaxTimestamp:
      found = log_->MaxTimestamp();
      break;
    default:
      if (query.timestamp < 0) {
        outcome.status = KafkaStatus(KafkaError::kUnsupportedVersion, "unknown timestamp");
        return outcome;
      }
      found = log_->OffsetForTimestamp(query.timestamp, log_->end_offset());
  }
  if (!found.ok()) {
    outcome.status = KafkaStatus(KafkaError::kKafkaStorageError, Text(found.status()));
  } else if (found->has_value() && (*found)->offset < upper) {
    outcome.offset = (*found)->offset;
    outcome.timestamp = (*found)->timestamp;
    outcome.leader_epoch = (*found)->epoch;
  } else if (behind) {
    outcome.status = KafkaStatus(KafkaError::kOffsetNotAvailable);
  }
  return outcome;
}

EpochEndOutcome Partition::EndOffsetFor(const EpochEndQuery& query) const {
  EpochEndOutcome outcome;
  outcome.status = CheckLeader(query.current_leader_epoch);
  if (!outcome.status.ok()) return outcome;
  const auto end = log_->EndOffsetFor(query.epoch);
  if (end.ok()) outcome.end = *end;
  return outcome;
}

}  // namespace quorate
