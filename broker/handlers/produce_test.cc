#include "proto/kafka/messages/produce.h"

#include <gtest/gtest.h>

#include <string>

#include "broker/handlers/handler_fixture.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::ProduceRequest;
using kafka::ProduceResponse;

class ProduceTest : public HandlerFixture {
 protected:
  ProduceTest() {
    RegisterProduce(registry, handler_env);
    SetImage(BaseRecords());
  }
  static ProduceRequest Request(std::initializer_list<int> partitions, int16_t acks = -1) {
    ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 1500;
    auto& topic = request.topic_data.emplace_back();
    topic.name = "orders";
    topic.topic_id = OrdersId();
    for (int partition : partitions) {
      auto& data = topic.partition_data.emplace_back();
      data.index = partition;
      data.records = kafka::Records(SharedBytes::Copy("batch" + std::to_string(partition)));
    }
    return request;
  }
  void AnswerAppend(size_t i, const AppendOutcome& outcome) {
    std::exchange(replicas.appends[i].second, nullptr)(outcome);
  }
  static AppendOutcome At(int64_t offset) {
    AppendOutcome outcome;
    outcome.base_offset = Offset(offset);
    outcome.log_start_offset = Offset(2);
    return outcome;
  }
  static const ProduceResponse::PartitionProduceResponse& First(const ProduceResponse& response) {
    return response.responses.at(0).partition_responses.at(0);
  }
};

TEST_F(ProduceTest, GivesEachPartitionItsBatchAndAnswersWhenAllHave) {
  const auto exchange = Send(Request({0, 1}), 9);
  ASSERT_EQ(replicas.appends.size(), 2u);
  EXPECT_EQ(replicas.appends[1].first.partition, Orders(1));
  EXPECT_EQ(replicas.appends[1].first.batches.view(), "batch1");
  EXPECT_EQ(replicas.appends[1].first.acks, -1);
  EXPECT_EQ(replicas.appends[1].first.timeout, Millis(1500));
  AnswerAppend(1, At(50));
  EXPECT_FALSE(exchange->answered);
  AnswerAppend(0, At(40));
  const auto response = Answer<ProduceResponse>(*exchange, 9);
  EXPECT_EQ(First(response).base_offset, 40);
  EXPECT_EQ(First(response).log_start_offset, 2);
  EXPECT_EQ(response.responses[0].partition_responses[1].base_offset, 50);
}

TEST_F(ProduceTest, ABatchIsASliceOfTheFrameAndNotACopy) {
  const ProduceRequest request = Request({0});
  kafka::RequestHeader header;
  header.api_version = 9;
  std::string bytes;
  for (const OutPiece& piece : kafka::RequestFrame(header, request)) {
    bytes += std::get<SharedBytes>(piece).view();
  }
  const SharedBytes frame = SharedBytes::Copy(bytes.substr(4));
  auto exchange = std::make_shared<Exchange>();
  registry.HandleFrame(std::make_shared<ConnectionInfo>(), frame, Responder(exchange, 0));
  const char* batch = replicas.appends.at(0).first.batches.data();
  EXPECT_GE(batch, frame.data());
  EXPECT_LT(batch, frame.data() + frame.size());
}

TEST_F(ProduceTest, AnErrorOfOnePartitionLeavesTheOthersAlone) {
  const auto exchange = Send(Request({0, 9}), 9);
  ASSERT_EQ(replicas.appends.size(), 1u);
  AnswerAppend(0, At(40));
  const auto response = Answer<ProduceResponse>(*exchange, 9);
  EXPECT_EQ(First(response).error_code, 0);
  EXPECT_EQ(response.responses[0].partition_responses[1].error_code,
            Code(KafkaError::kUnknownTopicOrPartition));
}

TEST_F(ProduceTest, WithAcks0NothingIsSent) {
  const auto exchange = Send(Request({0}, 0), 9);
  AnswerAppend(0, At(40));
  EXPECT_TRUE(exchange->answered);
  EXPECT_EQ(exchange->frame, "");
}

TEST_F(ProduceTest, WithAcks0AnErrorClosesTheConnection) {
  const auto exchange = Send(Request({0}, 0), 9);
  AppendOutcome outcome;
  outcome.status = kafka::KafkaStatus(KafkaError::kNotLeaderOrFollower);
  AnswerAppend(0, outcome);
  EXPECT_FALSE(exchange->answered);
  EXPECT_FALSE(exchange->closed.ok());
}

TEST_F(ProduceTest, AcksOtherThanMinus1And0And1AreRefused) {
  for (int16_t acks : {-2, 2, 100}) {
    EXPECT_EQ(First(Call<ProduceResponse>(Request({0}, acks), 9)).error_code,
              Code(KafkaError::kInvalidRequiredAcks));
  }
  EXPECT_TRUE(replicas.appends.empty());
}

TEST_F(ProduceTest, ATransactionalRequestIsRefused) {
  ProduceRequest request = Request({0});
  request.transactional_id = "tx";
  EXPECT_EQ(First(Call<ProduceResponse>(request, 9)).error_code,
            Code(KafkaError::kInvalidTxnState));
}

TEST_F(ProduceTest, AnEmptyPartitionIsAnInvalidRecord) {
  ProduceRequest request = Request({0});
  request.topic_data[0].partition_data[0].records = kafka::Records();
  EXPECT_EQ(First(Call<ProduceResponse>(request, 9)).error_code, Code(KafkaError::kInvalidRecord));
}

TEST_F(ProduceTest, FromVersion13TopicsGoById) {
  const auto exchange = Send(Request({0}), 13);
  AnswerAppend(0, At(3));
  EXPECT_EQ(Answer<ProduceResponse>(*exchange, 13).responses[0].topic_id, OrdersId());
  ProduceRequest unknown = Request({0});
  unknown.topic_data[0].topic_id = quorate::testing::TestUuid(1);
  EXPECT_EQ(First(Call<ProduceResponse>(unknown, 13)).error_code,
            Code(KafkaError::kUnknownTopicId));
}

TEST_F(ProduceTest, NotLeaderNamesTheNewLeaderAndItsAddressFromVersion10) {
  AppendOutcome outcome;
  outcome.status = kafka::KafkaStatus(KafkaError::kNotLeaderOrFollower);
  outcome.current_leader = {NodeId(2), LeaderEpoch(6)};
  for (int16_t version : {9, 10}) {
    const auto exchange = Send(Request({0}), version);
    AnswerAppend(replicas.appends.size() - 1, outcome);
    const auto response = Answer<ProduceResponse>(*exchange, version);
    EXPECT_EQ(First(response).error_code, Code(KafkaError::kNotLeaderOrFollower));
    ASSERT_EQ(response.node_endpoints.size(), version >= 10 ? 1u : 0u);
    if (version < 10) continue;
    EXPECT_EQ(First(response).current_leader.leader_id, 2);
    EXPECT_EQ(First(response).current_leader.leader_epoch, 6);
    EXPECT_EQ(response.node_endpoints[0].node_id, 2);
    EXPECT_EQ(response.node_endpoints[0].rack, "rack-2");
  }
}

TEST_F(ProduceTest, StatusesOfThePartitionBecomeErrorsOfThePartition) {
  for (KafkaError error : {KafkaError::kRequestTimedOut, KafkaError::kNotEnoughReplicas,
                           KafkaError::kInvalidRecord, KafkaError::kMessageTooLarge,
                           KafkaError::kOutOfOrderSequenceNumber, KafkaError::kKafkaStorageError}) {
    const auto exchange = Send(Request({0}), 9);
    AppendOutcome outcome;
    outcome.status = kafka::KafkaStatus(error, "why");
    AnswerAppend(replicas.appends.size() - 1, outcome);
    const auto response = Answer<ProduceResponse>(*exchange, 9);
    EXPECT_EQ(First(response).error_code, Code(error));
    EXPECT_EQ(First(response).error_message, "why");
    EXPECT_EQ(First(response).base_offset, -1);
  }
}

TEST_F(ProduceTest, EveryServedVersionIsAnswered) {
  for (int16_t version = 3; version <= 13; ++version) {
    const auto exchange = Send(Request({0}), version);
    AnswerAppend(replicas.appends.size() - 1, At(version));
    EXPECT_EQ(First(Answer<ProduceResponse>(*exchange, version)).base_offset, version);
  }
}

TEST_F(ProduceTest, AnAnswerAfterTheConnectionClosedIsHarmless) {
  auto exchange = Send(Request({0}), 9);
  exchanges.clear();
  exchange.reset();
  AnswerAppend(0, At(1));
}

}  // namespace
}  // namespace quorate
