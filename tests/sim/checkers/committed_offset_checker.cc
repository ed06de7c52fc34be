#include "tests/sim/checkers/committed_offset_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void CommittedOffsetChecker::OnSent(const std::string& group, const PartitionName& partition,
                                    int64_t offset) {
  Known& known = known_[{group, partition}];
  known.sent = std::max(known.sent, offset);
}

void CommittedOffsetChecker::OnAcked(const std::string& group, const PartitionName& partition,
                                     int64_t offset) {
  Known& known = known_[{group, partition}];
  known.committed = std::max(known.committed, offset);
}

int64_t CommittedOffsetChecker::Floor(const std::string& group,
                                      const PartitionName& partition) const {
  const auto it = known_.find({group, partition});
  return it == known_.end() ? -1 : it->second.committed;
}

void CommittedOffsetChecker::OnRead(const std::string& group, const PartitionName& partition,
                                    int64_t floor, int64_t offset) {
  Known& known = known_[{group, partition}];
  if (offset < floor) {
    verdict_.Add("committed-offset",
                 absl::StrFormat("the offset that %s committed for %s is %d, after %d was "
                                 "acknowledged or read",
                                 group, partition.ToString(), offset, floor),
                 {partition});
  } else if (offset > known.sent) {
    verdict_.Add("committed-offset",
                 absl::StrFormat("the offset that %s committed for %s is %d, but none above %d was "
                                 "ever sent",
                                 group, partition.ToString(), offset, known.sent),
                 {partition});
  }
  known.committed = std::max(known.committed, offset);
}

}  // namespace quorate::sim
