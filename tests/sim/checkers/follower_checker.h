// tests/sim/checkers/follower_checker.h
//
// FollowerChecker: a follower has its records from its leader alone (LogMatching, A11): once the
// leader of an epoch has taken a fetch of a replica, and so compared logs with it, the replica's
// log ends nowhere behind the leader's.
#pragma once

#include <cstdint>

#include "absl/strings/str_format.h"
#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class FollowerChecker {
 public:
  explicit FollowerChecker(Verdict& verdict) : verdict_(verdict) {}

  // Both at one moment and in leader epoch `epoch`, in which `leader` took a fetch of `follower`.
  void OnEnds(const PartitionName& partition, int32_t epoch, int32_t leader, int64_t leader_end,
              int32_t follower, int64_t follower_end) {
    if (follower_end <= leader_end) return;
    verdict_.Add(
        "follower",
        absl::StrFormat("%s: node %d follows node %d in epoch %d and has offsets up to %d, "
                        "the leader up to %d",
                        partition.ToString(), follower, leader, epoch, follower_end, leader_end),
        {partition, leader_end, follower});
  }

 private:
  Verdict& verdict_;
};

}  // namespace quorate::sim
