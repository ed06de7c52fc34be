#include "tests/sim/checkers/commit_durability_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace quorate::sim {

void CommitDurabilityChecker::Check(int32_t node, int64_t commit) {
  size_t holders = 0;
  for (size_t i = 0; i < durable_.size(); ++i) {
    if (std::max(durable_[i], lost_[i]) >= commit) ++holders;
  }
  if (holders * 2 > durable_.size()) return;
  for (const std::set<int32_t>& voters : sets_) {
    const auto holding = std::count_if(voters.begin(), voters.end(), [&](int32_t voter) {
      const auto i = static_cast<size_t>(voter - 1);
      return std::max(durable_[i], lost_[i]) >= commit;
    });
    if (static_cast<size_t>(holding) * 2 > voters.size()) return;
  }
  verdict_.Add("commit-durability",
               absl::StrFormat("node %d takes all before %d for committed, the voters have flushed "
                               "up to %s",
                               node, commit, absl::StrJoin(durable_, " ")),
               {{}, commit, node});
}

}  // namespace quorate::sim
