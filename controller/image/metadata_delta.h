// controller/image/metadata_delta.h
//
// MetadataDelta says what changed between two images and why. It holds names only: the old state
// is looked up in the previous image, the new one in the next. A thing that came and went again
// between the two is not in it.
//
// A value; immutable once published.
#pragma once

#include <set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/uuid.h"
#include "controller/image/cause.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// A committed batch that went into a delta.
struct AppliedBatch {
  LogIndex first;
  LogIndex end;  // exclusive
  Term term;
  WallMillis append_time = 0;  // leader's wall clock
  Cause cause;
};

struct MetadataDelta {
  ImagePtr previous;  // never null; the empty image at first

  std::set<NodeId> brokers;       // registered, changed or unregistered
  std::set<Uuid> topics_created;  // absent in the previous image
  std::set<Uuid> topics_deleted;  // absent in the next image: name and partitions are in previous
  // Created or changed, of topics that are in the next image.
  std::set<TopicPartition> partitions;
  std::set<ConfigResource> configs;  // set, changed or removed
  bool producer_ids = false;
  bool features = false;

  std::vector<AppliedBatch> batches;  // in log order

  // A topic went; what is noted of its coming and its partitions goes with it.
  void NoteTopicDeleted(const Uuid& id);
  // Adds what `later` says, whose previous image is this delta's next one.
  void Append(MetadataDelta later);
  // As Append, but leaves the batches out.
  void AppendChanges(const MetadataDelta& later);

  bool empty() const {
    return brokers.empty() && topics_created.empty() && topics_deleted.empty() &&
           partitions.empty() && configs.empty() && !producer_ids && !features;
  }
};

}  // namespace quorate
