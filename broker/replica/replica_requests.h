// broker/replica/replica_requests.h
//
// What handlers and coordinators ask of ReplicaManager, and what they get. Every result has an
// absl::Status per partition; errors that a Kafka client must see by code carry it
// (proto/kafka/status_to_error.h maps a Status to the KafkaError).
//
// Values.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/network.h"
#include "controller/image/metadata_image.h"
#include "storage/log_types.h"

namespace quorate {

// Who leads a partition, as far as this broker knows (KIP-951); for error replies.
struct LeaderHint {
  NodeId leader = kNoNode;
  LeaderEpoch epoch = kNoLeaderEpoch;
};

// --- Append ---

struct AppendRequest {
  TopicPartition partition;
  SharedBytes batches;  // from a client exactly one batch; kept alive until `done`
  int16_t acks = -1;    // -1 = all in-sync replicas, 0 and 1 = the leader's append
  AppendOrigin origin = AppendOrigin::kClient;
  // Set (by coordinators): refused with NOT_LEADER_OR_FOLLOWER unless this is the leader's epoch.
  LeaderEpoch expected_epoch = kNoLeaderEpoch;
  // Counted from the call. Once it has passed, an append that waits for replicas is answered
  // REQUEST_TIMED_OUT (the records stay in the log). Only for acks = -1; > 0.
  Micros timeout = std::chrono::seconds(30);
};

struct AppendOutcome {
  // Kafka errors: NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR,
  // NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND, REQUEST_TIMED_OUT, MESSAGE_TOO_LARGE,
  // CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE,
  // OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, INVALID_TXN_STATE.
  // A duplicate of an idempotent producer is OK and has the offsets of the first time.
  absl::Status status;
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;   // inclusive
  WallMillis log_append_time = -1;  // -1 for create time
  Offset log_start_offset = kNoOffset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;  // in which it was appended
  LeaderHint current_leader;                  // set with NOT_LEADER_OR_FOLLOWER
};
using AppendDone = absl::AnyInvocable<void(AppendOutcome)>;

// --- Fetch ---

enum class Isolation : uint8_t { kReadUncommitted = 0, kReadCommitted = 1 };

struct FetchPartition {
  TopicPartition partition;
  LeaderEpoch current_leader_epoch = kNoLeaderEpoch;  // the fetcher's; kNoLeaderEpoch = unchecked
  Offset fetch_offset{0};
  LeaderEpoch last_fetched_epoch = kNoLeaderEpoch;  // of the fetcher's last record; see diverging
  Offset log_start_offset = kNoOffset;              // a follower's
  int32_t max_bytes = 1 << 20;
  // The follower's high watermark (Fetch v18); the largest value: not told.
  Offset high_watermark{std::numeric_limits<int64_t>::max()};
  bool operator==(const FetchPartition&) const = default;
};

struct FetchSpec {
  // The request came on the replication listener. Only then is `replica` honoured; set on any
  // other listener it is refused by the handler before it gets here (scenario B13).
  bool internal = false;
  NodeId replica = kNoNode;  // kNoNode = a consumer
  BrokerEpoch replica_epoch = kNoBrokerEpoch;
  Isolation isolation = Isolation::kReadUncommitted;
  Micros max_wait{0};
  int32_t min_bytes = 1;
  int32_t max_bytes = std::numeric_limits<int32_t>::max();
  // In the order they are to be served.
  std::vector<FetchPartition> partitions;
};

struct FetchPartitionResult {
  TopicPartition partition;
  // Kafka errors: NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
  // OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_ID, STALE_BROKER_EPOCH, KAFKA_STORAGE_ERROR.
  absl::Status status;
  Offset high_watermark = kNoOffset;
  Offset last_stable_offset = kNoOffset;
  Offset log_start_offset = kNoOffset;
  // The fetcher's log and ours part here: largest epoch <= its last one, and our end of it.
  std::optional<EpochEndOffset> diverging;
  NodeId preferred_replica = kNoNode;
  // Whole batches, back to back; the first may begin below the fetch offset. Bounded by the high
  // watermark (consumers), the last stable offset (read committed), the log end (followers).
  std::vector<FileSlice> records;
  int64_t record_bytes = 0;
  // With read committed and records: the aborted transactions that overlap them.
  std::vector<AbortedTransaction> aborted;
  LeaderHint current_leader;  // set with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH
};

struct FetchResult {
  std::vector<FetchPartitionResult> partitions;  // one per requested partition, in that order
};
using FetchDone = absl::AnyInvocable<void(FetchResult)>;

// Names a fetch that waits; kNone: it was answered within the call.
enum class FetchId : uint64_t { kNone = 0 };

// --- Offsets ---

// Special timestamps of ListOffsets.
inline constexpr int64_t kLatestTimestamp = -1;
inline constexpr int64_t kEarliestTimestamp = -2;
inline constexpr int64_t kMaxTimestamp = -3;
inline constexpr int64_t kEarliestLocalTimestamp = -4;
inline constexpr int64_t kLatestTieredTimestamp = -5;
inline constexpr int64_t kEarliestPendingUploadTimestamp = -6;

struct ListOffsetsQuery {
  TopicPartition partition;
  LeaderEpoch current_leader_epoch = kNoLeaderEpoch;
  int64_t timestamp = kLatestTimestamp;  // ms, or one of the above
  bool for_replica = false;  // asked by a follower: bounded by the log end instead of HW or LSO
  Isolation isolation = Isolation::kReadUncommitted;
};

struct ListOffsetsOutcome {
  // Kafka errors: NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
  // OFFSET_NOT_AVAILABLE (the high watermark lags after an election: scenario A18),
  // UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR, UNSUPPORTED_VERSION (an unknown special timestamp).
  absl::Status status;
  Offset offset = kNoOffset;  // kNoOffset with OK: there is no such record
  WallMillis timestamp = -1;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

struct EpochEndQuery {
  TopicPartition partition;
  LeaderEpoch current_leader_epoch = kNoLeaderEpoch;
  LeaderEpoch epoch = kNoLeaderEpoch;
};

struct EpochEndOutcome {
  // Kafka errors: NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
  // UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR.
  absl::Status status;
  // Both none with OK: no epoch <= the asked one is known.
  EpochEndOffset end;
};

// --- For coordinators, describe calls, the console ---

struct PartitionPositions {
  bool is_leader = false;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  Offset log_start_offset{0};
  Offset high_watermark{0};
  Offset last_stable_offset{0};
  Offset flushed_end_offset{0};
  Offset end_offset{0};
  bool operator==(const PartitionPositions&) const = default;
};

}  // namespace quorate
