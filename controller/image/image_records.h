// controller/image/image_records.h
//
// An image as records and back: what a snapshot of the metadata log (raft/FORMAT.md#snapshots) and
// any other materialised state holds. They are the records of the log, with two liberties: a
// broker's registration keeps the epoch it got from its place in the log, and what happened in many
// steps is said in one.
//
// Pure; WriteImageRecords may run on any thread.
// Source: KIP-630.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// Takes some records, each a serialised pb::MetadataRecord; an error ends the writing.
using ImageRecordSink = absl::FunctionRef<absl::Status(std::vector<std::string> records)>;

// Gives the records that rebuild `image`, in the order in which they have to be replayed, to
// `sink` in batches of at most `max_batch_bytes` of records (or one larger record); no batch is
// empty. Equal images give equal records. Memory: one batch.
// ERRORS: those of `sink`.
[[nodiscard]] absl::Status WriteImageRecords(const MetadataImage& image, size_t max_batch_bytes,
                                             ImageRecordSink sink);

// Rebuilds an image from records of WriteImageRecords.
class ImageBuilder {
 public:
  // The image stands at `end`, of which `term` is the term of the last record before it.
  ImageBuilder(LogIndex end, Term term) : end_(end), term_(term) {}

  // ERRORS: as Replay (replay.h), the record named by its number from 0 on; the builder then holds
  // what came before.
  [[nodiscard]] absl::Status Add(std::string_view record);

  // Records added so far.
  int64_t count() const { return count_; }

  // The image of all that was added. Call once, last.
  MetadataImage Take() &&;

 private:
  const LogIndex end_;
  const Term term_;
  int64_t count_ = 0;
  MetadataImage image_;  // at index 0 until Take
};

// The image of all of `records`. ERRORS: as ImageBuilder::Add.
absl::StatusOr<MetadataImage> ImageOfRecords(LogIndex end, Term term,
                                             const std::vector<std::string>& records);

// What changed from `previous` to `next`, found by comparing them: O(size of both). There are no
// batches in it: what happened between the two is not known. For an image that came as a snapshot.
MetadataDelta DeltaBetween(const ImagePtr& previous, const MetadataImage& next);

}  // namespace quorate
