#include "tests/sim/checkers/snapshot_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void SnapshotChecker::Add(int32_t node, std::string text) {
  verdict_.Add("snapshot", absl::StrFormat("node %d: %s", node, text), {{}, -1, node});
}

void SnapshotChecker::OnLog(int32_t node, uint64_t incarnation, int64_t log_start,
                            int64_t commit_index, const std::vector<Snapshot>& snapshots) {
  const int64_t newest = snapshots.empty() ? 0 : snapshots.back().end;
  const bool at_start = std::any_of(snapshots.begin(), snapshots.end(),
                                    [=](const Snapshot& s) { return s.end == log_start; });
  if (log_start > 0 && !at_start) {
    Add(node, absl::StrFormat("the log starts at %d, where no snapshot ends", log_start));
  }
  if (newest > commit_index) {
    Add(node,
        absl::StrFormat("a snapshot at %d, beyond the commit index %d", newest, commit_index));
  }
  Known& known = known_[{node, incarnation}];
  if (newest < known.newest || log_start < known.log_start) {
    Add(node, absl::StrFormat("newest snapshot %d after %d, log start %d after %d", newest,
                              known.newest, log_start, known.log_start));
  }
  known = {newest, log_start};
  for (const Snapshot& snapshot : snapshots) {
    const auto [it, is_new] = terms_.emplace(snapshot.end, std::pair(snapshot.term, node));
    if (is_new || it->second.first == snapshot.term) continue;
    Add(node, absl::StrFormat("snapshot %d is of term %d, that of node %d of term %d", snapshot.end,
                              snapshot.term, it->second.second, it->second.first));
  }
}

void SnapshotChecker::OnRestored(int32_t node, int64_t index, const std::string& hash,
                                 const std::string& computed) {
  if (hash == computed) return;
  Add(node, absl::StrFormat("the state at %d bears the hash %s, its contents have %s", index, hash,
                            computed));
}

}  // namespace quorate::sim
