#include "broker/group/replica_offsets_log.h"

#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "proto/kafka/status_to_error.h"
#include "storage/record_batch_builder.h"
#include "storage/record_iterator.h"

namespace quorate {
namespace {

// The data records of whole batches, from offset `from` up to `upper`.
absl::StatusOr<std::vector<LogRecord>> RecordsIn(std::string_view bytes, Offset from,
                                                 Offset upper) {
  std::vector<LogRecord> records;
  while (!bytes.empty()) {
    Q_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::Parse(bytes));
    if (!batch.VerifyCrc()) {
      return absl::DataLossError(
          absl::StrFormat("batch at offset %d: the CRC does not fit", batch.base_offset().value()));
    }
    bytes.remove_prefix(static_cast<size_t>(batch.size_bytes()));
    if (batch.is_control()) continue;
    Q_ASSIGN_OR_RETURN(RecordIterator it, RecordIterator::Open(batch));
    while (true) {
      Q_ASSIGN_OR_RETURN(const std::optional<Record> record, it.Next());
      if (!record.has_value()) break;
      if (record->offset < from || record->offset >= upper) continue;
      LogRecord& out = records.emplace_back();
      out.key = std::string(record->key.value_or(""));
      if (record->value.has_value()) out.value = std::string(*record->value);
    }
  }
  return records;
}

}  // namespace

ReplicaOffsetsLog::ReplicaOffsetsLog(EventLoop* loop, BlockingPool* pool, ReplicaManager* replicas,
                                     Micros append_timeout)
    : loop_(loop), pool_(pool), replicas_(replicas), append_timeout_(append_timeout) {
  replicas_->Observe(std::string(kOffsetsTopic), this);
}

ReplicaOffsetsLog::~ReplicaOffsetsLog() {
  *alive_ = false;
  replicas_->Observe(std::string(kOffsetsTopic), nullptr);
}

void ReplicaOffsetsLog::Observe(Observer* observer) {
  observer_ = observer;
  if (observer_ == nullptr) return;
  for (const auto& [index, partition] : led_) {
    loop_->Post([this, alive = alive_, observer, index = index] {
      if (!*alive || observer_ != observer) return;
      if (const auto positions = Find(index)) observer->OnBecomeLeader(index, positions->epoch);
    });
  }
}

std::optional<OffsetsLog::Positions> ReplicaOffsetsLog::Find(PartitionIndex partition) const {
  const auto it = led_.find(partition);
  if (it == led_.end()) return std::nullopt;
  const auto found = replicas_->Positions(it->second);
  if (!found.has_value() || !found->is_leader) return std::nullopt;
  return Positions{found->leader_epoch, found->log_start_offset, found->high_watermark,
                   found->end_offset};
}

void ReplicaOffsetsLog::Append(PartitionIndex partition, LeaderEpoch epoch,
                               const std::vector<LogRecord>& records, AppendDone done) {
  const auto it = led_.find(partition);
  if (it == led_.end()) {
    return done(kafka::KafkaStatus(kafka::KafkaError::kNotLeaderOrFollower));
  }
  if (BUGGIFY("group.append_refused", 0.02)) {
    return done(kafka::KafkaStatus(kafka::KafkaError::kNotEnoughReplicas));
  }
  FAILPOINT("group.before_append");
  RecordBatchBuilder builder;
  const WallMillis now = loop_->clock().WallNow();
  for (const LogRecord& record : records) {
    std::optional<std::string_view> value;
    if (record.value.has_value()) value = *record.value;
    builder.Add(now, record.key, value);
  }
  AppendRequest request;
  request.partition = it->second;
  request.batches = SharedBytes::FromString(builder.Build());
  request.acks = -1;
  request.origin = AppendOrigin::kCoordinator;
  request.expected_epoch = epoch;
  request.timeout = append_timeout_;
  replicas_->Append(std::move(request), [done = std::move(done)](AppendOutcome outcome) mutable {
    FAILPOINT("group.appended");
    done(outcome.status);
  });
}

void ReplicaOffsetsLog::Read(PartitionIndex partition, Offset from, Offset upper, int64_t max_bytes,
                             ReadDone done) {
  const auto it = led_.find(partition);
  if (it == led_.end()) return done(absl::NotFoundError("the partition is not led here"));
  absl::StatusOr<LogReadResult> read = replicas_->Read(it->second, from, upper, max_bytes);
  if (!read.ok()) return done(read.status());
  if (read->slices.empty()) {
    // Nothing is left in the range: compaction took it.
    return done(Chunk{{}, upper});
  }
  pool_->Run([loop = loop_, alive = alive_, read = std::move(read).value(), from, upper,
              done = std::move(done)]() mutable {
    absl::StatusOr<Chunk> chunk = Chunk{{}, read.next_offset};
    if (auto bytes = read.ToBytes(); !bytes.ok()) {
      chunk = bytes.status();
    } else if (auto records = RecordsIn(*bytes, from, upper); !records.ok()) {
      chunk = records.status();
    } else {
      chunk->records = std::move(records).value();
    }
    loop->Post(
        [alive = std::move(alive), chunk = std::move(chunk), done = std::move(done)]() mutable {
          if (*alive) done(std::move(chunk));
        });
  });
}

void ReplicaOffsetsLog::OnBecomeLeader(const TopicPartition& partition, LeaderEpoch epoch) {
  led_[partition.partition] = partition;
  if (observer_ != nullptr) observer_->OnBecomeLeader(partition.partition, epoch);
}

void ReplicaOffsetsLog::OnStopLeading(const TopicPartition& partition) {
  const auto it = led_.find(partition.partition);
  if (it == led_.end() || it->second != partition) return;  // of an older topic of this name
  // Led again by now: OnBecomeLeader is on its way, and keeps what is found.
  if (!Find(partition.partition).has_value()) led_.erase(it);
  if (observer_ != nullptr) observer_->OnStopLeading(partition.partition);
}

void ReplicaOffsetsLog::OnHighWatermark(const TopicPartition& partition, Offset high_watermark) {
  const auto it = led_.find(partition.partition);
  if (it == led_.end() || it->second != partition) return;
  if (observer_ != nullptr) observer_->OnHighWatermark(partition.partition, high_watermark);
}

}  // namespace quorate
