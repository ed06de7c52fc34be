// The small parts of the core: term starts, majorities, votes, the role table.
#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/core/role.h"
#include "raft/core/term_starts.h"
#include "raft/core/vote_tally.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {
namespace {

TEST(TermStarts, FindsTermsAndEnds) {
  TermStarts starts;
  starts.Append(Term(1), LogIndex(0));
  starts.Append(Term(1), LogIndex(4));  // goes on
  starts.Append(Term(3), LogIndex(10));
  EXPECT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts.TermAt(LogIndex(9)), Term(1));
  EXPECT_EQ(starts.TermAt(LogIndex(10)), Term(3));
  EXPECT_EQ(starts.EndFor(Term(1), LogIndex(0), LogIndex(12)), (TermEnd{Term(1), LogIndex(10)}));
  EXPECT_EQ(starts.EndFor(Term(2), LogIndex(0), LogIndex(12)), (TermEnd{Term(1), LogIndex(10)}));
  EXPECT_EQ(starts.EndFor(Term(9), LogIndex(0), LogIndex(12)), (TermEnd{Term(3), LogIndex(12)}));
  EXPECT_EQ(starts.EndFor(Term(0), LogIndex(0), LogIndex(12)), (TermEnd{Term(0), LogIndex(0)}));
}

TEST(TermStarts, TruncationForgetsTermsThatBeganThereOrLater) {
  TermStarts starts;
  starts.Append(Term(1), LogIndex(0));
  starts.Append(Term(3), LogIndex(10));
  starts.TruncateTo(LogIndex(10));
  EXPECT_EQ(starts.last_term(), Term(1));
  starts.TruncateTo(LogIndex(0));
  EXPECT_EQ(starts.last_term(), Term(0));
}

TEST(Majority, AgreesWithCountingOverRandomValues) {
  SeededRandom random(1);
  for (int round = 0; round < 5000; ++round) {
    std::vector<int64_t> values(1 + random.Below(7));
    for (int64_t& value : values) value = static_cast<int64_t>(random.Below(6));
    int64_t expected = -1;
    for (int64_t candidate = 0; candidate < 6; ++candidate) {
      size_t reach = 0;
      for (int64_t value : values) reach += value >= candidate ? 1 : 0;
      if (2 * reach > values.size()) expected = candidate;
    }
    EXPECT_EQ(ReachedByMajority(values), expected);
  }
}

TEST(VoterSet, AZeroDirectoryStandsForAnyAndAStatedOneForItself) {
  const Uuid disk({1}), other({2});
  VoterSet voters({{NodeId(1), Uuid()}, {NodeId(2), disk}});
  EXPECT_TRUE(voters.Contains({NodeId(1), other}));
  EXPECT_TRUE(voters.Contains({NodeId(2), disk}));
  EXPECT_FALSE(voters.Contains({NodeId(2), other}));
  EXPECT_FALSE(voters.Contains({NodeId(3), disk}));
}

TEST(VoteTally, CountsEachNodeOnceAndKnowsWhenItIsLost) {
  VoterSet voters({{NodeId(1), {}}, {NodeId(2), {}}, {NodeId(3), {}}});
  VoteTally tally(NodeId(1), CallId{10});
  EXPECT_FALSE(tally.IsOfThisRound(CallId{9}));
  tally.Count(NodeId(2), false);
  tally.Count(NodeId(2), false);
  EXPECT_FALSE(tally.Lost(voters));
  tally.Count(NodeId(3), false);
  EXPECT_TRUE(tally.Lost(voters));
  VoteTally won(NodeId(1), CallId{10});
  won.Count(NodeId(1), true);
  EXPECT_FALSE(won.Won(voters));
  won.Count(NodeId(3), true);
  EXPECT_TRUE(won.Won(voters));
}

TEST(Role, NobodyLeadsWithoutBeingCandidateAndObserversStay) {
  for (Role from : {Role::kUnattached, Role::kProspective, Role::kLeader, Role::kFollower,
                    Role::kResigned, Role::kObserver}) {
    EXPECT_FALSE(MayBecomeInSameTerm(from, Role::kLeader));
    EXPECT_FALSE(MayBecomeInHigherTerm(from, Role::kLeader));
    if (from != Role::kObserver) {
      EXPECT_FALSE(MayBecomeInHigherTerm(Role::kObserver, from));
    }
  }
  EXPECT_TRUE(MayBecomeInSameTerm(Role::kCandidate, Role::kLeader));
  EXPECT_FALSE(MayBecomeInSameTerm(Role::kResigned, Role::kFollower));
}

TEST(TermStarts, KnowsTheTermOfTheRecordBeforeALogThatWasEmptied) {
  TermStarts terms;
  terms.Append(Term(1), LogIndex(0));
  terms.StartAt(LogIndex(10), Term(3));
  EXPECT_EQ(terms.last_term(), Term(3));
  EXPECT_EQ(terms.TermAt(LogIndex(9)), Term(3));
  EXPECT_EQ(terms.TermAt(LogIndex(8)), Term(0));
  EXPECT_EQ(terms.EndFor(Term(3), LogIndex(10), LogIndex(10)), (TermEnd{Term(3), LogIndex(10)}));
  EXPECT_EQ(terms.EndFor(Term(2), LogIndex(10), LogIndex(10)), (TermEnd{Term(0), LogIndex(10)}));
  terms.Append(Term(3), LogIndex(10));
  terms.Append(Term(5), LogIndex(12));
  EXPECT_EQ(terms.EndFor(Term(4), LogIndex(10), LogIndex(14)), (TermEnd{Term(3), LogIndex(12)}));
  terms.TruncateTo(LogIndex(10));
  EXPECT_EQ(terms.last_term(), Term(3));
}

TEST(TermStarts, TruncatingTheFrontForgetsAllButTheTermBeforeTheNewStart) {
  TermStarts terms;
  terms.Append(Term(1), LogIndex(0));
  terms.Append(Term(2), LogIndex(4));
  terms.Append(Term(6), LogIndex(8));
  terms.TruncateFront(LogIndex(8));
  EXPECT_EQ(terms.TermAt(LogIndex(6)), Term(0));
  EXPECT_EQ(terms.TermAt(LogIndex(7)), Term(2));
  EXPECT_EQ(terms.TermAt(LogIndex(8)), Term(6));
  terms.TruncateFront(LogIndex(20));
  EXPECT_EQ(terms.TermAt(LogIndex(19)), Term(6));
  EXPECT_EQ(terms.size(), 1u);
}

}  // namespace
}  // namespace quorate::raft
