// controller/change_set.h
//
// ChangeSet: the records of one operation in the making, together with the image they lead to. A
// control module validates against image(), adds a record, and sees its effect at once. Nothing is
// real until the quorum controller has proposed it (decision D6).
//
// Thread-compatible: owned by the controller loop. Cheap to make: images share structure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

namespace pb {
class MetadataRecord;
}

class ChangeSet {
 public:
  // Starts from `image`; the first record will get index `first` (>= image.index()).
  ChangeSet(MetadataImage image, LogIndex first);

  // What holds once all records added so far are committed.
  const MetadataImage& image() const { return image_; }
  // Index of the first record.
  LogIndex first_index() const { return first_; }
  // Index that the next added record will get.
  LogIndex next_index() const { return next_; }
  bool empty() const { return records_.empty(); }

  // Adds a record. One that cannot be replayed is a bug of the module: it is a broken invariant.
  void Add(const pb::MetadataRecord& record);

  // The records since the last end of a unit are one unit: they are committed together. Units
  // are packed into batches as they fit. Without any call everything is one unit.
  void EndUnit();

  // A point to go back to.
  struct Mark {
    MetadataImage image;
    size_t records;
    size_t units;
  };
  Mark Here() const { return {image_, records_.size(), unit_ends_.size()}; }
  void RollBack(const Mark& mark);

  // Bytes of the unit that is not ended yet, as they count in a batch.
  size_t open_unit_bytes() const;

  // The records, cut into batches of at most `max_batch_bytes` at ends of units; as few as
  // possible, or, if `batch_per_unit`, one for each unit.
  // ERRORS: kInvalidArgument if one unit does not fit.
  absl::StatusOr<std::vector<std::vector<std::string>>> TakeBatches(size_t max_batch_bytes,
                                                                    bool batch_per_unit = false);

  // Names everything that changed, possibly more (what was rolled back).
  const MetadataDelta& delta() const { return delta_; }

  // Bytes that a record of `size` bytes takes in a batch, at most.
  static size_t RecordCost(size_t size) { return size + 32; }
  // Bytes of a batch besides its records, its cause included, at most.
  static constexpr size_t kBatchCost = 4096;

 private:
  MetadataImage image_;
  LogIndex first_;
  LogIndex next_;
  MetadataDelta delta_;
  std::vector<std::string> records_;
  std::vector<size_t> unit_ends_;  // ascending counts of records
};

}  // namespace quorate
