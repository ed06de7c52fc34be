#include "tests/sim/checkers/isr_superset_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace quorate::sim {

void IsrSupersetChecker::OnCommitted(const PartitionName& partition, int64_t end) {
  int64_t& committed = committed_[partition];
  committed = std::max(committed, end);
}

void IsrSupersetChecker::OnLeader(const PartitionName& partition, const Leader& leader,
                                  const std::vector<int32_t>& isr,
                                  const std::vector<Member>& members) {
  for (int32_t node : isr) {
    if (leader.maximal_isr.contains(node)) continue;
    verdict_.Add(
        "isr-superset",
        absl::StrFormat("%s: node %d, leader in epoch %d, counts on %s only, the committed "
                        "ISR is %s",
                        partition.ToString(), leader.node, leader.epoch,
                        absl::StrJoin(leader.maximal_isr, " "), absl::StrJoin(isr, " ")),
        {partition, -1, leader.node});
    return;
  }
  OnCommitted(partition, leader.high_watermark);
  const int64_t committed = committed_[partition];
  for (const Member& member : members) {
    if (member.held >= committed) continue;
    verdict_.Add("isr-holds",
                 absl::StrFormat("%s: all below %d was committed, the high watermark of node %d, "
                                 "leader in epoch %d, is %d, node %d is in the ISR and holds %d",
                                 partition.ToString(), committed, leader.node, leader.epoch,
                                 leader.high_watermark, member.node, member.held),
                 {partition, member.held, member.node});
  }
}

}  // namespace quorate::sim
