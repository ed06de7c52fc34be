// Replication among brokers: roles, high watermark, ISR, divergence. Names cite scenarios.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/replica/testing/replica_cluster.h"
#include "proto/kafka/status_to_error.h"

namespace quorate::testing {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ReplicationTest, AcksAllIsAnsweredOnceAllInSyncReplicasHoldTheRecords) {
  ReplicaCluster cluster(3);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2, 3});
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_TRUE(produced->outcome->status.ok()) << produced->outcome->status;
  EXPECT_EQ(produced->outcome->base_offset, Offset(0));
  for (int broker : {1, 2, 3}) {
    EXPECT_EQ(cluster.Positions(broker, id).flushed_end_offset, Offset(1)) << broker;
    EXPECT_THAT(cluster.Values(broker, id), ElementsAre("a"));
  }
}

TEST(ReplicationTest, FollowersLearnTheHighWatermarkWithoutFurtherRecords) {
  ReplicaCluster cluster(3);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2, 3});
  cluster.Produce(1, id, "a");
  cluster.Run(std::chrono::milliseconds(1));
  for (int broker : {1, 2, 3}) {
    EXPECT_EQ(cluster.Positions(broker, id).high_watermark, Offset(1)) << broker;
  }
}

TEST(ReplicationTest, AcksAllWaitsForTheFollowersFlush) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.broker(2).pool->held = true;
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run();
  EXPECT_THAT(cluster.Values(2, id), ElementsAre("a"));
  EXPECT_FALSE(produced->outcome.has_value());
  EXPECT_EQ(cluster.Positions(1, id).high_watermark, Offset(0));
  cluster.broker(2).pool->Release();
  cluster.Run();
  EXPECT_TRUE(produced->outcome.has_value());
}

TEST(ReplicationTest, AcksAllWaitsForTheLeadersOwnFlush) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.broker(1).pool->held = true;
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run();
  EXPECT_EQ(cluster.Positions(2, id).flushed_end_offset, Offset(1));
  EXPECT_FALSE(produced->outcome.has_value());
  cluster.broker(1).pool->Release();
  cluster.Run();
  EXPECT_TRUE(produced->outcome.has_value());
}

TEST(ReplicationTest, AtDurabilityOsNoFlushIsAwaited) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2}, {{"quorate.durability", "os"}});
  cluster.broker(1).pool->held = true;
  cluster.broker(2).pool->held = true;
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_TRUE(produced->outcome->status.ok());
}

TEST(ReplicationTest, OneFlushAtATimeCoversWhatCameMeanwhile) {
  ReplicaCluster cluster(1);
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Produce(1, id, "warm up");
  cluster.Run();
  cluster.broker(1).pool->held = true;
  std::vector<std::shared_ptr<ReplicaCluster::Produced>> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(cluster.Produce(1, id, "x"));
    cluster.Run(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(cluster.broker(1).pool->waiting(), 1u);
  cluster.broker(1).pool->Release();
  cluster.Run();
  for (const auto& one : all) EXPECT_TRUE(one->outcome.has_value());
}

TEST(ReplicationTest, AcksOneIsAnsweredAtTheAppend) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.broker(1).pool->held = true;
  const auto produced = cluster.Produce(1, id, "a", 1);
  cluster.loop().RunPosted();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_TRUE(produced->outcome->status.ok());
  EXPECT_EQ(cluster.Positions(1, id).high_watermark, Offset(0));
}

// Scenario A1: a follower never cuts what its high watermark does not cover yet.
TEST(ReplicationTest, A1RecordsAboveTheFollowersHighWatermarkSurviveItsRestart) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Produce(1, id, "m1");
  cluster.Run();
  cluster.broker(1).pool->held = true;  // the leader's flush hangs: its high watermark stays
  const auto second = cluster.Produce(1, id, "m2");
  cluster.Run();
  EXPECT_EQ(cluster.Positions(2, id).high_watermark, Offset(1));
  cluster.Crash(2);
  cluster.Restart(2);
  cluster.broker(1).pool->Release();
  cluster.Run();
  cluster.Crash(1);
  cluster.Fence(1);
  cluster.Run();
  EXPECT_THAT(cluster.Values(2, id), ElementsAre("m1", "m2"));
}

TEST(ReplicationTest, A1MutantLosesThem) {
  BugSwitches bugs;
  bugs.truncate_to_own_high_watermark = true;
  ReplicaCluster cluster(2, bugs);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Produce(1, id, "m1");
  cluster.Run(std::chrono::seconds(6));  // the high watermark is in the checkpoint
  cluster.broker(1).pool->held = true;
  cluster.Produce(1, id, "m2");
  cluster.Run();
  cluster.Crash(2);
  cluster.Crash(1);
  cluster.Restart(2);
  cluster.Run();
  EXPECT_THAT(cluster.Values(2, id), ElementsAre("m1"));
}

// Scenario A2 and the divergence of unacknowledged tails: the old leader cuts its fork.
TEST(ReplicationTest, A2ADeposedLeaderCutsWhatTheNewOneDoesNotHave) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.hub().cut.insert("host2");
  cluster.Crash(2);  // only the process: its disk has "a"
  cluster.Produce(1, id, "fork", 1);
  cluster.Run(std::chrono::milliseconds(1));
  cluster.Crash(1);
  cluster.hub().cut.clear();
  cluster.Restart(2);
  cluster.Commit({IsrRecord(id.topic_id, 0, {2}, 2)});
  cluster.Run();
  cluster.Produce(2, id, "b");
  cluster.Run();
  cluster.Restart(1);
  cluster.Run(std::chrono::seconds(2));
  EXPECT_THAT(cluster.Values(1, id), ElementsAre("a", "b"));
  EXPECT_THAT(cluster.Values(2, id), ElementsAre("a", "b"));
  EXPECT_EQ(cluster.replicas(1).stats().truncations, 1);
  EXPECT_EQ(cluster.image().FindPartition(id)->isr.size(), 2u);
}

// Scenario A5: the same leader in a newer epoch still makes followers compare.
TEST(ReplicationTest, A5ANewEpochOfTheSameLeaderIsFollowedAnew) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.Commit({IsrRecord(id.topic_id, 0, {1, 2}, 1)});
  cluster.Run();
  const auto produced = cluster.Produce(1, id, "b");
  cluster.Run();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_TRUE(produced->outcome->status.ok());
  EXPECT_EQ(produced->outcome->leader_epoch, LeaderEpoch(1));
  EXPECT_EQ(cluster.partition(2, id)->log()->latest_epoch(), LeaderEpoch(1));
}

// Scenario A6: an election without records still begins an epoch.
TEST(ReplicationTest, A6AnElectionBeginsItsEpochAtTheLogEnd) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.Commit({IsrRecord(id.topic_id, 0, {1, 2}, 2)});
  cluster.Commit({IsrRecord(id.topic_id, 0, {1, 2}, 1)});
  cluster.Run();
  EpochEndQuery query;
  query.partition = id;
  query.epoch = LeaderEpoch(0);
  EXPECT_EQ(cluster.replicas(1).EndOffsetsFor({query})[0].end.end_offset, Offset(1));
  query.epoch = LeaderEpoch(2);
  EXPECT_EQ(cluster.replicas(1).EndOffsetsFor({query})[0].end,
            (EpochEndOffset{LeaderEpoch(2), Offset(1)}));
}

// Scenario A15: below the leader's log start a follower begins anew, all positions together.
TEST(ReplicationTest, A15AFollowerBelowTheLeadersLogStartBeginsAnew) {
  ReplicaCluster cluster(2);
  const TopicPartition id =
      cluster.MakeTopic("t", {1, 2}, {{"segment.bytes", "1048576"}, {"retention.bytes", "1"}});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.Crash(2);
  cluster.Fence(2);
  for (int i = 0; i < 3; ++i) cluster.Produce(1, id, std::string(900000, 'x'));
  cluster.Run();
  cluster.partition(1, id)->RunRetention();
  const Offset start = cluster.Positions(1, id).log_start_offset;
  ASSERT_GT(start, Offset(1));
  cluster.Restart(2);
  cluster.Run(std::chrono::seconds(2));
  const PartitionPositions follower = cluster.Positions(2, id);
  EXPECT_EQ(follower.log_start_offset, start);
  EXPECT_EQ(follower.end_offset, Offset(4));
  EXPECT_EQ(follower.high_watermark, Offset(4));
}

// Scenario A18.
TEST(ReplicationTest, A18ListOffsetsIsRefusedWhileTheHighWatermarkLagsAfterAnElection) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.broker(1).pool->held = true;
  cluster.Produce(1, id, "b");
  cluster.Run();
  cluster.broker(1).pool->held = false;
  ASSERT_EQ(cluster.Positions(2, id).high_watermark, Offset(1));
  cluster.broker(1).deaf = true;  // broker 1 does not follow yet, so the high watermark lags
  cluster.Commit({IsrRecord(id.topic_id, 0, {1, 2}, 2)});
  cluster.loop().RunPosted();
  const auto latest = [&] {
    ListOffsetsQuery query;
    query.partition = id;
    ListOffsetsOutcome outcome;
    cluster.replicas(2).ListOffsets(
        {query}, [&](std::vector<ListOffsetsOutcome> outcomes) { outcome = outcomes[0]; });
    return outcome;
  };
  EXPECT_EQ(ErrorFor(latest().status), KafkaError::kOffsetNotAvailable);
  cluster.broker(1).deaf = false;
  cluster.broker(1).pool->Release();
  cluster.Tell(1);
  cluster.Run(std::chrono::seconds(1));
  EXPECT_EQ(latest().offset, Offset(2));
}

// Scenario B1/B2: below min.insync.replicas nothing is committed.
TEST(ReplicationTest, B2BelowMinIsrAcksAllIsRefusedAndTheHighWatermarkStays) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2}, {{"min.insync.replicas", "2"}});
  cluster.Produce(1, id, "a");
  cluster.Run();
  const auto waiting = cluster.Produce(1, id, "b");
  cluster.broker(2).pool->held = true;
  cluster.Run();
  cluster.Crash(2);
  cluster.Fence(2);
  cluster.Run();
  ASSERT_TRUE(waiting->outcome.has_value());
  EXPECT_EQ(ErrorFor(waiting->outcome->status), KafkaError::kNotEnoughReplicasAfterAppend);
  const auto refused = cluster.Produce(1, id, "c");
  const auto one = cluster.Produce(1, id, "d", 1);
  cluster.Run();
  EXPECT_EQ(ErrorFor(refused->outcome->status), KafkaError::kNotEnoughReplicas);
  EXPECT_TRUE(one->outcome->status.ok());
  EXPECT_EQ(cluster.Positions(1, id).high_watermark, Offset(1));
  EXPECT_THAT(cluster.Values(1, id, cluster.Positions(1, id).high_watermark), ElementsAre("a"));
}

// Scenario B3, B5: a fenced replica comes back by catching up, with its new broker epoch.
TEST(ReplicationTest, B3AReplicaThatCaughtUpJoinsTheIsrWithItsBrokerEpoch) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Crash(2);
  cluster.Fence(2);
  cluster.Produce(1, id, "a");
  cluster.Run();
  ASSERT_EQ(cluster.image().FindPartition(id)->isr.size(), 1u);
  cluster.Restart(2);
  cluster.Run(std::chrono::seconds(1));
  EXPECT_EQ(cluster.image().FindPartition(id)->isr.size(), 2u);
  ASSERT_FALSE(cluster.proposals.empty());
  EXPECT_EQ(cluster.proposals.back().isr.back(),
            (IsrMember{NodeId(2), BrokerEpoch(cluster.broker(2).epoch)}));
  EXPECT_EQ(cluster.replicas(1).stats().isr_expands, 1);
}

TEST(ReplicationTest, AFollowerThatLagsLeavesTheIsrAfterTheLagTime) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.broker(2).pool->held = true;  // it cannot flush, so it cannot acknowledge
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run(std::chrono::milliseconds(29900));
  EXPECT_EQ(cluster.image().FindPartition(id)->isr.size(), 2u);
  cluster.Run(std::chrono::milliseconds(200));
  EXPECT_EQ(cluster.image().FindPartition(id)->isr.size(), 1u);
}

TEST(ReplicationTest, AnIdleFollowerThatIsGoneDoesNotLeaveTheIsrByTime) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Run(std::chrono::seconds(1));
  cluster.Crash(2);
  cluster.Run(std::chrono::minutes(5));
  EXPECT_EQ(cluster.image().FindPartition(id)->isr.size(), 2u);
  EXPECT_TRUE(cluster.proposals.empty());
}

// Scenario B7.
TEST(ReplicationTest, B7ALostAlterPartitionReplyIsAskedAgainAndConverges) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.Crash(2);
  cluster.Fence(2);
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.isr_mode = ReplicaCluster::IsrMode::kLoseReply;
  cluster.Restart(2);
  cluster.Run(std::chrono::seconds(5));
  EXPECT_EQ(cluster.image().FindPartition(id)->isr.size(), 2u);
  EXPECT_FALSE(cluster.partition(1, id)->leader_state()->pending().has_value());
  const auto produced = cluster.Produce(1, id, "b");
  cluster.Run();
  EXPECT_TRUE(produced->outcome.has_value());
}

// Scenario F5.
TEST(ReplicationTest, F5BytesOfADeletedTopicAreNeverServedUnderANewId) {
  ReplicaCluster cluster(1);
  const TopicPartition old = cluster.MakeTopic("t", {1});
  cluster.Produce(1, old, "old");
  cluster.Run();
  cluster.StopCleanly(1);
  cluster.Commit({RemoveTopicRecord(old.topic_id)});
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Restart(1);
  EXPECT_THAT(cluster.Values(1, id), IsEmpty());
  EXPECT_EQ(cluster.replicas(1).stats().stray_directories, 1);
  cluster.Produce(1, id, "new");
  cluster.Run();
  EXPECT_THAT(cluster.Values(1, id), ElementsAre("new"));
}

TEST(ReplicationTest, ATopicMadeAnewAtOnceStartsEmpty) {
  ReplicaCluster cluster(1);
  const TopicPartition old = cluster.MakeTopic("t", {1});
  cluster.Produce(1, old, "old");
  cluster.Run(std::chrono::seconds(10));  // checkpoints are written
  cluster.Commit({RemoveTopicRecord(old.topic_id)});
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Run();
  EXPECT_THAT(cluster.Values(1, id), IsEmpty());
  cluster.Crash(1, true);
  cluster.Restart(1);
  EXPECT_THAT(cluster.Values(1, id), IsEmpty());
}

TEST(ReplicationTest, ACleanStopVouchesForTheBrokerEpoch) {
  ReplicaCluster cluster(1);
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Produce(1, id, "a");
  cluster.Run();
  const int64_t epoch = cluster.broker(1).epoch;
  cluster.StopCleanly(1);
  cluster.Restart(1);
  EXPECT_EQ(cluster.broker(1).previous_epoch, BrokerEpoch(epoch));
  EXPECT_EQ(cluster.Positions(1, id).high_watermark, Offset(1));
  cluster.Crash(1);
  cluster.Restart(1);
  EXPECT_EQ(cluster.broker(1).previous_epoch, kNoBrokerEpoch);
}

TEST(ReplicationTest, AcknowledgedRecordsSurviveThePowerLossOfAll) {
  ReplicaCluster cluster(3);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2, 3}, {{"min.insync.replicas", "2"}});
  std::vector<std::string> acknowledged;
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    const auto produced = cluster.Produce(1, id, value);
    cluster.Run(std::chrono::milliseconds(1));
    if (produced->outcome.has_value() && produced->outcome->status.ok()) {
      acknowledged.push_back(value);
    }
  }
  ASSERT_EQ(acknowledged.size(), 20u);
  for (int broker : {1, 2, 3}) cluster.Crash(broker, true);
  for (int broker : {1, 2, 3}) cluster.Restart(broker);
  cluster.Run(std::chrono::seconds(2));
  for (int broker : {1, 2, 3}) EXPECT_EQ(cluster.Values(broker, id), acknowledged) << broker;
}

TEST(ReplicationTest, G21ADamagedReplicaOutsideTheIsrIsFetchedAnew) {
  ReplicaCluster cluster(3);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2, 3});
  cluster.Produce(1, id, "a");
  cluster.Produce(1, id, "b");
  cluster.Run();
  cluster.Crash(3);
  cluster.Fence(3);
  cluster.broker(3).files.CorruptByte("/data/t-0/00000000000000000000.log", 65, '!');
  cluster.Restart(3);
  cluster.Run(std::chrono::seconds(3));
  EXPECT_THAT(cluster.Values(3, id), ElementsAre("a", "b"));
  EXPECT_TRUE(cluster.partition(3, id)->fetched_anew());
}

TEST(ReplicationTest, G1ADamagedReplicaThatIsCountedOnIsOfflineAndLeftAsItIs) {
  ReplicaCluster cluster(1);
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.Crash(1);
  cluster.Fence(1);
  cluster.broker(1).files.CorruptByte("/data/t-0/00000000000000000000.log", 65, '!');
  const std::string before =
      *cluster.broker(1).files.ReadFile("/data/t-0/00000000000000000000.log");
  cluster.Restart(1);
  cluster.Run(std::chrono::seconds(3));
  EXPECT_EQ(cluster.partition(1, id)->role(), Partition::Role::kOffline);
  EXPECT_EQ(*cluster.broker(1).files.ReadFile("/data/t-0/00000000000000000000.log"), before);
}

TEST(ReplicationTest, AFailedSyncTakesTheDirectoryOutOfService) {
  ReplicaCluster cluster(1);
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.broker(1).files.set_hook([](MemoryFileSystem::Op op, const std::string&) {
    return op == MemoryFileSystem::Op::kSync ? absl::DataLossError("bad disk") : absl::OkStatus();
  });
  const auto produced = cluster.Produce(1, id, "b");
  cluster.Run();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_FALSE(produced->outcome->status.ok());
  EXPECT_THAT(cluster.broker(1).failed_directories, ElementsAre("/data"));
  EXPECT_EQ(cluster.replicas(1).stats().offline_partitions, 1);
  const auto later = cluster.Produce(1, id, "c");
  cluster.Run();
  EXPECT_EQ(ErrorFor(later->outcome->status), KafkaError::kKafkaStorageError);
}

TEST(ReplicationTest, AFullDiskRefusesProduceAndRecovers) {
  ReplicaCluster cluster(1);
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Produce(1, id, "a");
  cluster.Run();
  bool full = true;
  cluster.broker(1).files.set_hook([&full](MemoryFileSystem::Op op, const std::string& path) {
    const bool log = path.find(".log") != std::string::npos;
    return full && log && op == MemoryFileSystem::Op::kWrite
               ? absl::ResourceExhaustedError("no space")
               : absl::OkStatus();
  });
  const auto refused = cluster.Produce(1, id, "b");
  cluster.Run();
  EXPECT_EQ(ErrorFor(refused->outcome->status), KafkaError::kKafkaStorageError);
  EXPECT_THAT(cluster.broker(1).failed_directories, IsEmpty());
  full = false;
  const auto accepted = cluster.Produce(1, id, "c");
  cluster.Run();
  EXPECT_TRUE(accepted->outcome->status.ok()) << accepted->outcome->status;
  EXPECT_THAT(cluster.Values(1, id), ElementsAre("a", "c"));
}

TEST(ReplicationTest, G4AFlushThatLacksSpaceIsRepeatedUntilThereIsSome) {
  ReplicaCluster cluster(1);
  const TopicPartition id = cluster.MakeTopic("t", {1});
  cluster.Run();
  bool full = true;
  cluster.broker(1).files.set_hook([&full](MemoryFileSystem::Op, const std::string& path) {
    return full && path.ends_with(".tmp") ? absl::ResourceExhaustedError("no space")
                                          : absl::OkStatus();
  });
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run();
  EXPECT_FALSE(produced->outcome.has_value());
  EXPECT_EQ(cluster.replicas(1).stats().offline_partitions, 0);
  full = false;
  cluster.Run(std::chrono::milliseconds(300));
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_TRUE(produced->outcome->status.ok()) << produced->outcome->status;
  EXPECT_THAT(cluster.Values(1, id), ElementsAre("a"));
}

TEST(ReplicationTest, AnIdleClusterSendsFewFrames) {
  ReplicaCluster cluster(3);
  cluster.MakeTopic("t", {1, 2, 3});
  cluster.Run(std::chrono::seconds(1));
  const int64_t before = cluster.hub().frames_sent;
  cluster.Run(std::chrono::seconds(10));
  // Two followers, a request and an answer each half second.
  EXPECT_LE(cluster.hub().frames_sent - before, 2 * 2 * 21);
}

TEST(ReplicationTest, APartitionThatJoinsAWaitingFetcherIsFetchedAtOnce) {
  ReplicaCluster cluster(2);
  cluster.MakeTopic("first", {1, 2});
  cluster.Run(std::chrono::seconds(1));
  const TopicPartition id = cluster.MakeTopic("second", {1, 2});
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run(std::chrono::milliseconds(20));
  EXPECT_TRUE(produced->outcome.has_value());
}

TEST(ReplicationTest, ADeposedLeaderFailsWhatWaits) {
  ReplicaCluster cluster(2);
  const TopicPartition id = cluster.MakeTopic("t", {1, 2});
  cluster.broker(2).pool->held = true;
  const auto produced = cluster.Produce(1, id, "a");
  cluster.Run();
  cluster.Commit({IsrRecord(id.topic_id, 0, {1, 2}, 2)});
  cluster.Run();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_EQ(ErrorFor(produced->outcome->status), KafkaError::kNotLeaderOrFollower);
  EXPECT_EQ(produced->outcome->current_leader.leader, NodeId(2));
  EXPECT_EQ(produced->outcome->current_leader.epoch, LeaderEpoch(1));
}

}  // namespace
}  // namespace quorate::testing
