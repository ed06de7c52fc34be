// tests/sim/checkers/leadership_checker.h
//
// LeadershipChecker: one Raft leader per term (I1) and one leader per leader epoch of a partition,
// by what nodes believe of themselves and of others.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

class LeadershipChecker {
 public:
  explicit LeadershipChecker(Verdict& verdict) : verdict_(verdict) {}

  // `observer` believes that `leader` leads the metadata quorum in `term`.
  void OnRaftLeader(int32_t observer, int32_t term, int32_t leader);
  // `node` leads the partition in `epoch`.
  void OnPartitionLeader(const PartitionName& partition, int32_t epoch, int32_t node);

 private:
  struct Claim {
    int32_t leader;
    int32_t observer;
  };

  Verdict& verdict_;
  std::map<int32_t, Claim> raft_;  // by term
  std::map<std::pair<PartitionName, int32_t>, int32_t> partitions_;
};

}  // namespace quorate::sim
