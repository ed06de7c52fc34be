// tests/sim/checkers/isr_superset_checker.h
//
// IsrSupersetChecker: the set over which a leader counts its high watermark holds the committed ISR
// of its epoch (ReplicationQuorumSuperset, I11), and every member of that ISR holds all below the
// true high watermark: the highest that any leader of the partition ever had (I12, I16). A new
// leader's may lag behind that for a while.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

class IsrSupersetChecker {
 public:
  explicit IsrSupersetChecker(Verdict& verdict) : verdict_(verdict) {}

  struct Leader {
    int32_t node = 0;
    int32_t epoch = 0;
    int64_t high_watermark = 0;
    std::set<int32_t> maximal_isr;
  };
  // Another member of the committed ISR, in the leader's epoch and registered as it runs.
  struct Member {
    int32_t node = 0;
    int64_t held = 0;  // by the durability level: flushed end or end
  };
  // A leader said so, or showed it by an acknowledgement: all below `end` is committed.
  void OnCommitted(const PartitionName& partition, int64_t end);
  // All at one moment; `isr` is the newest committed one, of the leader's epoch.
  void OnLeader(const PartitionName& partition, const Leader& leader,
                const std::vector<int32_t>& isr, const std::vector<Member>& members);

 private:
  Verdict& verdict_;
  std::map<PartitionName, int64_t> committed_;  // ends, the highest
};

}  // namespace quorate::sim
