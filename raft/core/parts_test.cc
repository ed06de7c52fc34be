// The small parts of the core: term starts, majorities, votes, the role table.
#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/core/role.h"
#include "raft/core/term_starts.h"
#include "raft/core/vote_tally.h"
#include "raft/core/voter_history.h"
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
  VoterSet voters(std::map<NodeId, Uuid>{{NodeId(1), Uuid()}, {NodeId(2), disk}});
  EXPECT_TRUE(voters.Contains({NodeId(1), other}));
  EXPECT_TRUE(voters.Contains({NodeId(2), disk}));
  EXPECT_FALSE(voters.Contains({NodeId(2), other}));
  EXPECT_FALSE(voters.Contains({NodeId(3), disk}));
}

TEST(VoteTally, CountsEachNodeOnceAndKnowsWhenItIsLost) {
  VoterSet voters(std::map<NodeId, Uuid>{{NodeId(1), {}}, {NodeId(2), {}}, {NodeId(3), {}}});
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

// --- Voters that change (KIP-853) ---

const Endpoint kAt{"host", 9093};

VoterSet Three() {
  return VoterSet(std::map<NodeId, Voter>{
      {NodeId(1), {Uuid({1}), kAt}}, {NodeId(2), {Uuid({2}), kAt}}, {NodeId(3), {Uuid({3}), kAt}}});
}

TEST(VoterSet, WithAddsAVoterOrReplacesItsEntry) {
  const VoterSet four = Three().With({NodeId(4), Uuid({4})}, kAt);
  EXPECT_EQ(four.size(), 4u);
  EXPECT_EQ(four.majority(), 3u);
  EXPECT_TRUE(four.Contains({NodeId(4), Uuid({4})}));
  const VoterSet moved = Three().With({NodeId(3), Uuid({3})}, Endpoint{"other", 1});
  EXPECT_EQ(moved.size(), 3u);
  EXPECT_EQ(moved.Find(NodeId(3))->endpoint.host, "other");
  EXPECT_EQ(moved.DistanceTo(Three()), 0u);
}

TEST(VoterSet, WithoutRemembersWhoWasRemovedUntilItIsAddedAgain) {  // D5
  const ReplicaKey three{NodeId(3), Uuid({3})};
  const VoterSet two = Three().Without(NodeId(3));
  EXPECT_FALSE(two.ContainsNode(NodeId(3)));
  EXPECT_TRUE(two.WasRemoved(three));
  EXPECT_FALSE(two.WasRemoved({NodeId(3), Uuid({33})}));  // another disk
  EXPECT_FALSE(two.With(three, kAt).WasRemoved(three));
}

TEST(VoterSet, WithoutRemembersABoundedNumber) {
  VoterSet set = Three();
  for (int i = 10; i < 10 + 2 * static_cast<int>(VoterSet::kMaxRemoved); ++i) {
    set = set.With({NodeId(i), Uuid({9})}, kAt).Without(NodeId(i));
  }
  EXPECT_EQ(set.removed().size(), VoterSet::kMaxRemoved);
}

TEST(VoterSet, DistanceCountsVotersThatComeAndGo) {
  EXPECT_EQ(Three().DistanceTo(Three().Without(NodeId(1))), 1u);
  EXPECT_EQ(Three().DistanceTo(Three().With({NodeId(4), Uuid({4})}, kAt)), 1u);
  // The same node with another disk is another voter: one goes, one comes (D11).
  EXPECT_EQ(Three().DistanceTo(Three().With({NodeId(3), Uuid({33})}, kAt)), 2u);
  // A directory that was not written down may be that one.
  const VoterSet configured(
      std::map<NodeId, Uuid>{{NodeId(1), {}}, {NodeId(2), {}}, {NodeId(3), {}}});
  EXPECT_EQ(configured.DistanceTo(Three()), 0u);
}

TEST(VoterHistory, TheLastRecordCountsAndTruncationTakesItBack) {  // D12
  VoterHistory history(Three(), true);
  EXPECT_FALSE(history.latest_index().has_value());
  history.Append(LogIndex(5), Three().Without(NodeId(3)));
  history.Append(LogIndex(9), Three().Without(NodeId(3)).With({NodeId(4), Uuid({4})}, kAt));
  EXPECT_EQ(history.latest_index(), LogIndex(9));
  EXPECT_TRUE(history.latest().ContainsNode(NodeId(4)));
  EXPECT_EQ(history.At(LogIndex(5)), Three());  // the record at 5 is not in a log that ends there
  EXPECT_EQ(history.At(LogIndex(6)).size(), 2u);
  history.TruncateTo(LogIndex(9));
  EXPECT_EQ(history.latest_index(), LogIndex(5));
  history.TruncateTo(LogIndex(5));
  EXPECT_EQ(history.latest(), Three());
}

TEST(VoterHistory, IsDynamicOnceTheQuorumOrTheFormattingNamedVoters) {  // kraft.version
  EXPECT_FALSE(VoterHistory(Three()).dynamic());
  EXPECT_TRUE(VoterHistory(Three(), true).dynamic());
  VoterHistory upgraded{Three()};
  upgraded.Append(LogIndex(3), Three());
  EXPECT_TRUE(upgraded.dynamic());
  upgraded.TruncateTo(LogIndex(2));
  EXPECT_FALSE(upgraded.dynamic());
}

TEST(VoterHistory, TruncatingTheFrontMakesTheLastSetBeforeItTheBase) {  // KIP-630 and KIP-853
  const VoterSet two = Three().Without(NodeId(3));
  const VoterSet four = Three().With({NodeId(4), Uuid({4})}, kAt);
  VoterHistory history{Three()};
  history.Append(LogIndex(3), Three());
  history.Append(LogIndex(5), two);
  history.Append(LogIndex(9), four);
  history.TruncateFront(LogIndex(3));  // the record at 3 stays
  EXPECT_EQ(history.records().size(), 3u);
  history.TruncateFront(LogIndex(6));
  EXPECT_EQ(history.base(), two);
  EXPECT_EQ(history.At(LogIndex(9)), two);
  EXPECT_EQ(history.latest(), four);
  history.TruncateTo(LogIndex(9));
  EXPECT_EQ(history.latest(), two);
  EXPECT_FALSE(history.latest_index().has_value());
  EXPECT_TRUE(history.dynamic());  // though no record is left
}

TEST(VoterHistory, ASnapshotNamesTheVotersInForceAtItsEndUnlessTheConfigurationDoes) {
  VoterHistory history{Three()};
  const VoterSet two = Three().Without(NodeId(3));
  history.Append(LogIndex(5), two);
  EXPECT_EQ(history.ForSnapshot(LogIndex(5)), nullptr);  // the record at 5 is not in it
  ASSERT_NE(history.ForSnapshot(LogIndex(6)), nullptr);
  EXPECT_EQ(*history.ForSnapshot(LogIndex(6)), two);
  const VoterHistory formatted(Three(), /*dynamic=*/true);
  ASSERT_NE(formatted.ForSnapshot(LogIndex(1)), nullptr);
  EXPECT_EQ(*formatted.ForSnapshot(LogIndex(1)), Three());
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
