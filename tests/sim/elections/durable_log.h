// tests/sim/elections/durable_log.h
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/world/sim_disk.h"

namespace quorate::sim {

// Where the log in `directory` would end if its machine lost power now, and nothing unsynced
// survived: by the batches in the synced contents of its latest segments.
int64_t DurableLogEnd(const SimDisk& disk, const std::string& directory);

}  // namespace quorate::sim
