#include "tests/sim/checkers/vote_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void VoteChecker::OnState(int32_t node, uint64_t incarnation, int32_t term, int32_t voted_for) {
  Said& said = said_[node];
  const char* const when =
      said.incarnation == incarnation ? "" : ", remembered from before its restart";
  if (term < said.term) {
    verdict_.Add(
        "vote",
        absl::StrFormat("node %d is in term %d after term %d%s", node, term, said.term, when),
        {{}, -1, node});
  } else if (term == said.term && said.voted_for != -1 && voted_for != said.voted_for) {
    verdict_.Add("vote",
                 absl::StrFormat("node %d gave its vote of term %d to %d, and now says %d%s", node,
                                 term, said.voted_for, voted_for, when),
                 {{}, -1, node});
  }
  said = {incarnation, term, voted_for};
}

}  // namespace quorate::sim
