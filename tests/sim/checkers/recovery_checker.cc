#include "tests/sim/checkers/recovery_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void RecoveryChecker::OnWipe(int32_t node) {
  std::erase_if(ended_, [node](const auto& entry) { return entry.first.first == node; });
}

void RecoveryChecker::OnOpened(int32_t node, const std::string& log, int64_t end) {
  const auto it = ended_.find({node, log});
  if (it == ended_.end()) return;
  if (end < it->second.synced) {
    verdict_.Add("recovery",
                 absl::StrFormat("%s on node %d ends at %d after a restart, and was synced up to "
                                 "%d before",
                                 log, node, end, it->second.synced),
                 {{}, end, node});
  } else if (end > it->second.appended) {
    verdict_.Add("recovery",
                 absl::StrFormat("%s on node %d ends at %d after a restart, and ended at %d before",
                                 log, node, end, it->second.appended),
                 {{}, end, node});
  }
  ended_.erase(it);
}

}  // namespace quorate::sim
