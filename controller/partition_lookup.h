// controller/partition_lookup.h
//
// PartitionLookup finds the partitions that an event concerns without looking at all of them
// (decision D15): those of a broker, those without a leader, those not led by their preferred
// replica, those with eligible leader replicas.
//
// Thread-compatible: owned by the controller loop.
#pragma once

#include <map>
#include <set>

#include "absl/container/btree_set.h"
#include "base/ids.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

class PartitionLookup {
 public:
  using Set = absl::btree_set<TopicPartition>;

  // Partitions with `broker` among their replicas.
  const Set& PartitionsOf(NodeId broker) const;
  const Set& leaderless() const { return leaderless_; }
  // Led by another replica than the first.
  const Set& not_preferred() const { return not_preferred_; }
  const Set& with_elr() const { return with_elr_; }

  // Follows the change of `touched` from `before`, which it stands for, to `after`. Partitions
  // that did not change may be in it.
  void Update(const MetadataImage& before, const MetadataImage& after,
              const std::set<TopicPartition>& touched);

 private:
  void Put(const TopicPartition& tp, const PartitionState& state);
  void Take(const TopicPartition& tp, const PartitionState& state);

  std::map<NodeId, Set> by_broker_;
  Set leaderless_;
  Set not_preferred_;
  Set with_elr_;
};

// All partitions that `delta` created, changed or deleted; `before` is the image it starts from.
std::set<TopicPartition> TouchedPartitions(const MetadataImage& before, const MetadataDelta& delta);

}  // namespace quorate
