// tests/sim/checkers/answers_checker.h
//
// AnswersChecker: in a healed cluster every request is answered, or its connection closed (I36): no
// client's patience ends.
#pragma once

#include <cstdint>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class AnswersChecker {
 public:
  explicit AnswersChecker(Verdict& verdict) : verdict_(verdict) {}

  // A client waited for an answer until its patience ended, on a connection that was open.
  void OnOverdue() { ++overdue_; }
  // From now on until Check nothing may be overdue: all has been well for longer than any patience.
  void Begin() { before_ = overdue_; }
  void Check();

 private:
  Verdict& verdict_;
  uint64_t overdue_ = 0;
  uint64_t before_ = 0;
};

}  // namespace quorate::sim
