#include "tests/sim/checkers/term_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void TermChecker::OnTerm(int32_t node, uint64_t incarnation, int32_t term, bool leads) {
  Known& known = known_[node];
  const int32_t floor = known.incarnation == incarnation ? known.term : known.led;
  if (term < floor) {
    verdict_.Add("term", absl::StrFormat("node %d is in term %d after term %d", node, term, floor),
                 {{}, -1, node});
  }
  known.incarnation = incarnation;
  known.term = term;
  if (leads && term > known.led) known.led = term;
}

}  // namespace quorate::sim
