// Snapshots in the core (KIP-630): one test per rule; E5 and the like are scenarios.
#include <gtest/gtest.h>

#include <algorithm>

#include "raft/core/core_harness.h"

namespace quorate::raft {
namespace {

const NodeId kOne(1), kTwo(2), kThree(3), kFour(4);

void MakeLeader(CoreCluster& cluster, NodeId leader) {
  cluster.now = cluster.now + Millis(2000);
  cluster.Tick(leader);
  cluster.DeliverAll();
  ASSERT_EQ(cluster.leader(), leader);
}

void Commit(CoreCluster& cluster, NodeId leader, int entries) {
  for (int i = 0; i < entries; ++i) cluster.Propose(leader);
  cluster.DeliverAll();
}

// A cluster led by node 1 whose log was cut at 8, while node 3 (or the observer, 4) has nothing.
void LeaveBehind(CoreCluster& cluster, NodeId behind) {
  cluster.Isolate(behind);
  MakeLeader(cluster, kOne);
  Commit(cluster, kOne, 7);
  ASSERT_EQ(cluster.core(kOne).commit_index(), LogIndex(8));
  cluster.TakeSnapshot(kOne);
  ASSERT_EQ(cluster.core(kOne).log_start(), LogIndex(8));
  cluster.Heal();
}

FetchResponse AskFetch(CoreCluster& cluster, NodeId replica, int term, int index, int last_term) {
  FetchRequest request;
  request.term = Term(term);
  request.replica = cluster.KeyOf(replica);
  request.fetch_index = LogIndex(index);
  request.last_fetched_term = Term(last_term);
  request.max_bytes = 1000;
  cluster.Step(kOne, Request<FetchRequest>{RequestId{900001}, request});
  const auto& replies = cluster.last_ready().replies;
  if (replies.empty()) return {};
  return std::get<FetchAnswer>(replies.back().message).response;
}

// Delivers what is under way, oldest first, until a packet of type M comes to stand first.
template <typename M>
Packet* NextOf(CoreCluster& cluster) {
  for (int i = 0; i < 1000; ++i) {
    auto& bag = cluster.bag();
    const auto found = std::find_if(bag.begin(), bag.end(), [](const Packet& packet) {
      return std::holds_alternative<M>(packet.message);
    });
    if (found != bag.end()) return &*found;
    if (bag.empty()) {
      cluster.now = cluster.now + Millis(10);
      for (auto& [id, node] : cluster.nodes()) cluster.Tick(id);
    } else {
      std::rotate(bag.begin(), bag.begin() + 1, bag.end());
      cluster.Deliver(bag.size() - 1);
    }
  }
  return nullptr;
}

void Deliver(CoreCluster& cluster, Packet* packet) {
  cluster.Deliver(static_cast<size_t>(packet - cluster.bag().data()));
}

TEST(CoreSnapshot, AFetchBelowTheLogStartIsToldOfTheNewestSnapshot) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  const FetchResponse response = AskFetch(cluster, kThree, 1, 3, 1);
  EXPECT_EQ(response.outcome, FetchOutcome::kSnapshotNeeded);
  EXPECT_EQ(response.snapshot, (SnapshotId{LogIndex(8), Term(1)}));
}

// C16: a term that the leader cannot know any more is no match; least of all term 0.
TEST(CoreSnapshot, AnUnknownTermIsNeverAMatch) {
  CoreCluster cluster(3, 0, 1);
  cluster.Isolate(kThree);
  for (auto& [id, node] : cluster.nodes()) cluster.Crash(id);
  for (auto& [id, node] : cluster.nodes()) {
    cluster.SetDisk(id, Term(4), {Term(2), Term(2), Term(4), Term(4)});
    cluster.Start(id);
  }
  MakeLeader(cluster, kOne);
  Commit(cluster, kOne, 3);
  cluster.TakeSnapshot(kOne);
  ASSERT_EQ(cluster.core(kOne).log_start(), LogIndex(8));
  Commit(cluster, kOne, 2);
  const int term = cluster.core(kOne).term().value();
  EXPECT_EQ(AskFetch(cluster, kThree, term, 8, 0).outcome, FetchOutcome::kSnapshotNeeded);
  EXPECT_EQ(AskFetch(cluster, kThree, term, 8, 4).outcome, FetchOutcome::kSnapshotNeeded);
  EXPECT_EQ(AskFetch(cluster, kThree, term, 9, 2).outcome, FetchOutcome::kSnapshotNeeded);
  // The last record before the log's start is known.
  EXPECT_EQ(AskFetch(cluster, kThree, term, 8, term).outcome, FetchOutcome::kOk);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, WithoutTheRuleAnUnknownTermIsAMatch) {  // the mutant of C16
  BugSwitches bugs;
  bugs.match_unknown_terms = true;
  CoreCluster cluster(3, 0, 1, bugs);
  LeaveBehind(cluster, kThree);
  EXPECT_EQ(AskFetch(cluster, kThree, 1, 8, 0).outcome, FetchOutcome::kOk);
}

TEST(CoreSnapshot, AFollowerBehindTheLogStartFetchesAndInstalls) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.Run(200);
  EXPECT_EQ(cluster.installs(), 1);
  const RaftCore& core = cluster.core(kThree);
  EXPECT_EQ(core.log_start(), LogIndex(8));
  EXPECT_EQ(core.snapshot(), (SnapshotId{LogIndex(8), Term(1)}));
  EXPECT_EQ(core.commit_index(), cluster.core(kOne).commit_index());
  // It goes on as any follower: it acknowledges and counts (scenario E12).
  cluster.Isolate(kTwo);
  Commit(cluster, kOne, 1);
  cluster.Run(20);
  EXPECT_EQ(cluster.core(kOne).commit_index(), cluster.core(kOne).log_end());
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, AnObserverBehindTheLogStartFetchesAndInstalls) {
  CoreCluster cluster(3, 1, 1);
  LeaveBehind(cluster, kFour);
  cluster.Run(200);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.core(kFour).commit_index(), cluster.core(kOne).commit_index());
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, AnInstalledReplicaVotesByTheSnapshotsTerm) {  // C11
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.Run(200);
  cluster.Crash(kThree);
  cluster.Start(kThree);
  EXPECT_EQ(cluster.core(kThree).term_starts().last_term(), Term(1));
  EXPECT_GE(cluster.core(kThree).term(), Term(1));
  EXPECT_EQ(cluster.core(kThree).log_start(), LogIndex(8));
  // All it covers is known to be committed, before any leader says so.
  EXPECT_GE(cluster.core(kThree).commit_index(), LogIndex(8));
  // And it can lead: its log is as good as the others'.
  cluster.now = cluster.now + Millis(3000);
  cluster.Tick(kThree);
  cluster.DeliverAll();
  cluster.RunUntilLeader();
  EXPECT_NE(cluster.leader(), kNoNode);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, ADamagedSnapshotIsFetchedAnewAndNeverInstalled) {  // E7, E11
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.damage = 1;
  cluster.Run(100);
  EXPECT_EQ(cluster.installs(), 0);
  EXPECT_EQ(cluster.core(kThree).log_start(), LogIndex(0));
  cluster.damage = 0;
  cluster.Run(100);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, ASnapshotThatIsGoneGivesWayToTheNewerOne) {  // E5
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.entries_per_answer = 2;
  Deliver(cluster, NextOf<FetchSnapshotResponse>(cluster));
  Packet* second = NextOf<FetchSnapshotRequest>(cluster);
  EXPECT_EQ(std::get<FetchSnapshotRequest>(second->message).snapshot.end, LogIndex(8));
  const CallId call = second->call;
  cluster.bag().clear();
  cluster.Isolate(kThree);
  Commit(cluster, kOne, 4);
  cluster.Run(5);
  cluster.Heal();
  cluster.Step(kThree, CallFailed{call, kOne});
  cluster.TakeSnapshot(kOne);
  cluster.Run(200);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.core(kThree).snapshot().end, LogIndex(12));
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, PiecesOfTwoLeadersAreNeverPutTogether) {  // E7, E10
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.TakeSnapshot(kTwo);  // the same state, maybe not the same file
  cluster.entries_per_answer = 2;
  Deliver(cluster, NextOf<FetchSnapshotResponse>(cluster));
  ASSERT_TRUE(cluster.core(kThree).snapshot_download().has_value());
  const uint64_t first = *cluster.core(kThree).snapshot_download();
  // Node 2 takes over.
  cluster.Isolate(kOne);
  cluster.Run(200);
  ASSERT_EQ(cluster.leader(), kTwo);
  cluster.Run(200);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_NE(cluster.core(kThree).snapshot_download(), first);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, ACheckThatEndsUnderAnotherLeaderInstallsNothing) {  // E10
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.entries_per_answer = 100;
  Deliver(cluster, NextOf<FetchSnapshotResponse>(cluster));
  ASSERT_TRUE(cluster.node(kThree).download->complete);
  cluster.Step(kThree, Request<BeginTermRequest>{RequestId{900002}, {Term(2), kTwo}});
  cluster.Step(kThree, SnapshotChecked{1, true});
  EXPECT_FALSE(cluster.last_ready().install_snapshot.has_value());
  EXPECT_EQ(cluster.core(kThree).log_end(), LogIndex(0));
}

TEST(CoreSnapshot, WhileItIsCheckedTheLeaderHearsOfTheFollower) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.entries_per_answer = 100;
  Deliver(cluster, NextOf<FetchSnapshotResponse>(cluster));
  cluster.Isolate(kTwo);
  cluster.Heal();
  cluster.Cut(kOne, kTwo);
  // Only node 3, whose disk takes 3 s to read the snapshot back, keeps the leader in office.
  for (int i = 0; i < 300; ++i) {
    cluster.now = cluster.now + Millis(10);
    cluster.Tick(kOne);
    cluster.Tick(kThree);
    while (!cluster.bag().empty()) cluster.Deliver(0);
  }
  EXPECT_EQ(cluster.leader(), kOne);
  EXPECT_EQ(cluster.core(kThree).role(), Role::kFollower);
  cluster.FinishCheck(kThree);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, ALostLinkResumesTheDownload) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.entries_per_answer = 2;
  Deliver(cluster, NextOf<FetchSnapshotResponse>(cluster));
  Packet* second = NextOf<FetchSnapshotRequest>(cluster);
  const auto& asked = std::get<FetchSnapshotRequest>(second->message);
  EXPECT_EQ(asked.position, 2);
  const CallId call = second->call;
  cluster.bag().clear();
  cluster.Step(kThree, CallFailed{call, kOne});
  Packet* again = NextOf<FetchSnapshotRequest>(cluster);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(std::get<FetchSnapshotRequest>(again->message).position, 2);
}

TEST(CoreSnapshot, APieceThatDoesNotFitDropsTheDownload) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  cluster.entries_per_answer = 2;
  Packet* piece = NextOf<FetchSnapshotResponse>(cluster);
  std::get<FetchSnapshotResponse>(piece->message).position = 4;
  Deliver(cluster, piece);
  EXPECT_FALSE(cluster.last_ready().write_chunk.has_value());
  EXPECT_FALSE(cluster.core(kThree).snapshot_download().has_value());
  cluster.Run(200);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshot, ASnapshotThatIsNotAheadOfTheCommitIndexIsRefused) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  Packet* answer = NextOf<FetchResponse>(cluster);
  while (std::get<FetchResponse>(answer->message).outcome != FetchOutcome::kSnapshotNeeded) {
    Deliver(cluster, answer);
    answer = NextOf<FetchResponse>(cluster);
  }
  std::get<FetchResponse>(answer->message).snapshot = SnapshotId{LogIndex(0), Term(1)};
  Deliver(cluster, answer);
  EXPECT_NE(cluster.last_ready().note, "");
  EXPECT_FALSE(cluster.core(kThree).snapshot_download().has_value());
}

TEST(CoreSnapshot, OnlyTheLeaderOfTheTermServesPieces) {
  CoreCluster cluster(3, 0, 1);
  LeaveBehind(cluster, kThree);
  const auto ask = [&](NodeId node, int term) {
    FetchSnapshotRequest request;
    request.term = Term(term);
    request.replica = cluster.KeyOf(kThree);
    request.snapshot = {LogIndex(8), Term(1)};
    request.max_bytes = 10;
    cluster.Step(node, Request<FetchSnapshotRequest>{RequestId{900003}, request});
    return std::get<SnapshotAnswer>(cluster.last_ready().replies.back().message).response.outcome;
  };
  EXPECT_EQ(ask(kOne, 1), SnapshotOutcome::kOk);
  EXPECT_EQ(ask(kTwo, 1), SnapshotOutcome::kNotLeader);
  EXPECT_EQ(ask(kOne, 0), SnapshotOutcome::kFencedTerm);
  // A voter's higher term makes it step down.
  EXPECT_EQ(ask(kOne, 5), SnapshotOutcome::kNotLeader);
  EXPECT_EQ(cluster.core(kOne).term(), Term(5));
}

TEST(CoreSnapshot, WhatASnapshotCoversIsNeverTruncated) {
  CoreCluster cluster(3, 0, 1);
  MakeLeader(cluster, kOne);
  Commit(cluster, kOne, 4);
  cluster.TakeSnapshot(kTwo, /*trim=*/false);
  cluster.Crash(kTwo);
  cluster.Start(kTwo);
  // The restarted node knows as committed what its snapshot covers, though it hears no leader.
  EXPECT_EQ(cluster.core(kTwo).commit_index(), LogIndex(5));
  EXPECT_EQ(cluster.core(kTwo).log_start(), LogIndex(0));
}

// --- The voters that a snapshot names (KIP-853) ---

// Node 1 leads term 1, and its voters can be changed; all have caught up.
void MakeDynamicLeader(CoreCluster& cluster) {
  cluster.MakeDynamic();
  MakeLeader(cluster, kOne);
  cluster.Run(60);
  ASSERT_EQ(cluster.leader(), kOne);
}

TEST(CoreSnapshotVoters, WhoInstallsKnowsThemWithoutTheirRecordsAndAfterARestartToo) {
  CoreCluster cluster(3, 1, 1);
  MakeDynamicLeader(cluster);
  cluster.Isolate(kFour);
  ASSERT_EQ(cluster.RemoveVoter(kOne, kThree), "");
  cluster.DeliverAll();
  Commit(cluster, kOne, 3);
  cluster.TakeSnapshot(kOne);
  // The records are gone, the set stays.
  const VoterHistory& history = cluster.core(kOne).voter_history();
  EXPECT_FALSE(history.latest_index().has_value());
  EXPECT_TRUE(history.dynamic());
  EXPECT_EQ(history.latest().nodes(), (std::vector<NodeId>{kOne, kTwo}));
  cluster.Heal();
  cluster.Run(300);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_TRUE(cluster.core(kFour).voters() == history.latest());
  EXPECT_TRUE(cluster.core(kFour).voter_history().dynamic());
  cluster.Crash(kFour);
  cluster.Start(kFour);
  EXPECT_TRUE(cluster.core(kFour).voters() == history.latest());
  EXPECT_TRUE(cluster.core(kFour).voter_history().dynamic());
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshotVoters, AVoterThatTheyLackObservesFromTheInstallOn) {
  CoreCluster cluster(3, 0, 1);
  MakeDynamicLeader(cluster);
  cluster.Isolate(kThree);
  ASSERT_EQ(cluster.RemoveVoter(kOne, kThree), "");
  cluster.DeliverAll();
  Commit(cluster, kOne, 3);
  cluster.TakeSnapshot(kOne);
  cluster.Run(300);
  ASSERT_NE(cluster.core(kThree).role(), Role::kObserver);  // it has not heard of it
  cluster.Heal();
  cluster.Run(300);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.core(kThree).role(), Role::kObserver);
  EXPECT_EQ(cluster.leader(), kOne);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshotVoters, AnObserverThatTheyNameFollowsFromTheInstallOn) {
  CoreCluster cluster(3, 1, 1);
  MakeDynamicLeader(cluster);
  cluster.Isolate(kFour);
  ASSERT_EQ(cluster.AddVoter(kOne, kFour), "");
  cluster.DeliverAll();
  Commit(cluster, kOne, 3);
  cluster.TakeSnapshot(kOne);
  cluster.Heal();
  cluster.Run(300);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_TRUE(cluster.core(kFour).is_voter());
  EXPECT_EQ(cluster.core(kFour).role(), Role::kFollower);
  EXPECT_EQ(cluster.violation(), "");
}

// D7, the other way round: what the log held of voters behind the snapshot was never committed.
TEST(CoreSnapshotVoters, AnInstallTakesTheUncommittedVotersOfTheLogWithIt) {
  CoreCluster cluster(3, 0, 1);
  MakeDynamicLeader(cluster);
  cluster.Isolate(kOne);
  ASSERT_EQ(cluster.RemoveVoter(kOne, kThree), "");
  ASSERT_EQ(cluster.core(kOne).voters().size(), 2u);
  cluster.Run(300);
  const NodeId next = cluster.leader();
  ASSERT_TRUE(next == kTwo || next == kThree);
  Commit(cluster, next, 5);
  cluster.TakeSnapshot(next);
  cluster.Heal();
  cluster.Run(300);
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.core(kOne).voters().size(), 3u);
  EXPECT_EQ(cluster.violation(), "");
}

// D7: a record behind the snapshot's end is newer than its header.
TEST(CoreSnapshotVoters, ARecordOfTheLogOutweighsTheSnapshotBeforeIt) {
  CoreCluster cluster(3, 0, 1);
  MakeDynamicLeader(cluster);
  cluster.TakeSnapshot(kTwo);
  ASSERT_EQ(cluster.RemoveVoter(kOne, kThree), "");
  cluster.DeliverAll();
  cluster.Crash(kTwo);
  cluster.Start(kTwo);
  EXPECT_EQ(cluster.core(kTwo).voters().nodes(), (std::vector<NodeId>{kOne, kTwo}));
  EXPECT_EQ(cluster.core(kTwo).voter_history().base().size(), 3u);
  EXPECT_EQ(cluster.violation(), "");
}

TEST(CoreSnapshotVoters, WhoStillFetchesASnapshotIsNotAdded) {
  CoreCluster cluster(3, 1, 1);
  cluster.MakeDynamic();
  cluster.Isolate(kFour);
  MakeLeader(cluster, kOne);
  Commit(cluster, kOne, 7);
  cluster.TakeSnapshot(kOne);
  ASSERT_EQ(AskFetch(cluster, kFour, 1, 0, 0).outcome, FetchOutcome::kSnapshotNeeded);
  EXPECT_NE(cluster.AddVoter(kOne, kFour).find("still fetching a snapshot"), std::string::npos);
}

TEST(CoreSnapshotVoters, WhileItInstallsWhoMayVoteAcknowledgesOnlyWhatIsDurable) {
  CoreCluster cluster(3, 1, 1);
  cluster.MakeDynamic();
  cluster.Isolate(kFour);
  MakeLeader(cluster, kOne);
  Commit(cluster, kOne, 7);
  cluster.TakeSnapshot(kOne);
  cluster.Heal();
  cluster.entries_per_answer = 100;
  Packet* piece = NextOf<FetchSnapshotResponse>(cluster);
  ASSERT_NE(piece, nullptr);
  Deliver(cluster, piece);
  ASSERT_TRUE(cluster.node(kFour).download->complete);
  // All has come and is being checked: signs of life say what was there before.
  for (int i = 0; i < 60; ++i) {
    cluster.now = cluster.now + Millis(10);
    for (NodeId id : {kOne, kTwo, kThree, kFour}) cluster.Tick(id);
    while (!cluster.bag().empty()) cluster.Deliver(0);
  }
  const ReplicaProgress* four = cluster.core(kOne).leader_state()->Find(cluster.KeyOf(kFour));
  ASSERT_NE(four, nullptr);
  EXPECT_EQ(four->match_end, LogIndex(0));
  cluster.DeliverAll();
  EXPECT_EQ(cluster.installs(), 1);
  EXPECT_EQ(cluster.core(kOne).leader_state()->Find(cluster.KeyOf(kFour))->match_end,
            cluster.core(kOne).log_end());
  EXPECT_EQ(cluster.violation(), "");
}

}  // namespace
}  // namespace quorate::raft
