// storage/record_batch_builder.h
//
// RecordBatchBuilder makes one record batch: for the metadata log, the coordinators, transaction
// markers and tests. What clients produce never passes through here.
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/record_batch.h"
#include "storage/record_iterator.h"

namespace quorate {

struct BatchOptions {
  // A leader's append assigns offsets and epoch anew; they matter to AppendAsFollower and tests.
  Offset base_offset{0};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  CompressionCodec codec = CompressionCodec::kNone;
  TimestampType timestamp_type = TimestampType::kCreateTime;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  int32_t base_sequence = -1;  // -1 = none
  bool transactional = false;
  bool control = false;
};

class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(const BatchOptions& options = {}) : options_(options) {}

  // Appends a record at the next offset; nullopt is null. Copies everything.
  // REQUIRES: at most 2^31 - 1 bytes altogether.
  void Add(WallMillis timestamp, std::optional<std::string_view> key,
           std::optional<std::string_view> value, std::span<const RecordHeader> headers = {});

  // Appends a control record of `type`. REQUIRES: options.control.
  void AddControl(WallMillis timestamp, ControlRecordType type, std::string_view value);

  // Skips `count` offsets, as compaction would leave them.
  void SkipOffsets(int32_t count) { next_delta_ += count; }

  int32_t record_count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Size of the batch so far, uncompressed.
  size_t size_bytes() const { return kBatchHeaderBytes + records_.size(); }

  // The whole batch with its CRC. The builder is then empty, with its options unchanged.
  // REQUIRES: !empty().
  std::string Build();

 private:
  BatchOptions options_;
  std::string records_;
  int32_t count_ = 0;
  int32_t next_delta_ = 0;
  WallMillis base_timestamp_ = kNoTimestamp;
  WallMillis max_timestamp_ = kNoTimestamp;
};

// A control batch that ends `producer_id`'s transaction in one partition.
std::string BuildEndTransactionMarker(ProducerId producer_id, ProducerEpoch producer_epoch,
                                      bool commit, int32_t coordinator_epoch, WallMillis timestamp);

}  // namespace quorate
