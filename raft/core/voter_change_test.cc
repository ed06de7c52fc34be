// Voters that change (KIP-853; dissertation, chapter 4): what the transcripts under
// tests/scenario/raft do not show. D11 and the like are scenarios.
#include <gtest/gtest.h>

#include "raft/core/core_harness.h"

namespace quorate::raft {
namespace {

const NodeId kOne(1), kTwo(2), kThree(3), kFour(4);

// Node 1 leads term 1; all have caught up.
void Lead(CoreCluster& cluster) {
  cluster.now = cluster.now + Millis(3000);
  cluster.Tick(kOne);
  cluster.DeliverAll();
  cluster.Run(60);
  ASSERT_EQ(cluster.leader(), kOne);
}

VoteResponse Ask(CoreCluster& cluster, const ReplicaKey& voter, int term) {
  VoteRequest request;
  request.term = Term(term);
  request.candidate = cluster.KeyOf(kTwo);
  request.voter = voter;
  request.log_end = LogIndex(100);
  request.last_log_term = Term(term - 1);
  cluster.Step(voter.node, Request<VoteRequest>{RequestId{900000}, request});
  return std::get<VoteResponse>(cluster.last_ready().replies.back().message);
}

TEST(LeaderStateOfChangingVoters, ALeaderOutsideCountsNeitherItsLogNorItsPresence) {  // D3
  const Uuid a({1}), b({2}), c({3});
  const VoterSet all(std::map<NodeId, Uuid>{{kOne, a}, {kTwo, b}, {kThree, c}});
  LeaderState state(kOne, all, LogIndex(0), MonoTime(Millis(1)));
  state.NoteFetch({kTwo, b}, LogIndex(5), LogIndex(9), MonoTime(Millis(10)));
  EXPECT_EQ(state.MajorityEnd(LogIndex(9)), LogIndex(5));
  EXPECT_EQ(state.QuorumLostAt(Millis(100)), MonoTime(Millis(110)));
  state.SetVoters(all.Without(kOne), MonoTime(Millis(20)));
  EXPECT_EQ(state.MajorityEnd(LogIndex(9)), LogIndex(0));  // 3 is needed, too
  state.NoteFetch({kThree, c}, LogIndex(4), LogIndex(9), MonoTime(Millis(30)));
  EXPECT_EQ(state.MajorityEnd(LogIndex(9)), LogIndex(4));
  EXPECT_EQ(state.QuorumLostAt(Millis(100)), MonoTime(Millis(110)));
}

TEST(LeaderStateOfChangingVoters, WhatIsKnownOfAReplicaStaysKnown) {
  const Uuid a({1}), b({2}), c({3});
  const VoterSet two(std::map<NodeId, Uuid>{{kOne, a}, {kTwo, b}});
  LeaderState state(kOne, two, LogIndex(0), MonoTime(Millis(1)));
  state.NoteFetch({kThree, c}, LogIndex(7), LogIndex(9), MonoTime(Millis(10)));  // an observer
  state.SetVoters(two.With({kThree, c}, Endpoint{}), MonoTime(Millis(20)));
  EXPECT_EQ(state.MajorityEnd(LogIndex(9)), LogIndex(7));
  EXPECT_EQ(state.Replicas().size(), 2u);
  state.SetVoters(two, MonoTime(Millis(30)));
  const ReplicaProgress* three = state.Find({kThree, c});
  ASSERT_NE(three, nullptr);
  EXPECT_EQ(three->match_end, LogIndex(7));
}

TEST(LeaderStateOfChangingVoters, ABrokerBehindTheLogsStartIsKnownAsOne) {
  const Uuid a({1}), c({3});
  LeaderState state(kOne, VoterSet(std::map<NodeId, Uuid>{{kOne, a}}), LogIndex(0),
                    MonoTime(Millis(1)));
  state.NoteContact({kThree, c}, MonoTime(Millis(2)), true);
  ASSERT_NE(state.Find({kThree, c}), nullptr);
  EXPECT_TRUE(state.Find({kThree, c})->observer_only);
  state.NoteContact({kThree, c}, MonoTime(Millis(3)));  // fetches a piece of a snapshot
  EXPECT_TRUE(state.Find({kThree, c})->observer_only);
}

TEST(Votes, AnObserverVotesIfItIsAskedByItsDirectoryAndNotOtherwise) {  // TLA+ kip_853
  CoreCluster cluster(3, 1, 1);
  cluster.MakeDynamic();
  EXPECT_FALSE(Ask(cluster, {kFour, Uuid({99})}, 5).granted);  // another disk (D11)
  EXPECT_FALSE(Ask(cluster, {kFour, Uuid()}, 5).granted);      // any disk: it is no voter
  EXPECT_TRUE(Ask(cluster, cluster.KeyOf(kFour), 5).granted);
  EXPECT_EQ(cluster.core(kFour).hard_state().voted_for, cluster.KeyOf(kTwo));
  EXPECT_TRUE(cluster.last_ready().persist.has_value());
  EXPECT_EQ(cluster.core(kFour).role(), Role::kObserver);
}

TEST(Votes, AnObserverThatHearsTheLeaderDoesNotHelpToDeposeIt) {  // C22
  CoreCluster cluster(3, 1, 1);
  cluster.MakeDynamic();
  Lead(cluster);
  EXPECT_FALSE(Ask(cluster, cluster.KeyOf(kFour), 5).granted);
  EXPECT_EQ(cluster.core(kFour).term(), Term(1));
}

TEST(Votes, ABrokerNeverVotes) {  // C26
  CoreCluster cluster(3, 1, 1);   // its observer is none that may become a voter
  EXPECT_FALSE(Ask(cluster, cluster.KeyOf(kFour), 5).granted);
  EXPECT_EQ(cluster.core(kFour).hard_state().voted_for.node, kNoNode);
}

TEST(Changes, OneThatWouldLeaveTooFewThatAnswerIsRefused) {
  CoreCluster cluster(3, 1, 1);
  cluster.MakeDynamic();
  Lead(cluster);
  cluster.Crash(kThree);
  cluster.Run(150);
  // Of {1, 3} only 1 would answer; of {1, 2} both do.
  EXPECT_NE(cluster.RemoveVoter(kOne, kTwo).find("remove those that are gone first"),
            std::string::npos);
  EXPECT_EQ(cluster.RemoveVoter(kOne, kThree), "");
  cluster.DeliverAll();
  EXPECT_FALSE(cluster.core(kOne).voter_change_pending());
}

TEST(Changes, TwoAtOnceAndTheSameNodeWithAnotherDiskAreRefused) {  // dissertation 4.1
  CoreCluster cluster(3, 2, 1);
  cluster.MakeDynamic();
  Lead(cluster);
  const VoterSet& now_voting = cluster.core(kOne).voters();
  const VoterSet both =
      now_voting.With(cluster.KeyOf(kFour), {}).With(cluster.KeyOf(NodeId(5)), {});
  EXPECT_NE(cluster.ChangeVotersTo(kOne, both), "");
  EXPECT_NE(cluster.ChangeVotersTo(kOne, now_voting.With({kThree, Uuid({99})}, {})), "");
  EXPECT_NE(cluster.ChangeVotersTo(kTwo, now_voting.Without(kThree)), "");  // it does not lead
}

TEST(Changes, ANewAddressIsNoChangeOfWhoVotes) {  // UpdateVoter
  CoreCluster cluster(3, 0, 1);
  cluster.MakeDynamic();
  Lead(cluster);
  const VoterSet moved = cluster.core(kOne).voters().With(cluster.KeyOf(kTwo), {"host", 1});
  EXPECT_EQ(cluster.ChangeVotersTo(kOne, moved), "");
  cluster.DeliverAll();
  EXPECT_EQ(cluster.core(kThree).voters().Find(kTwo)->endpoint.host, "host");
}

TEST(Changes, AnObserverThatMayVoteAcknowledgesOnlyWhatIsDurable) {
  CoreCluster cluster(1, 1, 1);
  cluster.MakeDynamic();
  Lead(cluster);
  cluster.Propose(kOne);
  cluster.FinishFlush(kOne);
  // Node 2 has fetched the entry, and not fsynced it: no fetch of it says that it holds it.
  while (!cluster.bag().empty()) cluster.Deliver(0);
  const ReplicaProgress* two = cluster.core(kOne).leader_state()->Find(cluster.KeyOf(kTwo));
  ASSERT_NE(two, nullptr);
  EXPECT_EQ(cluster.core(kTwo).log_end(), cluster.core(kOne).log_end());
  EXPECT_LT(two->match_end, cluster.core(kOne).log_end());
  EXPECT_FALSE(two->observer_only);
  cluster.DeliverAll();
  EXPECT_EQ(cluster.core(kOne).leader_state()->Find(cluster.KeyOf(kTwo))->match_end,
            cluster.core(kOne).log_end());
}

TEST(Terms, AControllerThatIsNotCountedRaisesTheLeadersTermIfVotersChange) {  // D15
  for (const bool dynamic : {false, true}) {
    CoreCluster cluster(3, 1, 1);
    if (dynamic) cluster.MakeDynamic();
    Lead(cluster);
    FetchRequest fetch;
    fetch.term = Term(7);
    fetch.replica = cluster.KeyOf(kFour);
    cluster.Step(kOne, Request<FetchRequest>{RequestId{900000}, fetch});
    EXPECT_EQ(cluster.core(kOne).term(), dynamic ? Term(7) : Term(1));
  }
}

TEST(Bootstrap, ANodeThatKnowsNobodyAsksTheAddressesAndTurnsToTheLeaderTheyName) {
  CoreConfig config;
  config.self = {kFour, Uuid({4})};
  config.electable = true;
  const NodeId address(-2);
  config.bootstrap = {address};
  RaftCore core(config, InitialState{});
  Ready ready = core.Start(MonoTime(Millis(1)), 1);
  ASSERT_EQ(ready.requests.size(), 1u);
  EXPECT_EQ(ready.requests[0].to, address);
  // It only asks who leads: an answer must not wait for records.
  EXPECT_EQ(std::get<FetchRequest>(ready.requests[0].message).max_bytes, 0);
  FetchResponse response;
  response.term = Term(3);
  response.leader = kTwo;
  response.outcome = FetchOutcome::kFencedTerm;
  ready = core.Step(MonoTime(Millis(2)), 2,
                    Response<FetchResponse>{ready.requests[0].call, address, response});
  ASSERT_EQ(ready.requests.size(), 1u);
  EXPECT_EQ(ready.requests[0].to, kTwo);
  EXPECT_EQ(core.term(), Term(3));
  EXPECT_EQ(core.role(), Role::kObserver);
}

// --- Each rule turned off (bug_switches.h) shows ---

TEST(Mutants, MajoritiesOfTheCommittedVotersAreFound) {  // D2
  BugSwitches bugs;
  bugs.count_committed_voters = true;
  CoreCluster cluster(3, 1, 1, bugs);
  cluster.MakeDynamic();
  Lead(cluster);
  cluster.AddVoter(kOne, kFour);
  EXPECT_NE(cluster.violation(), "");
}

TEST(Mutants, AVoteOfAnotherDiskIsFound) {  // D11
  BugSwitches bugs;
  bugs.ignore_directories = true;
  CoreCluster cluster(3, 1, 1, bugs);
  cluster.MakeDynamic();
  EXPECT_TRUE(Ask(cluster, {kFour, Uuid({99})}, 5).granted);
}

TEST(Mutants, VotersThatOutliveTheirRecordAreFound) {  // D12
  BugSwitches bugs;
  bugs.keep_truncated_voters = true;
  CoreCluster cluster(3, 0, 1, bugs);
  cluster.MakeDynamic();
  Lead(cluster);
  cluster.Isolate(kOne);
  ASSERT_EQ(cluster.RemoveVoter(kOne, kThree), "");
  cluster.Run(300);
  ASSERT_EQ(cluster.violation(), "");
  cluster.Heal();
  cluster.Run(300);
  EXPECT_NE(cluster.violation(), "");
}

}  // namespace
}  // namespace quorate::raft
