// storage/log_test_util.h
//
// Batches and logs for the tests of this folder.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/leader_epoch_cache.h"
#include "storage/log.h"
#include "storage/producer_state.h"
#include "storage/record_batch_builder.h"
#include "storage/record_iterator.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {

// A batch with one record per value, timestamps from `timestamp` on.
inline std::string BatchOf(const std::vector<std::string>& values, WallMillis timestamp = 1000,
                           const BatchOptions& options = {}) {
  RecordBatchBuilder builder(options);
  for (const std::string& value : values) builder.Add(timestamp++, std::nullopt, value);
  return builder.Build();
}

// A batch of `count` records of idempotent producer `id` from `sequence` on.
inline std::string ProducerBatchOf(int64_t id, int16_t epoch, int32_t sequence, int count = 1,
                                   bool transactional = false, WallMillis timestamp = 1000) {
  BatchOptions options;
  options.producer_id = ProducerId(id);
  options.producer_epoch = ProducerEpoch(epoch);
  options.base_sequence = sequence;
  options.transactional = transactional;
  return BatchOf(std::vector<std::string>(static_cast<size_t>(count), "v"), timestamp, options);
}

// A batch as a leader of `epoch` would have stored it at `base`.
inline SharedBytes StoredBatch(int64_t base, int32_t epoch, const std::vector<std::string>& values,
                               WallMillis timestamp = 1000) {
  BatchOptions options;
  options.base_offset = Offset(base);
  options.leader_epoch = LeaderEpoch(epoch);
  return SharedBytes::FromString(BatchOf(values, timestamp, options));
}

inline absl::StatusOr<AppendResult> AppendAt(Log& log, std::string batch, int32_t epoch = 1,
                                             AppendOrigin origin = AppendOrigin::kClient,
                                             WallMillis now = 1000) {
  return log.AppendAsLeader({SharedBytes::FromString(std::move(batch)), origin, false},
                            LeaderEpoch(epoch), now);
}

// (offset, value) of all records from `from` to the end.
inline std::vector<std::pair<int64_t, std::string>> RecordsOf(const Log& log, Offset from) {
  std::vector<std::pair<int64_t, std::string>> records;
  while (from < log.end_offset()) {
    const absl::StatusOr<LogReadResult> read = log.Read(from, log.end_offset(), 1 << 20, true);
    QCHECK(read.ok());
    QCHECK_GT(read->bytes, 0);
    const absl::StatusOr<std::string> bytes = read->ToBytes();
    QCHECK(bytes.ok());
    const auto batches = ValidateBatches(*bytes, BatchLimits{}, BatchOrigin{true});
    QCHECK(batches.ok());
    for (const RecordBatchView& batch : *batches) {
      absl::StatusOr<RecordIterator> iterator = RecordIterator::Open(batch);
      QCHECK(iterator.ok());
      while (true) {
        const absl::StatusOr<std::optional<Record>> record = iterator->Next();
        QCHECK(record.ok());
        if (!record->has_value()) break;
        if ((*record)->offset >= from) {
          records.emplace_back((*record)->offset.value(),
                               std::string((*record)->value.value_or("")));
        }
      }
    }
    QCHECK_GT(read->next_offset.value(), from.value());
    from = read->next_offset;
  }
  return records;
}

inline std::vector<std::pair<int64_t, std::string>> RecordsOf(const Log& log) {
  return RecordsOf(log, log.log_start_offset());
}

}  // namespace quorate
