// tests/sim/checkers/recovery_checker.h
//
// RecoveryChecker: a log that a new process opens holds all that the earlier one had synced (I22,
// lower half; that it holds nothing else is seen by the replica, read and metadata checkers).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class RecoveryChecker {
 public:
  explicit RecoveryChecker(Verdict& verdict) : verdict_(verdict) {}

  // A process of `node` ends; its `log` is synced up to `synced_end` (exclusive).
  void OnEnd(int32_t node, const std::string& log, int64_t synced_end) {
    synced_[{node, log}] = synced_end;
  }
  // The disk with this node's logs was replaced.
  void OnWipe(int32_t node);
  // A leader's word cut it: what was synced before says nothing any more.
  void OnCut(int32_t node, const std::string& log) { synced_.erase({node, log}); }
  // The next process has opened it: it ends at `end`, and was not cut since on a leader's word.
  // Only the first call after OnEnd counts.
  void OnOpened(int32_t node, const std::string& log, int64_t end);

 private:
  Verdict& verdict_;
  std::map<std::pair<int32_t, std::string>, int64_t> synced_;
};

}  // namespace quorate::sim
