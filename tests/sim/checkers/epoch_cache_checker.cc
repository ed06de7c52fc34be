#include "tests/sim/checkers/epoch_cache_checker.h"

#include <string_view>

#include "absl/strings/str_format.h"
#include "storage/record_batch.h"

namespace quorate::sim {

void CheckEpochCache(const PartitionName& partition, int32_t node,
                     const std::vector<EpochBegin>& cache, const std::string& batches,
                     Verdict& verdict) {
  for (size_t i = 1; i < cache.size(); ++i) {
    if (cache[i - 1].first < cache[i].first && cache[i - 1].second < cache[i].second) continue;
    verdict.Add("epoch-cache",
                absl::StrFormat("%s on node %d: epoch %d begins at %d, epoch %d before it at %d",
                                partition.ToString(), node, cache[i].first, cache[i].second,
                                cache[i - 1].first, cache[i - 1].second),
                {partition, cache[i].second, node});
    return;
  }
  size_t at = 0;
  std::string_view bytes = batches;
  while (!bytes.empty()) {
    const auto batch = RecordBatchView::Parse(bytes);
    if (!batch.ok()) return;  // ReplicaChecker's matter
    bytes.remove_prefix(static_cast<size_t>(batch->size_bytes()));
    const int64_t offset = batch->base_offset().value();
    const int32_t epoch = batch->leader_epoch().value();
    while (at + 1 < cache.size() && cache[at + 1].second <= offset) ++at;
    if (at < cache.size() && cache[at].first == epoch && cache[at].second <= offset) continue;
    verdict.Add("epoch-cache",
                absl::StrFormat("%s on node %d: the batch at offset %d is of epoch %d, the cache "
                                "says %d from %d on",
                                partition.ToString(), node, offset, epoch,
                                at < cache.size() ? cache[at].first : -1,
                                at < cache.size() ? cache[at].second : -1),
                {partition, offset, node});
    return;
  }
}

}  // namespace quorate::sim
