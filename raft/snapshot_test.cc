// Snapshots of a RaftNode over files: one test per rule; E2 and the like are scenarios.
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "raft/snapshot_file.h"
#include "raft/snapshot_store.h"
#include "raft/testing/test_cluster.h"

namespace quorate {
namespace {

const std::string kDirectory = "/meta/__cluster_metadata-0";

// A cluster whose nodes take a snapshot every 2000 bytes and keep two.
struct SnapshotCluster : TestCluster {
  SnapshotCluster(int voters, int observers, uint64_t seed = 1)
      : TestCluster(voters, observers, seed) {
    takes_snapshots = true;
    config.snapshot_bytes = 2000;
    config.snapshot_retention = {0, -1};
    config.snapshot_piece_bytes = 300;
  }
  // `count` batches of one record, waiting for each to be heard by the leader.
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      const int at = leader() != 0 ? leader() : WaitForLeader();
      ASSERT_NE(at, 0);
      const auto first = Propose(at, {"record " + std::to_string(++written)});
      ASSERT_TRUE(first.ok()) << first.status();
      ASSERT_TRUE(world.RunUntil([&] { return heard(at).next > *first; }, Millis(2000)));
    }
  }
  std::vector<std::string> Expected() const {
    std::vector<std::string> all;
    for (int i = 1; i <= written; ++i) all.push_back("record " + std::to_string(i));
    return all;
  }
  std::string SnapshotPath(int number) {
    const raft::SnapshotId id = raft(number).snapshots().back();
    return kDirectory + "/" + SnapshotFileName(id);
  }
  // What became of a change of the voters, asked of the leader.
  absl::Status Change(VoterChange::Kind kind, int number) {
    VoterChange change;
    change.kind = kind;
    change.voter = {NodeId(number), DirectoryOf(number)};
    change.endpoint = node(number).endpoint;
    auto outcome = std::make_shared<std::optional<absl::Status>>();
    const int at = WaitForLeader();
    world.On(node(at).loop.get(), [&] {
      raft(at).ChangeVoters(change, [outcome](const absl::Status& status) { *outcome = status; });
    });
    world.RunUntil([&] { return outcome->has_value(); }, std::chrono::seconds(20));
    return outcome->value_or(absl::UnknownError("never answered"));
  }
  std::vector<std::string> Names(int number) { return *node(number).files.List(kDirectory); }
  int written = 0;
};

TEST(SnapshotNode, EveryNodeTakesItsOwnAndDeletesTheLogBeforeTheOldestKept) {
  SnapshotCluster cluster(3, 1);
  cluster.StartAll();
  cluster.Write(120);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(100));
  for (int n = 1; n <= 4; ++n) {
    const RaftNode& raft = cluster.raft(n);
    ASSERT_EQ(raft.snapshots().size(), 2u) << n;
    EXPECT_EQ(raft.core().log_start(), raft.snapshots().front().end);
    EXPECT_GT(raft.core().log_start(), LogIndex(20));
    EXPECT_EQ(raft.snapshots_installed(), 0);
    // Less than all of the log is on disk.
    EXPECT_LT(raft.log().size_bytes(), 6000);
    int checkpoints = 0;
    for (const std::string& name : cluster.Names(n)) {
      if (name.ends_with(".checkpoint")) ++checkpoints;
    }
    EXPECT_EQ(checkpoints, 2);
  }
}

TEST(SnapshotNode, ARestartTakesTheNewestSnapshotAndTheTail) {
  SnapshotCluster cluster(3, 1);
  cluster.StartAll();
  cluster.Write(100);
  ASSERT_TRUE(cluster.WaitForAll());
  for (int n = 1; n <= 4; ++n) cluster.PowerCut(n);
  cluster.StartAll();
  cluster.WaitForLeader();
  cluster.Write(1);
  ASSERT_TRUE(cluster.WaitForAll());
  for (int n = 1; n <= 4; ++n) {
    EXPECT_EQ(cluster.heard(n).snapshots, 1);
    EXPECT_EQ(cluster.heard(n).records, cluster.Expected());
  }
}

TEST(SnapshotNode, AFollowerAndAnObserverFarBehindInstallTheLeadersSnapshot) {
  SnapshotCluster cluster(3, 1);
  cluster.StartAll();
  cluster.Write(5);
  ASSERT_TRUE(cluster.WaitForAll());
  const int behind = cluster.leader() == 3 ? 2 : 3;
  cluster.Kill(behind);
  cluster.Kill(4);
  cluster.Write(120);
  cluster.world.RunFor(Millis(100));
  ASSERT_TRUE(cluster.Start(behind).ok());
  ASSERT_TRUE(cluster.Start(4).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  for (int n : {behind, 4}) {
    EXPECT_EQ(cluster.raft(n).snapshots_installed(), 1);
    EXPECT_EQ(cluster.heard(n).records, cluster.Expected());
    EXPECT_EQ(cluster.raft(n).core().log_start(), cluster.raft(n).snapshots().front().end);
    for (const std::string& name : cluster.Names(n)) {
      EXPECT_FALSE(name.ends_with(".fetched")) << name;
    }
  }
  // They are as good as the others: they take part, restart, and serve.
  cluster.Write(60);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.PowerCut(behind);
  ASSERT_TRUE(cluster.Start(behind).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(behind).records, cluster.Expected());
}

// Scenario E8: whatever the moment, either the old state or the installed one is found.
TEST(SnapshotNode, ACrashAtAnyStepOfAnInstallLeavesNoHalf) {
  for (int step = 0; step < 60; ++step) {
    SnapshotCluster cluster(3, 0, static_cast<uint64_t>(step + 1));
    cluster.StartAll();
    cluster.Write(3);
    ASSERT_TRUE(cluster.WaitForAll());
    const int behind = cluster.leader() == 3 ? 2 : 3;
    cluster.Kill(behind);
    cluster.Write(100);
    cluster.world.RunFor(Millis(50));
    ASSERT_TRUE(cluster.Start(behind).ok());
    // From the first touch of the fetched file on, the step-th change fails, and then all do.
    int seen = -1;
    bool dead = false;
    cluster.node(behind).files.set_hook([&](MemoryFileSystem::Op, const std::string& path) {
      if (seen < 0 && path.ends_with(".fetched")) seen = 0;
      if (seen >= 0 && seen++ >= step) dead = true;
      return dead ? absl::UnavailableError("dying") : absl::OkStatus();
    });
    cluster.world.RunUntil([&] { return dead; }, Millis(3000));
    cluster.PowerCut(behind);
    const absl::Status started = cluster.Start(behind);
    ASSERT_TRUE(started.ok()) << "step " << step << ": " << started;
    ASSERT_TRUE(cluster.WaitForAll()) << "step " << step;
    EXPECT_EQ(cluster.heard(behind).records, cluster.Expected()) << "step " << step;
  }
}

TEST(SnapshotNode, ACrashAtAnyStepOfTakingOneLeavesTheStateWhole) {
  for (int step = 0; step < 40; ++step) {
    SnapshotCluster cluster(1, 0, static_cast<uint64_t>(step + 1));
    cluster.StartAll();
    cluster.WaitForLeader();
    int seen = -1;
    bool dead = false;
    cluster.node(1).files.set_hook([&](MemoryFileSystem::Op, const std::string& path) {
      if (seen < 0 && path.ends_with(".part")) seen = 0;
      if (seen >= 0 && seen++ >= step) dead = true;
      return dead ? absl::UnavailableError("dying") : absl::OkStatus();
    });
    size_t heard = 0;
    for (int i = 0; i < 90 && !dead; ++i) {
      if (!cluster.Propose(1, {"record " + std::to_string(i)}).ok()) break;
      cluster.world.RunFor(Millis(3));
      if (!dead) heard = cluster.heard(1).records.size();
    }
    cluster.PowerCut(1);
    const absl::Status started = cluster.Start(1);
    ASSERT_TRUE(started.ok()) << "step " << step << ": " << started;
    cluster.WaitForLeader();
    ASSERT_TRUE(cluster.WaitForAll());
    EXPECT_GE(cluster.heard(1).records.size(), heard) << "step " << step;
    for (size_t i = 0; i < cluster.heard(1).records.size(); ++i) {
      ASSERT_EQ(cluster.heard(1).records[i], "record " + std::to_string(i));
    }
  }
}

TEST(SnapshotNode, AFailedWriteOfASnapshotHarmsNothing) {
  SnapshotCluster cluster(1, 0);
  cluster.StartAll();
  cluster.WaitForLeader();
  cluster.node(1).files.set_hook([](MemoryFileSystem::Op, const std::string& path) {
    return path.ends_with(".part") ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  cluster.Write(60);
  EXPECT_TRUE(cluster.raft(1).snapshots().empty());
  EXPECT_EQ(cluster.raft(1).core().log_start(), LogIndex(0));
  cluster.node(1).files.set_hook(nullptr);
  cluster.world.RunFor(std::chrono::seconds(11));
  cluster.Write(1);
  cluster.world.RunFor(Millis(50));
  EXPECT_EQ(cluster.raft(1).snapshots().size(), 1u);
}

TEST(SnapshotNode, ADamagedNewestSnapshotIsSetAsideAndTheOneBeforeServes) {  // E11
  SnapshotCluster cluster(3, 0);
  cluster.StartAll();
  cluster.Write(100);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(50));
  const std::string path = cluster.SnapshotPath(1);
  cluster.Kill(1);
  cluster.node(1).files.CorruptByte(path, 150, '\x7f');
  ASSERT_TRUE(cluster.Start(1).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(1).records, cluster.Expected());
  EXPECT_TRUE(cluster.node(1).files.Exists(path + ".corrupt"));
  EXPECT_FALSE(cluster.node(1).files.Exists(path));
}

// E2, E11: a voter does not forget; an observer, on whom nothing rests, begins anew.
TEST(SnapshotNode, WithoutAReadableSnapshotAVoterRefusesAndAnObserverBeginsAnew) {
  SnapshotCluster cluster(3, 1);
  cluster.StartAll();
  cluster.Write(100);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(50));
  for (int n : {1, 4}) {
    std::vector<std::string> paths;
    for (const raft::SnapshotId& id : cluster.raft(n).snapshots()) {
      paths.push_back(kDirectory + "/" + SnapshotFileName(id));
    }
    cluster.Kill(n);
    for (const std::string& path : paths) cluster.node(n).files.CorruptByte(path, 150, '\x7f');
  }
  const absl::Status refused = cluster.Start(1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(refused.message().find("no readable snapshot of what came before"), std::string::npos);
  EXPECT_NE(refused.message().find("Put the snapshot file back"), std::string::npos);
  ASSERT_TRUE(cluster.Start(4).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(4).records, cluster.Expected());
}

TEST(SnapshotNode, ADamagedSnapshotOfTheLeaderIsNeverInstalled) {  // E7, C30
  SnapshotCluster cluster(3, 0);
  cluster.StartAll();
  cluster.Write(3);
  ASSERT_TRUE(cluster.WaitForAll());
  const int behind = cluster.leader() == 3 ? 2 : 3;
  cluster.Kill(behind);
  cluster.Write(100);
  cluster.world.RunFor(Millis(50));
  const int leader = cluster.leader();
  cluster.node(leader).files.CorruptByte(cluster.SnapshotPath(leader), 150, '\x7f');
  ASSERT_TRUE(cluster.Start(behind).ok());
  cluster.world.RunFor(Millis(2000));
  EXPECT_EQ(cluster.raft(behind).snapshots_installed(), 0);
  EXPECT_EQ(cluster.raft(behind).log_end_index(), LogIndex(4));
  // Its log is as it was. The leader's next snapshot is a good one.
  cluster.Write(60);
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(behind).records, cluster.Expected());
}

// D16: a state that the node had stored counts if the log, or the snapshot at its start, vouches.
TEST(SnapshotNode, AStoredStateThatTheLogVouchesForTakesThePlaceOfTheSnapshot) {
  SnapshotCluster cluster(1, 0);
  cluster.StartAll();
  cluster.Write(100);
  cluster.world.RunFor(Millis(50));
  const LogIndex log_start = cluster.raft(1).core().log_start();
  const Term term = cluster.raft(1).core().term();
  ASSERT_GT(log_start, LogIndex(0));
  cluster.Kill(1);
  cluster.delivery_starts[NodeId(1)] = log_start;
  ASSERT_TRUE(cluster.Start(1).ok());
  EXPECT_TRUE(cluster.raft(1).CheckPrefix(log_start, term).ok());
  EXPECT_FALSE(cluster.raft(1).CheckPrefix(log_start - 1, term).ok());
  EXPECT_FALSE(cluster.raft(1).CheckPrefix(log_start, term + 1).ok());
  cluster.WaitForLeader();
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(1).snapshots, 0);
  // One of 100 records has index 1: the leader change came first.
  EXPECT_EQ(cluster.heard(1).records.size(), static_cast<size_t>(101 - log_start.value()));
}

// What is durable behind an install (or any truncation) is not for a later start to cut off as
// torn.
TEST(SnapshotNode, DamageBelowTheRecoveryPointIsRefusedAfterAnInstallToo) {
  SnapshotCluster cluster(3, 0);
  cluster.StartAll();
  cluster.Write(3);
  ASSERT_TRUE(cluster.WaitForAll());
  const int behind = cluster.leader() == 3 ? 2 : 3;
  cluster.Kill(behind);
  cluster.Write(100);
  cluster.world.RunFor(Millis(50));
  ASSERT_TRUE(cluster.Start(behind).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  ASSERT_EQ(cluster.raft(behind).snapshots_installed(), 1);
  cluster.Write(12);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(50));
  std::string segment;
  for (const std::string& name : cluster.Names(behind)) {
    if (name.ends_with(".log")) segment = kDirectory + "/" + name;
  }
  cluster.Kill(behind);
  cluster.node(behind).files.CorruptByte(segment, 70, '\x7f');
  const absl::Status status = cluster.Start(behind);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(SnapshotNode, TimeAloneMakesASnapshotDueIfTheLogGrew) {
  SnapshotCluster cluster(1, 0);
  cluster.config.snapshot_bytes = 1 << 30;
  cluster.config.snapshot_interval = Millis(500);
  cluster.StartAll();
  cluster.WaitForLeader();
  cluster.Write(2);
  cluster.world.RunFor(Millis(600));
  ASSERT_EQ(cluster.raft(1).snapshots().size(), 1u);
  const raft::SnapshotId first = cluster.raft(1).snapshots().back();
  cluster.world.RunFor(Millis(2000));
  EXPECT_EQ(cluster.raft(1).snapshots().back(), first);
}

// --- The voters that a snapshot names (KIP-853) ---

TEST(SnapshotNode, WhoInstallsOneKnowsTheVotersAndAlsoAfterARestartFromItAlone) {
  SnapshotCluster cluster(3, 1);
  cluster.MakeDynamic();
  for (int n = 1; n <= 3; ++n) ASSERT_TRUE(cluster.Start(n).ok());
  cluster.Write(5);
  ASSERT_TRUE(cluster.WaitForAll());
  const int gone = cluster.leader() == 3 ? 2 : 3;
  const absl::Status removed = cluster.Change(VoterChange::Kind::kRemove, gone);
  ASSERT_TRUE(removed.ok()) << removed;
  cluster.Write(120);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(100));
  const raft::VoterSet voters = cluster.raft(cluster.leader()).core().voters();
  EXPECT_EQ(voters.size(), 2u);
  // No record tells it any more.
  const raft::VoterHistory& history = cluster.raft(cluster.leader()).core().voter_history();
  EXPECT_FALSE(history.latest_index().has_value());
  EXPECT_TRUE(history.dynamic());

  ASSERT_TRUE(cluster.Start(4).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.raft(4).snapshots_installed(), 1);
  EXPECT_TRUE(cluster.raft(4).core().voters() == voters);
  for (int n = 1; n <= 4; ++n) cluster.PowerCut(n);
  cluster.StartAll();
  for (int n = 1; n <= 4; ++n) {
    // Before anybody has said a word.
    EXPECT_TRUE(cluster.raft(n).core().voters() == voters) << n;
    EXPECT_TRUE(cluster.raft(n).core().voter_history().dynamic()) << n;
  }
  cluster.Write(1);
  EXPECT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.heard(4).records, cluster.Expected());
}

TEST(SnapshotNode, AWipedVoterInstallsOneAndObservesUntilItIsAdded) {  // D11
  SnapshotCluster cluster(3, 0);
  cluster.MakeDynamic();
  cluster.StartAll();
  cluster.Write(120);
  ASSERT_TRUE(cluster.WaitForAll());
  cluster.world.RunFor(Millis(100));
  const int victim = cluster.leader() == 3 ? 2 : 3;
  cluster.Kill(victim);
  cluster.ReplaceDisk(victim);
  ASSERT_TRUE(cluster.Start(victim).ok());
  ASSERT_TRUE(cluster.WaitForAll());
  EXPECT_EQ(cluster.raft(victim).snapshots_installed(), 1);
  EXPECT_TRUE(cluster.raft(victim).core().voters().ContainsNode(NodeId(victim)));
  EXPECT_FALSE(cluster.raft(victim).core().is_voter());
  EXPECT_EQ(cluster.raft(victim).core().role(), raft::Role::kObserver);
}

TEST(SnapshotNode, TheConfiguredVotersAreInNoSnapshot) {  // kraft.version 0
  SnapshotCluster cluster(1, 0);
  cluster.StartAll();
  cluster.Write(60);
  cluster.world.RunFor(Millis(100));
  const raft::SnapshotId id = cluster.raft(1).snapshots().back();
  const auto snapshot =
      LoadSnapshotFile(&cluster.node(1).files, cluster.SnapshotPath(1), id, "cluster");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ((*snapshot)->voters, nullptr);
}

}  // namespace
}  // namespace quorate
