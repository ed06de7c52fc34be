#include "proto/kafka/messages/metadata.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/handlers/handler_fixture.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::MetadataRequest;
using kafka::MetadataResponse;

class MetadataTest : public HandlerFixture {
 protected:
  MetadataTest() {
    RegisterMetadata(registry, handler_env);
    SetImage(BaseRecords());
  }
  static MetadataRequest Named(const std::vector<std::string>& names, bool create = false) {
    MetadataRequest request;
    request.topics.emplace();
    for (const auto& name : names) request.topics->emplace_back().name = name;
    request.allow_auto_topic_creation = create;
    return request;
  }
};

TEST_F(MetadataTest, TellsLiveBrokersTopicsAndLeaders) {
  const auto response = Call<MetadataResponse>(Named({"orders"}), 12);
  ASSERT_EQ(response.brokers.size(), 2u);
  EXPECT_EQ(response.brokers[1].node_id, 2);
  EXPECT_EQ(response.brokers[1].rack, "rack-2");
  EXPECT_EQ(response.cluster_id, "test-cluster");
  EXPECT_EQ(response.controller_id, 1);
  ASSERT_EQ(response.topics.size(), 1u);
  EXPECT_EQ(response.topics[0].topic_id, OrdersId());
  ASSERT_EQ(response.topics[0].partitions.size(), 2u);
  const auto& second = response.topics[0].partitions[1];
  EXPECT_EQ(second.leader_id, 2);
  EXPECT_EQ(second.replica_nodes, (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(second.offline_replicas, std::vector<int32_t>{3});
  EXPECT_EQ(second.error_code, 0);
}

TEST_F(MetadataTest, NullMeansAllAndEmptyMeansNoneButInVersion0EmptyMeansAll) {
  MetadataRequest all;
  all.topics = std::nullopt;
  EXPECT_EQ(Call<MetadataResponse>(all, 1).topics.size(), 1u);
  EXPECT_EQ(Call<MetadataResponse>(Named({}), 1).topics.size(), 0u);
  EXPECT_EQ(Call<MetadataResponse>(Named({}), 0).topics.size(), 1u);
}

TEST_F(MetadataTest, APartitionWithoutALeaderIsLeaderNotAvailable) {
  auto records = BaseRecords();
  records.push_back(quorate::testing::IsrRecord(OrdersId(), 1, {2}, -1));
  SetImage(records);
  const auto response = Call<MetadataResponse>(Named({"orders"}), 9);
  EXPECT_EQ(response.topics[0].partitions[1].error_code, Code(KafkaError::kLeaderNotAvailable));
  EXPECT_EQ(response.topics[0].partitions[1].leader_id, -1);
}

TEST_F(MetadataTest, UnknownNamesAndIdsHaveTheirOwnErrors) {
  MetadataRequest request = Named({"nothing", "bad name!"});
  auto& by_id = request.topics->emplace_back();
  by_id.topic_id = quorate::testing::TestUuid(5);
  by_id.name = std::nullopt;
  auto& known = request.topics->emplace_back();
  known.topic_id = OrdersId();
  known.name = std::nullopt;
  const auto response = Call<MetadataResponse>(request, 12);
  EXPECT_EQ(response.topics[0].error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(response.topics[1].error_code, Code(KafkaError::kInvalidTopicException));
  EXPECT_EQ(response.topics[2].error_code, Code(KafkaError::kUnknownTopicId));
  EXPECT_EQ(response.topics[2].name, std::nullopt);
  EXPECT_EQ(response.topics[3].name, "orders");
  EXPECT_TRUE(rpc.calls.empty());
}

TEST_F(MetadataTest, Versions10And11TakeNoNullName) {
  MetadataRequest request;
  auto& by_id = request.topics.emplace().emplace_back();
  by_id.topic_id = OrdersId();
  by_id.name = std::nullopt;
  EXPECT_EQ(Call<MetadataResponse>(request, 10).topics[0].error_code,
            Code(KafkaError::kInvalidRequest));
}

TEST_F(MetadataTest, AuthorisedOperationsAreToldOnlyWhenAsked) {
  MetadataRequest request = Named({"orders"});
  EXPECT_EQ(Call<MetadataResponse>(request, 9).topics[0].topic_authorized_operations, INT32_MIN);
  request.include_topic_authorized_operations = true;
  request.include_cluster_authorized_operations = true;
  const auto response = Call<MetadataResponse>(request, 9);
  EXPECT_EQ(response.topics[0].topic_authorized_operations, 3576);
  EXPECT_EQ(response.cluster_authorized_operations, 8096);
}

TEST_F(MetadataTest, CreatesANamedTopicIfBothSidesAllowItAndAnswersWithIt) {
  const auto exchange = Send(Named({"orders", "fresh"}, true), 12);
  EXPECT_FALSE(exchange->answered);
  EXPECT_EQ(rpc.RequestOf<pb::CreateTopicsRequest>("Controller.CreateTopics").topics(0).name(),
            "fresh");
  pb::CreateTopicsResponse created;
  created.add_topics()->set_name("fresh");
  created.set_log_index(8);
  rpc.Answer("Controller.CreateTopics", created);
  EXPECT_FALSE(exchange->answered);
  auto records = BaseRecords();
  const Uuid id = quorate::testing::TestUuid(6);
  records.push_back(quorate::testing::TopicRecord("fresh", id));
  records.push_back(quorate::testing::PartitionRecord(id, 0, {1}));
  SetImage(records);
  const auto response = Answer<MetadataResponse>(*exchange, 12);
  EXPECT_EQ(response.topics[1].error_code, 0);
  EXPECT_EQ(response.topics[1].topic_id, id);
}

TEST_F(MetadataTest, CreatesNothingIfOneSideForbidsIt) {
  EXPECT_TRUE(Send(Named({"fresh"}, false), 12)->answered);
  config.auto_create_topics = false;
  EXPECT_TRUE(Send(Named({"fresh"}, true), 12)->answered);
  EXPECT_TRUE(rpc.calls.empty());
}

TEST_F(MetadataTest, ARefusedCreationIsTold) {
  const auto exchange = Send(Named({"fresh"}, true), 12);
  pb::CreateTopicsResponse refused;
  refused.add_topics()->set_error(38);
  rpc.Answer("Controller.CreateTopics", refused);
  EXPECT_EQ(Answer<MetadataResponse>(*exchange, 12).topics[0].error_code,
            Code(KafkaError::kInvalidReplicationFactor));
}

TEST_F(MetadataTest, WithoutAControllerTheClientIsToldToTryAgain) {
  const auto exchange = Send(Named({"fresh"}, true), 12);
  loop.Advance(std::chrono::milliseconds(1999));
  rpc.Fail("Controller.CreateTopics", absl::UnavailableError("down"));
  loop.Advance(std::chrono::milliseconds(100));
  EXPECT_EQ(Answer<MetadataResponse>(*exchange, 12).topics[0].error_code,
            Code(KafkaError::kLeaderNotAvailable));
}

TEST_F(MetadataTest, EveryVersionIsAnswered) {
  for (int16_t version = 0; version <= 13; ++version) {
    const auto response = Call<MetadataResponse>(Named({"orders"}), version);
    ASSERT_EQ(response.topics.size(), 1u) << version;
    EXPECT_EQ(response.topics[0].partitions.size(), 2u) << version;
  }
}

}  // namespace
}  // namespace quorate
