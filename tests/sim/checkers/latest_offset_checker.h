// tests/sim/checkers/latest_offset_checker.h
//
// LatestOffsetChecker: the latest offset that a leader tells does not go back, not through
// elections either (I16 as clients see it, A18): it is at least what this leader, or one of an
// earlier epoch, had told anybody before it was asked. A leader that does not know that yet must
// say so.
#pragma once

#include <cstdint>
#include <map>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class LatestOffsetChecker {
 public:
  explicit LatestOffsetChecker(Verdict& verdict) : verdict_(verdict) {}

  // The leader of `epoch` told that all below `offset` is committed.
  void OnCommittedUpTo(const PartitionName& partition, int32_t epoch, int64_t offset);
  // The highest that leaders up to `epoch` have told; -1 = nothing.
  int64_t Floor(const PartitionName& partition, int32_t epoch) const;
  // The leader of `epoch` answered `offset` to a question that was sent when Floor was `floor`.
  void OnLatest(const PartitionName& partition, int32_t epoch, int64_t floor, int64_t offset);

 private:
  Verdict& verdict_;
  // By epoch the highest told, in it or before; both rise.
  std::map<PartitionName, std::map<int32_t, int64_t>> told_;
};

}  // namespace quorate::sim
