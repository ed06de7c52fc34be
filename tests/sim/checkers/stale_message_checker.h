// tests/sim/checkers/stale_message_checker.h
//
// StaleMessageChecker: a message of an epoch or term that is over changes nothing at the node that
// takes it (I21): what the node's state hashes to is the same before and after.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class StaleMessageChecker {
 public:
  explicit StaleMessageChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnTaken(int32_t node, const std::string& what, uint64_t before, uint64_t after) {
    ++count_;
    if (before == after) return;
    verdict_.Add("stale-message",
                 absl::StrFormat("%s, which is over, changed something at node %d", what, node),
                 {{}, -1, node});
  }
  uint64_t count() const { return count_; }

 private:
  Verdict& verdict_;
  uint64_t count_ = 0;
};

}  // namespace quorate::sim
