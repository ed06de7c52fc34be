// cli/demo/moved_partition.h
//
// Reads from the metadata log how leaders moved: the log is the witness.
#pragma once

#include <string>
#include <vector>

#include "cli/quickstart/local_cluster.h"

namespace quorate {

struct MovedLeaders {
  int moves = 0;  // changes of a leader from one broker to another, over all partitions
  // Of one partition that moved: a line for each record of its history, with its cause.
  std::vector<std::string> chain;
};

// Reads the longest metadata log of `nodes` (read-only, also while they run) for `topic`.
MovedLeaders ReadMovedLeaders(const std::vector<LocalNode>& nodes, const std::string& topic);

}  // namespace quorate
