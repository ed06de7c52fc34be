#include "tests/sim/checkers/metadata_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void MetadataChecker::OnCommitIndex(int32_t node, uint64_t incarnation, int64_t commit_index,
                                    int64_t log_end) {
  int64_t& last = commit_[{node, incarnation}];
  if (commit_index < last || commit_index > log_end) {
    verdict_.Add("commit-index", absl::StrFormat("node %d: commit index %d after %d, log end %d",
                                                 node, commit_index, last, log_end));
  }
  last = commit_index;
}

void MetadataChecker::OnImage(int32_t node, int64_t index, const std::string& hash) {
  const auto [it, is_new] = images_.emplace(index, std::pair(hash, node));
  if (is_new || it->second.first == hash) return;
  verdict_.Add("metadata-divergence",
               absl::StrFormat("at index %d the states of nodes %d and %d differ", index,
                               it->second.second, node));
}

}  // namespace quorate::sim
