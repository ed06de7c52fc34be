#include "controller/topic_control.h"

#include <set>

#include "controller/testing/controller_harness.h"
#include "gtest/gtest.h"
#include "proto/kafka/error.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::Code;
using kafka::KafkaError;
using testing::ControllerHarness;

class TopicControlTest : public ::testing::Test {
 protected:
  TopicControlTest() {
    h.quorum.Lead();
    for (int id : {1, 2, 3}) h.StartBroker(id, id);
  }

  pb::CreateTopicsRequest Request() {
    pb::CreateTopicsRequest request;
    request.mutable_caller()->set_cluster_id("cluster");
    request.mutable_caller()->set_broker_id(-1);
    request.mutable_caller()->set_principal("User:alice");
    return request;
  }
  static pb::CreateTopicsRequest_Topic* Add(pb::CreateTopicsRequest* request,
                                            const std::string& name, int partitions = 1,
                                            int factor = 1) {
    auto* topic = request->add_topics();
    topic->set_name(name);
    topic->set_partitions(partitions);
    topic->set_replication_factor(factor);
    return topic;
  }
  static void Assign(pb::CreateTopicsRequest_Topic* topic, std::vector<int> replicas) {
    topic->set_partitions(-1);
    topic->set_replication_factor(-1);
    auto* list = topic->add_assignments();
    for (int id : replicas) list->add_values(id);
  }
  pb::CreateTopicsResponse Create(const pb::CreateTopicsRequest& request) {
    return h.Do<pb::CreateTopicsResponse>("CreateTopics", request);
  }
  pb::CreatePartitionsResponse_Topic Grow(const std::string& name, int count,
                                          std::vector<std::vector<int>> assignments = {}) {
    pb::CreatePartitionsRequest request;
    *request.mutable_caller() = Request().caller();
    auto* topic = request.add_topics();
    topic->set_name(name);
    topic->set_count(count);
    for (const auto& replicas : assignments) {
      auto* list = topic->add_assignments();
      for (int id : replicas) list->add_values(id);
    }
    return h.Do<pb::CreatePartitionsResponse>("CreatePartitions", request).topics(0);
  }

  ControllerHarness h;
};

TEST_F(TopicControlTest, ATopicIsCreatedWithItsPartitionsAndConfigs) {
  auto request = Request();
  auto* config = Add(&request, "a", 4, 3)->add_configs();
  config->set_name("retention.ms");
  config->set_value("1000");
  const auto response = Create(request);
  ASSERT_EQ(response.topics(0).error(), 0) << response.topics(0).error_message();
  EXPECT_EQ(response.topics(0).partitions(), 4);
  EXPECT_EQ(response.topics(0).replication_factor(), 3);
  EXPECT_EQ(response.log_index(), h.controller->committed().index().value());
  const MetadataImage& image = h.controller->committed();
  const TopicImage* topic = image.FindTopicByName("a");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->id.ToBytes(), response.topics(0).topic_id());
  for (const auto& [index, state] : topic->partitions) {
    EXPECT_EQ(state.isr, state.replicas);
    EXPECT_EQ(state.leader, state.replicas.front());
    EXPECT_EQ(state.leader_epoch, LeaderEpoch(0));
  }
  EXPECT_EQ(*image.FindConfig(ConfigResourceType::kTopic, "a", "retention.ms"), "1000");
  EXPECT_EQ(h.LastCause().principal, "User:alice");
  EXPECT_EQ(h.LastCause().trigger, "CreateTopics");
}

TEST_F(TopicControlTest, SeveralTopicsAreOneBatchAndFailOneByOne) {
  auto request = Request();
  Add(&request, "a");
  Add(&request, "b", 0);
  Add(&request, "c");
  const size_t before = h.quorum.log().size();
  const auto response = Create(request);
  EXPECT_EQ(response.topics(0).error(), 0);
  EXPECT_EQ(response.topics(1).error(), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(response.topics(2).error(), 0);
  EXPECT_EQ(h.quorum.log().size(), before + 1);
  EXPECT_EQ(h.controller->committed().topics().size(), 2u);
}

TEST_F(TopicControlTest, TopicsThatDoNotFitOneBatchAreSplitBetweenTopics) {
  h.quorum.set_max_batch_bytes(8192);
  auto request = Request();
  for (int i = 0; i < 20; ++i) Add(&request, "t" + std::to_string(i), 10, 3);
  const size_t before = h.quorum.log().size();
  const auto response = Create(request);
  for (const auto& topic : response.topics()) EXPECT_EQ(topic.error(), 0);
  EXPECT_GT(h.quorum.log().size(), before + 1);
  EXPECT_EQ(h.controller->committed().topics().size(), 20u);
  for (size_t i = before; i < h.quorum.log().size(); ++i) {
    EXPECT_EQ(h.quorum.log()[i]->records.size() % 11, 0u);  // whole topics
  }
}

TEST_F(TopicControlTest, DefaultsComeFromTheConfiguration) {
  auto config = ControllerHarness::Config();
  config.default_partitions = 5;
  config.default_replication_factor = 2;
  ControllerHarness other(config);
  other.quorum.Lead();
  other.StartBroker(1, 1);
  other.StartBroker(2, 2);
  const auto topic = other.CreateTopic("a", -1, -1);
  EXPECT_EQ(topic.partitions(), 5);
  EXPECT_EQ(topic.replication_factor(), 2);
}

TEST_F(TopicControlTest, NamesAreChecked) {
  for (const std::string& name : {std::string(""), std::string("."), std::string(".."),
                                  std::string("a b"), std::string("a/b"), std::string(250, 'x')}) {
    EXPECT_EQ(h.CreateTopic(name, 1, 1).error(), Code(KafkaError::kInvalidTopicException)) << name;
  }
  EXPECT_EQ(h.CreateTopic(std::string(249, 'x'), 1, 1).error(), 0);
  EXPECT_EQ(h.CreateTopic("A.b_c-9", 1, 1).error(), 0);
}

TEST_F(TopicControlTest, ANameThatDiffersInDotsAndUnderscoresCollides) {
  h.CreateTopic("a.b_c", 1, 1);
  const auto collision = h.CreateTopic("a_b.c", 1, 1);
  EXPECT_EQ(collision.error(), Code(KafkaError::kInvalidTopicException));
  EXPECT_NE(collision.error_message().find("a.b_c"), std::string::npos);
  for (int i = 0; i < 5; ++i) h.CreateTopic("t" + std::to_string(i), 1, 1);
  EXPECT_EQ(h.CreateTopic("a.b.c", 1, 1).error(), Code(KafkaError::kInvalidTopicException));
  EXPECT_EQ(h.CreateTopic("a-b.c", 1, 1).error(), 0);
}

TEST_F(TopicControlTest, AnExistingTopicIsNotCreatedAgain) {
  h.CreateTopic("a", 1, 1);
  EXPECT_EQ(h.CreateTopic("a", 1, 1).error(), Code(KafkaError::kTopicAlreadyExists));
}

// D6: validated against what is proposed, answered when that is committed.
TEST_F(TopicControlTest, AnUncommittedTopicExistsTooAndTheAnswerWaitsForIt) {
  auto request = Request();
  Add(&request, "a");
  const auto first = h.Call<pb::CreateTopicsResponse>("CreateTopics", request);
  const auto second = h.Call<pb::CreateTopicsResponse>("CreateTopics", request);
  EXPECT_FALSE(second.done());
  EXPECT_EQ(h.controller->committed().FindTopicByName("a"), nullptr);
  h.quorum.CommitAll();
  EXPECT_EQ((*first).topics(0).error(), 0);
  EXPECT_EQ((*second).topics(0).error(), Code(KafkaError::kTopicAlreadyExists));
}

TEST_F(TopicControlTest, ATopicNamedTwiceInOneRequestIsRefusedBothTimes) {
  auto request = Request();
  Add(&request, "a");
  Add(&request, "a");
  const auto response = Create(request);
  EXPECT_EQ(response.topics(0).error(), Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(response.topics(1).error(), Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(h.controller->committed().FindTopicByName("a"), nullptr);
}

TEST_F(TopicControlTest, MoreReplicasThanLiveBrokersAreRefusedWithTheCount) {
  h.Kill(3);
  const auto topic = h.CreateTopic("a", 1, 3);
  EXPECT_EQ(topic.error(), Code(KafkaError::kInvalidReplicationFactor));
  EXPECT_NE(topic.error_message().find("live brokers, 2"), std::string::npos)
      << topic.error_message();
  EXPECT_EQ(h.CreateTopic("a", 1, 0).error(), Code(KafkaError::kInvalidReplicationFactor));
}

TEST_F(TopicControlTest, PartitionCountsHaveLimits) {
  EXPECT_EQ(h.CreateTopic("a", 0, 1).error(), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(h.CreateTopic("a", -2, 1).error(), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(h.CreateTopic("a", 10001, 1).error(), Code(KafkaError::kInvalidPartitions));
}

// F11: a huge request has a bound and a clear error.
TEST_F(TopicControlTest, TooManyPartitionsInOneRequestAreRefused) {
  auto request = Request();
  Add(&request, "a", 9000);
  Add(&request, "b", 9000);
  const auto response = Create(request);
  EXPECT_EQ(response.topics(0).error(), 0);
  EXPECT_EQ(response.topics(1).error(), Code(KafkaError::kPolicyViolation));
  EXPECT_TRUE(response.topics(1).topic_id().empty());
}

TEST_F(TopicControlTest, ATopicThatExceedsABatchIsRefused) {
  ControllerHarness small;
  small.quorum.Lead();
  small.StartBroker(1, 1);
  small.quorum.set_max_batch_bytes(6000);
  // The limit is read at construction; the write path refuses what gets past it.
  EXPECT_EQ(small.controller->committed().topics().size(), 0u);
  pb::CreateTopicsRequest request = Request();
  Add(&request, "a", 1000);
  const auto response = small.Do<pb::CreateTopicsResponse>("CreateTopics", request);
  EXPECT_EQ(response.header().error(), Code(KafkaError::kPolicyViolation));
  EXPECT_EQ(small.controller->speculative().topics().size(), 0u);
}

TEST_F(TopicControlTest, BadConfigsAreRefused) {
  EXPECT_EQ(h.CreateTopic("a", 1, 1, {{"cleanup.policy", "burn"}}).error(),
            Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(h.CreateTopic("a", 1, 1, {{"nonsense", "1"}}).error(),
            Code(KafkaError::kInvalidConfig));
}

TEST_F(TopicControlTest, AssignmentsAreTakenAsGivenAndChecked) {
  auto request = Request();
  auto* good = Add(&request, "good");
  Assign(good, {3, 1});
  Assign(good, {2, 3});
  Assign(Add(&request, "twice"), {1, 1});
  Assign(Add(&request, "unknown"), {1, 9});
  Assign(Add(&request, "none"), {});
  auto* uneven = Add(&request, "uneven");
  Assign(uneven, {1, 2});
  Assign(uneven, {1});
  auto* both = Add(&request, "both");
  Assign(both, {1});
  both->set_replication_factor(1);
  const auto response = Create(request);
  ASSERT_EQ(response.topics(0).error(), 0) << response.topics(0).error_message();
  EXPECT_EQ(h.Partition("good", 0).leader, NodeId(3));
  EXPECT_EQ(h.Partition("good", 1).replicas[0], NodeId(2));
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(response.topics(i).error(), Code(KafkaError::kInvalidReplicaAssignment)) << i;
  }
  EXPECT_EQ(response.topics(5).error(), Code(KafkaError::kInvalidRequest));
}

TEST_F(TopicControlTest, AssignedReplicasThatAreFencedStartOutsideTheIsr) {
  h.Kill(1);
  auto request = Request();
  Assign(Add(&request, "a"), {1, 2});
  Assign(Add(&request, "b"), {1});
  const auto response = Create(request);
  EXPECT_EQ(response.topics(0).error(), 0);
  EXPECT_EQ(h.Partition("a", 0).leader, NodeId(2));
  EXPECT_EQ(h.Partition("a", 0).isr.size(), 1u);
  EXPECT_EQ(response.topics(1).error(), Code(KafkaError::kInvalidReplicaAssignment));
}

TEST_F(TopicControlTest, ValidateOnlyAnswersAtOnceAndChangesNothing) {
  auto request = Request();
  Add(&request, "a");
  request.set_validate_only(true);
  const auto answer = h.Call<pb::CreateTopicsResponse>("CreateTopics", request);
  ASSERT_TRUE(answer.done());
  EXPECT_EQ((*answer).topics(0).error(), 0);
  EXPECT_EQ(h.quorum.uncommitted(), 0u);
  EXPECT_EQ(h.controller->speculative().FindTopicByName("a"), nullptr);
}

TEST_F(TopicControlTest, TopicsAreDeletedByNameOrId) {
  h.CreateTopic("a", 2, 1);
  h.CreateTopic("b", 2, 1);
  pb::DeleteTopicsRequest request;
  *request.mutable_caller() = Request().caller();
  request.add_topics()->set_name("a");
  request.add_topics()->set_topic_id(h.Name("b", 0).topic_id.ToBytes());
  request.add_topics()->set_name("none");
  request.add_topics()->set_topic_id(std::string(16, 'x'));
  const auto response = h.Do<pb::DeleteTopicsResponse>("DeleteTopics", request);
  EXPECT_EQ(response.topics(0).error(), 0);
  EXPECT_EQ(response.topics(1).error(), 0);
  EXPECT_EQ(response.topics(1).name(), "b");
  EXPECT_EQ(response.topics(2).error(), Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(response.topics(3).error(), Code(KafkaError::kUnknownTopicId));
  EXPECT_TRUE(h.controller->committed().topics().empty());
  EXPECT_TRUE(h.controller->partition_lookup().PartitionsOf(NodeId(1)).empty());
}

// F5: a topic of the same name is another topic.
TEST_F(TopicControlTest, ARecreatedTopicHasANewId) {
  h.CreateTopic("a", 1, 1);
  const Uuid old = h.Name("a", 0).topic_id;
  pb::DeleteTopicsRequest request;
  *request.mutable_caller() = Request().caller();
  request.add_topics()->set_name("a");
  h.Do<pb::DeleteTopicsResponse>("DeleteTopics", request);
  EXPECT_EQ(h.CreateTopic("a", 1, 1).error(), 0);
  EXPECT_NE(h.Name("a", 0).topic_id, old);
}

TEST_F(TopicControlTest, DeletionCanBeDisabled) {
  auto config = ControllerHarness::Config();
  config.delete_topic_enable = false;
  ControllerHarness other(config);
  other.quorum.Lead();
  pb::DeleteTopicsRequest request;
  *request.mutable_caller() = Request().caller();
  request.add_topics()->set_name("a");
  EXPECT_EQ(other.Do<pb::DeleteTopicsResponse>("DeleteTopics", request).topics(0).error(),
            Code(KafkaError::kTopicDeletionDisabled));
}

TEST_F(TopicControlTest, PartitionsAreAddedNeverTaken) {
  h.CreateTopic("a", 2, 2);
  EXPECT_EQ(Grow("a", 5).error(), 0);
  EXPECT_EQ(h.Partition("a", 4).replicas.size(), 2u);
  EXPECT_EQ(Grow("a", 5).error(), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(Grow("a", 3).error(), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(Grow("none", 3).error(), Code(KafkaError::kUnknownTopicOrPartition));
}

TEST_F(TopicControlTest, AddedPartitionsCanBeAssigned) {
  h.CreateTopic("a", 1, 2);
  EXPECT_EQ(Grow("a", 3, {{3, 1}}).error(), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(Grow("a", 2, {{3}}).error(), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(Grow("a", 2, {{3, 1}}).error(), 0);
  EXPECT_EQ(h.Partition("a", 1).leader, NodeId(3));
}

}  // namespace
}  // namespace quorate
