#include "tests/sim/checkers/leadership_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void LeadershipChecker::OnRaftLeader(int32_t observer, int32_t term, int32_t leader) {
  const auto [it, is_new] = raft_.emplace(term, Claim{leader, observer});
  if (is_new || it->second.leader == leader) return;
  verdict_.Add("raft-leader",
               absl::StrFormat("term %d: for node %d node %d leads, for node %d node %d", term,
                               it->second.observer, it->second.leader, observer, leader));
  it->second = {leader, observer};
}

void LeadershipChecker::OnPartitionLeader(const PartitionName& partition, int32_t epoch,
                                          int32_t node) {
  const auto [it, is_new] = partitions_.emplace(std::pair(partition, epoch), node);
  if (is_new || it->second == node) return;
  verdict_.Add("partition-leader",
               absl::StrFormat("%s, leader epoch %d: nodes %d and %d lead it", partition.ToString(),
                               epoch, it->second, node),
               {partition, -1, node});
  it->second = node;
}

}  // namespace quorate::sim
