#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// What members of consumer groups saw; told to the checkers as it happens.
class GroupHistory {
 public:
  virtual ~GroupHistory() = default;
  // A member learns from SyncGroup that a partition is its own in a generation.
  virtual void OnOwner(int32_t generation, const PartitionName& partition,
                       const std::string& member) = 0;
  virtual void OnCommitSent(const std::string& group, const PartitionName& partition,
                            int64_t offset) = 0;
  virtual void OnCommitAcked(const std::string& group, const PartitionName& partition,
                             int64_t offset) = 0;
  // The highest commit of a partition that is acknowledged or was read by now; -1 = none.
  virtual int64_t CommitFloor(const std::string& group, const PartitionName& partition) const = 0;
  // An answer to an OffsetFetch that was sent when `floor` was known; -1 = none committed.
  virtual void OnCommittedRead(const std::string& group, const PartitionName& partition,
                               int64_t floor, int64_t offset) = 0;
};

}  // namespace quorate::sim
