// raft/core/vote_tally.h
//
// VoteTally counts the answers of one round of votes or pre-votes.
//
// Pure.
#pragma once

#include <set>
#include <vector>

#include "base/ids.h"
#include "raft/core/event.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {

class VoteTally {
 public:
  VoteTally() = default;
  // `self` grants, if it votes; answers to calls before `first_call` belong to earlier rounds.
  VoteTally(NodeId self, CallId first_call, bool self_votes = true) : first_call_(first_call) {
    if (self_votes) granted_.insert(self);
  }

  bool IsOfThisRound(CallId call) const { return call >= first_call_; }
  // The last word of a node counts once.
  void Count(NodeId from, bool granted) {
    if (granted) {
      granted_.insert(from);
    } else if (!granted_.contains(from)) {
      refused_.insert(from);
    }
  }

  bool Won(const VoterSet& voters) const { return granted_.size() >= voters.majority(); }
  // So many refused that no majority is left.
  bool Lost(const VoterSet& voters) const {
    return voters.size() - refused_.size() < voters.majority();
  }
  std::vector<NodeId> granting() const { return {granted_.begin(), granted_.end()}; }

 private:
  CallId first_call_{};
  std::set<NodeId> granted_;
  std::set<NodeId> refused_;
};

}  // namespace quorate::raft
