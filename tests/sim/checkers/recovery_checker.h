// tests/sim/checkers/recovery_checker.h
//
// RecoveryChecker: a log that a new process opens holds all that the earlier one had synced, and
// nothing beyond what that one had appended and not cut off again (I22).
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

  // A process of `node` ends; its `log` is synced up to `synced_end` and ends at `end` (exclusive;
  // INT64_MAX if it died in a write, which may or may not be there).
  void OnEnd(int32_t node, const std::string& log, int64_t synced_end, int64_t end) {
    ended_[{node, log}] = {synced_end, end};
  }
  // The disk with this node's logs was replaced.
  void OnWipe(int32_t node);
  // A leader's word cut it: what was synced before says nothing any more.
  void OnCut(int32_t node, const std::string& log) { ended_.erase({node, log}); }
  // The next process has opened it: it ended at `end` then, and was not cut since on a leader's
  // word.
  // Only the first call after OnEnd counts.
  void OnOpened(int32_t node, const std::string& log, int64_t end);

 private:
  struct End {
    int64_t synced = 0;
    int64_t appended = 0;
  };

  Verdict& verdict_;
  std::map<std::pair<int32_t, std::string>, End> ended_;
};

}  // namespace quorate::sim
