// tests/sim/checkers/metadata_checker.h
//
// MetadataChecker: a node's commit index never moves back while it runs and never beyond its log
// (I5), and nodes that applied the metadata log up to the same index have the same state (I3, I6).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class MetadataChecker {
 public:
  explicit MetadataChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnCommitIndex(int32_t node, uint64_t incarnation, int64_t commit_index, int64_t log_end);
  // `node` has applied all before `index`; `hash` stands for the state.
  void OnImage(int32_t node, int64_t index, const std::string& hash);

 private:
  Verdict& verdict_;
  std::map<std::pair<int32_t, uint64_t>, int64_t> commit_;
  std::map<int64_t, std::pair<std::string, int32_t>> images_;  // hash and first node, by index
};

}  // namespace quorate::sim
