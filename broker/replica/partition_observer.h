// broker/replica/partition_observer.h
//
// PartitionObserver is told what happens to the partitions of one topic on this broker. The
// coordinators follow their internal topics through it.
//
// Owned by the data loop; calls come as tasks of their own, in order, never from within a call
// into ReplicaManager. The state may have moved on by then: compare leader epochs.
#pragma once

#include "base/ids.h"
#include "controller/image/metadata_image.h"

namespace quorate {

class PartitionObserver {
 public:
  virtual ~PartitionObserver() = default;

  // This broker leads the partition in `epoch` and its log is open. Comes for every new epoch.
  // A coordinator loads by ReplicaManager::Read from the log start up to Positions().end_offset.
  virtual void OnBecomeLeader(const TopicPartition& partition, LeaderEpoch epoch) = 0;
  // It no longer leads: follower now, or the partition is gone from here.
  virtual void OnStopLeading(const TopicPartition& partition) = 0;
  // The replica's high watermark is now `high_watermark`; several moves may come as one.
  virtual void OnHighWatermark(const TopicPartition& partition, Offset high_watermark) = 0;
};

}  // namespace quorate
