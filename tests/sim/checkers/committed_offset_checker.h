// tests/sim/checkers/committed_offset_checker.h
//
// CommittedOffsetChecker: a committed offset never goes back and survives (I31, K1, K10): whoever
// reads it finds at least what was acknowledged before the question was asked, and nothing that was
// never sent.
#pragma once

#include <cstdint>
#include <map>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class CommittedOffsetChecker {
 public:
  explicit CommittedOffsetChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnSent(const PartitionName& partition, int64_t offset);
  void OnAcked(const PartitionName& partition, int64_t offset);
  // -1 = none.
  int64_t acked(const PartitionName& partition) const;
  // `floor` is what acked() was when the question was sent; `offset` -1 = none committed.
  void OnRead(const PartitionName& partition, int64_t floor, int64_t offset);

 private:
  Verdict& verdict_;
  std::map<PartitionName, int64_t> sent_;   // the highest
  std::map<PartitionName, int64_t> acked_;  // the highest
};

}  // namespace quorate::sim
