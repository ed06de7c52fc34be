// The group coordinator over real replica managers: three brokers, in-memory disks and streams.
#include "broker/group/replica_offsets_log.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/group/group_coordinator.h"
#include "broker/replica/testing/replica_cluster.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using quorate::testing::ReplicaCluster;
using std::chrono::seconds;

class ReplicaOffsetsLogTest : public ::testing::Test {
 protected:
  struct Node {
    Node(ReplicaCluster& cluster, int id, const GroupCoordinatorOptions& options)
        : random(static_cast<uint64_t>(id)),
          images(&cluster.loop()),
          log(&cluster.loop(), cluster.broker(id).pool.get(), &cluster.replicas(id)),
          groups({&cluster.loop(), &random, &log, &images}, options) {
      groups.Start();
    }
    SeededRandom random;
    ImageView images;  // empty: the number of partitions is that of the options
    ReplicaOffsetsLog log;
    GroupCoordinator groups;
  };

  ReplicaOffsetsLogTest() {
    options_.topic_partitions = 1;
    options_.load_chunk_bytes = 300;  // several reads per load
    partition_ = cluster_.MakeTopic("__consumer_offsets", {1, 2, 3},
                                    {{"min.insync.replicas", "2"}, {"cleanup.policy", "compact"}});
    for (int id = 1; id <= 3; ++id) Boot(id);
    cluster_.Run();
  }
  void Boot(int id) { nodes_[id] = std::make_unique<Node>(cluster_, id, options_); }
  void PowerCut(int id) {
    nodes_.erase(id);
    cluster_.Crash(id, /*power=*/true);
  }
  std::optional<KafkaError> Commit(int node, int64_t offset, int partition = 0) {
    CommitRequest request;
    request.group_id = "g";
    request.entries.push_back({{"t", partition}, Uuid(), offset, -1, "m"});
    auto answer = std::make_shared<std::optional<KafkaError>>();
    nodes_.at(node)->groups.Commit(request,
                                   [answer](std::vector<KafkaError> e) { *answer = e.at(0); });
    cluster_.Run();
    return *answer;
  }
  // The committed offset; -1: none; minus the error's code minus 100: an error.
  int64_t Fetch(int node, int partition = 0) {
    const auto fetched =
        nodes_.at(node)->groups.FetchOffsets("g", std::vector<OffsetKey>{{"t", partition}});
    if (fetched.error != KafkaError::kNone) return -100 - Code(fetched.error);
    return fetched.offsets.at(0).second.has_value() ? fetched.offsets[0].second->offset : -1;
  }
  int Leader() { return cluster_.image().FindPartition(partition_)->leader.value(); }

  ReplicaCluster cluster_{3};
  TopicPartition partition_;
  GroupCoordinatorOptions options_;
  std::map<int, std::unique_ptr<Node>> nodes_;
};

TEST_F(ReplicaOffsetsLogTest, LeaderAloneServesTheGroup) {
  EXPECT_EQ(Commit(1, 7), KafkaError::kNone);
  EXPECT_EQ(Fetch(1), 7);
  EXPECT_EQ(Commit(2, 8), KafkaError::kNotCoordinator);
}

TEST_F(ReplicaOffsetsLogTest, CommittedOffsetsSurviveThePowerCutOfTheCoordinator) {
  for (int i = 0; i < 30; ++i) ASSERT_EQ(Commit(1, 100 + i, i % 7), KafkaError::kNone);
  PowerCut(1);
  cluster_.Fence(1);
  cluster_.Run(seconds(2));
  const int leader = Leader();
  ASSERT_NE(leader, 1);
  EXPECT_EQ(Fetch(leader, 0), 128);
  EXPECT_EQ(Fetch(leader, 6), 127);
  EXPECT_EQ(Commit(leader, 200), KafkaError::kNone);
}

TEST_F(ReplicaOffsetsLogTest, CoordinatorThatComesBackKnowsWhatOthersCommitted) {
  ASSERT_EQ(Commit(1, 5), KafkaError::kNone);
  PowerCut(1);
  cluster_.Fence(1);
  cluster_.Run(seconds(2));
  const int second = Leader();
  ASSERT_EQ(Commit(second, 9), KafkaError::kNone);
  cluster_.Restart(1);
  Boot(1);
  cluster_.Run(seconds(2));
  PowerCut(second);
  cluster_.Fence(second);
  cluster_.Run(seconds(2));
  EXPECT_EQ(Fetch(Leader()), 9);
}

TEST_F(ReplicaOffsetsLogTest, CommitIsNotAnsweredWithoutEnoughReplicas) {
  ASSERT_EQ(Commit(1, 5), KafkaError::kNone);
  PowerCut(2);
  PowerCut(3);
  EXPECT_FALSE(Commit(1, 6).has_value()) << "both followers are still in the ISR";
  EXPECT_EQ(Fetch(1), 5);
  cluster_.Run(seconds(10));
  EXPECT_EQ(Fetch(1), -100 - Code(KafkaError::kCoordinatorLoadInProgress))
      << "6 timed out: whether it counts is not known before followers are back";
  cluster_.Restart(2);
  cluster_.Restart(3);
  Boot(2);
  Boot(3);
  cluster_.Run(seconds(5));
  EXPECT_EQ(Fetch(Leader()), 6);
}

TEST_F(ReplicaOffsetsLogTest, GroupOfTheOldLeaderLivesOnAtTheNewOne) {
  JoinRequest join;
  join.group_id = "g";
  join.session_timeout = seconds(30);
  join.rebalance_timeout = seconds(30);
  join.protocol_type = "consumer";
  join.protocols = {{"range", SharedBytes::Copy("sub")}};
  std::optional<JoinResult> joined;
  nodes_.at(1)->groups.Join(join, [&](JoinResult r) { joined = std::move(r); });
  cluster_.Run(seconds(4));
  ASSERT_TRUE(joined.has_value() && joined->error == KafkaError::kNone);
  SyncRequest sync;
  sync.group_id = "g";
  sync.generation = 1;
  sync.member_id = joined->member_id;
  sync.assignments = {{joined->member_id, SharedBytes::Copy("work")}};
  std::optional<SyncResult> synced;
  nodes_.at(1)->groups.Sync(sync, [&](SyncResult r) { synced = std::move(r); });
  cluster_.Run();
  ASSERT_TRUE(synced.has_value() && synced->error == KafkaError::kNone);
  PowerCut(1);
  cluster_.Fence(1);
  cluster_.Run(seconds(2));
  auto& groups = nodes_.at(Leader())->groups;
  EXPECT_EQ(groups.Heartbeat("g", {joined->member_id, std::nullopt}, 1), KafkaError::kNone);
  EXPECT_EQ(groups.Describe("g").members.at(0).assignment.view(), "work");
}

}  // namespace
}  // namespace quorate
