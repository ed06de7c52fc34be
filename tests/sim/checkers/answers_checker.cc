#include "tests/sim/checkers/answers_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void AnswersChecker::Check() {
  if (overdue_ == before_) return;
  verdict_.Add("answers", absl::StrFormat("%d requests to a healed cluster were not answered and "
                                          "their connections stayed open",
                                          overdue_ - before_));
}

}  // namespace quorate::sim
