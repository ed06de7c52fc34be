// tests/sim/checkers/read_barrier_checker.h
//
// ReadBarrierChecker: a controller that is told that it still leads knows all that anybody had
// committed when it asked: reads of the quorum are linearizable (I4, C17).
#pragma once

#include <cstdint>

#include "absl/strings/str_format.h"
#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class ReadBarrierChecker {
 public:
  explicit ReadBarrierChecker(Verdict& verdict) : verdict_(verdict) {}

  // `node` was confirmed, knowing `commit` as committed (exclusive); when it asked, some node knew
  // `floor`.
  void OnConfirmed(int32_t node, int64_t floor, int64_t commit) {
    ++confirmed_;
    if (commit >= floor) return;
    verdict_.Add("stale-read",
                 absl::StrFormat("node %d reads the state at %d, though %d was committed before",
                                 node, commit, floor),
                 {{}, -1, node});
  }
  uint64_t confirmed() const { return confirmed_; }

 private:
  Verdict& verdict_;
  uint64_t confirmed_ = 0;
};

}  // namespace quorate::sim
