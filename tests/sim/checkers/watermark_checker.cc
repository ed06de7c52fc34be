#include "tests/sim/checkers/watermark_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void WatermarkChecker::OnPositions(int32_t node, uint64_t incarnation,
                                   const PartitionName& partition, const ReplicaPositions& at) {
  const bool fit = 0 <= at.log_start && at.log_start <= at.high_watermark &&
                   at.high_watermark <= at.end && at.flushed_end <= at.end;
  if (!fit) {
    verdict_.Add(
        "positions",
        absl::StrFormat("%s on node %d: log start %d, high watermark %d, flushed %d, end %d",
                        partition.ToString(), node, at.log_start, at.high_watermark, at.flushed_end,
                        at.end),
        {partition, at.end, node});
  }
  if (!at.is_leader) return;
  const auto [it, is_new] = highest_.emplace(
      std::tuple(node, incarnation, at.leader_epoch, partition), at.high_watermark);
  if (is_new) return;
  if (at.high_watermark < it->second) {
    verdict_.Add(
        "high-watermark",
        absl::StrFormat("%s, leader %d, epoch %d: back from %d to %d", partition.ToString(), node,
                        at.leader_epoch, it->second, at.high_watermark),
        {partition, at.high_watermark, node});
  }
  it->second = at.high_watermark;
}

}  // namespace quorate::sim
