#include "raft/core/role.h"

#include <array>

namespace quorate::raft {
namespace {

constexpr int kRoles = 7;
using Table = std::array<std::array<bool, kRoles>, kRoles>;

// Rows: from; columns: to; in the order of Role.
constexpr Table kSameTerm = {{
    //              unatt prosp cand   leader follow resign observ
    /* unattached  */ {true, true, false, false, true, false, false},
    /* prospective */ {true, true, false, false, true, false, false},
    /* candidate   */ {false, true, false, true, true, false, false},
    /* leader      */ {false, false, false, false, false, true, false},
    /* follower    */ {true, true, false, false, false, false, true},
    /* resigned    */ {false, true, false, false, false, false, true},
    /* observer    */ {false, false, false, false, true, false, true},
}};

constexpr Table kHigherTerm = {{
    //              unatt prosp cand   leader follow resign observ
    /* unattached  */ {true, false, false, false, true, false, false},
    /* prospective */ {true, false, true, false, true, false, false},
    /* candidate   */ {true, false, false, false, true, false, false},
    /* leader      */ {true, false, false, false, true, false, true},
    /* follower    */ {true, false, false, false, true, false, false},
    /* resigned    */ {true, false, false, false, true, false, true},
    /* observer    */ {false, false, false, false, false, false, true},
}};

bool Lookup(const Table& table, Role from, Role to) {
  return table[static_cast<size_t>(from)][static_cast<size_t>(to)];
}

}  // namespace

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kUnattached:
      return "unattached";
    case Role::kProspective:
      return "prospective";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
    case Role::kFollower:
      return "follower";
    case Role::kResigned:
      return "resigned";
    case Role::kObserver:
      return "observer";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& os, Role role) { return os << RoleName(role); }

bool MayBecomeInSameTerm(Role from, Role to) { return Lookup(kSameTerm, from, to); }

bool MayBecomeInHigherTerm(Role from, Role to) { return Lookup(kHigherTerm, from, to); }

}  // namespace quorate::raft
