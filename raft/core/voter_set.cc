#include "raft/core/voter_set.h"

namespace quorate::raft {

bool VoterSet::Contains(const ReplicaKey& key) const {
  auto it = voters_.find(key.node);
  return it != voters_.end() && (it->second.is_zero() || it->second == key.directory);
}

std::vector<NodeId> VoterSet::nodes() const {
  std::vector<NodeId> nodes;
  nodes.reserve(voters_.size());
  for (const auto& [node, directory] : voters_) nodes.push_back(node);
  return nodes;
}

}  // namespace quorate::raft
