// DescribeConfigs, DescribeCluster, DescribeTopicPartitions.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "broker/handlers/handler_fixture.h"
#include "proto/kafka/messages/describe_cluster.h"
#include "proto/kafka/messages/describe_configs.h"
#include "proto/kafka/messages/describe_topic_partitions.h"

namespace quorate {
namespace {

using kafka::DescribeClusterRequest;
using kafka::DescribeClusterResponse;
using kafka::DescribeConfigsRequest;
using kafka::DescribeConfigsResponse;
using kafka::DescribeTopicPartitionsRequest;
using kafka::DescribeTopicPartitionsResponse;
using kafka::KafkaError;
using Entry = DescribeConfigsResponse::DescribeConfigsResourceResult;

class DescribeTest : public HandlerFixture {
 protected:
  DescribeTest() {
    RegisterDescribeConfigs(registry, handler_env);
    RegisterDescribeCluster(registry, handler_env);
    RegisterDescribeTopicPartitions(registry, handler_env);
    SetImage(BaseRecords());
  }
  static DescribeConfigsRequest Configs(int8_t type, const std::string& name) {
    DescribeConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = type;
    resource.resource_name = name;
    request.include_synonyms = true;
    request.include_documentation = true;
    return request;
  }
  std::map<std::string, Entry> Described(const DescribeConfigsRequest& request,
                                         int16_t version = 4) {
    const auto response = Call<DescribeConfigsResponse>(request, version);
    EXPECT_EQ(response.results.at(0).error_code, 0);
    std::map<std::string, Entry> out;
    for (const Entry& entry : response.results.at(0).configs) out[entry.name] = entry;
    return out;
  }
};

TEST_F(DescribeTest, ATopicsConfigsComeWithSourceTypeSynonymsAndDocumentation) {
  auto records = BaseRecords();
  records.push_back(quorate::testing::TopicConfigRecord("orders", "cleanup.policy", "compact"));
  SetImage(records);
  config.static_configs["log.retention.ms"] = "1234";
  auto entries = Described(Configs(2, "orders"));
  EXPECT_EQ(entries["cleanup.policy"].value, "compact");
  EXPECT_EQ(entries["cleanup.policy"].config_source, 1);
  EXPECT_EQ(entries["retention.ms"].value, "1234");
  EXPECT_EQ(entries["retention.ms"].config_source, 4);
  EXPECT_EQ(entries["retention.ms"].config_type, 5);
  EXPECT_EQ(entries["retention.ms"].synonyms.at(0).name, "log.retention.ms");
  EXPECT_FALSE(entries["retention.ms"].documentation.value_or("").empty());
  EXPECT_EQ(entries["min.insync.replicas"].config_source, 5);
  EXPECT_TRUE(entries.contains("quorate.durability"));
}

TEST_F(DescribeTest, OnlyTheKeysAskedForAreTold) {
  auto request = Configs(2, "orders");
  request.resources[0].configuration_keys = {"retention.ms"};
  for (int16_t version = 1; version <= 4; ++version) {
    EXPECT_EQ(Described(request, version).size(), 1u);
  }
}

TEST_F(DescribeTest, UnknownResourcesHaveTheirOwnErrors) {
  const auto error = [this](int8_t type, const std::string& name) {
    return Call<DescribeConfigsResponse>(Configs(type, name), 4).results.at(0).error_code;
  };
  EXPECT_EQ(error(2, "nothing"), Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(error(2, "bad name"), Code(KafkaError::kInvalidTopicException));
  EXPECT_EQ(error(4, "2"), Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(error(8, "1"), Code(KafkaError::kInvalidRequest));
}

TEST_F(DescribeTest, TheBrokerTellsItsOwnConfigsAndHidesSecrets) {
  config.static_configs = {
      {"log.retention.ms", "99"}, {"ssl.keystore.password", "hunter2"}, {"node.id", "1"}};
  config.default_configs = {{"num.partitions", "1"}, {"auto.create.topics.enable", "true"}};
  auto records = BaseRecords();
  records.push_back(quorate::testing::BrokerConfigRecord("log.retention.ms", "50"));
  SetImage(records);
  auto entries = Described(Configs(4, "1"));
  EXPECT_EQ(entries["log.retention.ms"].value, "50");
  EXPECT_EQ(entries["log.retention.ms"].config_source, 3);
  EXPECT_FALSE(entries["log.retention.ms"].read_only);
  EXPECT_EQ(entries["log.retention.ms"].synonyms.size(), 2u);
  EXPECT_EQ(entries["ssl.keystore.password"].value, std::nullopt);
  EXPECT_TRUE(entries["ssl.keystore.password"].is_sensitive);
  EXPECT_EQ(entries["ssl.keystore.password"].synonyms.at(0).value, std::nullopt);
  EXPECT_EQ(entries["num.partitions"].config_source, 5);
  EXPECT_TRUE(entries["node.id"].read_only);
  EXPECT_EQ(entries["auto.create.topics.enable"].config_type, 1);
  EXPECT_EQ(Described(Configs(4, "")).size(), 1u);
}

TEST_F(DescribeTest, TheClusterIsItsLiveBrokersOnTheAskersListener) {
  DescribeClusterRequest request;
  request.include_cluster_authorized_operations = true;
  const auto live = Call<DescribeClusterResponse>(request, 1);
  EXPECT_EQ(live.cluster_id, "test-cluster");
  EXPECT_EQ(live.brokers.size(), 2u);
  EXPECT_EQ(live.controller_id, 1);
  EXPECT_EQ(live.cluster_authorized_operations, 8096);
  request.include_fenced_brokers = true;
  const auto all = Call<DescribeClusterResponse>(request, 2);
  ASSERT_EQ(all.brokers.size(), 3u);
  EXPECT_TRUE(all.brokers[2].is_fenced);
}

TEST_F(DescribeTest, ControllersAreNotDescribedByABroker) {
  DescribeClusterRequest request;
  request.endpoint_type = 2;
  EXPECT_EQ(Call<DescribeClusterResponse>(request, 1).error_code,
            Code(KafkaError::kMismatchedEndpointType));
  request.endpoint_type = 3;
  EXPECT_EQ(Call<DescribeClusterResponse>(request, 1).error_code,
            Code(KafkaError::kUnsupportedEndpointType));
}

// --- DescribeTopicPartitions ---

class PagingTest : public DescribeTest {
 protected:
  PagingTest() {
    auto records = BaseRecords();
    for (int t = 0; t < 3; ++t) {
      const Uuid id = quorate::testing::TestUuid(200 + t);
      records.push_back(quorate::testing::TopicRecord("t" + std::to_string(t), id));
      for (int p = 0; p < 4; ++p) {
        records.push_back(quorate::testing::PartitionRecord(id, p, {1, 2}));
      }
    }
    SetImage(records);
  }
};

TEST_F(PagingTest, PagesThroughAllTopicsWithoutGapOrRepetition) {
  std::vector<std::string> seen;
  DescribeTopicPartitionsRequest request;
  request.response_partition_limit = 3;
  for (int page = 0; page < 20; ++page) {
    const auto response = Call<DescribeTopicPartitionsResponse>(request, 0);
    size_t partitions = 0;
    for (const auto& topic : response.topics) {
      for (const auto& partition : topic.partitions) {
        seen.push_back(*topic.name + "-" + std::to_string(partition.partition_index));
        ++partitions;
      }
    }
    EXPECT_LE(partitions, 3u);
    if (!response.next_cursor.has_value()) break;
    request.cursor.emplace();
    request.cursor->topic_name = response.next_cursor->topic_name;
    request.cursor->partition_index = response.next_cursor->partition_index;
  }
  const std::vector<std::string> expected = {"orders-0", "orders-1", "t0-0", "t0-1", "t0-2",
                                             "t0-3",     "t1-0",     "t1-1", "t1-2", "t1-3",
                                             "t2-0",     "t2-1",     "t2-2", "t2-3"};
  EXPECT_EQ(seen, expected);
}

TEST_F(PagingTest, NamedTopicsComeInOrderAndUnknownOnesWithAnError) {
  DescribeTopicPartitionsRequest request;
  request.topics.emplace_back().name = "t1";
  request.topics.emplace_back().name = "nothing";
  const auto response = Call<DescribeTopicPartitionsResponse>(request, 0);
  ASSERT_EQ(response.topics.size(), 2u);
  EXPECT_EQ(response.topics[0].error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(response.topics[1].name, "t1");
  EXPECT_FALSE(response.next_cursor.has_value());
  const auto& partition = response.topics[1].partitions.at(0);
  EXPECT_TRUE(partition.eligible_leader_replicas.has_value());
  EXPECT_EQ(partition.isr_nodes, (std::vector<int32_t>{1, 2}));
}

}  // namespace
}  // namespace quorate
