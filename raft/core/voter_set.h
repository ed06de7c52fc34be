// raft/core/voter_set.h
//
// VoterSet names who may vote and where they are reached, and does the arithmetic of majorities.
//
// A voter is (node id, directory id): a node that lost its disk comes back with another directory
// id and is not the voter it was (scenario D11). Where the set was written down before the
// directories had ids (controller.quorum.voters), a zero directory id stands for "any".
//
// Pure. Source: KIP-853.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/ids.h"
#include "base/network.h"
#include "base/uuid.h"
#include "raft/core/messages.h"

namespace quorate::raft {

struct Voter {
  Uuid directory;
  Endpoint endpoint;  // of its controller listener; empty host: not known to the set
  bool operator==(const Voter&) const = default;
};

class VoterSet {
 public:
  // Keys of removed voters that a set remembers, at most.
  static constexpr size_t kMaxRemoved = 64;

  VoterSet() = default;
  explicit VoterSet(std::map<NodeId, Voter> voters, std::vector<ReplicaKey> removed = {})
      : voters_(std::move(voters)), removed_(std::move(removed)) {}
  // Without endpoints.
  explicit VoterSet(const std::map<NodeId, Uuid>& directories);

  bool ContainsNode(NodeId node) const { return voters_.contains(node); }
  // True if `key` is a voter: its node is in the set and its directory id is the stated one.
  bool Contains(const ReplicaKey& key) const;
  // Null if `node` does not vote.
  const Voter* Find(NodeId node) const;

  bool empty() const { return voters_.empty(); }
  size_t size() const { return voters_.size(); }
  // The smallest number of voters that is more than half.
  size_t majority() const { return voters_.size() / 2 + 1; }
  // In rising order.
  std::vector<NodeId> nodes() const;
  const std::map<NodeId, Voter>& voters() const { return voters_; }

  // Voters that an operator took out and nobody put back, oldest first: they do not join again on
  // their own (scenario D5).
  const std::vector<ReplicaKey>& removed() const { return removed_; }
  bool WasRemoved(const ReplicaKey& key) const;

  // This set with `key` too; with its endpoint replaced if it votes already. Not removed any more.
  VoterSet With(const ReplicaKey& key, const Endpoint& endpoint) const;
  // This set without `node`, which is remembered as removed. REQUIRES: ContainsNode(node).
  VoterSet Without(NodeId node) const;

  // How many voters are in one of this set and `other` but not in both. A voter of a zero
  // directory id equals one of the same node.
  size_t DistanceTo(const VoterSet& other) const;

  // "1/<directory>@host:port, ..."; for people.
  std::string ToString() const;
  bool operator==(const VoterSet&) const = default;

 private:
  std::map<NodeId, Voter> voters_;
  std::vector<ReplicaKey> removed_;
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
