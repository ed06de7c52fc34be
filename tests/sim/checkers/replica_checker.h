#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// What one replica holds up to the high watermark, as bytes on its disk.
struct ReplicaBytes {
  int32_t node = 0;
  std::string bytes;
};

// Replicas of a partition are equal, byte for byte, up to the high watermark (LogMatching). Says
// at which batch they part.
void CheckReplicas(const PartitionName& partition, const std::vector<ReplicaBytes>& replicas,
                   Verdict& verdict);

}  // namespace quorate::sim
