// raft/metadata_batch_codec.h
//
// A MetadataBatch as a record batch (magic 2) and back. Each metadata record is the value of one
// record with a null key; the cause is header "cause" of the first; the batch's leader epoch is
// the term. Leader changes are control batches. Format: raft/FORMAT.md#batches.
//
// Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "raft/core/messages.h"
#include "raft/core/ready.h"
#include "raft/metadata_quorum.h"
#include "storage/record_batch.h"

namespace quorate {

// One batch with `records`; the log assigns its indexes.
// REQUIRES: records not empty.
std::string EncodeMetadataBatch(const std::vector<std::string>& records, std::string_view cause,
                                Term term, WallMillis now);

// The control batch that begins a leader's term.
std::string EncodeLeaderChange(const raft::LeaderChangeRecord& record, Term term, WallMillis now);

// ERRORS: kDataLoss if the records are malformed. The CRC is the caller's affair.
absl::StatusOr<std::shared_ptr<const MetadataBatch>> DecodeMetadataBatch(
    const RecordBatchView& batch);

// Checks that `bytes` are whole batches with fitting CRCs and gives their extents, in order, and
// the sets of voters records.
// ERRORS: kDataLoss, kInvalidArgument.
absl::StatusOr<std::vector<raft::BatchSpan>> SpansOf(std::string_view bytes);

}  // namespace quorate
