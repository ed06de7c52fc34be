#include "controller/partition_lookup.h"

namespace quorate {

const PartitionLookup::Set& PartitionLookup::PartitionsOf(NodeId broker) const {
  static const Set* const kNothing = new Set();
  auto it = by_broker_.find(broker);
  return it == by_broker_.end() ? *kNothing : it->second;
}

void PartitionLookup::Put(const TopicPartition& tp, const PartitionState& state) {
  for (NodeId id : state.replicas) by_broker_[id].insert(tp);
  if (state.leader == kNoNode) {
    leaderless_.insert(tp);
  } else if (state.leader != state.replicas.front()) {
    not_preferred_.insert(tp);
  }
  if (!state.elr.empty()) with_elr_.insert(tp);
}

void PartitionLookup::Take(const TopicPartition& tp, const PartitionState& state) {
  for (NodeId id : state.replicas) {
    auto it = by_broker_.find(id);
    if (it == by_broker_.end()) continue;
    it->second.erase(tp);
    if (it->second.empty()) by_broker_.erase(it);
  }
  leaderless_.erase(tp);
  not_preferred_.erase(tp);
  with_elr_.erase(tp);
}

void PartitionLookup::Update(const MetadataImage& before, const MetadataImage& after,
                             const std::set<TopicPartition>& touched) {
  for (const TopicPartition& tp : touched) {
    const PartitionState* old_state = before.FindPartition(tp);
    const PartitionState* new_state = after.FindPartition(tp);
    if (old_state != nullptr && new_state != nullptr && *old_state == *new_state) continue;
    if (old_state != nullptr) Take(tp, *old_state);
    if (new_state != nullptr) Put(tp, *new_state);
  }
}

std::set<TopicPartition> TouchedPartitions(const MetadataImage& before,
                                           const MetadataDelta& delta) {
  std::set<TopicPartition> touched = delta.partitions;
  for (const Uuid& id : delta.topics_deleted) {
    const TopicImage* topic = before.FindTopic(id);
    if (topic == nullptr) continue;
    for (const auto& [index, state] : topic->partitions) touched.insert({id, index});
  }
  return touched;
}

}  // namespace quorate
