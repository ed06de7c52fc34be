// tests/sim/checkers/snapshot_checker.h
//
// SnapshotChecker: a metadata log that does not start at 0 starts where a snapshot of the node ends
// (I7); snapshots of one index are of one term on all nodes and cover only what is committed; while
// a process runs, its newest snapshot and its log's start never go back; and a state that was read
// from a snapshot is one that replay could have made (I6: its hash is that of its contents; that
// nodes agree at equal indexes is for MetadataChecker).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class SnapshotChecker {
 public:
  struct Snapshot {
    int64_t end = 0;
    int32_t term = 0;
  };
  explicit SnapshotChecker(Verdict& verdict) : verdict_(verdict) {}

  // `snapshots`: those of the node, oldest first.
  void OnLog(int32_t node, uint64_t incarnation, int64_t log_start, int64_t commit_index,
             const std::vector<Snapshot>& snapshots);
  // An image of a node that started from or installed a snapshot: the hash that it bears, and the
  // one computed from its contents.
  void OnRestored(int32_t node, int64_t index, const std::string& hash,
                  const std::string& computed);

 private:
  struct Known {
    int64_t newest = 0;
    int64_t log_start = 0;
  };
  void Add(int32_t node, std::string text);

  Verdict& verdict_;
  std::map<std::pair<int32_t, uint64_t>, Known> known_;   // by node and incarnation
  std::map<int64_t, std::pair<int32_t, int32_t>> terms_;  // term and first node, by end
};

}  // namespace quorate::sim
