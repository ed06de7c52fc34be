// tests/sim/checkers/commit_durability_checker.h
//
// CommitDurabilityChecker: what any node takes for committed in the metadata log is durable on a
// majority of the voters (I5). A node that is down counts with what it had flushed, and so does a
// disk that was lost: it held what was committed. Where voters change, a majority of one of the
// sets that nodes believe in will do: who decided by it believes in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class CommitDurabilityChecker {
 public:
  CommitDurabilityChecker(Verdict& verdict, int voters)
      : verdict_(verdict),
        durable_(static_cast<size_t>(voters), 0),
        lost_(static_cast<size_t>(voters), 0) {}

  // `node`, from 1 on, has flushed its log up to `durable_end` (exclusive). All nodes that are up
  // are told before Check, at one moment.
  void OnDurableEnd(int32_t node, int64_t durable_end) {
    durable_[static_cast<size_t>(node - 1)] = durable_end;
  }
  // The disk of `node` is gone, and had all before `durable_end`.
  void OnDiskLost(int32_t node, int64_t durable_end) {
    int64_t& lost = lost_[static_cast<size_t>(node - 1)];
    lost = std::max(lost, durable_end);
  }
  // Who votes, by what some nodes believe; all nodes if never told.
  void OnVoters(std::set<std::set<int32_t>> sets) { sets_ = std::move(sets); }
  // `node` takes all before `commit` for committed.
  void Check(int32_t node, int64_t commit);

 private:
  Verdict& verdict_;
  std::vector<int64_t> durable_;  // by node - 1
  std::vector<int64_t> lost_;     // the same, of disks that are gone
  std::set<std::set<int32_t>> sets_;
};

}  // namespace quorate::sim
