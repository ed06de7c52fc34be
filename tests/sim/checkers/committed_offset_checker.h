// tests/sim/checkers/committed_offset_checker.h
//
// CommittedOffsetChecker: an offset that a group committed never goes back and survives (I31, K1,
// K10): whoever reads it finds at least what was acknowledged or read before the question was
// asked, and nothing that was never sent. Those who commit for a group go only up.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class CommittedOffsetChecker {
 public:
  explicit CommittedOffsetChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnSent(const std::string& group, const PartitionName& partition, int64_t offset);
  void OnAcked(const std::string& group, const PartitionName& partition, int64_t offset);
  // What a question that is asked now has to find at least; -1 = nothing.
  int64_t Floor(const std::string& group, const PartitionName& partition) const;
  // `floor` is what Floor() was when the question was sent; `offset` -1 = none committed.
  void OnRead(const std::string& group, const PartitionName& partition, int64_t floor,
              int64_t offset);

 private:
  struct Known {
    int64_t sent = -1;       // the highest
    int64_t committed = -1;  // the highest that was acknowledged or read
  };

  Verdict& verdict_;
  std::map<std::pair<std::string, PartitionName>, Known> known_;
};

}  // namespace quorate::sim
