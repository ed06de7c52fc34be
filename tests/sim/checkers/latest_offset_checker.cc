#include "tests/sim/checkers/latest_offset_checker.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void LatestOffsetChecker::OnCommittedUpTo(const PartitionName& partition, int32_t epoch,
                                          int64_t offset) {
  std::map<int32_t, int64_t>& told = told_[partition];
  auto it = told.upper_bound(epoch);
  const int64_t before = it == told.begin() ? -1 : std::prev(it)->second;
  if (offset <= before) return;
  it = told.insert_or_assign(epoch, offset).first;
  // What was told later is not less.
  for (++it; it != told.end() && it->second <= offset;) it = told.erase(it);
}

int64_t LatestOffsetChecker::Floor(const PartitionName& partition, int32_t epoch) const {
  const auto told = told_.find(partition);
  if (told == told_.end()) return -1;
  const auto it = told->second.upper_bound(epoch);
  return it == told->second.begin() ? -1 : std::prev(it)->second;
}

void LatestOffsetChecker::OnLatest(const PartitionName& partition, int32_t epoch, int64_t floor,
                                   int64_t offset) {
  if (offset < floor) {
    verdict_.Add(
        "latest-offset",
        absl::StrFormat("the leader of %s in epoch %d tells %d as its latest offset, though "
                        "%d was told before",
                        partition.ToString(), epoch, offset, floor),
        {partition, offset});
  }
  OnCommittedUpTo(partition, epoch, offset);
}

}  // namespace quorate::sim
