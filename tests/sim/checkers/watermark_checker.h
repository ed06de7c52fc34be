// tests/sim/checkers/watermark_checker.h
//
// WatermarkChecker: positions of a replica fit together (I16), and a leader's high watermark never
// moves back while it leads in one epoch.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// Of one replica at one moment.
struct ReplicaPositions {
  bool is_leader = false;
  int32_t leader_epoch = -1;
  int64_t log_start = 0;
  int64_t high_watermark = 0;
  int64_t flushed_end = 0;
  int64_t end = 0;
};

class WatermarkChecker {
 public:
  explicit WatermarkChecker(Verdict& verdict) : verdict_(verdict) {}

  // `incarnation` counts the node's processes.
  void OnPositions(int32_t node, uint64_t incarnation, const PartitionName& partition,
                   const ReplicaPositions& positions);

 private:
  Verdict& verdict_;
  // Highest watermark by node, incarnation, epoch, partition, while leading.
  std::map<std::tuple<int32_t, uint64_t, int32_t, PartitionName>, int64_t> highest_;
};

}  // namespace quorate::sim
