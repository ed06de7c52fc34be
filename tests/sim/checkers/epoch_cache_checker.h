// tests/sim/checkers/epoch_cache_checker.h
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// A leader epoch and the offset of its first record.
using EpochBegin = std::pair<int32_t, int64_t>;

// A replica's epoch cache says what its batches say (I19): epochs and offsets rise, and each epoch
// of a batch begins where its first batch does. `batches`: what the replica holds, whole batches
// from its log start on. Epochs without records may be in the cache besides.
void CheckEpochCache(const PartitionName& partition, int32_t node,
                     const std::vector<EpochBegin>& cache, const std::string& batches,
                     Verdict& verdict);

}  // namespace quorate::sim
