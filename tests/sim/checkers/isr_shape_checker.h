// tests/sim/checkers/isr_shape_checker.h
//
// IsrShapeChecker: what a committed state of a partition must look like (I18): ISR and ELR are
// disjoint and among the replicas, the leader is in the ISR, no fenced broker is in an ISR with
// others, the ELR is empty once the ISR has min.insync.replicas members; epochs only grow.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

struct IsrShape {
  std::vector<int32_t> replicas;
  std::vector<int32_t> isr;
  std::vector<int32_t> elr;
  int32_t leader = -1;
  int32_t leader_epoch = 0;
  int32_t partition_epoch = 0;
};

class IsrShapeChecker {
 public:
  IsrShapeChecker(Verdict& verdict, int32_t min_isr) : verdict_(verdict), min_isr_(min_isr) {}

  // The state at `index` of the metadata log; called with indexes in order.
  void OnState(const PartitionName& partition, int64_t index, const IsrShape& shape,
               const std::set<int32_t>& fenced);

 private:
  void Refuse(const PartitionName& partition, int64_t index, const IsrShape& shape,
              const char* what);

  Verdict& verdict_;
  const int32_t min_isr_;
  std::map<PartitionName, std::pair<int32_t, int32_t>> epochs_;  // leader's and partition's
};

}  // namespace quorate::sim
