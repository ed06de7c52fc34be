#include "tests/sim/checkers/committed_offset_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void CommittedOffsetChecker::OnSent(const PartitionName& partition, int64_t offset) {
  int64_t& highest = sent_.try_emplace(partition, -1).first->second;
  highest = std::max(highest, offset);
}

void CommittedOffsetChecker::OnAcked(const PartitionName& partition, int64_t offset) {
  int64_t& highest = acked_.try_emplace(partition, -1).first->second;
  highest = std::max(highest, offset);
}

int64_t CommittedOffsetChecker::acked(const PartitionName& partition) const {
  const auto it = acked_.find(partition);
  return it == acked_.end() ? -1 : it->second;
}

void CommittedOffsetChecker::OnRead(const PartitionName& partition, int64_t floor, int64_t offset) {
  if (offset < floor) {
    verdict_.Add("committed-offset",
                 absl::StrFormat("the committed offset of %s is %d, after %d was acknowledged",
                                 partition.ToString(), offset, floor),
                 {partition});
  }
  const auto it = sent_.find(partition);
  const int64_t highest = it == sent_.end() ? -1 : it->second;
  if (offset > highest) {
    verdict_.Add(
        "committed-offset",
        absl::StrFormat("the committed offset of %s is %d, but none above %d was ever sent",
                        partition.ToString(), offset, highest),
        {partition});
  }
}

}  // namespace quorate::sim
