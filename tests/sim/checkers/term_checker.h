// tests/sim/checkers/term_checker.h
//
// TermChecker: a node's term never goes back (I2): not while its process runs, and not below a
// term that it led, or voted in as far as that shows, in an earlier process.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class TermChecker {
 public:
  explicit TermChecker(Verdict& verdict) : verdict_(verdict) {}

  // `incarnation` counts the node's processes; `leads`: it is the leader of `term`.
  void OnTerm(int32_t node, uint64_t incarnation, int32_t term, bool leads);
  // `node` lost the disk that its term was on: it is another replica now.
  void OnDiskLost(int32_t node) { known_.erase(node); }

 private:
  struct Known {
    uint64_t incarnation = 0;
    int32_t term = 0;
    int32_t led = 0;  // the highest, in any process
  };

  Verdict& verdict_;
  std::map<int32_t, Known> known_;  // by node
};

}  // namespace quorate::sim
