#include "tests/sim/checkers/leader_completeness_checker.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"

namespace quorate::sim {
namespace {

// A deposed leader that learns of its election late is told from a new one by this: a later epoch
// whose records were acknowledged is seen well before this time is over.
constexpr Micros kSettled = std::chrono::milliseconds(100);

}  // namespace

void LeaderCompletenessChecker::OnAck(const PartitionName& partition, int64_t offset, MonoTime at) {
  auto& acked = partitions_[partition].acked;
  if (acked.empty() || offset + 1 > acked.back().second) acked.emplace_back(at, offset + 1);
  while (acked.size() > 1 && acked[1].first + kSettled <= at) acked.pop_front();
}

void LeaderCompletenessChecker::OnLeader(const PartitionName& partition, int32_t epoch,
                                         int32_t node, int64_t end, MonoTime at) {
  Partition& state = partitions_[partition];
  if (epoch <= state.epoch) return;
  state.epoch = epoch;
  int64_t acked_end = 0;
  for (const auto& [when, acked] : state.acked) {
    if (when + kSettled <= at) acked_end = acked;
  }
  if (end >= acked_end) return;
  verdict_.Add("leader-completeness",
               absl::StrFormat("%s: node %d leads in epoch %d with a log that ends at %d, "
                               "acknowledged was up to %d",
                               partition.ToString(), node, epoch, end, acked_end),
               {partition, acked_end - 1, node});
}

}  // namespace quorate::sim
