#include "tests/sim/checkers/commit_durability_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace quorate::sim {

void CommitDurabilityChecker::Check(int32_t node, int64_t commit) {
  const auto holders = std::count_if(durable_.begin(), durable_.end(),
                                     [commit](int64_t end) { return end >= commit; });
  if (static_cast<size_t>(holders) * 2 > durable_.size()) return;
  verdict_.Add("commit-durability",
               absl::StrFormat("node %d takes all before %d for committed, the voters have flushed "
                               "up to %s",
                               node, commit, absl::StrJoin(durable_, " ")),
               {{}, commit, node});
}

}  // namespace quorate::sim
