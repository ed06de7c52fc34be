// raft/core/voter_set.h
//
// VoterSet names who may vote, and does the arithmetic of majorities.
//
// A voter is (node id, directory id): a node that lost its disk comes back with another directory
// id and is not the voter it was (scenario D11). Where the set was written down before the
// directories had ids, a zero directory id stands for "any".
//
// Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "base/uuid.h"
#include "raft/core/messages.h"

namespace quorate::raft {

class VoterSet {
 public:
  VoterSet() = default;
  explicit VoterSet(std::map<NodeId, Uuid> voters) : voters_(std::move(voters)) {}

  bool ContainsNode(NodeId node) const { return voters_.contains(node); }
  // True if `key` is a voter: its node is in the set and its directory id is the stated one.
  bool Contains(const ReplicaKey& key) const;

  size_t size() const { return voters_.size(); }
  // The smallest number of voters that is more than half.
  size_t majority() const { return voters_.size() / 2 + 1; }
  // In rising order.
  std::vector<NodeId> nodes() const;
  const std::map<NodeId, Uuid>& voters() const { return voters_; }

 private:
  std::map<NodeId, Uuid> voters_;
};

// The largest value that more than half of `values` reach. REQUIRES: values not empty.
template <typename T>
T ReachedByMajority(std::vector<T> values) {
  QCHECK(!values.empty());
  const size_t position = values.size() / 2;  // in falling order: position + 1 voters reach it
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(position),
                   values.end(), std::greater<T>());
  return values[position];
}

}  // namespace quorate::raft
