// tests/sim/checkers/derived_state_checker.h
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "storage/producer_state.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// What a replica knows besides its batches.
struct DerivedState {
  // By the index: where the batch that holds `offset` begins; -1 = none is found.
  std::function<int64_t(int64_t offset)> batch_at;
  // By the time index: the first record that is as late as `timestamp`; -1 = none is found.
  std::function<int64_t(WallMillis timestamp)> offset_for_time;
  const ProducerStateTable* producers = nullptr;
};

// A replica's index, time index and producers say what its batches say (I23): what is looked up
// through them is what a scan of `batches` finds, and the producers are those of a table that takes
// in one batch after the other. `batches`: all that the replica holds, from offset 0 on. Looks up
// some offsets and times in each log.
void CheckDerivedState(const PartitionName& partition, int32_t node, const std::string& batches,
                       const DerivedState& state, Verdict& verdict);

}  // namespace quorate::sim
