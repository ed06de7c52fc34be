// Leadership: loading, dropping, loading anew.
#include <glog/logging.h>

#include <utility>

#include "base/check.h"
#include "base/fault_point.h"
#include "broker/group/group_coordinator.h"

namespace quorate {

using kafka::KafkaError;

GroupShard* GroupCoordinator::FindShard(PartitionIndex partition, uint64_t shard_id) const {
  const auto it = shards_.find(partition);
  if (it == shards_.end() || it->second->id() != shard_id) return nullptr;
  return it->second.get();
}

void GroupCoordinator::OnBecomeLeader(PartitionIndex partition, LeaderEpoch epoch) {
  // What is true now counts; an event that it makes old is followed by a newer one (K1).
  const auto positions = env_.log->Find(partition);
  if (!positions.has_value()) return Drop(partition, KafkaError::kNotCoordinator);
  const auto it = shards_.find(partition);
  if (it != shards_.end() && it->second->epoch() == positions->epoch) return;
  if (positions->epoch != epoch) {
    LOG(INFO) << "offsets partition " << partition << ": led in epoch " << positions->epoch
              << " by now, not " << epoch;
  }
  if (options_.keep_groups_when_deposed && it != shards_.end()) {
    return it->second->MistakeEpochFor(positions->epoch);
  }
  Drop(partition, KafkaError::kNotCoordinator);
  StartLoad(partition, *positions);
}

void GroupCoordinator::OnStopLeading(PartitionIndex partition) {
  const auto positions = env_.log->Find(partition);
  const auto it = shards_.find(partition);
  if (it == shards_.end()) return;
  if (positions.has_value() && positions->epoch == it->second->epoch()) return;  // led again
  if (options_.keep_groups_when_deposed) return;
  Drop(partition, KafkaError::kNotCoordinator);
}

void GroupCoordinator::OnHighWatermark(PartitionIndex partition, Offset) {
  const auto it = shards_.find(partition);
  if (it != shards_.end() && !it->second->active()) MaybeActivate(partition, it->second->id());
}

void GroupCoordinator::StartLoad(PartitionIndex partition, const OffsetsLog::Positions& positions) {
  auto shard =
      std::make_unique<GroupShard>(partition, positions.epoch, ++last_shard_, &options_.limits);
  shard->load_next = positions.start;
  shard->load_end = positions.end;
  QCHECK(shards_.emplace(partition, std::move(shard)).second);
  ContinueLoad(partition, last_shard_);
}

void GroupCoordinator::ContinueLoad(PartitionIndex partition, uint64_t shard_id) {
  GroupShard* shard = FindShard(partition, shard_id);
  if (shard == nullptr) return;
  if (shard->load_next >= shard->load_end) return MaybeActivate(partition, shard_id);
  env_.log->Read(
      partition, shard->load_next, shard->load_end,
      BUGGIFY("group.load_one_batch", 0.3) ? 1 : options_.load_chunk_bytes,
      [this, alive = alive_, partition, shard_id](absl::StatusOr<OffsetsLog::Chunk> chunk) {
        if (*alive) OnChunk(partition, shard_id, std::move(chunk));
      });
}

void GroupCoordinator::OnChunk(PartitionIndex partition, uint64_t shard_id,
                               absl::StatusOr<OffsetsLog::Chunk> chunk) {
  GroupShard* shard = FindShard(partition, shard_id);
  if (shard == nullptr) return;
  if (chunk.ok() && BUGGIFY("group.load_fails", 0.05)) {
    chunk = absl::UnavailableError("the log could not be read");
  }
  if (!chunk.ok()) return RetryLoad(partition, chunk.status());
  if (chunk->next <= shard->load_next) {
    return RetryLoad(partition, absl::DataLossError("the log has a gap"));
  }
  for (const LogRecord& record : chunk->records) shard->Replay(record);
  shard->load_next = chunk->next;
  // Other work of the loop goes in between.
  env_.loop->Post([this, alive = alive_, partition, shard_id] {
    if (*alive) ContinueLoad(partition, shard_id);
  });
}

void GroupCoordinator::RetryLoad(PartitionIndex partition, const absl::Status& why) {
  Drop(partition, KafkaError::kNotCoordinator);
  const auto positions = env_.log->Find(partition);
  if (!positions.has_value()) return;  // K3: it went while it was loaded
  LOG(ERROR) << "offsets partition " << partition << " could not be loaded, trying again: " << why;
  auto shard =
      std::make_unique<GroupShard>(partition, positions->epoch, ++last_shard_, &options_.limits);
  shard->load_failed = true;
  shard->load_retry =
      env_.loop->RunAfter(options_.load_retry, [this, partition, shard_id = shard->id()] {
        if (FindShard(partition, shard_id) != nullptr) Reload(partition);
      });
  shards_.emplace(partition, std::move(shard));
}

void GroupCoordinator::MaybeActivate(PartitionIndex partition, uint64_t shard_id) {
  GroupShard* shard = FindShard(partition, shard_id);
  if (shard == nullptr || shard->active() || shard->load_failed) return;
  if (shard->load_next < shard->load_end) return;
  const auto positions = env_.log->Find(partition);
  if (!positions.has_value() || positions->epoch != shard->epoch()) return;
  // An offset that could still be lost must not be shown: it would go back.
  if (positions->high_watermark < shard->load_end) return;
  shard->Activate(Time());
  if (!shard->slots().empty()) {
    LOG(INFO) << "offsets partition " << partition << ": " << shard->slots().size()
              << " groups loaded, leader epoch " << shard->epoch();
  }
  for (auto& [id, slot] : shard->slots()) Rearm(*shard, *slot);
}

void GroupCoordinator::Reload(PartitionIndex partition) {
  const auto positions = env_.log->Find(partition);
  if (options_.keep_groups_when_deposed && !positions.has_value()) return;
  Drop(partition, positions.has_value() ? KafkaError::kCoordinatorLoadInProgress
                                        : KafkaError::kNotCoordinator);
  // Who waited may have called back and so on: look again.
  if (positions.has_value() && !shards_.contains(partition)) StartLoad(partition, *positions);
}

void GroupCoordinator::Drop(PartitionIndex partition, KafkaError error) {
  auto node = shards_.extract(partition);
  if (node.empty()) return;
  GroupShard& shard = *node.mapped();
  env_.loop->Cancel(shard.load_retry);
  for (auto& [id, slot] : shard.slots()) env_.loop->Cancel(slot->timer);
  for (auto& [ticket, done] : shard.joins) {
    JoinResult result;
    result.error = error;
    done(std::move(result));
  }
  for (auto& [ticket, done] : shard.syncs) {
    SyncResult result;
    result.error = error;
    done(std::move(result));
  }
}

}  // namespace quorate
