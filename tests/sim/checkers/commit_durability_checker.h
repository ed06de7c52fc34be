// tests/sim/checkers/commit_durability_checker.h
//
// CommitDurabilityChecker: what any node takes for committed in the metadata log is durable on a
// majority of the voters (I5). A node that is down counts with what it had flushed.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class CommitDurabilityChecker {
 public:
  CommitDurabilityChecker(Verdict& verdict, int voters)
      : verdict_(verdict), durable_(static_cast<size_t>(voters), 0) {}

  // `node`, from 1 on, has flushed its log up to `durable_end` (exclusive). All nodes that are up
  // are told before Check, at one moment.
  void OnDurableEnd(int32_t node, int64_t durable_end) {
    durable_[static_cast<size_t>(node - 1)] = durable_end;
  }
  // `node` takes all before `commit` for committed.
  void Check(int32_t node, int64_t commit);

 private:
  Verdict& verdict_;
  std::vector<int64_t> durable_;  // by node - 1
};

}  // namespace quorate::sim
