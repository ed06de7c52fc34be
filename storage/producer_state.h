// storage/producer_state.h
//
// ProducerStateTable: what one log remembers of each idempotent producer, so that a retry is not
// appended twice and a zombie is refused, plus the transactions that are open.
//
// Thread-compatible: owned by the log's loop. Only memory; Log writes Serialize() as
// <offset>.snapshot at each roll and clean close (format: storage/FORMAT.md#producer-snapshot).
// Source: KIP-98, KIP-360; Kafka storage/internals/log/ProducerStateManager.java.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "storage/log_types.h"
#include "storage/record_batch.h"

namespace quorate {

// One batch a producer wrote.
struct ProducerBatch {
  int32_t last_sequence = -1;
  Offset last_offset = kNoOffset;
  int32_t offset_delta = 0;  // last offset - first offset; also last - first sequence, wrapped
  WallMillis timestamp = kNoTimestamp;

  int32_t first_sequence() const;
  Offset first_offset() const { return last_offset - offset_delta; }
  bool operator==(const ProducerBatch&) const = default;
};

// What is known of one producer id.
struct ProducerEntry {
  static constexpr size_t kBatchesKept = 5;

  ProducerEpoch epoch = kNoProducerEpoch;
  int32_t coordinator_epoch = -1;  // of the last marker; -1 if none was seen
  WallMillis last_timestamp = kNoTimestamp;
  Offset transaction_first_offset = kNoOffset;      // of its open transaction; kNoOffset if none
  std::array<ProducerBatch, kBatchesKept> batches;  // oldest first, the first batch_count count
  uint8_t batch_count = 0;

  int32_t last_sequence() const {
    return batch_count == 0 ? -1 : batches[batch_count - 1].last_sequence;
  }
  Offset last_offset() const {
    return batch_count == 0 ? kNoOffset : batches[batch_count - 1].last_offset;
  }
  bool operator==(const ProducerEntry&) const = default;
};

// A transaction that a marker has just ended.
struct DecidedTransaction {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset = kNoOffset;
  Offset last_offset = kNoOffset;  // of the marker
  bool aborted = false;
};

// Outcome of Check.
struct ProducerCheck {
  ProducerVerdict verdict = ProducerVerdict::kAccept;
  ProducerBatch duplicate;  // for kDuplicate: the batch already written
};

class ProducerStateTable {
 public:
  // Judges a leader's incoming batch from a client against the state, without changing it. A batch
  // without producer id is accepted, and so is one without sequence (coordinators write those).
  // A marker is judged by its epochs alone. Rules for the others: an older epoch is stale; a new
  // epoch, or a producer not known, starts at sequence 0 (unknown with another sequence:
  // kUnknownProducer); else the sequence follows the last one (wrapping from 2^31 - 1 to 0), or is
  // one of the last 5 batches (duplicate).
  ProducerCheck Check(const RecordBatchView& batch) const;

  // Takes in a batch that was, or is about to be, appended at `base_offset`; never refuses (a
  // follower and recovery take what the log holds). Yields the transaction that a marker ended, if
  // it had records. REQUIRES: a control batch is whole, not just a header.
  std::optional<DecidedTransaction> Update(const RecordBatchView& batch, Offset base_offset,
                                           WallMillis timestamp);

  // The entry of `id`; null if none. Valid until the next change.
  const ProducerEntry* Find(ProducerId id) const;
  // All entries by id.
  const std::map<ProducerId, ProducerEntry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // Puts back what Update changed for `id`: the entry as it was, or nothing. For an append whose
  // write failed.
  void Restore(ProducerId id, const std::optional<ProducerEntry>& entry);

  // First offset of the earliest open transaction; nullopt if none.
  std::optional<Offset> FirstOpenTransaction() const;

  // Forgets producers without open transaction whose last record is older than `before`.
  size_t Expire(WallMillis before);
  void Clear();

  // Kafka's snapshot format, version 1.
  std::string Serialize() const;
  // ERRORS: kDataLoss (version, CRC, size).
  static absl::StatusOr<ProducerStateTable> Parse(std::string_view bytes);

  bool operator==(const ProducerStateTable& other) const { return entries_ == other.entries_; }

 private:
  void SetOpenTransaction(ProducerEntry* entry, Offset first_offset);

  std::map<ProducerId, ProducerEntry> entries_;
  // Open transactions by first offset; mirrors ProducerEntry::transaction_first_offset.
  std::set<Offset> open_transactions_;
};

}  // namespace quorate
