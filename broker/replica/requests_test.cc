// The produce, fetch and offset requests of ReplicaManager, one test per sentence of its contract.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/replica/testing/replica_cluster.h"
#include "proto/kafka/status_to_error.h"
#include "storage/record_batch_builder.h"

namespace quorate::testing {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using ::testing::ElementsAre;

class RequestsTest : public ::testing::Test {
 protected:
  RequestsTest() { id_ = cluster_.MakeTopic("t", {1, 2}); }

  AppendOutcome Append(AppendRequest request) {
    std::optional<AppendOutcome> outcome;
    request.partition = id_;
    cluster_.replicas(1).Append(std::move(request), [&](AppendOutcome out) { outcome = out; });
    cluster_.Run();
    EXPECT_TRUE(outcome.has_value());
    return outcome.value_or(AppendOutcome{});
  }
  AppendOutcome AppendBytes(std::string bytes) {
    AppendRequest request;
    request.batches = SharedBytes::FromString(std::move(bytes));
    return Append(std::move(request));
  }
  WallMillis Now() { return cluster_.loop().clock().WallNow(); }
  std::string Sequenced(int32_t sequence, int16_t epoch = 0, bool transactional = false) {
    BatchOptions options;
    options.producer_id = ProducerId(7);
    options.producer_epoch = ProducerEpoch(epoch);
    options.base_sequence = sequence;
    options.transactional = transactional;
    RecordBatchBuilder builder(options);
    builder.Add(Now(), std::nullopt, "v");
    return builder.Build();
  }

  FetchSpec Spec(int64_t offset, Micros wait = Micros(0)) {
    FetchSpec spec;
    spec.max_wait = wait;
    FetchPartition& fetch = spec.partitions.emplace_back();
    fetch.partition = id_;
    fetch.fetch_offset = Offset(offset);
    return spec;
  }
  // Fetches from broker 1; the result appears when it is there.
  std::shared_ptr<std::optional<FetchResult>> Fetch(FetchSpec spec, FetchId* fetch_id = nullptr) {
    auto result = std::make_shared<std::optional<FetchResult>>();
    const FetchId id = cluster_.replicas(1).Fetch(
        std::move(spec), [result](FetchResult answer) { *result = std::move(answer); });
    if (fetch_id != nullptr) *fetch_id = id;
    return result;
  }
  FetchPartitionResult FetchNow(FetchSpec spec) {
    const auto result = Fetch(std::move(spec));
    EXPECT_TRUE(result->has_value());
    return result->value().partitions.at(0);
  }
  KafkaError ErrorOf(FetchSpec spec) { return ErrorFor(FetchNow(std::move(spec)).status); }

  ReplicaCluster cluster_{2};
  TopicPartition id_;
};

// --- Append ---

TEST_F(RequestsTest, AnAppendToAnUnknownTopicIsRefused) {
  AppendOutcome outcome;
  AppendRequest request;
  request.partition = {TestUuid(99), PartitionIndex(0)};
  cluster_.replicas(1).Append(std::move(request), [&](AppendOutcome out) { outcome = out; });
  EXPECT_EQ(ErrorFor(outcome.status), KafkaError::kUnknownTopicId);
}

TEST_F(RequestsTest, AnAppendToAFollowerNamesTheLeader) {
  const auto produced = cluster_.Produce(2, id_, "a");
  cluster_.Run();
  EXPECT_EQ(ErrorFor(produced->outcome->status), KafkaError::kNotLeaderOrFollower);
  EXPECT_EQ(produced->outcome->current_leader.leader, NodeId(1));
}

TEST_F(RequestsTest, ABatchWithABadCrcIsRefused) {
  std::string batch = OneRecordBatch("a", Now());
  batch.back() ^= 1;
  EXPECT_EQ(ErrorFor(AppendBytes(batch).status), KafkaError::kCorruptMessage);
  EXPECT_EQ(cluster_.Positions(1, id_).end_offset, Offset(0));
}

TEST_F(RequestsTest, AHalfBatchIsRefused) {
  EXPECT_EQ(ErrorFor(AppendBytes(OneRecordBatch("a", Now()).substr(0, 40)).status),
            KafkaError::kCorruptMessage);
}

TEST_F(RequestsTest, TwoBatchesFromAClientAreRefused) {
  const std::string batch = OneRecordBatch("a", Now());
  EXPECT_EQ(ErrorFor(AppendBytes(batch + batch).status), KafkaError::kInvalidRecord);
}

TEST_F(RequestsTest, ABatchAboveMaxMessageBytesIsTooLarge) {
  EXPECT_EQ(ErrorFor(AppendBytes(OneRecordBatch(std::string(2 << 20, 'x'), Now())).status),
            KafkaError::kMessageTooLarge);
}

TEST_F(RequestsTest, ATimestampFarInTheFutureIsRefused) {
  EXPECT_EQ(ErrorFor(AppendBytes(OneRecordBatch("a", Now() + 2 * 3600 * 1000)).status),
            KafkaError::kInvalidTimestamp);
}

TEST_F(RequestsTest, ATransactionalBatchIsRefusedForNow) {
  EXPECT_EQ(ErrorFor(AppendBytes(Sequenced(0, 0, true)).status), KafkaError::kInvalidRecord);
}

TEST_F(RequestsTest, ADuplicateGetsItsOldOffsets) {
  EXPECT_EQ(AppendBytes(Sequenced(0)).base_offset, Offset(0));
  EXPECT_EQ(AppendBytes(Sequenced(1)).base_offset, Offset(1));
  const AppendOutcome again = AppendBytes(Sequenced(0));
  EXPECT_TRUE(again.status.ok());
  EXPECT_EQ(again.base_offset, Offset(0));
  EXPECT_EQ(cluster_.Positions(1, id_).end_offset, Offset(2));
}

TEST_F(RequestsTest, AGapInTheSequenceIsRefused) {
  AppendBytes(Sequenced(0));
  EXPECT_EQ(ErrorFor(AppendBytes(Sequenced(2)).status), KafkaError::kOutOfOrderSequenceNumber);
}

TEST_F(RequestsTest, AnOlderProducerEpochIsFenced) {
  AppendBytes(Sequenced(0, 1));
  EXPECT_EQ(ErrorFor(AppendBytes(Sequenced(1, 0)).status), KafkaError::kInvalidProducerEpoch);
}

TEST_F(RequestsTest, AnExpectedEpochThatIsNotTheLeadersIsRefused) {
  AppendRequest request;
  request.batches = SharedBytes::FromString(OneRecordBatch("a", Now()));
  request.origin = AppendOrigin::kCoordinator;
  request.expected_epoch = LeaderEpoch(5);
  EXPECT_EQ(ErrorFor(Append(request).status), KafkaError::kNotLeaderOrFollower);
}

TEST_F(RequestsTest, AnAppendThatWaitsTooLongTimesOutAndStaysInTheLog) {
  cluster_.broker(2).pool->held = true;
  AppendRequest request;
  request.batches = SharedBytes::FromString(OneRecordBatch("a", Now()));
  request.timeout = std::chrono::milliseconds(20);
  EXPECT_EQ(ErrorFor(Append(request).status), KafkaError::kRequestTimedOut);
  EXPECT_EQ(cluster_.Positions(1, id_).end_offset, Offset(1));
}

TEST_F(RequestsTest, AppendsOfOneRoundKeepTheirOrder) {
  cluster_.Produce(1, id_, "a");
  cluster_.Produce(1, id_, "b");
  cluster_.Produce(1, id_, "c");
  cluster_.Run();
  EXPECT_THAT(cluster_.Values(1, id_), ElementsAre("a", "b", "c"));
}

TEST_F(RequestsTest, AnAppendWaitsForThePartitionToOpen) {
  cluster_.broker(1).pool->held = true;
  const TopicPartition id = cluster_.MakeTopic("late", {1});
  const auto produced = cluster_.Produce(1, id, "a");
  cluster_.Run();
  EXPECT_FALSE(produced->outcome.has_value());
  cluster_.broker(1).pool->Release();
  cluster_.Run();
  ASSERT_TRUE(produced->outcome.has_value());
  EXPECT_TRUE(produced->outcome->status.ok()) << produced->outcome->status;
}

// --- Fetch ---

TEST_F(RequestsTest, AConsumerSeesNothingAboveTheHighWatermark) {
  cluster_.Produce(1, id_, "a");
  cluster_.Run();
  cluster_.broker(2).pool->held = true;
  cluster_.Produce(1, id_, "b", 1);
  cluster_.Run();
  EXPECT_GT(FetchNow(Spec(0)).record_bytes, 0);
  EXPECT_EQ(FetchNow(Spec(1)).record_bytes, 0);
  EXPECT_TRUE(FetchNow(Spec(1)).status.ok());
}

TEST_F(RequestsTest, AnOffsetOutsideOfTheLogIsOutOfRange) {
  EXPECT_EQ(ErrorOf(Spec(1)), KafkaError::kOffsetOutOfRange);
}

TEST_F(RequestsTest, ALeaderEpochIsChecked) {
  cluster_.Commit({IsrRecord(id_.topic_id, 0, {1, 2}, 1)});
  cluster_.Run();
  FetchSpec older = Spec(0);
  older.partitions[0].current_leader_epoch = LeaderEpoch(0);
  EXPECT_EQ(ErrorOf(older), KafkaError::kFencedLeaderEpoch);
  FetchSpec newer = Spec(0);
  newer.partitions[0].current_leader_epoch = LeaderEpoch(2);
  EXPECT_EQ(ErrorOf(newer), KafkaError::kUnknownLeaderEpoch);
  FetchSpec same = Spec(0);
  same.partitions[0].current_leader_epoch = LeaderEpoch(1);
  EXPECT_EQ(ErrorOf(same), KafkaError::kNone);
}

TEST_F(RequestsTest, AConsumerWhoseLastEpochEndedEarlierIsToldWhereItDiverges) {
  cluster_.Produce(1, id_, "a");
  cluster_.Run();
  cluster_.Commit({IsrRecord(id_.topic_id, 0, {1, 2}, 1)});
  cluster_.Run();
  cluster_.Produce(1, id_, "b");
  cluster_.Run();
  FetchSpec spec = Spec(2);
  spec.partitions[0].last_fetched_epoch = LeaderEpoch(0);
  const FetchPartitionResult result = FetchNow(spec);
  ASSERT_TRUE(result.diverging.has_value());
  EXPECT_EQ(*result.diverging, (EpochEndOffset{LeaderEpoch(0), Offset(1)}));
  EXPECT_EQ(result.record_bytes, 0);
}

TEST_F(RequestsTest, AFetchWaitsForRecordsAndIsWokenByThem) {
  const auto result = Fetch(Spec(0, std::chrono::seconds(10)));
  cluster_.Run();
  EXPECT_FALSE(result->has_value());
  cluster_.Produce(1, id_, "a");
  cluster_.Run();
  ASSERT_TRUE(result->has_value());
  EXPECT_GT(result->value().partitions[0].record_bytes, 0);
  EXPECT_EQ(result->value().partitions[0].high_watermark, Offset(1));
}

TEST_F(RequestsTest, AFetchWaitsForMinBytes) {
  FetchSpec spec = Spec(0, std::chrono::seconds(10));
  spec.min_bytes = 150;  // one batch of one record has some 70
  const auto result = Fetch(spec);
  cluster_.Produce(1, id_, "a");
  cluster_.Run();
  EXPECT_FALSE(result->has_value());
  cluster_.Produce(1, id_, "b");
  cluster_.Produce(1, id_, "c");
  cluster_.Run();
  ASSERT_TRUE(result->has_value());
  EXPECT_GE(result->value().partitions[0].record_bytes, 150);
}

TEST_F(RequestsTest, AFetchIsAnsweredEmptyWhenItsTimeIsUp) {
  const auto result = Fetch(Spec(0, std::chrono::milliseconds(500)));
  cluster_.Run(std::chrono::milliseconds(499));
  EXPECT_FALSE(result->has_value());
  cluster_.Run(std::chrono::milliseconds(1));
  ASSERT_TRUE(result->has_value());
  EXPECT_TRUE(result->value().partitions[0].status.ok());
}

TEST_F(RequestsTest, ACancelledFetchIsNeverAnswered) {
  FetchId fetch;
  const auto result = Fetch(Spec(0, std::chrono::milliseconds(500)), &fetch);
  cluster_.replicas(1).CancelFetch(fetch);
  cluster_.Produce(1, id_, "a");
  cluster_.Run(std::chrono::seconds(1));
  EXPECT_FALSE(result->has_value());
  EXPECT_EQ(result.use_count(), 1);  // its callback is gone
}

TEST_F(RequestsTest, ALossOfLeadershipAnswersWaitingFetches) {
  const auto result = Fetch(Spec(0, std::chrono::seconds(10)));
  cluster_.Commit({IsrRecord(id_.topic_id, 0, {1, 2}, 2)});
  cluster_.Run();
  ASSERT_TRUE(result->has_value());
  EXPECT_EQ(ErrorFor(result->value().partitions[0].status), KafkaError::kNotLeaderOrFollower);
  EXPECT_EQ(result->value().partitions[0].current_leader.leader, NodeId(2));
}

TEST_F(RequestsTest, TheFirstPartitionWithRecordsGivesOneBatchWhateverTheLimits) {
  cluster_.Produce(1, id_, std::string(1000, 'x'));
  cluster_.Run();
  FetchSpec spec = Spec(0);
  spec.max_bytes = 1;
  spec.partitions[0].max_bytes = 1;
  spec.partitions.push_back(spec.partitions[0]);
  const auto result = Fetch(spec);
  EXPECT_GT(result->value().partitions[0].record_bytes, 1000);
  EXPECT_EQ(result->value().partitions[1].record_bytes, 0);
}

TEST_F(RequestsTest, AnErrorInOnePartitionAnswersAtOnceAndSparesTheOthers) {
  cluster_.Produce(1, id_, "a");
  cluster_.Run();
  FetchSpec spec = Spec(0, std::chrono::seconds(10));
  spec.min_bytes = 1 << 20;
  spec.partitions.push_back(spec.partitions[0]);
  spec.partitions[0].partition.topic_id = TestUuid(99);
  const auto result = Fetch(spec);
  ASSERT_TRUE(result->has_value());
  EXPECT_EQ(ErrorFor(result->value().partitions[0].status), KafkaError::kUnknownTopicId);
  EXPECT_GT(result->value().partitions[1].record_bytes, 0);
}

// Scenario B13.
TEST_F(RequestsTest, B13AReplicaIdOffTheReplicationListenerMovesNothing) {
  cluster_.broker(2).pool->held = true;
  cluster_.Produce(1, id_, "a", 1);
  cluster_.Run();
  FetchSpec spec = Spec(1);
  spec.replica = NodeId(2);
  spec.replica_epoch = BrokerEpoch(cluster_.broker(2).epoch);
  spec.internal = false;
  Fetch(spec);
  cluster_.Run();
  EXPECT_EQ(cluster_.Positions(1, id_).high_watermark, Offset(0));
}

TEST_F(RequestsTest, B13AReplicaThatIsNotAssignedIsRefused) {
  FetchSpec spec = Spec(0);
  spec.internal = true;
  spec.replica = NodeId(9);
  spec.replica_epoch = BrokerEpoch(1);
  EXPECT_EQ(ErrorOf(spec), KafkaError::kNotLeaderOrFollower);
}

TEST_F(RequestsTest, AReplicaOfAnOlderBrokerEpochIsRefused) {
  FetchSpec spec = Spec(0);
  spec.internal = true;
  spec.replica = NodeId(2);
  spec.replica_epoch = BrokerEpoch(cluster_.broker(2).epoch - 1);
  EXPECT_EQ(ErrorOf(spec), KafkaError::kStaleBrokerEpoch);
}

TEST_F(RequestsTest, AFollowersDivergingFetchAcknowledgesNothing) {
  cluster_.broker(2).pool->held = true;
  cluster_.Produce(1, id_, "a", 1);
  cluster_.Run();
  FetchSpec spec = Spec(1);
  spec.internal = true;
  spec.replica = NodeId(2);
  spec.replica_epoch = BrokerEpoch(cluster_.broker(2).epoch);
  spec.partitions[0].last_fetched_epoch = LeaderEpoch(7);
  EXPECT_TRUE(FetchNow(spec).diverging.has_value());
  EXPECT_EQ(cluster_.Positions(1, id_).high_watermark, Offset(0));
}

// --- Offsets ---

TEST_F(RequestsTest, ListOffsetsAnswersTheSpecialTimestamps) {
  for (const char* value : {"a", "b", "c"}) {
    cluster_.Produce(1, id_, value);
    cluster_.Run();
  }
  const auto list = [&](int64_t timestamp) {
    ListOffsetsQuery query;
    query.partition = id_;
    query.timestamp = timestamp;
    ListOffsetsOutcome outcome;
    cluster_.replicas(1).ListOffsets(
        {query}, [&](std::vector<ListOffsetsOutcome> outcomes) { outcome = outcomes.at(0); });
    return outcome;
  };
  EXPECT_EQ(list(kLatestTimestamp).offset, Offset(3));
  EXPECT_EQ(list(kEarliestTimestamp).offset, Offset(0));
  EXPECT_EQ(list(kEarliestLocalTimestamp).offset, Offset(0));
  EXPECT_EQ(list(kMaxTimestamp).offset, Offset(2));
  EXPECT_EQ(list(kLatestTieredTimestamp).offset, kNoOffset);
  EXPECT_EQ(list(kEarliestPendingUploadTimestamp).offset, kNoOffset);
  EXPECT_EQ(list(0).offset, Offset(0));
  EXPECT_EQ(list(Now() + 1000000).offset, kNoOffset);
  EXPECT_TRUE(list(Now() + 1000000).status.ok());
  EXPECT_EQ(ErrorFor(list(-7).status), KafkaError::kUnsupportedVersion);
}

// --- Observers ---

class Recorder final : public PartitionObserver {
 public:
  void OnBecomeLeader(const TopicPartition&, LeaderEpoch epoch) override {
    events.push_back("lead " + std::to_string(epoch.value()));
  }
  void OnStopLeading(const TopicPartition&) override { events.push_back("stop"); }
  void OnHighWatermark(const TopicPartition&, Offset offset) override {
    events.push_back("hw " + std::to_string(offset.value()));
  }
  std::vector<std::string> events;
};

TEST_F(RequestsTest, AnObserverHearsOfRolesAndHighWatermarks) {
  Recorder recorder;
  cluster_.replicas(1).Observe("t", &recorder);
  cluster_.Run();
  cluster_.Produce(1, id_, "a");
  cluster_.Run();
  cluster_.Commit({IsrRecord(id_.topic_id, 0, {1, 2}, 2)});
  cluster_.Run();
  EXPECT_THAT(recorder.events, ElementsAre("lead 0", "hw 1", "stop"));
  cluster_.replicas(1).Observe("t", nullptr);
}

}  // namespace
}  // namespace quorate::testing
