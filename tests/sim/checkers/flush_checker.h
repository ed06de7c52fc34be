// tests/sim/checkers/flush_checker.h
//
// FlushChecker: what a node takes for durable is on its disk (I5; scenarios C12, C15, H1): asked of
// the disk itself, not of the node.
#pragma once

#include <cstdint>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class FlushChecker {
 public:
  explicit FlushChecker(Verdict& verdict) : verdict_(verdict) {}

  // `node` takes all below `claimed` for durable; after a loss of power now, its log would end at
  // `on_disk`.
  void OnClaim(int32_t node, int64_t claimed, int64_t on_disk);

 private:
  Verdict& verdict_;
};

}  // namespace quorate::sim
