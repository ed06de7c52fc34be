// raft/core/role.h
//
// The roles of a Raft node and which may follow which.
//
//                      election timeout           pre-vote won (term + 1)        vote won
//   unattached ----------------------> prospective ---------------> candidate ----------> leader
//      ^  \  learns leader             |  ^     ^                       |                    |
//      |   +--------> follower <-------+  |     +-- timeout ------------+      quorum lost,  |
//      |                | fetch timeout   |     +------------ resigned <-- shutdown ---------+
//      +--- leader ends-+-----------------+
//
// A higher term leads from any voter's role to unattached or follower. An observer becomes a
// follower with the voters record that it appends, or truncates; a follower becomes an observer
// once its removal is committed, and so does a leader.
//
// Pure. Source: KIP-595, KIP-996.
#pragma once

#include <ostream>
#include <string_view>

namespace quorate::raft {

enum class Role {
  kUnattached,   // knows a term, no leader in it
  kProspective,  // asks whether an election could be won (pre-vote); same term
  kCandidate,    // asks for votes in a new term
  kLeader,
  kFollower,  // knows the leader and fetches from it
  kResigned,  // led this term, does no more
  kObserver,  // no voter: fetches, never campaigns; votes if a voter set that it lacks names it
};

// "leader", "follower", ... as in QuorumStatusResponse.role.
std::string_view RoleName(Role role);
std::ostream& operator<<(std::ostream& os, Role role);

// True if a node may go from `from` to `to` without raising its term.
bool MayBecomeInSameTerm(Role from, Role to);

// True if a node may go from `from` to `to` while it raises its term.
bool MayBecomeInHigherTerm(Role from, Role to);

}  // namespace quorate::raft
