// tests/sim/checkers/vote_checker.h
//
// VoteChecker: what a node said of its term and its vote holds for ever, through any crash (I2,
// memory = disk; scenarios C3, C4): the term does not go back, and a vote is not changed within
// its term.
#pragma once

#include <cstdint>
#include <map>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class VoteChecker {
 public:
  explicit VoteChecker(Verdict& verdict) : verdict_(verdict) {}

  // `node` is in `term` and gave its vote to `voted_for` (-1: to nobody yet), and what it says of
  // that it may have told others: nothing is still on its way to its disk. `incarnation` counts
  // its processes.
  void OnState(int32_t node, uint64_t incarnation, int32_t term, int32_t voted_for);
  // `node` lost the disk that it votes with: it is another voter, or none, from now on.
  void OnDiskLost(int32_t node) { said_.erase(node); }

 private:
  struct Said {
    uint64_t incarnation = 0;
    int32_t term = 0;
    int32_t voted_for = -1;
  };

  Verdict& verdict_;
  std::map<int32_t, Said> said_;  // by node
};

}  // namespace quorate::sim
