#include "raft/raft_node.h"

#include <glog/logging.h>
#include <gtest/gtest.h>

#include "proto/quorate/raft.pb.h"
#include "raft/metadata_log_reader.h"
#include "raft/quorum_state_file.h"
#include "raft/testing/test_cluster.h"

namespace quorate {
namespace {

const std::string kLogFile = "/meta/__cluster_metadata-0/00000000000000000000.log";

TEST(RaftNode, ThreeNodesElectReplicateAndDeliverInOrder) {
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  EXPECT_LE(cluster.world.Now(), MonoTime(Millis(700)));
  for (int i = 0; i < 20; ++i) {
    const auto first = cluster.Propose(leader, {"a" + std::to_string(i), "b"}, "why");
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(*first, LogIndex(1 + 2 * i));
  }
  ASSERT_TRUE(cluster.WaitForAll());
  for (int n = 1; n <= 3; ++n) {
    EXPECT_EQ(cluster.heard(n).records, cluster.heard(leader).records);
    EXPECT_EQ(cluster.heard(n).records.size(), 40u);
    EXPECT_TRUE(cluster.heard(n).batches[0]->control);
    EXPECT_EQ(cluster.heard(n).batches[1]->cause, "why");
    EXPECT_EQ(cluster.heard(n).batches[1]->term, cluster.raft(leader).core().term());
    EXPECT_EQ(cluster.heard(n).batches[1]->records, (std::vector<std::string>{"a0", "b"}));
    EXPECT_EQ(cluster.heard(n).leaders.back().leader, NodeId(leader));
  }
  EXPECT_EQ(cluster.heard(leader).active.size(), 1u);
}

TEST(RaftNode, ACommitTakesOneRoundTripAndTheFsyncs) {  // D14: no linger
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  cluster.WaitForAll();
  cluster.world.RunFor(Millis(50));
  const MonoTime begin = cluster.world.Now();
  const LogIndex end = *cluster.Propose(leader, {"x"}) + 1;
  ASSERT_TRUE(
      cluster.world.RunUntil([&] { return cluster.heard(leader).next == end; }, Millis(100)));
  // Answer to the parked fetch 0.2 ms, the follower's fsync 0.5, its next fetch 0.2.
  EXPECT_LE((cluster.world.Now() - begin).count(), 1000);
}

TEST(RaftNode, OneFsyncCoversAllThatWasAppendedMeanwhile) {
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  cluster.world.RunFor(Millis(10));
  int syncs = 0;
  cluster.node(1).files.set_hook([&](MemoryFileSystem::Op op, const std::string& path) {
    syncs += op == MemoryFileSystem::Op::kSync && path == kLogFile ? 1 : 0;
    return absl::OkStatus();
  });
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(cluster.Propose(1, {"x"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_LE(syncs, 2);
}

TEST(RaftNode, ACrashedLeaderIsReplacedWellUnderASecond) {
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int old_leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(old_leader, {"kept"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  const MonoTime crash = cluster.world.Now();
  cluster.Kill(old_leader);
  const int next = cluster.WaitForLeader();
  EXPECT_NE(next, old_leader);
  EXPECT_LE((cluster.world.Now() - crash).count(), Micros(Millis(400)).count());
  ASSERT_TRUE(cluster.Propose(next, {"new"}).ok());
  ASSERT_TRUE(cluster.Start(old_leader).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(old_leader).records, (std::vector<std::string>{"kept", "new"}));
}

TEST(RaftNode, ALeaderBehindABlackHoleIsReplaced) {  // C27
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int old_leader = cluster.WaitForLeader();
  for (int n = 1; n <= 3; ++n) {
    if (n != old_leader) {
      cluster.world.BlackHole(cluster.node(n).endpoint, cluster.node(old_leader).endpoint);
    }
  }
  const MonoTime hang = cluster.world.Now();
  ASSERT_TRUE(cluster.world.RunUntil(
      [&] { return cluster.leader() != 0 && cluster.leader() != old_leader; }, Millis(4000)));
  EXPECT_LE((cluster.world.Now() - hang).count(), Micros(Millis(2000)).count());
}

TEST(RaftNode, EverythingSurvivesAPowerCutOfAllNodes) {  // C5
  TestCluster cluster(3, 1, 5);
  cluster.StartAll();
  for (int round = 0; round < 6; ++round) {
    const int leader = cluster.WaitForLeader();
    ASSERT_TRUE(cluster.Propose(leader, {"r" + std::to_string(round)}).ok());
    ASSERT_TRUE(cluster.WaitForAll());
    cluster.Propose(leader, {"maybe"}).IgnoreError();
    const Term term = cluster.raft(leader).core().term();
    for (int n = 1; n <= 4; ++n) cluster.PowerCut(n);
    for (int n = 1; n <= 4; ++n) {
      const absl::Status started = cluster.Start(n);
      ASSERT_TRUE(started.ok()) << started;
      if (n <= 3) {
        EXPECT_GE(cluster.raft(n).core().term(), term);  // no term collapse
      }
    }
    cluster.WaitForLeader();
    ASSERT_TRUE(cluster.WaitForAll());
    std::vector<std::string> kept;
    for (const std::string& record : cluster.heard(4).records) {
      if (record != "maybe") kept.push_back(record);
    }
    ASSERT_EQ(kept.size(), static_cast<size_t>(round) + 1);
    EXPECT_EQ(cluster.heard(1).records, cluster.heard(4).records);
  }
}

TEST(RaftNode, ADivergedTailIsTruncatedAndReplaced) {
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int old_leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.IsolateNode(old_leader);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.Propose(old_leader, {"lost"}).ok());
  ASSERT_TRUE(cluster.world.RunUntil(
      [&] { return cluster.leader() != 0 && cluster.leader() != old_leader; }, Millis(3000)));
  const int next = cluster.leader();
  ASSERT_TRUE(cluster.Propose(next, {"won"}).ok());
  cluster.world.Heal();
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(old_leader).records, std::vector<std::string>{"won"});
  EXPECT_GE(cluster.raft(old_leader).core().truncations(), 1u);
  // Also after a restart.
  cluster.Kill(old_leader);
  ASSERT_TRUE(cluster.Start(old_leader).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(old_leader).records, std::vector<std::string>{"won"});
}

TEST(RaftNode, AnObserverFollowsLeaderChangesAndNeverCounts) {
  TestCluster cluster(3, 2);
  cluster.StartAll();
  int leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(leader, {"one"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(4).records, std::vector<std::string>{"one"});
  cluster.Kill(leader);
  leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(leader, {"two"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(4).records, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(cluster.heard(5).leaders.back().leader, NodeId(leader));
  for (int n = 1; n <= 3; ++n) {
    if (n != leader && cluster.node(n).raft) cluster.Kill(n);
  }
  const LogIndex commit = cluster.raft(leader).commit_index();
  cluster.Propose(leader, {"three"}).IgnoreError();
  cluster.world.RunFor(Millis(3000));
  EXPECT_EQ(cluster.raft(4).commit_index(), commit);
  EXPECT_EQ(cluster.raft(4).core().role(), raft::Role::kObserver);
}

TEST(RaftNode, AnObserverFindsTheNextLeaderSoon) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    TestCluster cluster(3, 1, seed);
    cluster.StartAll();
    const int leader = cluster.WaitForLeader();
    ASSERT_TRUE(cluster.WaitForAll());
    cluster.Kill(leader);
    cluster.WaitForLeader();
    const MonoTime elected = cluster.world.Now();
    ASSERT_TRUE(cluster.WaitForAll());
    EXPECT_LE((cluster.world.Now() - elected).count(), Micros(Millis(150)).count())
        << "seed " << seed;
  }
}

TEST(RaftNode, ProposalsAreRefusedByOthersAndWhenTooLarge) {  // C28
  TestCluster cluster(3, 0);
  cluster.config.max_batch_bytes = 2000;
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  const int other = leader == 1 ? 2 : 1;
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.Propose(other, {"x"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(cluster.Propose(leader, {std::string(2000, 'x')}).status()));
  EXPECT_EQ(cluster.raft(leader).log_end_index(), LogIndex(1));
  ASSERT_TRUE(cluster.Propose(leader, {std::string(1800, 'x')}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.leader(), leader);
}

TEST(RaftNode, AFetchIsBoundedAndCatchesUpInSteps) {  // C7
  TestCluster cluster(3, 0);
  cluster.config.max_batch_bytes = 4096;
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  const int late = leader == 1 ? 2 : 1;
  cluster.Kill(late);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(cluster.Propose(leader, {std::string(1000, 'x')}).ok());
  }
  ASSERT_TRUE(cluster.WaitForAll());
  ASSERT_TRUE(cluster.Start(late).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(late).records.size(), 50u);
}

TEST(RaftNode, ANodeOfAnotherClusterIsRefused) {  // C29
  TestCluster cluster(3, 1);
  cluster.cluster_ids[NodeId(3)] = "elsewhere";
  cluster.cluster_ids[NodeId(4)] = "elsewhere";
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(leader, {"x"}).ok());
  cluster.world.RunFor(Millis(2000));
  EXPECT_NE(leader, 3);
  EXPECT_EQ(cluster.raft(3).log_end_index(), LogIndex(0));
  EXPECT_EQ(cluster.raft(4).log_end_index(), LogIndex(0));
  EXPECT_EQ(cluster.raft(leader).commit_index(), LogIndex(2));
}

TEST(RaftNode, AListenerMayProposeAsSoonAsItIsActive) {
  TestCluster cluster(1, 0);
  ASSERT_TRUE(cluster.Start(1).ok());
  cluster.heard(1).on_active = [&](Term term) {
    EXPECT_EQ(cluster.heard(1).next, LogIndex(1));  // all of earlier terms was heard
    EXPECT_TRUE(cluster.raft(1).Propose(term, {"first"}, "").ok());
  };
  ASSERT_TRUE(
      cluster.world.RunUntil([&] { return cluster.heard(1).next == LogIndex(2); }, Millis(100)));
  EXPECT_EQ(cluster.heard(1).records, std::vector<std::string>{"first"});
}

TEST(RaftNode, ACleanShutdownHandsOverAtOnce) {
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(leader, {"x"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  bool done = false;
  const MonoTime begin = cluster.world.Now();
  cluster.world.On(cluster.node(leader).loop.get(),
                   [&] { cluster.raft(leader).Shutdown([&] { done = true; }); });
  ASSERT_TRUE(cluster.world.RunUntil([&] { return done; }, Millis(1000)));
  cluster.Kill(leader);
  const int next = cluster.WaitForLeader();
  EXPECT_NE(next, leader);
  EXPECT_LE((cluster.world.Now() - begin).count(), Micros(Millis(60)).count());
  ASSERT_TRUE(cluster.Start(leader).ok());
  ASSERT_TRUE(cluster.WaitForAll());
}

TEST(RaftNode, AFailedFsyncStopsTheNode) {
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.node(leader).files.set_hook([](MemoryFileSystem::Op op, const std::string&) {
    return op == MemoryFileSystem::Op::kSync ? absl::DataLossError("EIO") : absl::OkStatus();
  });
  ASSERT_TRUE(cluster.Propose(leader, {"x"}).ok());
  cluster.world.RunFor(Millis(10));
  ASSERT_EQ(cluster.node(leader).fatal.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(cluster.Propose(leader, {"y"}).status()));
}

TEST(RaftNode, AVoteThatCannotBePersistedIsNotGiven) {  // C4
  TestCluster cluster(3, 0);
  for (int n = 2; n <= 3; ++n) {
    cluster.node(n).files.set_hook([](MemoryFileSystem::Op op, const std::string& path) {
      return path.find("quorum-state") != std::string::npos ? absl::DataLossError("EIO")
                                                            : absl::OkStatus();
    });
  }
  cluster.StartAll();
  cluster.world.RunFor(Millis(3000));
  EXPECT_EQ(cluster.leader(), 0);
  EXPECT_FALSE(cluster.node(2).fatal.empty() && cluster.node(3).fatal.empty());
}

TEST(RaftNode, ATornTailIsCutAfterAKill) {
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(1, {"x"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(1);
  {
    auto file = cluster.node(1).files.Open(kLogFile, OpenMode::kWrite);
    ASSERT_TRUE(file.ok());
    const std::string_view piece = "half a batch";
    ASSERT_TRUE((*file)->WriteAt(*(*file)->Size(), std::span(&piece, 1)).ok());
  }
  const absl::Status started = cluster.Start(1);
  ASSERT_TRUE(started.ok()) << started;
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(1).records, std::vector<std::string>{"x"});
}

TEST(RaftNode, AFlippedByteBelowTheRecoveryPointIsRefusedWithFileAndPosition) {
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(1, {"x"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  ASSERT_TRUE(cluster.Propose(1, {"y"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(1);
  cluster.node(1).files.CorruptByte(kLogFile, 100, '~');
  const absl::Status started = cluster.Start(1);
  EXPECT_TRUE(absl::IsDataLoss(started)) << started;
  EXPECT_NE(started.message().find(kLogFile), std::string::npos) << started;
}

TEST(RaftNode, ALogWithoutQuorumStateIsRefused) {  // I9
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(1);
  ASSERT_TRUE(cluster.node(1).files.Remove("/meta/__cluster_metadata-0/quorum-state").ok());
  EXPECT_TRUE(absl::IsDataLoss(cluster.Start(1)));
}

TEST(RaftNode, ALogOfALaterTermThanQuorumStateIsRefused) {  // I9: a vote may be forgotten
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(1);
  ASSERT_TRUE(WriteQuorumState(&cluster.node(1).files, "/meta/__cluster_metadata-0/quorum-state",
                               {Term(0), {}, kNoNode})
                  .ok());
  const absl::Status started = cluster.Start(1);
  EXPECT_TRUE(absl::IsDataLoss(started)) << started;
  EXPECT_NE(started.message().find("quorum-state"), std::string::npos) << started;
}

TEST(RaftNode, ARecordOfNoTermIsRefusedNotBelieved) {  // the term lies outside the checksum
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(1);
  constexpr int kTermOffset = 8 + 4 + 3;  // last byte of the first batch's leader epoch
  cluster.node(1).files.CorruptByte(kLogFile, kTermOffset, '\0');
  const absl::Status started = cluster.Start(1);
  EXPECT_TRUE(absl::IsDataLoss(started)) << started;
}

// Counts the log lines that hold a text.
class LineCounter final : public google::LogSink {
 public:
  explicit LineCounter(std::string text) : text_(std::move(text)) { google::AddLogSink(this); }
  ~LineCounter() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity, const char*, const char*, int, const struct ::tm*,
            const char* message, size_t length) override {
    if (std::string_view(message, length).find(text_) == std::string_view::npos) return;
    ++lines;
    last = std::string(message, length);
  }
  int lines = 0;
  std::string last;

 private:
  const std::string text_;
};

TEST(RaftNode, APeerOfAnotherClusterIsLoggedOncePerTenSeconds) {
  TestCluster cluster(3, 0);
  cluster.cluster_ids[NodeId(3)] = "elsewhere";
  // Node 3 asks 1 and 2 for pre-votes all the time; each refusal is one of these.
  LineCounter one("raft node 3: node 1 refuses");
  LineCounter two("raft node 3: node 2 refuses");
  cluster.StartAll();
  cluster.world.RunFor(Millis(35000));
  for (int lines : {one.lines, two.lines}) {
    EXPECT_GE(lines, 3);
    EXPECT_LE(lines, 4);
  }
  EXPECT_NE(one.last.find("times more before"), std::string::npos) << one.last;
}

TEST(RaftNode, StatusShowsTheReplicasToTheLeader) {
  TestCluster cluster(3, 1);
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(600));
  const QuorumStatus status = cluster.raft(leader).Status();
  EXPECT_EQ(status.role, "leader");
  ASSERT_EQ(status.replicas.size(), 4u);
  for (const QuorumReplicaStatus& replica : status.replicas) {
    EXPECT_EQ(replica.lag, 0);
    EXPECT_EQ(replica.log_end, 1);
    EXPECT_EQ(replica.voter, replica.node != NodeId(4));
    EXPECT_GE(replica.last_fetch_age_ms, 0);
  }
  std::string response;
  TestRpcClient client(&cluster.world, {"tool", 1});
  client.Call(cluster.node(4).endpoint, "Raft.Status", "", Millis(100), cluster.node(4).loop.get(),
              [&](absl::StatusOr<std::string> result) { response = result.value_or(""); });
  cluster.world.RunFor(Millis(10));
  pb::QuorumStatusResponse message;
  ASSERT_TRUE(message.ParseFromString(response));
  EXPECT_EQ(message.role(), "observer");
  EXPECT_EQ(message.leader_id(), leader);
}

TEST(RaftNode, AnIdleClusterIsQuiet) {  // C25, I35
  TestCluster cluster(3, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(1000));
  const int64_t calls = cluster.world.calls();
  const int64_t operations = cluster.node(1).files.operations();
  cluster.world.RunFor(Millis(10000));
  EXPECT_LE(cluster.world.calls() - calls, 50);
  EXPECT_EQ(cluster.node(1).files.operations(), operations);
}

TEST(RaftNode, GarbageFromAPeerHarmsNobody) {
  TestCluster cluster(3, 0);
  cluster.StartAll();
  const int leader = cluster.WaitForLeader();
  TestRpcClient client(&cluster.world, {"tool", 1});
  SeededRandom random(3);
  for (const char* method :
       {"Raft.Vote", "Raft.Fetch", "Raft.BeginTerm", "Raft.EndTerm", "Raft.Status"}) {
    for (int i = 0; i < 200; ++i) {
      std::string request(random.Below(40), '\0');
      for (char& c : request) c = static_cast<char>(random.Next());
      client.Call(cluster.node(leader).endpoint, method, request, Millis(100),
                  cluster.node(leader).loop.get(), [](absl::StatusOr<std::string>) {});
    }
  }
  cluster.world.RunFor(Millis(200));
  ASSERT_TRUE(cluster.Propose(leader, {"x"}).ok());
  EXPECT_TRUE(cluster.WaitForAll());
}

TEST(RaftNode, RandomCrashesLoseNothingThatWasCommitted) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    TestCluster cluster(3, 1, seed);
    cluster.StartAll();
    SeededRandom random(seed * 77);
    std::vector<std::string> committed;
    int next = 0;
    for (int step = 0; step < 60; ++step) {
      cluster.world.RunFor(Micros(random.Between(0, 200000)));
      const int leader = cluster.leader();
      for (int i = 0; leader != 0 && i < 5; ++i) {
        cluster.Propose(leader, {"v" + std::to_string(next++)}).IgnoreError();
        cluster.world.RunFor(Micros(random.Between(0, 1500)));
        if (!cluster.node(leader).raft) break;
      }
      // The longest history that anyone heard must agree with what was heard before.
      for (auto& [id, node] : cluster.nodes) {
        if (!node->raft) continue;
        const auto& heard = node->listener->records;
        const size_t common = std::min(heard.size(), committed.size());
        ASSERT_TRUE(
            std::equal(heard.begin(), heard.begin() + static_cast<long>(common), committed.begin()))
            << "seed " << seed;
        if (heard.size() > committed.size()) committed = heard;
      }
      const int victim = static_cast<int>(1 + random.Below(4));
      if (!cluster.node(victim).raft) {
        const absl::Status started = cluster.Start(victim);
        ASSERT_TRUE(started.ok()) << "seed " << seed << ": " << started;
      } else if (random.Chance(0.3)) {
        cluster.PowerCut(victim);
      } else if (random.Chance(0.2)) {
        cluster.Kill(victim);
      } else if (random.Chance(0.2)) {
        cluster.IsolateNode(victim);
      } else {
        cluster.world.Heal();
      }
    }
    cluster.world.Heal();
    for (auto& [id, node] : cluster.nodes) {
      if (!node->raft) {
        ASSERT_TRUE(cluster.Start(id.value()).ok());
      }
    }
    const int leader = cluster.WaitForLeader(Millis(10000));
    ASSERT_TRUE(cluster.Propose(leader, {"end"}).ok());
    ASSERT_TRUE(cluster.WaitForAll(Millis(20000))) << "seed " << seed;
    const auto& all = cluster.heard(1).records;
    ASSERT_GE(all.size(), committed.size());
    EXPECT_TRUE(std::equal(committed.begin(), committed.end(), all.begin())) << "seed " << seed;
  }
}

TEST(RaftNode, DeliveryStartsWhereAStoredStateEnds) {  // D16
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  for (const char* record : {"a", "b", "c"}) ASSERT_TRUE(cluster.Propose(1, {record}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(1);
  cluster.delivery_starts[NodeId(1)] = LogIndex(3);  // leader change, a, b
  ASSERT_TRUE(cluster.Start(1).ok());
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(1, {"d"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(1).records, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(cluster.heard(1).active.size(), 1u);
}

TEST(RaftNode, ALogVouchesForPrefixesOfItselfOnly) {  // E9
  TestCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.Propose(1, {"a", "b"}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  const Term first = cluster.raft(1).core().term();
  cluster.Kill(1);
  ASSERT_TRUE(cluster.Start(1).ok());
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  const RaftNode& raft = cluster.raft(1);
  const Term second = raft.core().term();
  ASSERT_GT(second, first);
  ASSERT_EQ(raft.log_end_index(), LogIndex(4));  // leader change, a, b, leader change
  for (int64_t index : {1, 2, 3}) EXPECT_TRUE(raft.CheckPrefix(LogIndex(index), first).ok());
  EXPECT_TRUE(raft.CheckPrefix(LogIndex(4), second).ok());
  EXPECT_EQ(raft.CheckPrefix(LogIndex(3), second).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(raft.CheckPrefix(LogIndex(4), first).code(), absl::StatusCode::kFailedPrecondition);
  const absl::Status ahead = raft.CheckPrefix(LogIndex(5), second);
  EXPECT_EQ(ahead.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ahead.message(), "index 5 is not in the log, which holds [0, 4)");
}

TEST(RaftNode, ANodeStartsAndFollowsWhileItsDiskIsFull) {  // G4: a restart works
  TestCluster cluster(1, 1);
  cluster.StartAll();
  cluster.WaitForLeader();
  for (const char* record : {"a", "b"}) ASSERT_TRUE(cluster.Propose(1, {record}).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.Kill(2);
  bool full = true;
  cluster.node(2).files.set_hook([&full](MemoryFileSystem::Op op, const std::string& path) {
    const bool needs_space = op == MemoryFileSystem::Op::kOpenNew ||
                             op == MemoryFileSystem::Op::kWrite ||
                             op == MemoryFileSystem::Op::kPreallocate;
    return full && needs_space ? absl::ResourceExhaustedError(path + ": full") : absl::OkStatus();
  });
  const absl::Status started = cluster.Start(2);
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(2).records, (std::vector<std::string>{"a", "b"}));
  cluster.world.RunFor(Millis(1000));
  EXPECT_TRUE(cluster.node(2).fatal.empty());
  EXPECT_TRUE(cluster.raft(2).log().needs_flush());
  full = false;
  cluster.world.RunFor(Millis(500));
  EXPECT_FALSE(cluster.raft(2).log().needs_flush());
}

}  // namespace
}  // namespace quorate
