// storage/record_iterator.h
//
// RecordIterator walks the records of one batch, for internal topics, timestamp lookups and tools.
// The data path never uses it.
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/record_batch.h"

namespace quorate {

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;  // nullopt = null
};

// One record; views point into the batch's bytes or into the iterator's decompressed copy.
struct Record {
  Offset offset{0};
  // As the reader sees it: the batch's max timestamp under log append time.
  WallMillis timestamp = kNoTimestamp;
  std::optional<std::string_view> key;    // nullopt = null
  std::optional<std::string_view> value;  // nullopt = null (a tombstone)
  std::vector<RecordHeader> headers;
};

// Yields each record once, in order. Views stay valid while the iterator and the batch's bytes do.
class RecordIterator {
 public:
  // Decompresses if need be; the batch's CRC is the caller's affair.
  // ERRORS: kDataLoss (bytes that do not decompress), kResourceExhausted (more than
  // `max_decompressed_bytes` would come out), kInvalidArgument (unknown codec).
  static absl::StatusOr<RecordIterator> Open(const RecordBatchView& batch,
                                             size_t max_decompressed_bytes = 256 << 20);

  // The next record, or nullopt after the last.
  // ERRORS: kDataLoss for a malformed record or bytes left over after the last one.
  absl::StatusOr<std::optional<Record>> Next();

 private:
  explicit RecordIterator(const RecordBatchView& batch) : batch_(batch) {}

  RecordBatchView batch_;
  std::shared_ptr<const std::string> decompressed_;  // null if the batch is not compressed
  std::string_view rest_;                            // not yet walked
  int32_t left_ = 0;                                 // records still to come
};

// The type of a control batch's record (its first). ERRORS: kDataLoss if there is none or its key
// is not (version, type).
absl::StatusOr<ControlRecordType> ControlTypeOf(const RecordBatchView& batch);

}  // namespace quorate
