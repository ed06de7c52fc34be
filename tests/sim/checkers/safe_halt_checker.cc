#include "tests/sim/checkers/safe_halt_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void SafeHaltChecker::OnPartition(const PartitionName& partition, const ReadOut& read,
                                  int64_t tail) {
  if (read.told || read.high_watermark < 0) {
    ++refused_;
  } else if (read.position >= read.high_watermark && read.log_end > read.high_watermark &&
             read.log_end >= std::min(tail, records_.acked_end(partition))) {
    ++withheld_;
    records_.FinishPartition(partition, std::min(tail, read.high_watermark));
  } else if (read.position >= read.high_watermark) {
    ++whole_;
    records_.FinishPartition(partition, tail);
  } else {
    verdict_.Add("halt",
                 absl::StrFormat("%s: a fresh consumer is at %d of %d, and no error tells why",
                                 partition.ToString(), read.position, read.high_watermark),
                 {partition, read.position});
  }
}

}  // namespace quorate::sim
