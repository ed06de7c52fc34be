// DescribeQuorum.
#include "proto/kafka/messages/describe_quorum.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "broker/handlers/handler_fixture.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::DescribeQuorumRequest;
using kafka::DescribeQuorumResponse;
using kafka::KafkaError;

constexpr char kMethod[] = "Controller.DescribeQuorum";
constexpr int64_t kNow = 1'700'000'000'000;

class DescribeQuorumTest : public HandlerFixture {
 protected:
  DescribeQuorumTest() { RegisterDescribeQuorum(registry, handler_env); }

  static DescribeQuorumRequest Asked(const std::string& topic, std::vector<int32_t> partitions) {
    DescribeQuorumRequest request;
    auto& out = request.topics.emplace_back();
    out.topic_name = topic;
    for (int32_t partition : partitions) out.partitions.push_back({partition});
    return request;
  }
  static DescribeQuorumRequest Request() { return Asked("__cluster_metadata", {0}); }

  static void AddReplica(pb::QuorumStatusResponse* status, int32_t node, bool voter, int64_t end,
                         int64_t fetch_age, int64_t caught_up_age) {
    auto* replica = status->add_replicas();
    replica->set_node_id(node);
    replica->set_directory_id(quorate::testing::TestUuid(node).ToBytes());
    replica->set_voter(voter);
    replica->set_log_end_index(end);
    replica->set_last_fetch_age_ms(fetch_age);
    replica->set_last_caught_up_age_ms(caught_up_age);
  }
  // Node 9 leads term 4; voter 8 never fetched; node 2 is an observer.
  static pb::DescribeQuorumResponse Quorum() {
    pb::DescribeQuorumResponse answer;
    answer.set_wall_time_ms(kNow);
    auto* status = answer.mutable_status();
    status->set_leader_id(9);
    status->set_term(4);
    status->set_commit_index(70);
    status->set_log_end_index(72);
    AddReplica(status, 9, true, 72, 0, 0);
    AddReplica(status, 8, true, -1, -1, -1);
    AddReplica(status, 2, false, 71, 5, 30);
    return answer;
  }
  DescribeQuorumResponse Described(int16_t version) {
    const auto exchange = Send(Request(), version);
    rpc.Answer(kMethod, Quorum());
    return Answer<DescribeQuorumResponse>(*exchange, version);
  }
};

TEST_F(DescribeQuorumTest, ItIsForwardedToTheControllerInTheClientsName) {
  Send(Request(), 2);
  const auto forwarded = rpc.RequestOf<pb::DescribeQuorumRequest>(kMethod);
  EXPECT_EQ(forwarded.caller().principal(), "User:ANONYMOUS");
  EXPECT_EQ(forwarded.caller().client_id(), "client");
  EXPECT_EQ(forwarded.caller().broker_id(), 1);
}

TEST_F(DescribeQuorumTest, LeaderTermAndCommitIndexAreKafkasLeaderEpochAndHighWatermark) {
  for (int16_t version = 0; version <= 2; ++version) {
    const auto response = Described(version);
    EXPECT_EQ(response.error_code, 0);
    ASSERT_EQ(response.topics.size(), 1u);
    EXPECT_EQ(response.topics[0].topic_name, "__cluster_metadata");
    ASSERT_EQ(response.topics[0].partitions.size(), 1u);
    const auto& partition = response.topics[0].partitions[0];
    EXPECT_EQ(partition.partition_index, 0);
    EXPECT_EQ(partition.error_code, 0);
    EXPECT_EQ(partition.leader_id, 9);
    EXPECT_EQ(partition.leader_epoch, 4);
    EXPECT_EQ(partition.high_watermark, 70);
  }
}

TEST_F(DescribeQuorumTest, VotersAndObserversAreToldWithTheirLogEnds) {
  for (int16_t version = 0; version <= 2; ++version) {
    const auto response = Described(version);
    const auto& partition = response.topics.at(0).partitions.at(0);
    ASSERT_EQ(partition.current_voters.size(), 2u);
    EXPECT_EQ(partition.current_voters[0].replica_id, 9);
    EXPECT_EQ(partition.current_voters[0].log_end_offset, 72);
    EXPECT_EQ(partition.current_voters[1].replica_id, 8);
    EXPECT_EQ(partition.current_voters[1].log_end_offset, -1);
    ASSERT_EQ(partition.observers.size(), 1u);
    EXPECT_EQ(partition.observers[0].replica_id, 2);
    EXPECT_EQ(partition.observers[0].log_end_offset, 71);
  }
}

TEST_F(DescribeQuorumTest, AgesBecomeTimesOnTheLeadersClockFromVersion1On) {
  for (int16_t version = 0; version <= 2; ++version) {
    const auto response = Described(version);
    const auto& partition = response.topics.at(0).partitions.at(0);
    EXPECT_EQ(partition.current_voters.at(0).last_caught_up_timestamp, version >= 1 ? kNow : -1);
    EXPECT_EQ(partition.current_voters.at(1).last_fetch_timestamp, -1);
    EXPECT_EQ(partition.current_voters.at(1).last_caught_up_timestamp, -1);
    EXPECT_EQ(partition.observers.at(0).last_fetch_timestamp, version >= 1 ? kNow - 5 : -1);
    EXPECT_EQ(partition.observers.at(0).last_caught_up_timestamp, version >= 1 ? kNow - 30 : -1);
  }
}

TEST_F(DescribeQuorumTest, DirectoriesAreToldFromVersion2On) {
  for (int16_t version = 0; version <= 2; ++version) {
    const auto response = Described(version);
    EXPECT_EQ(response.topics.at(0).partitions.at(0).current_voters.at(1).replica_directory_id,
              version >= 2 ? quorate::testing::TestUuid(8) : Uuid());
  }
}

// The fixture's broker knows where voter 9 is, and nothing of 8.
TEST_F(DescribeQuorumTest, VotersComeWithTheirControllerEndpointFromVersion2On) {
  config.controller_listener_name = "CTRL";
  EXPECT_TRUE(Described(0).nodes.empty());
  EXPECT_TRUE(Described(1).nodes.empty());
  const auto response = Described(2);
  ASSERT_EQ(response.nodes.size(), 1u);
  EXPECT_EQ(response.nodes[0].node_id, 9);
  ASSERT_EQ(response.nodes[0].listeners.size(), 1u);
  EXPECT_EQ(response.nodes[0].listeners[0].name, "CTRL");
  EXPECT_EQ(response.nodes[0].listeners[0].host, "c9");
  EXPECT_EQ(response.nodes[0].listeners[0].port, 1);
}

TEST_F(DescribeQuorumTest, WhereAllIsWellThereAreNoMessages) {
  const auto response = Described(2);
  EXPECT_FALSE(response.error_message.has_value());
  EXPECT_FALSE(response.topics.at(0).partitions.at(0).error_message.has_value());
}

TEST_F(DescribeQuorumTest, AnyOtherPartitionIsUnknownAndNobodyIsAsked) {
  DescribeQuorumRequest both = Request();
  both.topics.push_back(Asked("orders", {3}).topics[0]);
  for (const DescribeQuorumRequest& request :
       {Asked("orders", {0}), Asked("__cluster_metadata", {1}), Asked("__cluster_metadata", {0, 0}),
        both}) {
    for (int16_t version = 0; version <= 2; ++version) {
      const auto response = Call<DescribeQuorumResponse>(request, version);
      EXPECT_EQ(response.error_code, 0);
      ASSERT_EQ(response.topics.size(), request.topics.size());
      for (size_t i = 0; i < request.topics.size(); ++i) {
        EXPECT_EQ(response.topics[i].topic_name, request.topics[i].topic_name);
        ASSERT_EQ(response.topics[i].partitions.size(), request.topics[i].partitions.size());
        for (size_t j = 0; j < request.topics[i].partitions.size(); ++j) {
          const auto& partition = response.topics[i].partitions[j];
          EXPECT_EQ(partition.partition_index, request.topics[i].partitions[j].partition_index);
          EXPECT_EQ(partition.error_code, Code(KafkaError::kUnknownTopicOrPartition));
          EXPECT_EQ(partition.leader_id, -1);
        }
      }
    }
  }
  EXPECT_TRUE(Call<DescribeQuorumResponse>(DescribeQuorumRequest(), 2).topics.empty());
  EXPECT_TRUE(rpc.made.empty());
}

TEST_F(DescribeQuorumTest, WithoutAControllerARequestTimesOutAndSaysWhy) {
  for (int16_t version = 0; version <= 2; ++version) {
    const auto exchange = Send(Request(), version);
    const MonoTime asked = loop.Now();
    for (int i = 0; i < 1000 && !exchange->answered; ++i) {
      if (!rpc.calls.empty()) rpc.Fail(kMethod, absl::UnavailableError("down"));
      loop.Advance(std::chrono::milliseconds(50));
    }
    EXPECT_LT(loop.Now() - asked, std::chrono::seconds(11));
    const auto response = Answer<DescribeQuorumResponse>(*exchange, version);
    EXPECT_EQ(response.error_code, Code(KafkaError::kRequestTimedOut));
    EXPECT_TRUE(response.topics.empty());
    EXPECT_EQ(response.error_message.value_or("").find("down") != std::string::npos, version >= 2);
  }
}

TEST_F(DescribeQuorumTest, TheControllersRefusalIsTheWholeAnswers) {
  const auto exchange = Send(Request(), 2);
  pb::DescribeQuorumResponse refusal;
  refusal.mutable_header()->set_error(Code(KafkaError::kClusterAuthorizationFailed));
  refusal.mutable_header()->set_error_message("no");
  rpc.Answer(kMethod, refusal);
  const auto response = Answer<DescribeQuorumResponse>(*exchange, 2);
  EXPECT_EQ(response.error_code, Code(KafkaError::kClusterAuthorizationFailed));
  EXPECT_EQ(response.error_message, "no");
}

}  // namespace
}  // namespace quorate
