// controller/image/replay.h
//
// Replay turns records of the metadata log into state. The controller (for its speculative image),
// the loader of every node and the tools all use it, so that one record means one thing
// (decision D6).
//
// Pure.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/ids.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// Applies one serialised pb::MetadataRecord, which stands at `index` in the log, to `image` and
// notes in `delta`, if not null, what it changed. The image then is at index + 1.
// REQUIRES: index >= image->index().
// ERRORS: kDataLoss if the bytes are no record or of an unknown type, kInvalidArgument if the
// record does not fit the state (an unknown topic, a broker id below zero, ...). The message names
// the index and the reason; the image and the delta are unchanged.
[[nodiscard]] absl::Status Replay(LogIndex index, std::string_view record, MetadataImage* image,
                                  MetadataDelta* delta);

// Applies record number `number` of a materialised state at `end`
// (controller/image/image_records.h) to `image`, whose index stays. As Replay, but that a
// registration may have any broker epoch below `end`: its place in the log is not its place in the
// state. ERRORS: as Replay; the message names the number.
[[nodiscard]] absl::Status ReplayStateRecord(LogIndex end, int64_t number, std::string_view record,
                                             MetadataImage* image);

// Moves `image` to `end` (exclusive) and `term` without a change: at the end of a batch, and for
// control batches. REQUIRES: end >= image->index().
void AdvanceTo(LogIndex end, Term term, MetadataImage* image);

// The hash of `image` computed anew from its contents, in O(size): it must equal image.hash().
// For tests and tools.
StateHash ComputeHash(const MetadataImage& image);

}  // namespace quorate
