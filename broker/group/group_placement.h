// broker/group/group_placement.h
//
// Which partition of __consumer_offsets holds a group: Kafka's rule, so that its tools and ours
// agree.
//
// Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace quorate {

// Java's String.hashCode of UTF-8 `text`, over its UTF-16 code units. Each byte that is not part
// of valid UTF-8 counts as one U+FFFD.
int32_t JavaStringHash(std::string_view text);

// |hash| mod `partitions` (> 0), with |MIN_VALUE| = 0.
PartitionIndex PartitionForGroup(std::string_view group_id, int32_t partitions);

}  // namespace quorate
