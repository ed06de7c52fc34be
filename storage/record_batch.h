// storage/record_batch.h
//
// RecordBatchView reads the 61-byte header of a Kafka record batch (magic 2) in place; the
// functions below it check what a producer, a peer or a disk handed us and patch what a leader
// assigns. Records inside a batch stay opaque here (record_iterator.h walks them).
//
// Layout, all big-endian (storage/FORMAT.md#record-batch):
//    0 base offset i64    8 length i32 (of what follows)  12 partition leader epoch i32
//   16 magic i8 (2)      17 crc32c u32 (of all from 21)   21 attributes i16
//   23 last offset delta i32   27 base timestamp i64      35 max timestamp i64
//   43 producer id i64   51 producer epoch i16            53 base sequence i32   57 count i32
// The CRC leaves out offset, length, epoch and magic, so a leader patches those freely.
//
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"

namespace quorate {

inline constexpr size_t kBatchHeaderBytes = 61;
// Base offset and length, which the length field does not count.
inline constexpr size_t kBatchPrefixBytes = 12;
inline constexpr int8_t kBatchMagic = 2;
// "No timestamp" in records and indexes.
inline constexpr WallMillis kNoTimestamp = -1;

enum class CompressionCodec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

enum class TimestampType : uint8_t { kCreateTime = 0, kLogAppendTime = 1 };

// View of one batch. Does not own the bytes; valid as long as they are. Accessors only read the
// header and trust nothing: values are as found.
class RecordBatchView {
 public:
  // The batch at the start of `bytes` (more may follow it).
  // ERRORS: kInvalidArgument if the header is cut short, the length is impossible (less than a
  // header, more than `bytes` holds) or the magic is not 2. Neither CRC nor counts are checked.
  static absl::StatusOr<RecordBatchView> Parse(std::string_view bytes);

  // As Parse, when only the header (>= 61 bytes) is at hand: bytes() is then the header alone and
  // VerifyCrc must not be called.
  static absl::StatusOr<RecordBatchView> ParseHeader(std::string_view header);

  // The whole batch, header included.
  std::string_view bytes() const { return bytes_; }
  // Bytes of the whole batch, header included; in [61, 2^31 + 12).
  int64_t size_bytes() const;

  Offset base_offset() const;
  // Offset of the last record, inclusive.
  Offset last_offset() const;
  // One past the last record.
  Offset next_offset() const { return last_offset() + 1; }
  LeaderEpoch leader_epoch() const;
  uint32_t crc() const;
  uint16_t attributes() const;
  int32_t last_offset_delta() const;
  WallMillis base_timestamp() const;
  WallMillis max_timestamp() const;
  ProducerId producer_id() const;
  ProducerEpoch producer_epoch() const;
  // -1 if not from an idempotent producer.
  int32_t base_sequence() const;
  // Sequence of the last record: wraps from 2^31 - 1 to 0; -1 if base_sequence is.
  int32_t last_sequence() const;
  int32_t record_count() const;

  // Raw codec bits (attributes 0..2); above 4 is not a codec (validation refuses it).
  CompressionCodec codec() const { return static_cast<CompressionCodec>(attributes() & 0x07); }
  TimestampType timestamp_type() const {
    return (attributes() & 0x08) != 0 ? TimestampType::kLogAppendTime : TimestampType::kCreateTime;
  }
  bool is_transactional() const { return (attributes() & 0x10) != 0; }
  bool is_control() const { return (attributes() & 0x20) != 0; }
  bool has_delete_horizon() const { return (attributes() & 0x40) != 0; }
  bool has_producer_id() const { return producer_id() >= ProducerId(0); }

  // The bytes after the header: records, or their compressed form.
  std::string_view payload() const { return bytes_.substr(kBatchHeaderBytes); }

  // True if the stored CRC fits the bytes. REQUIRES: made by Parse.
  bool VerifyCrc() const;

 private:
  explicit RecordBatchView(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

// What ValidateBatches insists on.
struct BatchLimits {
  // Largest whole batch, in bytes (max.message.bytes).
  int64_t max_batch_bytes = INT64_C(0x7fffffff);
  // Most batches in one call; a producer sends one.
  int32_t max_batches = INT32_MAX;
  // Clients may not write control batches.
  bool control_allowed = true;
};

// Checks `bytes` to be one or more whole batches and nothing else, without walking records: length
// bounds, magic 2, known codec, count >= 1 (0 only with gaps left by compaction, see
// `empty_allowed`), count and last offset delta consistent (count - 1 <= delta; equal unless
// `compacted_allowed`), producer fields consistent, CRC. Returns the views, in order.
// ERRORS: kInvalidArgument (malformed, with position), kDataLoss (a CRC that does not fit),
// kResourceExhausted (a batch above max_batch_bytes).
struct BatchOrigin {
  // From a leader or a disk: compaction may have removed records, so count - 1 may be below the
  // delta and count may be 0.
  bool compacted_allowed = false;
};
absl::StatusOr<std::vector<RecordBatchView>> ValidateBatches(std::string_view bytes,
                                                             const BatchLimits& limits,
                                                             BatchOrigin origin);

// Checks one parsed batch as ValidateBatches does (CRC included).
absl::Status ValidateBatch(const RecordBatchView& batch, const BatchLimits& limits,
                           BatchOrigin origin);

// Writes base offset and partition leader epoch into a batch header. Outside the CRC.
// REQUIRES: `header` points at >= 61 writable bytes.
void PatchBatchHeader(char* header, Offset base_offset, LeaderEpoch epoch);

// Stamps a batch with log append time: sets the attribute bit and the max timestamp in `header` (a
// 61-byte copy of the batch's header) and recomputes its CRC over `header` and `payload`. The base
// timestamp stays, as in Kafka: readers take the max timestamp for every record.
void StampLogAppendTime(char* header, std::string_view payload, WallMillis now);

// Types of control records; the key of a control record is (version i16 = 0, type i16).
enum class ControlRecordType : int16_t {
  kAbort = 0,
  kCommit = 1,
  kLeaderChange = 2,
  kSnapshotHeader = 3,
  kSnapshotFooter = 4,
  kRaftVersion = 5,
  kRaftVoters = 6,
};

}  // namespace quorate
