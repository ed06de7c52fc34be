#include "controller/image/metadata_delta.h"

#include <iterator>
#include <utility>

namespace quorate {

void MetadataDelta::NoteTopicDeleted(const Uuid& id) {
  if (topics_created.erase(id) == 0) topics_deleted.insert(id);
  auto first = partitions.lower_bound({id, PartitionIndex(0)});
  auto last = first;
  while (last != partitions.end() && last->topic_id == id) ++last;
  partitions.erase(first, last);
}

void MetadataDelta::Append(MetadataDelta later) {
  brokers.merge(later.brokers);
  for (const Uuid& id : later.topics_deleted) NoteTopicDeleted(id);
  topics_created.merge(later.topics_created);
  partitions.merge(later.partitions);
  configs.merge(later.configs);
  producer_ids |= later.producer_ids;
  features |= later.features;
  batches.insert(batches.end(), std::make_move_iterator(later.batches.begin()),
                 std::make_move_iterator(later.batches.end()));
}

void MetadataDelta::AppendChanges(const MetadataDelta& later) {
  MetadataDelta changes;
  changes.brokers = later.brokers;
  changes.topics_created = later.topics_created;
  changes.topics_deleted = later.topics_deleted;
  changes.partitions = later.partitions;
  changes.configs = later.configs;
  changes.producer_ids = later.producer_ids;
  changes.features = later.features;
  Append(std::move(changes));
}

}  // namespace quorate
