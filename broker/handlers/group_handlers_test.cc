// The APIs of consumer groups, from frame to frame, over a coordinator with a log in memory.
#include "broker/handlers/group_handlers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "broker/group/fake_offsets_log.h"
#include "broker/handlers/handler_fixture.h"
#include "proto/kafka/messages/delete_groups.h"
#include "proto/kafka/messages/describe_groups.h"
#include "proto/kafka/messages/find_coordinator.h"
#include "proto/kafka/messages/heartbeat.h"
#include "proto/kafka/messages/join_group.h"
#include "proto/kafka/messages/leave_group.h"
#include "proto/kafka/messages/list_groups.h"
#include "proto/kafka/messages/offset_commit.h"
#include "proto/kafka/messages/offset_fetch.h"
#include "proto/kafka/messages/sync_group.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using quorate::testing::PartitionRecord;
using quorate::testing::TestUuid;
using quorate::testing::TopicRecord;

constexpr PartitionIndex kPartition{0};  // the only one of the offsets topic in SetOffsetsTopic

class GroupHandlersTest : public HandlerFixture {
 protected:
  GroupHandlersTest() {
    GroupCoordinatorOptions options;
    options.limits.initial_rebalance_delay = Micros(0);
    groups = std::make_unique<GroupCoordinator>(GroupCoordinatorEnv{&loop, &random, &log, &images},
                                                options);
    groups->Start();
    RegisterGroupHandlers(registry, {handler_env, groups.get()});
    SetImage(BaseRecords());
  }
  // Broker 1, this one, leads the one partition of __consumer_offsets.
  void SetOffsetsTopic() {
    auto records = BaseRecords();
    records.push_back(TopicRecord("__consumer_offsets", TestUuid(50)));
    records.push_back(PartitionRecord(TestUuid(50), 0, {1, 2}));
    SetImage(records);
    log.Lead(kPartition, 1);
    loop.RunPosted();
  }
  kafka::JoinGroupResponse Join(int16_t version, const std::string& member = "") {
    kafka::JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = 60000;
    request.member_id = member;
    request.protocol_type = "consumer";
    request.protocols.emplace_back().name = "range";
    request.protocols.back().metadata = SharedBytes::Copy("subscription");
    return Call<kafka::JoinGroupResponse>(request, version);
  }
  std::string MakeStable(int16_t join_version = 2, int16_t sync_version = 0) {
    const auto joined = Join(join_version);
    kafka::SyncGroupRequest sync;
    sync.group_id = "g";
    sync.generation_id = joined.generation_id;
    sync.member_id = joined.member_id;
    sync.protocol_type = "consumer";
    sync.protocol_name = "range";
    sync.assignments.push_back({joined.member_id, SharedBytes::Copy("assigned")});
    const auto synced = Call<kafka::SyncGroupResponse>(sync, sync_version);
    EXPECT_EQ(synced.error_code, 0);
    EXPECT_EQ(synced.assignment.view(), "assigned");
    return joined.member_id;
  }
  // Commits offset 7 of orders-0 as a simple consumer.
  kafka::OffsetCommitResponse Commit(int16_t version, const std::string& topic = "orders") {
    kafka::OffsetCommitRequest request;
    request.group_id = "g";
    auto& asked = request.topics.emplace_back();
    asked.name = topic;
    asked.topic_id = topic == "orders" ? OrdersId() : TestUuid(99);
    auto& partition = asked.partitions.emplace_back();
    partition.committed_offset = 7;
    partition.committed_leader_epoch = 3;
    partition.committed_metadata = "note";
    return Call<kafka::OffsetCommitResponse>(request, version);
  }

  FakeOffsetsLog log{&loop};
  std::unique_ptr<GroupCoordinator> groups;
};

TEST_F(GroupHandlersTest, CoordinatorIsTheLeaderOfTheGroupsPartitionAtTheListenersAddress) {
  SetOffsetsTopic();
  const BrokerListener* self = images.image()->FindBroker(NodeId(1))->FindListener(kListener);
  kafka::FindCoordinatorRequest request;
  request.key = "g";
  for (int16_t version = 0; version <= 3; ++version) {
    const auto response = Call<kafka::FindCoordinatorResponse>(request, version);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_EQ(response.node_id, 1);
    EXPECT_EQ(response.host, self->host);
    EXPECT_EQ(response.port, self->port);
  }
  request.coordinator_keys = {"g", "h"};
  for (int16_t version = 4; version <= 6; ++version) {
    const auto response = Call<kafka::FindCoordinatorResponse>(request, version);
    ASSERT_EQ(response.coordinators.size(), 2u);
    EXPECT_EQ(response.coordinators[1].key, "h");
    EXPECT_EQ(response.coordinators[1].node_id, 1);
  }
}

TEST_F(GroupHandlersTest, FirstFindCreatesTheOffsetsTopicWithNoMoreReplicasThanLiveBrokers) {
  kafka::FindCoordinatorRequest request;
  request.coordinator_keys = {"g"};
  const auto exchange = Send(request, 4);
  EXPECT_FALSE(exchange->answered);
  const auto asked = rpc.RequestOf<pb::CreateTopicsRequest>("Controller.CreateTopics");
  ASSERT_EQ(asked.topics_size(), 1);
  EXPECT_EQ(asked.topics(0).name(), "__consumer_offsets");
  EXPECT_EQ(asked.topics(0).partitions(), 50);
  EXPECT_EQ(asked.topics(0).replication_factor(), 2) << "of three brokers one is fenced";
  EXPECT_EQ(asked.topics(0).configs(0).name(), "cleanup.policy");
  EXPECT_EQ(asked.topics(0).configs(0).value(), "compact");
  rpc.Fail("Controller.CreateTopics", absl::InvalidArgumentError("no"));
  loop.Advance(std::chrono::seconds(10));
  const auto response = Answer<kafka::FindCoordinatorResponse>(*exchange, 4);
  EXPECT_EQ(response.coordinators.at(0).error_code, Code(KafkaError::kCoordinatorNotAvailable));
}

TEST_F(GroupHandlersTest, TheOffsetsTopicIsNotMadeWithFewerReplicasThanACommitNeeds) {
  config.static_configs["min.insync.replicas"] = "3";  // two brokers are up
  kafka::FindCoordinatorRequest request;
  request.coordinator_keys = {"g"};
  const auto response = Call<kafka::FindCoordinatorResponse>(request, 4);
  EXPECT_EQ(response.coordinators.at(0).error_code, Code(KafkaError::kCoordinatorNotAvailable));
  EXPECT_EQ(rpc.made["Controller.CreateTopics"], 0);
}

TEST_F(GroupHandlersTest, TransactionCoordinatorsAreRefusedForGood) {
  SetOffsetsTopic();
  kafka::FindCoordinatorRequest request;
  request.key_type = 1;
  request.key = "txn";
  EXPECT_EQ(Call<kafka::FindCoordinatorResponse>(request, 3).error_code,
            Code(KafkaError::kInvalidRequest));
}

TEST_F(GroupHandlersTest, PartitionWithoutALiveLeaderHasNoCoordinator) {
  auto records = BaseRecords();
  records.push_back(TopicRecord("__consumer_offsets", TestUuid(50)));
  records.push_back(PartitionRecord(TestUuid(50), 0, {3}));  // fenced
  SetImage(records);
  kafka::FindCoordinatorRequest request;
  request.key = "g";
  EXPECT_EQ(Call<kafka::FindCoordinatorResponse>(request, 1).error_code,
            Code(KafkaError::kCoordinatorNotAvailable));
}

TEST_F(GroupHandlersTest, MemberLivesThroughJoinSyncHeartbeatLeaveInEveryVersion) {
  SetOffsetsTopic();
  for (int16_t version = 0; version <= 9; ++version) {
    SCOPED_TRACE(version);
    auto joined = Join(version);
    if (version >= 4) {
      ASSERT_EQ(joined.error_code, Code(KafkaError::kMemberIdRequired));
      joined = Join(version, joined.member_id);
    }
    ASSERT_EQ(joined.error_code, 0);
    EXPECT_EQ(joined.leader, joined.member_id);
    EXPECT_EQ(joined.protocol_name, "range");
    ASSERT_EQ(joined.members.size(), 1u);
    EXPECT_EQ(joined.members[0].metadata.view(), "subscription");
    const auto sync_version = static_cast<int16_t>(std::min<int>(version, 5));
    kafka::SyncGroupRequest sync;
    sync.group_id = "g";
    sync.generation_id = joined.generation_id;
    sync.member_id = joined.member_id;
    sync.protocol_type = "consumer";
    sync.protocol_name = "range";
    sync.assignments.push_back({joined.member_id, SharedBytes::Copy("assigned")});
    const auto synced = Call<kafka::SyncGroupResponse>(sync, sync_version);
    EXPECT_EQ(synced.error_code, 0);
    EXPECT_EQ(synced.assignment.view(), "assigned");
    kafka::HeartbeatRequest heartbeat;
    heartbeat.group_id = "g";
    heartbeat.generation_id = joined.generation_id;
    heartbeat.member_id = joined.member_id;
    EXPECT_EQ(
        Call<kafka::HeartbeatResponse>(heartbeat, static_cast<int16_t>(std::min<int>(version, 4)))
            .error_code,
        0);
    kafka::LeaveGroupRequest leave;
    leave.group_id = "g";
    leave.member_id = joined.member_id;
    leave.members.emplace_back().member_id = joined.member_id;
    const auto left =
        Call<kafka::LeaveGroupResponse>(leave, static_cast<int16_t>(std::min<int>(version, 5)));
    EXPECT_EQ(left.error_code, 0);
    EXPECT_EQ(left.members.size(), version >= 3 ? 1u : 0u);
  }
}

TEST_F(GroupHandlersTest, LeavingStrangersAreToldPerMemberOrAsTheCallsError) {
  SetOffsetsTopic();
  kafka::LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.member_id = "x";
  leave.members.emplace_back().member_id = "x";
  EXPECT_EQ(Call<kafka::LeaveGroupResponse>(leave, 2).error_code,
            Code(KafkaError::kUnknownMemberId));
  const auto many = Call<kafka::LeaveGroupResponse>(leave, 3);
  EXPECT_EQ(many.error_code, 0);
  EXPECT_EQ(many.members.at(0).error_code, Code(KafkaError::kUnknownMemberId));
}

TEST_F(GroupHandlersTest, OffsetsComeBackInEveryVersion) {
  SetOffsetsTopic();
  for (int16_t version = 2; version <= 10; ++version) {
    const auto response = Commit(version);
    ASSERT_EQ(response.topics.size(), 1u);
    EXPECT_EQ(response.topics[0].partitions.at(0).error_code, 0) << version;
  }
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  auto& asked = request.topics.emplace().emplace_back();
  asked.name = "orders";
  asked.partition_indexes = {0, 1};
  auto& group = request.groups.emplace_back();
  group.group_id = "g";
  auto& topic = group.topics.emplace().emplace_back();
  topic.name = "orders";
  topic.topic_id = OrdersId();
  topic.partition_indexes = {0, 1};
  const auto check = [](const auto& partitions, int16_t version) {
    ASSERT_EQ(partitions.size(), 2u) << version;
    EXPECT_EQ(partitions[0].committed_offset, 7);
    EXPECT_EQ(partitions[0].metadata, "note");
    EXPECT_EQ(partitions[0].committed_leader_epoch, version >= 5 ? 3 : -1);
    EXPECT_EQ(partitions[1].committed_offset, -1);
    EXPECT_EQ(partitions[1].error_code, 0);
  };
  for (int16_t version = 1; version <= 7; ++version) {
    const auto response = Call<kafka::OffsetFetchResponse>(request, version);
    ASSERT_EQ(response.topics.size(), 1u);
    check(response.topics[0].partitions, version);
  }
  for (int16_t version = 8; version <= 10; ++version) {
    const auto response = Call<kafka::OffsetFetchResponse>(request, version);
    ASSERT_EQ(response.groups.size(), 1u);
    ASSERT_EQ(response.groups[0].topics.size(), 1u);
    check(response.groups[0].topics[0].partitions, version);
    if (version == 10) {
      EXPECT_EQ(response.groups[0].topics[0].topic_id, OrdersId());
    }
  }
}

TEST_F(GroupHandlersTest, NullTopicsMeanEverythingCommitted) {
  SetOffsetsTopic();
  Commit(8);
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  request.topics.reset();
  EXPECT_EQ(Call<kafka::OffsetFetchResponse>(request, 2).topics.size(), 1u);
  request.groups.emplace_back().group_id = "g";
  request.groups.back().topics.reset();
  EXPECT_EQ(Call<kafka::OffsetFetchResponse>(request, 9).groups.at(0).topics.at(0).name, "orders");
  const auto by_id = Call<kafka::OffsetFetchResponse>(request, 10);
  EXPECT_EQ(by_id.groups.at(0).topics.at(0).topic_id, OrdersId());
}

TEST_F(GroupHandlersTest, UnknownTopicsAreNamedByTheErrorOfTheirKind) {
  SetOffsetsTopic();
  EXPECT_EQ(Commit(9, "nothing").topics.at(0).partitions.at(0).error_code,
            Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(Commit(10, "nothing").topics.at(0).partitions.at(0).error_code,
            Code(KafkaError::kUnknownTopicId));
  kafka::OffsetFetchRequest request;
  auto& group = request.groups.emplace_back();
  group.group_id = "g";
  auto& topic = group.topics.emplace().emplace_back();
  topic.topic_id = TestUuid(99);
  topic.partition_indexes = {0};
  EXPECT_EQ(Call<kafka::OffsetFetchResponse>(request, 10)
                .groups.at(0)
                .topics.at(0)
                .partitions.at(0)
                .error_code,
            Code(KafkaError::kUnknownTopicId));
}

TEST_F(GroupHandlersTest, OffsetsOfATopicCreatedAnewUnderTheNameAreNotItsOwn) {
  SetOffsetsTopic();
  Commit(8);
  auto records = BaseRecords();
  records.push_back(quorate::testing::RemoveTopicRecord(OrdersId()));
  records.push_back(TopicRecord("orders", TestUuid(60)));
  records.push_back(PartitionRecord(TestUuid(60), 0, {1}));
  records.push_back(TopicRecord("__consumer_offsets", TestUuid(50)));
  records.push_back(PartitionRecord(TestUuid(50), 0, {1, 2}));
  SetImage(records);
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  auto& topic = request.topics.emplace().emplace_back();
  topic.name = "orders";
  topic.partition_indexes = {0};
  EXPECT_EQ(
      Call<kafka::OffsetFetchResponse>(request, 5).topics.at(0).partitions.at(0).committed_offset,
      -1);
}

TEST_F(GroupHandlersTest, FetchFromTheWrongBrokerFailsWhereTheVersionHasRoomForIt) {
  kafka::OffsetFetchRequest request;
  request.group_id = "g";
  auto& topic = request.topics.emplace().emplace_back();
  topic.name = "orders";
  topic.partition_indexes = {0};
  EXPECT_EQ(Call<kafka::OffsetFetchResponse>(request, 1).topics.at(0).partitions.at(0).error_code,
            Code(KafkaError::kNotCoordinator));
  const auto response = Call<kafka::OffsetFetchResponse>(request, 2);
  EXPECT_EQ(response.error_code, Code(KafkaError::kNotCoordinator));
  EXPECT_TRUE(response.topics.empty());
}

TEST_F(GroupHandlersTest, ListFiltersByStateAndTypeWhateverTheCase) {
  SetOffsetsTopic();
  MakeStable();
  kafka::ListGroupsRequest request;
  auto response = Call<kafka::ListGroupsResponse>(request, 5);
  ASSERT_EQ(response.groups.size(), 1u);
  EXPECT_EQ(response.groups[0].group_state, "Stable");
  EXPECT_EQ(response.groups[0].group_type, "classic");
  request.states_filter = {"stable", "empty"};
  EXPECT_EQ(Call<kafka::ListGroupsResponse>(request, 4).groups.size(), 1u);
  request.states_filter = {"Empty"};
  EXPECT_TRUE(Call<kafka::ListGroupsResponse>(request, 4).groups.empty());
  request.states_filter.clear();
  request.types_filter = {"consumer"};
  EXPECT_TRUE(Call<kafka::ListGroupsResponse>(request, 5).groups.empty());
}

TEST_F(GroupHandlersTest, DescribeTellsMembersAndOfMissingGroupsByVersion) {
  SetOffsetsTopic();
  const std::string member = MakeStable();
  kafka::DescribeGroupsRequest request;
  request.groups = {"g", "missing"};
  request.include_authorized_operations = true;
  for (int16_t version = 0; version <= 6; ++version) {
    const auto response = Call<kafka::DescribeGroupsResponse>(request, version);
    ASSERT_EQ(response.groups.size(), 2u);
    const auto& group = response.groups[0];
    EXPECT_EQ(group.group_state, "Stable");
    EXPECT_EQ(group.protocol_data, "range");
    ASSERT_EQ(group.members.size(), 1u);
    EXPECT_EQ(group.members[0].member_id, member);
    EXPECT_EQ(group.members[0].client_id, "client");
    EXPECT_EQ(group.members[0].member_assignment.view(), "assigned");
    if (version >= 3) {
      EXPECT_NE(group.authorized_operations, INT32_MIN);
    }
    EXPECT_EQ(response.groups[1].group_state, "Dead");
    EXPECT_EQ(response.groups[1].error_code, version >= 6 ? Code(KafkaError::kGroupIdNotFound) : 0);
  }
}

TEST_F(GroupHandlersTest, DeleteAnswersForEachGroup) {
  SetOffsetsTopic();
  MakeStable();
  kafka::OffsetCommitRequest other;
  other.group_id = "simple";
  other.topics.emplace_back().name = "orders";
  other.topics.back().partitions.emplace_back().committed_offset = 1;
  Call<kafka::OffsetCommitResponse>(other, 8);
  kafka::DeleteGroupsRequest request;
  request.groups_names = {"g", "missing", "simple"};
  log.commit_at_once = false;
  const auto exchange = Send(request, 2);
  EXPECT_FALSE(exchange->answered) << "the tombstones are not committed yet";
  log.Commit(kPartition);
  const auto response = Answer<kafka::DeleteGroupsResponse>(*exchange, 2);
  ASSERT_EQ(response.results.size(), 3u);
  EXPECT_EQ(response.results[0].error_code, Code(KafkaError::kNonEmptyGroup));
  EXPECT_EQ(response.results[1].error_code, Code(KafkaError::kGroupIdNotFound));
  EXPECT_EQ(response.results[2].error_code, 0);
}

}  // namespace
}  // namespace quorate
