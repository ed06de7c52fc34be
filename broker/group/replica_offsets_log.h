// broker/group/replica_offsets_log.h
//
// ReplicaOffsetsLog is the OffsetsLog over ReplicaManager: records travel in record batches,
// appended with acks=all; reading and decoding happen on the blocking pool.
//
// Thread-compatible: owned by the loop that owns ReplicaManager.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/blocking_pool.h"
#include "base/event_loop.h"
#include "broker/group/offsets_log.h"
#include "broker/replica/partition_observer.h"
#include "broker/replica/replica_manager.h"

namespace quorate {

class ReplicaOffsetsLog final : public OffsetsLog, public PartitionObserver {
 public:
  // An append that is not committed after `append_timeout` (offsets.commit.timeout.ms) fails. All
  // pointers outlive this, or `replicas` is stopped before.
  ReplicaOffsetsLog(EventLoop* loop, BlockingPool* pool, ReplicaManager* replicas,
                    Micros append_timeout = std::chrono::seconds(5));
  ~ReplicaOffsetsLog() override;
  ReplicaOffsetsLog(const ReplicaOffsetsLog&) = delete;
  ReplicaOffsetsLog& operator=(const ReplicaOffsetsLog&) = delete;

  // OffsetsLog
  void Observe(Observer* observer) override;
  std::optional<Positions> Find(PartitionIndex partition) const override;
  void Append(PartitionIndex partition, LeaderEpoch epoch, const std::vector<LogRecord>& records,
              AppendDone done) override;
  void Read(PartitionIndex partition, Offset from, Offset upper, int64_t max_bytes,
            ReadDone done) override;

  // PartitionObserver
  void OnBecomeLeader(const TopicPartition& partition, LeaderEpoch epoch) override;
  void OnStopLeading(const TopicPartition& partition) override;
  void OnHighWatermark(const TopicPartition& partition, Offset high_watermark) override;

 private:
  EventLoop* const loop_;
  BlockingPool* const pool_;
  ReplicaManager* const replicas_;
  const Micros append_timeout_;
  Observer* observer_ = nullptr;
  // Led here; the topic may have been deleted and created anew, so ids may differ for a moment.
  std::map<PartitionIndex, TopicPartition> led_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
