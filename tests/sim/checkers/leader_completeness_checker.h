// tests/sim/checkers/leader_completeness_checker.h
//
// LeaderCompletenessChecker: a new leader's log reaches to every offset that was acknowledged
// before it was elected (I13).
#pragma once

#include <cstdint>
#include <deque>
#include <map>

#include "base/clock.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

class LeaderCompletenessChecker {
 public:
  explicit LeaderCompletenessChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnAck(const PartitionName& partition, int64_t offset, MonoTime at);
  // `node` leads in `epoch`, its log ends at `end`.
  void OnLeader(const PartitionName& partition, int32_t epoch, int32_t node, int64_t end,
                MonoTime at);

 private:
  struct Partition {
    // Rising ends of what was acknowledged, those of the last moments and one before them.
    std::deque<std::pair<MonoTime, int64_t>> acked;
    int32_t epoch = -1;  // the highest one seen
  };

  Verdict& verdict_;
  std::map<PartitionName, Partition> partitions_;
};

}  // namespace quorate::sim
