#include "controller/config_control.h"

#include "controller/image/testing/records.h"
#include "controller/testing/controller_harness.h"
#include "gtest/gtest.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::Code;
using kafka::KafkaError;
using testing::ControllerHarness;
using testing::Replicas;
using Request = pb::AlterConfigsRequest;

class ConfigControlTest : public ::testing::Test {
 protected:
  ConfigControlTest() {
    h.quorum.Lead();
    for (int id : {1, 2, 3}) h.StartBroker(id, id);
    h.CreateTopic("a", 1, 3);
  }

  struct Edit {
    std::string name;
    Request::Operation operation = Request::SET;
    std::string value = "";
  };
  static void AddResource(Request* request, pb::ConfigRecord::ResourceType type,
                          const std::string& resource, const std::vector<Edit>& edits) {
    request->mutable_caller()->set_cluster_id("cluster");
    request->mutable_caller()->set_broker_id(-1);
    auto* out = request->add_resources();
    out->set_type(type);
    out->set_name(resource);
    for (const Edit& edit : edits) {
      auto* entry = out->add_entries();
      entry->set_name(edit.name);
      entry->set_operation(edit.operation);
      if (edit.operation != Request::DELETE) entry->set_value(edit.value);
    }
  }
  int Alter(pb::ConfigRecord::ResourceType type, const std::string& resource,
            const std::vector<Edit>& edits) {
    Request request;
    AddResource(&request, type, resource, edits);
    return h.Do<pb::AlterConfigsResponse>("AlterConfigs", request).resources(0).error();
  }
  const std::string* Topic(const std::string& key) {
    return h.controller->committed().FindConfig(ConfigResourceType::kTopic, "a", key);
  }

  ControllerHarness h;
};

TEST_F(ConfigControlTest, ValuesAreSetAndDeleted) {
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::SET, "5"}}), 0);
  EXPECT_EQ(*Topic("retention.ms"), "5");
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::DELETE}}), 0);
  EXPECT_EQ(Topic("retention.ms"), nullptr);
}

TEST_F(ConfigControlTest, AChangeToTheSameValueIsNotLogged) {
  Alter(pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::SET, "5"}});
  const size_t before = h.quorum.log().size();
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::SET, "5"}}), 0);
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"segment.ms", Request::DELETE}}), 0);
  EXPECT_EQ(h.quorum.log().size(), before);
}

TEST_F(ConfigControlTest, ListsCanBeAppendedToAndSubtractedFrom) {
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"cleanup.policy", Request::APPEND, "compact"}}),
            0);
  EXPECT_EQ(*Topic("cleanup.policy"), "delete,compact");
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"cleanup.policy", Request::SUBTRACT, "delete"}}),
            0);
  EXPECT_EQ(*Topic("cleanup.policy"), "compact");
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::APPEND, "5"}}),
            Code(KafkaError::kInvalidConfig));
}

TEST_F(ConfigControlTest, AResourceWithOneBadEntryIsLeftAlone) {
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a",
                  {{"retention.ms", Request::SET, "5"}, {"segment.bytes", Request::SET, "1"}}),
            Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(Topic("retention.ms"), nullptr);
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"nonsense", Request::SET, "1"}}),
            Code(KafkaError::kInvalidConfig));
}

TEST_F(ConfigControlTest, ResourcesFailOneByOne) {
  Request request;
  AddResource(&request, pb::ConfigRecord::TOPIC, "none", {{"retention.ms", Request::SET, "5"}});
  AddResource(&request, pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::SET, "5"}});
  AddResource(&request, pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::SET, "6"}});
  const auto response = h.Do<pb::AlterConfigsResponse>("AlterConfigs", request);
  EXPECT_EQ(response.resources(0).error(), Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(response.resources(1).error(), 0);
  EXPECT_EQ(response.resources(2).error(), Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(*Topic("retention.ms"), "5");
}

TEST_F(ConfigControlTest, BrokersTakeTheSynonymsOfTopicKeysOnly) {
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "", {{"log.retention.ms", Request::SET, "5"}}), 0);
  EXPECT_EQ(
      *h.controller->committed().FindConfig(ConfigResourceType::kBroker, "", "log.retention.ms"),
      "5");
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "1", {{"log.segment.bytes", Request::SET, "x"}}),
            Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "1", {{"log.dirs", Request::SET, "x"}}),
            Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "one", {{"log.retention.ms", Request::SET, "5"}}),
            Code(KafkaError::kInvalidRequest));
}

// KIP-966: one broker cannot see another minimum than the rest.
TEST_F(ConfigControlTest, TheMinimumOfInSyncReplicasIsNotPerBroker) {
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "1", {{"min.insync.replicas", Request::SET, "2"}}),
            Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "", {{"min.insync.replicas", Request::SET, "2"}}), 0);
}

// B10: with a smaller minimum commits go on without the eligible ones: they stop being so.
TEST_F(ConfigControlTest, LoweringTheMinimumClearsTheElrWithIt) {
  EXPECT_EQ(Alter(pb::ConfigRecord::BROKER, "", {{"min.insync.replicas", Request::SET, "2"}}), 0);
  h.Kill(3);
  h.Kill(2);
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({2}));
  EXPECT_EQ(Alter(pb::ConfigRecord::TOPIC, "a", {{"min.insync.replicas", Request::SET, "1"}}), 0);
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({}));
  EXPECT_EQ(h.quorum.log().back()->records.size(), 2u);  // one batch
}

TEST_F(ConfigControlTest, ValidateOnlyChangesNothing) {
  Request request;
  AddResource(&request, pb::ConfigRecord::TOPIC, "a", {{"retention.ms", Request::SET, "5"}});
  request.set_validate_only(true);
  EXPECT_EQ(h.Do<pb::AlterConfigsResponse>("AlterConfigs", request).resources(0).error(), 0);
  EXPECT_EQ(Topic("retention.ms"), nullptr);
}

}  // namespace
}  // namespace quorate
