// tests/sim/checkers/records_checker.h
//
// RecordsChecker compares what producers were told with what the final reader finds:
//   lost        every acknowledged record is there, at the offset of its acknowledgement (I14, I17)
//   duplicate   no record is there twice (producers are idempotent, I30)
//   order       the records of one producer are in the order it sent them
//   phantom     every record was sent
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

class RecordsChecker {
 public:
  explicit RecordsChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnSend(const PartitionName& partition, const RecordName& record);
  void OnAck(const PartitionName& partition, const RecordName& record, int64_t offset);
  void OnFinalRead(const PartitionName& partition, int64_t offset, const RecordName& record);
  // All was read up to the high watermark.
  void Finish();
  // The same for one partition, of which a tail that begins at offset `tail` or later may be gone:
  // what is missing from `tail` on must lie behind all that is there. INT64_MAX: nothing may be.
  void FinishPartition(const PartitionName& name, int64_t tail);

  // One past the highest acknowledged offset.
  int64_t acked_end(const PartitionName& partition) const;
  uint64_t acked_records() const { return acked_; }

 private:
  struct Partition {
    std::map<RecordName, int64_t> acked;  // with its offset
    std::map<int64_t, RecordName> acked_at;
    std::map<RecordName, int64_t> read;
    std::map<int32_t, int64_t> sent;         // numbers below this, by producer
    std::map<int32_t, int64_t> last_number;  // read, by producer
    int64_t acked_end = 0;
  };

  Verdict& verdict_;
  std::map<PartitionName, Partition> partitions_;
  uint64_t acked_ = 0;
};

}  // namespace quorate::sim
