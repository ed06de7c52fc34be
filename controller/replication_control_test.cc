// Leaders, in-sync replicas and AlterPartition, through the controller's calls.
#include "controller/replication_control.h"

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

class ReplicationControlTest : public ::testing::Test {
 protected:
  ReplicationControlTest() {
    h.quorum.Lead();
    for (int id : {1, 2, 3}) h.StartBroker(id, id);
    pb::CreateTopicsRequest request;
    request.mutable_caller()->set_cluster_id("cluster");
    request.mutable_caller()->set_broker_id(-1);
    auto* topic = request.add_topics();
    topic->set_name("a");
    topic->set_partitions(-1);
    topic->set_replication_factor(-1);
    auto* list = topic->add_assignments();
    for (int id : {1, 2, 3}) list->add_values(id);
    auto* config = topic->add_configs();
    config->set_name("min.insync.replicas");
    config->set_value("2");
    QCHECK_EQ(h.Do<pb::CreateTopicsResponse>("CreateTopics", request).topics(0).error(), 0);
  }

  int Propose(const pb::AlterPartitionRequest& request) {
    const auto response = h.Do<pb::AlterPartitionResponse>("AlterPartition", request);
    return response.header().error() != 0 ? response.header().error()
                                          : response.partitions(0).error();
  }
  PartitionState P() { return h.Partition("a", 0); }

  ControllerHarness h;
};

TEST_F(ReplicationControlTest, ALeaderShrinksAndExpandsItsIsr) {
  const auto answer =
      h.Call<pb::AlterPartitionResponse>("AlterPartition", h.Proposal("a", 0, {1, 3}));
  EXPECT_FALSE(answer.done());
  h.quorum.CommitAll();
  const auto partition = (*answer).partitions(0);
  EXPECT_EQ(partition.error(), 0);
  EXPECT_EQ(partition.leader(), 1);
  EXPECT_EQ(partition.isr_size(), 2);
  EXPECT_EQ(partition.partition_epoch(), 1);
  EXPECT_EQ(partition.leader_epoch(), 0);
  EXPECT_EQ(P().isr, Replicas({1, 3}));
  EXPECT_EQ(h.AlterIsr("a", 0, {3, 2, 1}), 0);
  EXPECT_EQ(P().isr, Replicas({1, 2, 3}));
  EXPECT_EQ(h.LastCause().trigger, "AlterPartition");
}

TEST_F(ReplicationControlTest, AProposalThatChangesNothingIsAnsweredWithoutARecord) {
  const size_t before = h.quorum.log().size();
  EXPECT_EQ(h.AlterIsr("a", 0, {1, 2, 3}), 0);
  EXPECT_EQ(h.quorum.log().size(), before);
  EXPECT_EQ(P().partition_epoch, PartitionEpoch(0));
}

TEST_F(ReplicationControlTest, AProposalThatIsNotNewerThanTheLastIsNotCarriedOut) {  // I11, B7
  auto refused = h.Proposal("a", 0, {1, 9});
  refused.set_sequence(5);
  EXPECT_EQ(Propose(refused), Code(KafkaError::kInvalidRequest));
  auto late = h.Proposal("a", 0, {1, 3});
  for (int64_t sequence : {4, 5}) {
    late.set_sequence(sequence);
    EXPECT_EQ(Propose(late), Code(KafkaError::kRequestTimedOut));
  }
  EXPECT_EQ(P().isr, Replicas({1, 2, 3}));
  late.set_sequence(6);
  EXPECT_EQ(Propose(late), 0);
  EXPECT_EQ(P().isr, Replicas({1, 3}));
}

TEST_F(ReplicationControlTest, UnknownPartitionsAreRefused) {
  auto request = h.Proposal("a", 0, {1});
  request.mutable_partitions(0)->set_partition(7);
  EXPECT_EQ(Propose(request), Code(KafkaError::kUnknownTopicOrPartition));
  request.mutable_partitions(0)->set_topic_id(std::string(16, 'x'));
  EXPECT_EQ(Propose(request), Code(KafkaError::kUnknownTopicId));
  request.mutable_partitions(0)->set_topic_id("x");
  EXPECT_EQ(Propose(request), Code(KafkaError::kUnknownTopicId));
}

TEST_F(ReplicationControlTest, OnlyTheLeaderMayPropose) {
  auto request = h.Proposal("a", 0, {1, 2});
  *request.mutable_caller() = h.Caller(2);
  EXPECT_EQ(Propose(request), Code(KafkaError::kInvalidRequest));
}

TEST_F(ReplicationControlTest, AnOlderLeaderEpochIsFenced) {
  auto request = h.Proposal("a", 0, {1, 2});
  h.Kill(1);
  EXPECT_EQ(P().leader, NodeId(2));
  auto late = h.Proposal("a", 0, {2});
  late.mutable_partitions(0)->set_leader_epoch(0);
  EXPECT_EQ(Propose(late), Code(KafkaError::kFencedLeaderEpoch));
}

// B6: whoever knows more has it from a newer controller.
TEST_F(ReplicationControlTest, NewerEpochsMeanThatThisIsNotTheController) {
  auto request = h.Proposal("a", 0, {1, 2});
  request.mutable_partitions(0)->set_leader_epoch(1);
  EXPECT_EQ(Propose(request), Code(KafkaError::kNotController));
  request = h.Proposal("a", 0, {1, 2});
  request.mutable_partitions(0)->set_partition_epoch(1);
  EXPECT_EQ(Propose(request), Code(KafkaError::kNotController));
}

// B7: a duplicate of a proposal that was carried out.
TEST_F(ReplicationControlTest, AnOlderPartitionEpochIsRefused) {
  const auto request = h.Proposal("a", 0, {1, 2});
  EXPECT_EQ(Propose(request), 0);
  EXPECT_EQ(Propose(request), Code(KafkaError::kInvalidUpdateVersion));
  EXPECT_EQ(P().partition_epoch, PartitionEpoch(1));
}

TEST_F(ReplicationControlTest, TheProposedIsrIsReplicasWithTheLeader) {
  EXPECT_EQ(Propose(h.Proposal("a", 0, {2, 3})), Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(Propose(h.Proposal("a", 0, {1, 1})), Code(KafkaError::kInvalidRequest));
  h.StartBroker(4, 4);
  EXPECT_EQ(Propose(h.Proposal("a", 0, {1, 4})), Code(KafkaError::kInvalidRequest));
}

// B4 (KIP-841), in either order.
TEST_F(ReplicationControlTest, AFencedBrokerIsIneligible) {
  auto before = h.Proposal("a", 0, {1, 2, 3});
  EXPECT_EQ(h.AlterIsr("a", 0, {1, 2}), 0);
  before = h.Proposal("a", 0, {1, 2, 3});
  h.Kill(3);
  EXPECT_EQ(Propose(before), Code(KafkaError::kIneligibleReplica));
  EXPECT_EQ(P().isr, Replicas({1, 2}));
}

// B5 (KIP-903): the broker restarted between its fetch and the proposal.
TEST_F(ReplicationControlTest, AMemberWithAnotherBrokerEpochIsIneligible) {
  EXPECT_EQ(h.AlterIsr("a", 0, {1, 2}), 0);
  const auto old = h.Proposal("a", 0, {1, 2, 3});
  h.BreakSession(3);
  h.StartBroker(3, 13);
  EXPECT_EQ(Propose(old), Code(KafkaError::kIneligibleReplica));
  EXPECT_EQ(Propose(h.Proposal("a", 0, {1, 2, 3})), 0);
}

TEST_F(ReplicationControlTest, AnUnchangedMemberNeedsNoEpochANewOneDoes) {
  auto request = h.Proposal("a", 0, {1, 2});
  for (auto& member : *request.mutable_partitions(0)->mutable_new_isr()) {
    member.set_broker_epoch(-1);
  }
  EXPECT_EQ(Propose(request), 0);
  request = h.Proposal("a", 0, {1, 2, 3});
  request.mutable_partitions(0)->mutable_new_isr(2)->set_broker_epoch(-1);
  EXPECT_EQ(Propose(request), Code(KafkaError::kIneligibleReplica));
}

TEST_F(ReplicationControlTest, FallingBelowTheMinimumKeepsTheElr) {
  EXPECT_EQ(h.AlterIsr("a", 0, {1}), 0);
  EXPECT_EQ(P().elr, Replicas({2, 3}));
  EXPECT_EQ(h.AlterIsr("a", 0, {1, 3}), 0);
  EXPECT_EQ(P().elr, Replicas({}));
}

// B1: the last in-sync replica dies, the eligible ones come back.
TEST_F(ReplicationControlTest, AnEligibleReplicaLeadsWhenTheIsrIsGone) {
  EXPECT_EQ(h.AlterIsr("a", 0, {1}), 0);
  h.Kill(1);
  EXPECT_EQ(P().leader, NodeId(2));
  EXPECT_EQ(P().isr, Replicas({2}));
  EXPECT_EQ(P().elr, Replicas({1, 3}));
  EXPECT_FALSE(P().leader_recovering);
}

TEST_F(ReplicationControlTest, WithoutCandidatesThereIsNoLeaderUntilOneReturns) {
  const int64_t epoch = h.controller->committed().FindBroker(NodeId(2))->epoch.value();
  h.Kill(3);
  h.Kill(1);
  EXPECT_EQ(P().leader, NodeId(2));
  h.Kill(2);
  EXPECT_EQ(P().leader, kNoNode);
  EXPECT_EQ(P().elr, Replicas({1, 2}));
  h.StartBroker(3, 13);
  EXPECT_EQ(P().leader, kNoNode);  // 3 may lack committed records
  h.StartBroker(2, 12, epoch);
  EXPECT_EQ(P().leader, NodeId(2));
}

// B14: allowed by the topic only.
TEST_F(ReplicationControlTest, UncleanElectionNeedsTheTopicsConsent) {
  h.Kill(3);
  h.Kill(1);
  h.Kill(2);
  h.StartBroker(3, 13);
  EXPECT_EQ(P().leader, kNoNode);
  pb::AlterConfigsRequest request;
  request.mutable_caller()->set_cluster_id("cluster");
  request.mutable_caller()->set_broker_id(-1);
  auto* resource = request.add_resources();
  resource->set_type(pb::ConfigRecord::TOPIC);
  resource->set_name("a");
  auto* entry = resource->add_entries();
  entry->set_name("unclean.leader.election.enable");
  entry->set_value("true");
  EXPECT_EQ(h.Do<pb::AlterConfigsResponse>("AlterConfigs", request).resources(0).error(), 0);
  EXPECT_EQ(P().leader, NodeId(3));
  EXPECT_TRUE(P().leader_recovering);
  // While it recovers it is alone; then it says so.
  auto alone = h.Proposal("a", 0, {3});
  alone.mutable_partitions(0)->set_leader_recovering(true);
  EXPECT_EQ(Propose(alone), 0);
  EXPECT_TRUE(P().leader_recovering);
  EXPECT_EQ(h.AlterIsr("a", 0, {3}), 0);
  EXPECT_FALSE(P().leader_recovering);
  auto back = h.Proposal("a", 0, {3});
  back.mutable_partitions(0)->set_leader_recovering(true);
  EXPECT_EQ(Propose(back), Code(KafkaError::kInvalidRequest));
}

TEST_F(ReplicationControlTest, LeadershipReturnsToThePreferredReplicaOnceInSync) {
  h.Kill(1);
  EXPECT_EQ(P().leader, NodeId(2));
  h.StartBroker(1, 11);
  const auto beat_for = [&](int ms) {
    for (int t = 0; t < ms; t += 500) {
      for (int id : {1, 2, 3}) h.Beat(id);
      h.loop.Advance(Millis(500));
      h.quorum.CommitAll();
    }
  };
  beat_for(6000);
  EXPECT_EQ(P().leader, NodeId(2));  // not in sync yet
  EXPECT_EQ(h.AlterIsr("a", 0, {1, 2, 3}), 0);
  EXPECT_EQ(P().leader, NodeId(2));
  beat_for(6000);
  EXPECT_EQ(P().leader, NodeId(1));
  EXPECT_TRUE(h.controller->partition_lookup().not_preferred().empty());
}

// A broker with more partitions than one batch can hold.
TEST_F(ReplicationControlTest, FencingIsSplitOverBatchesIfItHasTo) {
  h.CreateTopic("big", 400, 3);
  h.quorum.set_max_batch_bytes(8000);
  const size_t before = h.quorum.log().size();
  h.Kill(2);
  EXPECT_GT(h.quorum.log().size(), before + 2);
  for (int p = 0; p < 400; ++p) {
    EXPECT_FALSE(Contains(h.Partition("big", p).isr, NodeId(2)));
    EXPECT_NE(h.Partition("big", p).leader, kNoNode);
  }
}

// A controller that was deposed half way: the next one finishes.
TEST_F(ReplicationControlTest, ANewControllerFinishesAHalfDoneFencing) {
  h.CreateTopic("big", 400, 3);
  h.quorum.set_max_batch_bytes(8000);
  h.BreakSession(2);
  h.loop.Advance(Millis(60));
  ASSERT_TRUE(h.quorum.CommitOne());
  h.quorum.Follow(NodeId(101), false);
  EXPECT_TRUE(h.controller->committed().FindBroker(NodeId(2))->fenced);
  EXPECT_TRUE(Contains(h.Partition("big", 399).isr, NodeId(2)));
  h.quorum.Lead();
  h.quorum.CommitAll();
  for (int p = 0; p < 400; ++p) EXPECT_FALSE(Contains(h.Partition("big", p).isr, NodeId(2)));
  EXPECT_EQ(h.LastCause().trigger, "controller-activated");
}

}  // namespace
}  // namespace quorate
