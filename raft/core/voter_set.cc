#include "raft/core/voter_set.h"

#include <sstream>

namespace quorate::raft {
namespace {

// True if a voter of directory `a` may be the voter of directory `b`.
bool SameDirectory(const Uuid& a, const Uuid& b) { return a.is_zero() || b.is_zero() || a == b; }

size_t CountMissing(const VoterSet& from, const VoterSet& in) {
  size_t missing = 0;
  for (const auto& [node, voter] : from.voters()) {
    const Voter* other = in.Find(node);
    if (other == nullptr || !SameDirectory(voter.directory, other->directory)) ++missing;
  }
  return missing;
}

}  // namespace

VoterSet::VoterSet(const std::map<NodeId, Uuid>& directories) {
  for (const auto& [node, directory] : directories) voters_[node] = {directory, Endpoint{}};
}

bool VoterSet::Contains(const ReplicaKey& key) const {
  const Voter* voter = Find(key.node);
  return voter != nullptr && (voter->directory.is_zero() || voter->directory == key.directory);
}

const Voter* VoterSet::Find(NodeId node) const {
  const auto it = voters_.find(node);
  return it == voters_.end() ? nullptr : &it->second;
}

std::vector<NodeId> VoterSet::nodes() const {
  std::vector<NodeId> nodes;
  nodes.reserve(voters_.size());
  for (const auto& [node, voter] : voters_) nodes.push_back(node);
  return nodes;
}

bool VoterSet::WasRemoved(const ReplicaKey& key) const {
  return std::find(removed_.begin(), removed_.end(), key) != removed_.end();
}

VoterSet VoterSet::With(const ReplicaKey& key, const Endpoint& endpoint) const {
  VoterSet next = *this;
  next.voters_[key.node] = {key.directory, endpoint};
  std::erase(next.removed_, key);
  return next;
}

VoterSet VoterSet::Without(NodeId node) const {
  const Voter* voter = Find(node);
  QCHECK(voter != nullptr);
  VoterSet next = *this;
  next.removed_.push_back({node, voter->directory});
  if (next.removed_.size() > kMaxRemoved) next.removed_.erase(next.removed_.begin());
  next.voters_.erase(node);
  return next;
}

size_t VoterSet::DistanceTo(const VoterSet& other) const {
  return CountMissing(*this, other) + CountMissing(other, *this);
}

std::string VoterSet::ToString() const {
  std::ostringstream out;
  for (const auto& [node, voter] : voters_) {
    if (out.tellp() > 0) out << ", ";
    out << node << "/" << voter.directory;
    if (!voter.endpoint.host.empty()) out << "@" << voter.endpoint.ToString();
  }
  return out.str();
}

}  // namespace quorate::raft
