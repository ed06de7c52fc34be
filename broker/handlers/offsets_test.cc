// ListOffsets, OffsetForLeaderEpoch, InitProducerId.
#include <gtest/gtest.h>

#include "broker/handlers/handler_fixture.h"
#include "proto/kafka/messages/init_producer_id.h"
#include "proto/kafka/messages/list_offsets.h"
#include "proto/kafka/messages/offset_for_leader_epoch.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::InitProducerIdRequest;
using kafka::InitProducerIdResponse;
using kafka::KafkaError;
using kafka::ListOffsetsRequest;
using kafka::ListOffsetsResponse;
using kafka::OffsetForLeaderEpochRequest;
using kafka::OffsetForLeaderEpochResponse;

class OffsetsTest : public HandlerFixture {
 protected:
  OffsetsTest() {
    RegisterListOffsets(registry, handler_env);
    RegisterOffsetForLeaderEpoch(registry, handler_env);
    RegisterInitProducerId(registry, handler_env);
    SetImage(BaseRecords());
    replicas.answer_offsets = [](const ListOffsetsQuery& query) {
      ListOffsetsOutcome outcome;
      outcome.offset = Offset(100 + query.partition.partition.value());
      outcome.leader_epoch = LeaderEpoch(3);
      return outcome;
    };
  }
  static ListOffsetsRequest Request(std::initializer_list<std::pair<int, int64_t>> partitions) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    for (const auto& [index, timestamp] : partitions) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = index;
      partition.timestamp = timestamp;
    }
    return request;
  }
  int16_t ErrorOf(const ListOffsetsRequest& request, int16_t version) {
    return Call<ListOffsetsResponse>(request, version).topics.at(0).partitions.at(0).error_code;
  }
};

TEST_F(OffsetsTest, AnswersEachPartitionInItsPlaceInEveryVersion) {
  for (int16_t version = 1; version <= 11; ++version) {
    const auto response = Call<ListOffsetsResponse>(Request({{0, -1}, {9, -1}, {1, -2}}), version);
    const auto& partitions = response.topics.at(0).partitions;
    ASSERT_EQ(partitions.size(), 3u);
    EXPECT_EQ(partitions[0].offset, 100);
    EXPECT_EQ(partitions[1].error_code, Code(KafkaError::kUnknownTopicOrPartition));
    EXPECT_EQ(partitions[2].offset, 101);
    if (version >= 4) {
      EXPECT_EQ(partitions[2].leader_epoch, 3);
    }
  }
}

TEST_F(OffsetsTest, SpecialTimestampsNeedTheirVersion) {
  const std::pair<int64_t, int16_t> first_versions[] = {{-3, 7}, {-4, 8}, {-5, 9}, {-6, 11}};
  for (const auto& [timestamp, version] : first_versions) {
    EXPECT_EQ(ErrorOf(Request({{0, timestamp}}), version - 1),
              Code(KafkaError::kUnsupportedVersion));
    EXPECT_EQ(ErrorOf(Request({{0, timestamp}}), version), 0);
  }
  EXPECT_EQ(ErrorOf(Request({{0, -7}}), 11), Code(KafkaError::kUnsupportedVersion));
}

TEST_F(OffsetsTest, APartitionAskedTwiceIsAnInvalidRequest) {
  const auto response = Call<ListOffsetsResponse>(Request({{0, -1}, {0, -2}}), 7);
  EXPECT_EQ(response.topics[0].partitions[1].error_code, Code(KafkaError::kInvalidRequest));
}

TEST_F(OffsetsTest, AReplicaIdCountsOnTheReplicationListenerOnly) {
  ListOffsetsRequest request = Request({{0, -1}});
  request.replica_id = 2;
  EXPECT_EQ(ErrorOf(request, 7), Code(KafkaError::kClusterAuthorizationFailed));
  const auto response = Call<ListOffsetsResponse>(request, 7, true);
  EXPECT_EQ(response.topics[0].partitions[0].error_code, 0);
  EXPECT_TRUE(replicas.offset_queries.at(0).for_replica);
}

TEST_F(OffsetsTest, OffsetNotAvailableIsTold) {
  replicas.answer_offsets = [](const ListOffsetsQuery&) {
    ListOffsetsOutcome outcome;
    outcome.status = kafka::KafkaStatus(KafkaError::kOffsetNotAvailable);
    return outcome;
  };
  const auto response = Call<ListOffsetsResponse>(Request({{0, -1}}), 5);
  EXPECT_EQ(response.topics[0].partitions[0].error_code, Code(KafkaError::kOffsetNotAvailable));
  EXPECT_EQ(response.topics[0].partitions[0].offset, -1);
}

TEST_F(OffsetsTest, TellsWhereAnEpochEnds) {
  replicas.epoch_answer.end = {LeaderEpoch(4), Offset(55)};
  OffsetForLeaderEpochRequest request;
  request.replica_id = -1;
  auto& topic = request.topics.emplace_back();
  topic.topic = "orders";
  auto& partition = topic.partitions.emplace_back();
  partition.partition = 1;
  partition.leader_epoch = 5;
  partition.current_leader_epoch = 6;
  topic.partitions.emplace_back().partition = 8;
  for (int16_t version = 2; version <= 4; ++version) {
    const auto response = Call<OffsetForLeaderEpochResponse>(request, version);
    const auto& partitions = response.topics.at(0).partitions;
    EXPECT_EQ(partitions[0].partition, 1);
    EXPECT_EQ(partitions[0].leader_epoch, 4);
    EXPECT_EQ(partitions[0].end_offset, 55);
    EXPECT_EQ(partitions[1].error_code, Code(KafkaError::kUnknownTopicOrPartition));
  }
  EXPECT_EQ(replicas.epoch_queries.at(0).epoch, LeaderEpoch(5));
  EXPECT_EQ(replicas.epoch_queries.at(0).current_leader_epoch, LeaderEpoch(6));
  request.replica_id = 2;
  EXPECT_EQ(Call<OffsetForLeaderEpochResponse>(request, 3).topics[0].partitions[0].error_code,
            Code(KafkaError::kClusterAuthorizationFailed));
}

TEST_F(OffsetsTest, AnIdempotentProducerGetsAFreshId) {
  InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  const auto exchange = Send(request, 4);
  pb::AllocateProducerIdsResponse block;
  block.set_first(3000);
  block.set_count(1000);
  rpc.Answer("Controller.AllocateProducerIds", block);
  const auto response = Answer<InitProducerIdResponse>(*exchange, 4);
  EXPECT_EQ(response.producer_id, 3000);
  EXPECT_EQ(response.producer_epoch, 0);
  EXPECT_EQ(Call<InitProducerIdResponse>(request, 0).producer_id, 3001);
}

TEST_F(OffsetsTest, ATransactionalIdIsRefused) {
  InitProducerIdRequest request;
  request.transactional_id = "tx";
  const auto response = Call<InitProducerIdResponse>(request, 4);
  EXPECT_EQ(response.error_code, Code(KafkaError::kUnsupportedVersion));
  EXPECT_EQ(response.producer_id, -1);
}

}  // namespace
}  // namespace quorate
