// tests/sim/cluster/rot.h
//
// Bits that flip in batches which a node has synced, and knows that it has.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "tests/sim/clients/record_name.h"
#include "tests/sim/cluster/sim_node.h"

namespace quorate::sim {

// Up to which offset the files on the node's disk vouch for its replica of `partition`: what is
// damaged below is not torn.
int64_t NotedEnd(SimNode& node, const PartitionName& partition);

// The first offset that a recovery reads back which rests on NotedEnd, `end`.
int64_t ReadBackFrom(SimNode& node, const PartitionName& partition, int64_t end);

// Flips a bit in the batch that holds `offset`, in any byte but those of the base offset; says
// where, "" if the node does not have it.
std::string FlipBitAt(SimNode& node, const PartitionName& partition, int64_t offset,
                      Random& random);

}  // namespace quorate::sim
