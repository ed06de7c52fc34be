// One test per rule of the core; each names where the rule comes from. "3.4" and the like are
// sections of Ongaro's dissertation, C1 and the like are scenarios.
#include "raft/core/raft_core.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "raft/core/core_harness.h"

namespace quorate::raft {
namespace {

const NodeId kOne(1), kTwo(2), kThree(3), kFour(4);

ReplicaKey KeyOf(CoreCluster& cluster, NodeId id) {
  const Voter* voter = cluster.config.voters.Find(id);
  return {id, voter == nullptr ? Uuid() : voter->directory};
}

// A cluster of `voters` in which `leader` leads term 1 actively.
void MakeLeader(CoreCluster& cluster, NodeId leader) {
  cluster.now = cluster.now + Millis(2000);
  cluster.Tick(leader);
  cluster.DeliverAll();
  ASSERT_EQ(cluster.leader(), leader);
  ASSERT_TRUE(cluster.core(leader).is_active_leader());
  ASSERT_EQ(cluster.violation(), "");
}

template <typename M>
const M* LastReply(const CoreCluster& cluster) {
  if (cluster.last_ready().replies.empty()) return nullptr;
  return std::get_if<M>(&cluster.last_ready().replies.back().message);
}

VoteResponse AskVote(CoreCluster& cluster, NodeId voter, NodeId candidate, int term, int log_end,
                     int last_term, bool pre_vote) {
  VoteRequest request;
  request.term = Term(term);
  request.candidate = KeyOf(cluster, candidate);
  request.log_end = LogIndex(log_end);
  request.last_log_term = Term(last_term);
  request.pre_vote = pre_vote;
  cluster.Step(voter, Request<VoteRequest>{RequestId{900000}, request});
  return *LastReply<VoteResponse>(cluster);
}

FetchAnswer AskFetch(CoreCluster& cluster, NodeId leader, ReplicaKey replica, int term, int index,
                     int last_term) {
  FetchRequest request;
  request.term = Term(term);
  request.replica = replica;
  request.fetch_index = LogIndex(index);
  request.last_fetched_term = Term(last_term);
  request.max_bytes = 1000;
  cluster.Step(leader, Request<FetchRequest>{RequestId{900001}, request});
  const auto* answer = LastReply<FetchAnswer>(cluster);
  return answer == nullptr ? FetchAnswer{} : *answer;
}

// --- Elections ---

TEST(Election, ThreeNodesElectOneLeaderThatCommitsItsLeaderChange) {
  CoreCluster cluster(3, 0, 1);
  cluster.RunUntilLeader();
  ASSERT_NE(cluster.leader(), kNoNode);
  EXPECT_TRUE(cluster.core(cluster.leader()).is_active_leader());
  cluster.Run(5);
  for (auto& [id, node] : cluster.nodes()) {
    EXPECT_EQ(node.core->commit_index(), LogIndex(1));
    EXPECT_EQ(node.core->leader(), cluster.leader());
  }
}

TEST(Election, PreVoteRaisesNoTermAndPersistsNothing) {  // KIP-996
  CoreCluster cluster(3, 0, 1);
  cluster.bag().clear();
  const VoteResponse response = AskVote(cluster, kOne, kTwo, 5, 0, 0, true);
  EXPECT_TRUE(response.granted);
  EXPECT_EQ(cluster.core(kOne).term(), Term(0));
  EXPECT_FALSE(cluster.last_ready().persist.has_value());
}

TEST(Election, AVoteIsPersistedInTheReadyThatCarriesTheAnswer) {  // C4
  CoreCluster cluster(3, 0, 1);
  const VoteResponse response = AskVote(cluster, kOne, kTwo, 1, 0, 0, false);
  EXPECT_TRUE(response.granted);
  ASSERT_TRUE(cluster.last_ready().persist.has_value());
  EXPECT_EQ(cluster.last_ready().persist->term, Term(1));
  EXPECT_EQ(cluster.last_ready().persist->voted_for, KeyOf(cluster, kTwo));
}

TEST(Election, OneVotePerTermAlsoAcrossARestart) {  // 3.4, C5
  CoreCluster cluster(3, 0, 1);
  EXPECT_TRUE(AskVote(cluster, kOne, kTwo, 1, 0, 0, false).granted);
  EXPECT_FALSE(AskVote(cluster, kOne, kThree, 1, 0, 0, false).granted);
  cluster.Crash(kOne);
  cluster.Start(kOne);
  EXPECT_EQ(cluster.core(kOne).term(), Term(1));
  EXPECT_FALSE(AskVote(cluster, kOne, kThree, 1, 0, 0, false).granted);
  EXPECT_TRUE(AskVote(cluster, kOne, kTwo, 1, 0, 0, false).granted);  // the same again
}

TEST(Election, AVoterWithAnotherDirectoryIsNoVoter) {  // D11
  CoreCluster cluster(3, 0, 1);
  VoteRequest request;
  request.term = Term(1);
  request.candidate = {kTwo, Uuid({9, 9, 9})};
  cluster.Step(kOne, Request<VoteRequest>{RequestId{1}, request});
  EXPECT_FALSE(LastReply<VoteResponse>(cluster)->granted);
  EXPECT_EQ(cluster.core(kOne).term(), Term(0));
}

TEST(Election, ACandidateWithAShorterOrOlderLogIsRefused) {  // 3.6.1, C8
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Propose(kOne);
  cluster.DeliverAll();
  cluster.Crash(kOne);
  cluster.now = cluster.now + Millis(5000);
  EXPECT_FALSE(AskVote(cluster, kTwo, kThree, 7, 1, 1, false).granted);  // shorter
  EXPECT_FALSE(AskVote(cluster, kTwo, kThree, 8, 9, 0, false).granted);  // older last term
  EXPECT_TRUE(AskVote(cluster, kTwo, kThree, 9, 2, 1, false).granted);
}

TEST(Election, WhoHearsALeaderRefusesVotesAndKeepsItsTerm) {  // 4.2.3, C22
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  for (NodeId voter : {kOne, kTwo}) {
    EXPECT_FALSE(AskVote(cluster, voter, kThree, 9, 9, 1, true).granted);
    EXPECT_FALSE(AskVote(cluster, voter, kThree, 9, 9, 1, false).granted);
    EXPECT_EQ(cluster.core(voter).term(), Term(1));
  }
  EXPECT_EQ(cluster.leader(), kOne);
}

TEST(Election, AnIsolatedNodeRaisesNoTermAndDisturbsNobodyOnReturn) {  // 9.6, C22
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Isolate(kThree);
  cluster.Run(500);
  EXPECT_EQ(cluster.core(kThree).term(), Term(1));
  cluster.Heal();
  cluster.Run(100);
  EXPECT_EQ(cluster.leader(), kOne);
  EXPECT_EQ(cluster.core(kOne).term(), Term(1));
  EXPECT_EQ(cluster.core(kThree).leader(), kOne);
}

TEST(Election, AGrantWithAHigherTermInTheAnswerIsNoGrant) {  // C9
  CoreCluster cluster(3, 0, 1);
  cluster.now = cluster.now + Millis(2000);
  cluster.Tick(kOne);
  ASSERT_EQ(cluster.core(kOne).role(), Role::kProspective);
  const CallId call = cluster.last_ready().requests.front().call;
  cluster.Step(kOne, Response<VoteResponse>{call, kTwo, {Term(4), kNoNode, true, true}});
  EXPECT_EQ(cluster.core(kOne).role(), Role::kUnattached);
  EXPECT_EQ(cluster.core(kOne).term(), Term(4));
}

TEST(Election, AnswersOfAnEarlierRoundDoNotCount) {  // C9
  CoreCluster cluster(3, 0, 1);
  cluster.now = cluster.now + Millis(2000);
  cluster.Tick(kOne);
  const CallId old_call = cluster.last_ready().requests.front().call;
  cluster.now = cluster.now + Millis(2000);
  cluster.Tick(kOne);  // the next round
  cluster.Step(kOne, Response<VoteResponse>{old_call, kTwo, {Term(0), kNoNode, true, true}});
  EXPECT_EQ(cluster.core(kOne).role(), Role::kProspective);
}

TEST(Election, StepDownWithinATermKeepsTheVote) {  // C3
  CoreCluster cluster(3, 0, 1);
  cluster.now = cluster.now + Millis(2000);
  cluster.Tick(kOne);
  const CallId call = cluster.last_ready().requests.front().call;
  cluster.Step(kOne, Response<VoteResponse>{call, kTwo, {Term(0), kNoNode, true, true}});
  ASSERT_EQ(cluster.core(kOne).role(), Role::kCandidate);
  cluster.Step(kOne, Request<BeginTermRequest>{RequestId{5}, {Term(1), kThree}});
  ASSERT_EQ(cluster.core(kOne).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(kOne).hard_state().voted_for.node, kOne);
  EXPECT_FALSE(AskVote(cluster, kOne, kTwo, 1, 9, 9, false).granted);
}

TEST(Election, AnExLeaderRestartsUnattachedAndNeverLeadsThatTermAgain) {  // C6
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  const Term led = cluster.core(kOne).term();
  cluster.Crash(kOne);
  cluster.Start(kOne);
  EXPECT_EQ(cluster.core(kOne).role(), Role::kUnattached);
  EXPECT_EQ(cluster.core(kOne).term(), led);
  cluster.bag().clear();
  cluster.RunUntilLeader();
  EXPECT_GT(cluster.core(cluster.leader()).term(), led);
}

TEST(Election, ASingleVoterLeadsWithoutNetworkAndCommitsAfterItsOwnFsync) {  // C15
  CoreCluster cluster(1, 0, 1);
  EXPECT_EQ(cluster.core(kOne).role(), Role::kLeader);
  EXPECT_TRUE(cluster.bag().empty());
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(0));
  cluster.FinishFlush(kOne);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(1));
  cluster.Propose(kOne);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(1));
  cluster.FinishFlush(kOne);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(2));
  cluster.Run(1000);  // check-quorum never deposes it (C21)
  EXPECT_EQ(cluster.core(kOne).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(kOne).term(), Term(1));
}

TEST(Election, ABrokenLinkElectsLongBeforeTheFetchTimeout) {  // D14
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CoreCluster cluster(3, 0, seed);
    MakeLeader(cluster, kOne);
    cluster.Run(20);
    const MonoTime crash = cluster.now;
    cluster.Crash(kOne);
    cluster.DeliverAll();
    cluster.RunUntilLeader();
    ASSERT_NE(cluster.leader(), kNoNode);
    EXPECT_LE((cluster.now - crash).count(), Micros(Millis(100)).count()) << "seed " << seed;
  }
}

TEST(Election, ASilentLeaderIsReplacedAfterTheFetchTimeout) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.notify_broken = false;
  cluster.Run(20);
  cluster.Isolate(kOne);
  const MonoTime hang = cluster.now;
  while (cluster.leader() == kOne && cluster.now < hang + Millis(5000)) cluster.Run(1);
  EXPECT_GE((cluster.now - hang).count(), Micros(Millis(400)).count());
  cluster.RunUntilLeader();
  EXPECT_LE((cluster.now - hang).count(), Micros(Millis(2500)).count());
}

TEST(Election, ALeaderWithoutMajorityResigns) {  // check-quorum, KIP-595
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Isolate(kOne);
  cluster.Run(130);
  EXPECT_NE(cluster.core(kOne).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(kOne).leader(), kNoNode);
}

TEST(Election, AfterACleanShutdownTheLongestLogElectsAtOnce) {  // EndTerm
  CoreCluster cluster(3, 0, 3);
  MakeLeader(cluster, kOne);
  cluster.Run(10);
  cluster.Step(kOne, Shutdown{});
  EXPECT_EQ(cluster.core(kOne).role(), Role::kResigned);
  cluster.DeliverAll();
  cluster.RunUntilLeader(5);
  EXPECT_NE(cluster.leader(), kNoNode);
  EXPECT_NE(cluster.leader(), kOne);
  cluster.Run(500);
  EXPECT_NE(cluster.leader(), kOne);  // it never campaigns again
}

TEST(Election, AHigherTermFromAVoterIsAdoptedAndPersisted) {  // 3.3
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Step(kOne, Request<BeginTermRequest>{RequestId{5}, {Term(6), kTwo}});
  EXPECT_EQ(cluster.core(kOne).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(kOne).leader(), kTwo);
  ASSERT_TRUE(cluster.last_ready().persist.has_value());
  EXPECT_EQ(cluster.last_ready().persist->term, Term(6));
}

TEST(Election, CandidatesThatTieAreSeparatedByChance) {  // C20
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CoreCluster cluster(5, 0, seed);
    cluster.now = cluster.now + Millis(3000);
    for (auto& [id, node] : cluster.nodes()) cluster.Tick(id);  // all at the same time
    cluster.RunUntilLeader(300);
    EXPECT_NE(cluster.leader(), kNoNode) << "seed " << seed;
    EXPECT_LE(cluster.now.since_zero().count(), Micros(Millis(6100)).count()) << "seed " << seed;
  }
}

TEST(Election, ASlowDiskAtAVoteDoesNotStartAnotherElection) {  // C19
  CoreCluster cluster(3, 0, 1);
  AskVote(cluster, kOne, kTwo, 1, 0, 0, false);
  cluster.now = cluster.now + Millis(3000);  // the fsync took this long
  cluster.Step(kOne, StatePersisted{});
  cluster.Tick(kOne);
  EXPECT_EQ(cluster.core(kOne).role(), Role::kUnattached);
}

// --- Partial connectivity ---

TEST(PartialConnectivity, ANodeThatReachesAMajorityGivesAStableLeader) {  // C21
  CoreCluster cluster(5, 0, 4);
  cluster.notify_broken = false;
  // 4 sees only 2, 5 sees only 3.
  for (int peer : {1, 3, 5}) cluster.Cut(kFour, NodeId(peer));
  for (int peer : {1, 2}) cluster.Cut(NodeId(5), NodeId(peer));
  cluster.Run(600);
  const NodeId leader = cluster.leader();
  ASSERT_NE(leader, kNoNode);
  const Term term = cluster.core(leader).term();
  cluster.Run(1000);
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.core(leader).term(), term);
  EXPECT_TRUE(cluster.core(leader).is_active_leader());
}

TEST(PartialConnectivity, AStuckHigherTermRejoins) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Crash(kThree);
  cluster.node(kThree).hard.term = Term(7);  // it campaigned once, and nobody heard it
  cluster.Start(kThree);
  cluster.Run(400);
  ASSERT_NE(cluster.leader(), kNoNode);
  EXPECT_EQ(cluster.core(kThree).commit_index(), cluster.core(cluster.leader()).commit_index());
}

// --- Replication and commitment ---

TEST(Commit, EntriesOfEarlierTermsWaitForOneOfThisTerm) {  // 3.6.2, figure 3.7, C1
  for (bool bug : {false, true}) {
    BugSwitches bugs;
    bugs.commit_earlier_terms_by_counting = bug;
    CoreCluster cluster(3, 0, 1, bugs);
    MakeLeader(cluster, kOne);
    cluster.Run(5);
    cluster.Propose(kOne);  // entry 1 of term 1: on its own disk only
    cluster.FinishFlush(kOne);
    cluster.Crash(kOne);
    cluster.Crash(kThree);
    cluster.bag().clear();
    cluster.Start(kOne);
    cluster.bag().clear();
    // Node 1 leads term 2; node 2 holds entry 1 and not the entry of term 2.
    cluster.now = cluster.now + Millis(3000);
    cluster.Tick(kOne);
    auto call = cluster.last_ready().requests.front().call;
    cluster.Step(kOne, Response<VoteResponse>{call, kTwo, {Term(1), kNoNode, true, true}});
    call = cluster.last_ready().requests.front().call;
    cluster.Step(kOne, Response<VoteResponse>{call, kTwo, {Term(2), kNoNode, true, false}});
    ASSERT_EQ(cluster.core(kOne).role(), Role::kLeader);
    const LogIndex before = cluster.core(kOne).commit_index();
    cluster.FinishFlush(kOne);
    AskFetch(cluster, kOne, KeyOf(cluster, kTwo), 2, 2, 1);
    if (bug) {
      EXPECT_GT(cluster.core(kOne).commit_index(), before);
      continue;
    }
    EXPECT_EQ(cluster.core(kOne).commit_index(), before);
    EXPECT_FALSE(cluster.core(kOne).is_active_leader());  // A20
    AskFetch(cluster, kOne, KeyOf(cluster, kTwo), 2, 3, 2);
    EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(3));
    EXPECT_TRUE(cluster.core(kOne).is_active_leader());
  }
}

TEST(Commit, TheLeaderCountsItselfOnlyUpToItsFsync) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  cluster.Propose(kOne);
  AskFetch(cluster, kOne, KeyOf(cluster, kTwo), 1, 2, 1);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(1));
  AskFetch(cluster, kOne, KeyOf(cluster, kThree), 1, 2, 1);  // two followers are a majority
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(2));
}

TEST(Commit, AFetchBeyondTheVerifiedMatchCountsForNothing) {  // A21
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  cluster.Propose(kOne);
  cluster.FinishFlush(kOne);
  EXPECT_EQ(AskFetch(cluster, kOne, KeyOf(cluster, kTwo), 1, 7, 1).response.outcome,
            FetchOutcome::kDiverging);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(1));
}

TEST(Commit, ObserversDoNotCount) {
  CoreCluster cluster(3, 1, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  cluster.Propose(kOne);
  cluster.FinishFlush(kOne);
  AskFetch(cluster, kOne, {kFour, Uuid()}, 1, 2, 1);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(1));
}

TEST(Commit, AFollowerCommitsOnlyWhatItKnowsToMatch) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  const auto call = *cluster.core(kTwo).fetch_in_flight();
  FetchResponse response;
  response.term = Term(1);
  response.leader = kOne;
  response.commit_index = LogIndex(50);  // far beyond what it sent
  cluster.Step(kTwo, Response<FetchResponse>{call, kOne, response});
  EXPECT_EQ(cluster.core(kTwo).commit_index(), cluster.core(kTwo).log_end());
}

TEST(Commit, AFlushFromBeforeATruncationIsNotBelieved) {  // C12
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  const LogIndex durable = cluster.core(kOne).durable_end();
  cluster.Propose(kOne);
  cluster.Step(kOne, Flushed{cluster.core(kOne).log_end(), 77});
  EXPECT_EQ(cluster.core(kOne).durable_end(), durable);
}

TEST(Fetch, AFollowerFetchesAgainOnlyAfterItsFsync) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  cluster.Propose(kOne);
  const auto call = *cluster.core(kTwo).fetch_in_flight();
  while (cluster.core(kTwo).log_end() == LogIndex(1)) {
    ASSERT_FALSE(cluster.bag().empty());
    cluster.Deliver(0);
  }
  EXPECT_FALSE(cluster.core(kTwo).fetch_in_flight().has_value());
  cluster.FinishFlush(kTwo);
  ASSERT_TRUE(cluster.core(kTwo).fetch_in_flight().has_value());
  EXPECT_GT(*cluster.core(kTwo).fetch_in_flight(), call);
}

TEST(Fetch, AFollowerWhoseFsyncHangsKeepsTheLeaderAlive) {  // C19
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  cluster.Propose(kOne);
  for (int i = 0; i < 300; ++i) {  // 3 s without any fsync at the followers
    cluster.now = cluster.now + Millis(10);
    for (NodeId id : {kOne, kTwo, kThree}) cluster.Tick(id);
    for (int d = 0; d < 20 && !cluster.bag().empty(); ++d) cluster.Deliver(0);
  }
  EXPECT_EQ(cluster.leader(), kOne);
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(1));  // and nothing counts as durable
  cluster.DeliverAll();
  EXPECT_EQ(cluster.core(kOne).commit_index(), LogIndex(2));
}

TEST(Fetch, NothingNewIsParkedUntilAnAppendOrTheWaitIsOver) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.DeliverAll();
  FetchRequest request;
  request.term = Term(1);
  request.replica = KeyOf(cluster, kTwo);
  request.fetch_index = LogIndex(1);
  request.last_fetched_term = Term(1);
  request.known_commit = LogIndex(1);
  request.max_wait_ms = 400;
  request.max_bytes = 100;
  cluster.Step(kOne, Request<FetchRequest>{RequestId{70}, request});
  for (const Reply& reply : cluster.last_ready().replies) EXPECT_NE(reply.id, RequestId{70});
  cluster.Propose(kOne);
  bool answered = false;
  for (const Reply& reply : cluster.last_ready().replies) {
    if (reply.id != RequestId{70}) continue;
    answered = true;
    EXPECT_TRUE(std::get<FetchAnswer>(reply.message).with_records);
  }
  EXPECT_TRUE(answered);

  request.fetch_index = LogIndex(2);
  cluster.Step(kOne, Request<FetchRequest>{RequestId{71}, request});
  cluster.now = cluster.now + Millis(401);
  cluster.Tick(kOne);
  answered = false;
  for (const Reply& reply : cluster.last_ready().replies) answered |= reply.id == RequestId{71};
  EXPECT_TRUE(answered);
}

TEST(Fetch, AResponseToAnOlderFetchIsDropped) {  // A11, A12
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  const auto call = *cluster.core(kTwo).fetch_in_flight();
  FetchResponse response;
  response.outcome = FetchOutcome::kDiverging;
  response.term = Term(1);
  response.leader = kOne;
  cluster.Step(kTwo,
               Response<FetchResponse>{CallId{static_cast<uint64_t>(call) - 1}, kOne, response});
  EXPECT_EQ(cluster.core(kTwo).log_end(), LogIndex(1));
}

TEST(Fetch, BatchesWithAGapOrAnImpossibleTermAreRefused) {  // C7, A13
  for (BatchSpan span :
       {BatchSpan{Term(1), LogIndex(2), LogIndex(3)}, BatchSpan{Term(9), LogIndex(1), LogIndex(2)},
        BatchSpan{Term(0), LogIndex(1), LogIndex(2)},
        BatchSpan{Term(1), LogIndex(1), LogIndex(1)}}) {
    CoreCluster cluster(3, 0, 1);
    MakeLeader(cluster, kOne);
    cluster.Run(5);
    FetchResponse response;
    response.term = Term(1);
    response.leader = kOne;
    response.batches = {span};
    const auto call = *cluster.core(kTwo).fetch_in_flight();
    cluster.Step(kTwo, Response<FetchResponse>{call, kOne, response});
    EXPECT_FALSE(cluster.last_ready().append_fetched);
    EXPECT_FALSE(cluster.last_ready().note.empty());
    EXPECT_EQ(cluster.core(kTwo).log_end(), LogIndex(1));
  }
}

TEST(Diverging, AnUncommittedTailIsCutAndReplaced) {
  CoreCluster cluster(3, 0, 2);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  cluster.Isolate(kOne);
  for (int i = 0; i < 5; ++i) cluster.Propose(kOne);
  cluster.FinishFlush(kOne);
  cluster.Run(300);
  const NodeId next = cluster.leader();
  ASSERT_NE(next, kOne);
  cluster.Propose(next);
  cluster.Heal();
  cluster.Run(300);
  EXPECT_EQ(cluster.violation(), "");
  EXPECT_EQ(cluster.core(kOne).log_end(), cluster.core(kTwo).log_end());
  EXPECT_EQ(cluster.node(kOne).log.back().chain, cluster.node(kTwo).log.back().chain);
  EXPECT_GE(cluster.core(kOne).truncations(), 1u);
}

TEST(DivergingDeathTest, TruncationBelowTheCommitIndexHalts) {  // C13
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  ASSERT_EQ(cluster.core(kTwo).commit_index(), LogIndex(1));
  FetchResponse response;
  response.outcome = FetchOutcome::kDiverging;
  response.term = Term(1);
  response.leader = kOne;
  const auto call = *cluster.core(kTwo).fetch_in_flight();
  EXPECT_DEATH(cluster.Step(kTwo, Response<FetchResponse>{call, kOne, response}), "cut");
}

TEST(Observer, FollowsTheLeaderAndNeverCampaigns) {  // C26
  CoreCluster cluster(3, 1, 1);
  cluster.RunUntilLeader();
  cluster.Run(20);
  EXPECT_EQ(cluster.core(kFour).leader(), cluster.leader());
  EXPECT_EQ(cluster.core(kFour).commit_index(), LogIndex(1));
  cluster.Crash(cluster.leader());
  cluster.RunUntilLeader();
  cluster.Run(60);
  EXPECT_EQ(cluster.core(kFour).leader(), cluster.leader());
  EXPECT_EQ(cluster.core(kFour).commit_index(), LogIndex(2));
  for (NodeId id : {kOne, kTwo, kThree}) cluster.Crash(id);
  cluster.Run(500);
  EXPECT_EQ(cluster.core(kFour).role(), Role::kObserver);
  EXPECT_FALSE(AskVote(cluster, kFour, kOne, 99, 99, 99, false).granted);
}

TEST(Idle, AnIdleClusterWakesRarely) {  // C25
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  cluster.Run(5);
  const uint64_t before = cluster.steps();
  const MonoTime begin = cluster.now;
  int wakes = 0;
  std::map<NodeId, MonoTime> wake;
  while (cluster.now < begin + Millis(10000)) {
    cluster.now = cluster.now + Millis(1);
    for (NodeId id : {kOne, kTwo, kThree}) {
      if (cluster.now < wake[id]) continue;
      cluster.Tick(id);
      wake[id] = cluster.last_ready().wake_at;
      ++wakes;
    }
    cluster.DeliverAll();
  }
  EXPECT_LT(wakes, 150);
  EXPECT_LT(cluster.steps() - before, 600u);
}

TEST(Progress, RemembersWhoIsCaughtUp) {
  CoreCluster cluster(3, 1, 1);
  cluster.RunUntilLeader();
  cluster.Run(50);
  const auto replicas = cluster.core(cluster.leader()).leader_state()->Replicas();
  ASSERT_EQ(replicas.size(), 3u);
  for (const ReplicaProgress& progress : replicas) {
    EXPECT_TRUE(progress.caught_up);
    EXPECT_EQ(progress.match_end, LogIndex(1));
  }
}

}  // namespace
}  // namespace quorate::raft
