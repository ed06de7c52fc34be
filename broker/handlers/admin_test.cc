// CreateTopics, DeleteTopics, CreatePartitions, IncrementalAlterConfigs.
#include <gtest/gtest.h>

#include <string>

#include "broker/handlers/handler_fixture.h"
#include "proto/kafka/messages/create_partitions.h"
#include "proto/kafka/messages/create_topics.h"
#include "proto/kafka/messages/delete_topics.h"
#include "proto/kafka/messages/incremental_alter_configs.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::CreatePartitionsRequest;
using kafka::CreatePartitionsResponse;
using kafka::CreateTopicsRequest;
using kafka::CreateTopicsResponse;
using kafka::DeleteTopicsRequest;
using kafka::DeleteTopicsResponse;
using kafka::IncrementalAlterConfigsRequest;
using kafka::IncrementalAlterConfigsResponse;
using kafka::KafkaError;

class AdminTest : public HandlerFixture {
 protected:
  AdminTest() {
    RegisterCreateTopics(registry, handler_env);
    RegisterDeleteTopics(registry, handler_env);
    RegisterCreatePartitions(registry, handler_env);
    RegisterIncrementalAlterConfigs(registry, handler_env);
    SetImage(BaseRecords());
  }
  static CreateTopicsRequest::CreatableTopic& AddTopic(CreateTopicsRequest* request,
                                                       const std::string& name) {
    auto& topic = request->topics.emplace_back();
    topic.name = name;
    topic.num_partitions = 2;
    topic.replication_factor = 1;
    return topic;
  }
  // One more record than BaseRecords.
  void GrowImage() {
    auto records = BaseRecords();
    records.push_back(quorate::testing::TopicRecord("fresh", quorate::testing::TestUuid(6)));
    SetImage(records);
  }
};

TEST_F(AdminTest, ACreationIsAnsweredOnlyWhenTheImageShowsIt) {
  CreateTopicsRequest request;
  AddTopic(&request, "fresh").configs.push_back({"retention.ms", "1000"});
  const auto exchange = Send(request, 7);
  const auto forwarded = rpc.RequestOf<pb::CreateTopicsRequest>("Controller.CreateTopics");
  EXPECT_EQ(forwarded.caller().principal(), "User:ANONYMOUS");
  EXPECT_EQ(forwarded.caller().client_id(), "client");
  EXPECT_EQ(forwarded.caller().broker_epoch(), 7);
  EXPECT_EQ(forwarded.topics(0).configs(0).value(), "1000");
  pb::CreateTopicsResponse answer;
  auto* topic = answer.add_topics();
  topic->set_name("fresh");
  topic->set_topic_id(quorate::testing::TestUuid(6).ToBytes());
  topic->set_partitions(2);
  topic->set_replication_factor(1);
  answer.set_log_index(static_cast<int64_t>(BaseRecords().size()) + 1);
  rpc.Answer("Controller.CreateTopics", answer);
  EXPECT_FALSE(exchange->answered);
  GrowImage();
  const auto response = Answer<CreateTopicsResponse>(*exchange, 7);
  EXPECT_EQ(response.topics[0].error_code, 0);
  EXPECT_EQ(response.topics[0].topic_id, quorate::testing::TestUuid(6));
  EXPECT_EQ(response.topics[0].num_partitions, 2);
  bool found = false;
  for (const auto& config : *response.topics[0].configs) {
    if (config.name != "retention.ms") continue;
    found = true;
    EXPECT_EQ(config.value, "1000");
    EXPECT_EQ(config.config_source, 1);
  }
  EXPECT_TRUE(found);
}

TEST_F(AdminTest, ACommittedCreationIsNoErrorThoughTheImageIsLate) {
  CreateTopicsRequest request;
  request.timeout_ms = 2000;
  AddTopic(&request, "fresh");
  const auto exchange = Send(request, 5);
  pb::CreateTopicsResponse answer;
  answer.add_topics()->set_name("fresh");
  answer.set_log_index(1000);
  rpc.Answer("Controller.CreateTopics", answer);
  loop.Advance(std::chrono::seconds(3));
  EXPECT_EQ(Answer<CreateTopicsResponse>(*exchange, 5).topics[0].error_code, 0);
}

TEST_F(AdminTest, WithoutAControllerARequestTimesOut) {
  CreateTopicsRequest request;
  request.timeout_ms = 1000;
  AddTopic(&request, "fresh");
  const auto exchange = Send(request, 5);
  for (int i = 0; i < 100 && !exchange->answered; ++i) {
    if (!rpc.calls.empty()) {
      rpc.Fail("Controller.CreateTopics", absl::UnavailableError("down"));
    }
    loop.Advance(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(Answer<CreateTopicsResponse>(*exchange, 5).topics[0].error_code,
            Code(KafkaError::kRequestTimedOut));
}

TEST_F(AdminTest, AMalformedCreationIsRefusedHereAndTheOthersGoOn) {
  CreateTopicsRequest request;
  AddTopic(&request, "twice");
  AddTopic(&request, "twice");
  auto& both = AddTopic(&request, "both");
  both.assignments.push_back({0, {1}});
  auto& gap = AddTopic(&request, "gap");
  gap.num_partitions = -1;
  gap.replication_factor = -1;
  gap.assignments.push_back({1, {1}});
  AddTopic(&request, "fine");
  const auto exchange = Send(request, 5);
  EXPECT_EQ(rpc.RequestOf<pb::CreateTopicsRequest>("Controller.CreateTopics").topics_size(), 1);
  pb::CreateTopicsResponse answer;
  answer.add_topics()->set_name("fine");
  rpc.Answer("Controller.CreateTopics", answer);
  const auto response = Answer<CreateTopicsResponse>(*exchange, 5);
  EXPECT_EQ(response.topics[0].error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(response.topics[1].error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(response.topics[2].error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(response.topics[3].error_code, Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(response.topics[4].error_code, 0);
}

TEST_F(AdminTest, AnErrorOfTheWholeCallIsEachTopicsError) {
  CreateTopicsRequest request;
  AddTopic(&request, "fresh");
  const auto exchange = Send(request, 5);
  pb::CreateTopicsResponse answer;
  answer.mutable_header()->set_error(Code(KafkaError::kClusterAuthorizationFailed));
  answer.mutable_header()->set_error_message("no");
  rpc.Answer("Controller.CreateTopics", answer);
  const auto response = Answer<CreateTopicsResponse>(*exchange, 5);
  EXPECT_EQ(response.topics[0].error_code, Code(KafkaError::kClusterAuthorizationFailed));
  EXPECT_EQ(response.topics[0].error_message, "no");
}

TEST_F(AdminTest, WhileTheBrokerIsRegisteredAnewTheClientIsToTryAgain) {
  for (const KafkaError error :
       {KafkaError::kStaleBrokerEpoch, KafkaError::kBrokerIdNotRegistered}) {
    CreateTopicsRequest request;
    AddTopic(&request, "fresh");
    const auto exchange = Send(request, 5);
    pb::CreateTopicsResponse answer;
    answer.mutable_header()->set_error(Code(error));
    rpc.Answer("Controller.CreateTopics", answer);
    EXPECT_EQ(Answer<CreateTopicsResponse>(*exchange, 5).topics[0].error_code,
              Code(KafkaError::kNotController));
  }
}

TEST_F(AdminTest, TopicsAreDeletedByNameOrId) {
  DeleteTopicsRequest by_name;
  by_name.topic_names = {"orders"};
  const auto first = Send(by_name, 5);
  EXPECT_EQ(rpc.RequestOf<pb::DeleteTopicsRequest>("Controller.DeleteTopics").topics(0).name(),
            "orders");
  pb::DeleteTopicsResponse answer;
  answer.add_topics()->set_name("orders");
  rpc.Answer("Controller.DeleteTopics", answer);
  EXPECT_EQ(Answer<DeleteTopicsResponse>(*first, 5).responses[0].error_code, 0);

  DeleteTopicsRequest by_id;
  by_id.topics.emplace_back().topic_id = OrdersId();
  auto& wrong = by_id.topics.emplace_back();
  wrong.topic_id = OrdersId();
  wrong.name = "orders";
  const auto second = Send(by_id, 6);
  EXPECT_EQ(rpc.RequestOf<pb::DeleteTopicsRequest>("Controller.DeleteTopics").topics_size(), 1);
  answer.mutable_topics(0)->set_topic_id(OrdersId().ToBytes());
  rpc.Answer("Controller.DeleteTopics", answer);
  const auto response = Answer<DeleteTopicsResponse>(*second, 6);
  EXPECT_EQ(response.responses[0].error_code, 0);
  EXPECT_EQ(response.responses[0].topic_id, OrdersId());
  EXPECT_EQ(response.responses[1].error_code, Code(KafkaError::kInvalidRequest));
}

TEST_F(AdminTest, DeletionCanBeDisabled) {
  config.delete_topics_enabled = false;
  DeleteTopicsRequest request;
  request.topic_names = {"orders"};
  EXPECT_EQ(Call<DeleteTopicsResponse>(request, 4).responses[0].error_code,
            Code(KafkaError::kTopicDeletionDisabled));
}

TEST_F(AdminTest, PartitionsAreAdded) {
  CreatePartitionsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "orders";
  topic.count = 4;
  topic.assignments.emplace().push_back({{1, 2}});
  const auto exchange = Send(request, 3);
  const auto forwarded = rpc.RequestOf<pb::CreatePartitionsRequest>("Controller.CreatePartitions");
  EXPECT_EQ(forwarded.topics(0).count(), 4);
  EXPECT_EQ(forwarded.topics(0).assignments(0).values_size(), 2);
  pb::CreatePartitionsResponse answer;
  auto* out = answer.add_topics();
  out->set_name("orders");
  out->set_error(37);
  out->set_error_message("no");
  rpc.Answer("Controller.CreatePartitions", answer);
  const auto response = Answer<CreatePartitionsResponse>(*exchange, 3);
  EXPECT_EQ(response.results[0].error_code, Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(response.results[0].error_message, "no");
}

TEST_F(AdminTest, ConfigsAreAlteredPerKey) {
  IncrementalAlterConfigsRequest request;
  auto& topic = request.resources.emplace_back();
  topic.resource_type = 2;
  topic.resource_name = "orders";
  topic.configs.push_back({"retention.ms", 0, "5"});
  topic.configs.push_back({"cleanup.policy", 2, "compact"});
  topic.configs.push_back({"flush.ms", 1, std::nullopt});
  auto& group = request.resources.emplace_back();
  group.resource_type = 32;
  group.resource_name = "g";
  const auto exchange = Send(request, 1);
  const auto forwarded = rpc.RequestOf<pb::AlterConfigsRequest>("Controller.AlterConfigs");
  ASSERT_EQ(forwarded.resources_size(), 1);
  EXPECT_EQ(forwarded.resources(0).entries(1).operation(), pb::AlterConfigsRequest::APPEND);
  EXPECT_FALSE(forwarded.resources(0).entries(2).has_value());
  pb::AlterConfigsResponse answer;
  auto* out = answer.add_resources();
  out->set_type(pb::ConfigRecord::TOPIC);
  out->set_name("orders");
  out->set_error(40);
  out->set_error_message("retention.ms: too small");
  rpc.Answer("Controller.AlterConfigs", answer);
  const auto response = Answer<IncrementalAlterConfigsResponse>(*exchange, 1);
  EXPECT_EQ(response.responses[0].error_code, Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(response.responses[0].error_message, "retention.ms: too small");
  EXPECT_EQ(response.responses[1].error_code, Code(KafkaError::kInvalidRequest));
}

}  // namespace
}  // namespace quorate
