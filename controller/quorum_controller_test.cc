#include "controller/quorum_controller.h"

#include "controller/controller_service.h"
#include "controller/image/image_loader.h"
#include "controller/image/testing/records.h"
#include "controller/testing/controller_harness.h"
#include "gtest/gtest.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::Code;
using kafka::KafkaError;
using testing::ControllerHarness;

pb::CreateTopicsRequest CreateRequest(const std::string& name) {
  pb::CreateTopicsRequest request;
  request.mutable_caller()->set_cluster_id("cluster");
  request.mutable_caller()->set_broker_id(-1);
  auto* topic = request.add_topics();
  topic->set_name(name);
  topic->set_partitions(1);
  topic->set_replication_factor(1);
  return request;
}

TEST(QuorumControllerTest, EveryMethodIsServed) {
  ControllerHarness h;
  EXPECT_EQ(h.server.methods(), ControllerService::Methods().size());
}

TEST(QuorumControllerTest, AStandbyAnswersNotControllerWithTheLeaderItKnows) {
  ControllerHarness h;
  h.quorum.Follow(NodeId(101), true);
  const auto answer = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));
  ASSERT_TRUE(answer.done());
  EXPECT_EQ(answer.error(), Code(KafkaError::kNotController));
  EXPECT_EQ((*answer).header().leader_id(), 101);
  EXPECT_EQ((*answer).header().term(), 1);
  EXPECT_FALSE((*answer).header().error_message().empty());
}

TEST(QuorumControllerTest, ARequestThatDoesNotParseFailsTheCall) {
  ControllerHarness h;
  h.quorum.Lead();
  for (const std::string& method : ControllerService::Methods()) {
    EXPECT_EQ(h.server.Call(method, "\xff\xff")->failed.code(), absl::StatusCode::kInvalidArgument)
        << method;
  }
}

TEST(QuorumControllerTest, ASnapshotIsTheStateThatAStandbyFollowsFrom) {  // E3
  ControllerHarness h;
  h.quorum.Follow(NodeId(101), true);
  const Uuid id = testing::TestUuid(1);
  auto snapshot = std::make_shared<MetadataSnapshot>();
  snapshot->end = LogIndex(10);
  snapshot->term = Term(1);
  snapshot->records = {testing::RegisterRecord(1, 7), testing::TopicRecord("a", id),
                       testing::PartitionRecord(id, 0, {1})};
  h.controller->OnSnapshot(snapshot);
  EXPECT_TRUE(h.controller->failure().ok());
  EXPECT_EQ(h.controller->committed().index(), LogIndex(10));
  EXPECT_NE(h.controller->committed().FindTopicByName("a"), nullptr);
  EXPECT_EQ(h.controller->speculative().hash(), h.controller->committed().hash());
  EXPECT_EQ(h.controller->partition_lookup().PartitionsOf(NodeId(1)).size(), 1u);
  // What the next one lacks is gone.
  auto next = std::make_shared<MetadataSnapshot>();
  next->end = LogIndex(20);
  next->term = Term(2);
  h.controller->OnSnapshot(next);
  EXPECT_TRUE(h.controller->committed().topics().empty());
  EXPECT_TRUE(h.controller->partition_lookup().PartitionsOf(NodeId(1)).empty());
}

TEST(QuorumControllerTest, ADeposedControllerTellsAllWhoWaitAndDropsItsSpeculation) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  const StateHash before = h.controller->committed().hash();
  const auto answer = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));
  EXPECT_NE(h.controller->speculative().FindTopicByName("a"), nullptr);
  h.quorum.Follow(NodeId(101), false);
  ASSERT_TRUE(answer.done());
  EXPECT_EQ(answer.error(), Code(KafkaError::kNotController));
  EXPECT_EQ((*answer).topics_size(), 0);
  EXPECT_FALSE(h.controller->active());
  EXPECT_EQ(h.controller->speculative().hash(), before);
  EXPECT_TRUE(h.controller->partition_lookup().PartitionsOf(NodeId(1)).empty());
}

TEST(QuorumControllerTest, WhatTheNextLeaderCommitsAfterAllIsTakenOver) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));
  h.quorum.Follow(NodeId(101), true);
  EXPECT_NE(h.controller->committed().FindTopicByName("a"), nullptr);
  EXPECT_EQ(h.controller->partition_lookup().PartitionsOf(NodeId(1)).size(), 1u);
}

TEST(QuorumControllerTest, OfficeCanBeRegained) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  h.quorum.Follow(NodeId(101), true);
  h.quorum.Lead();
  EXPECT_EQ(h.CreateTopic("a", 1, 1).error(), 0);
  h.quorum.Lead();  // elected again, without another in between
  EXPECT_EQ(h.CreateTopic("b", 1, 1).error(), 0);
}

TEST(QuorumControllerTest, TheTermsControlRecordMayBeCommittedLate) {
  ControllerHarness h;
  h.quorum.Lead(/*control_late=*/true);
  EXPECT_TRUE(h.controller->active());
  h.StartBroker(1, 1);
  EXPECT_EQ(h.CreateTopic("a", 1, 1).error(), 0);
}

TEST(QuorumControllerTest, RequestsDoNotWaitForEachOthersCommit) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  const auto a = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));
  const auto b = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("b"));
  EXPECT_EQ(h.quorum.uncommitted(), 2u);
  h.quorum.CommitOne();
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  h.quorum.CommitOne();
  EXPECT_TRUE(b.done());
  EXPECT_GT((*b).log_index(), (*a).log_index());
}

TEST(QuorumControllerTest, ARefusedProposalLeavesNothingBehind) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  const StateHash before = h.controller->speculative().hash();
  h.quorum.FailProposals(absl::UnavailableError("the log's disk is full"));
  auto answer = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));
  EXPECT_EQ(answer.error(), Code(KafkaError::kNotController));
  EXPECT_EQ(h.controller->speculative().hash(), before);
  h.quorum.FailProposals(absl::OkStatus());
  EXPECT_EQ(h.CreateTopic("a", 1, 1).error(), 0);
}

TEST(QuorumControllerTest, ARefusalHalfWayKeepsWhatWasProposed) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  h.quorum.set_max_batch_bytes(6000);
  pb::CreateTopicsRequest request = CreateRequest("a");
  for (int i = 0; i < 30; ++i)
    *request.add_topics() = CreateRequest("t" + std::to_string(i)).topics(0);
  h.quorum.FailProposals(absl::UnavailableError("full"), 1);
  const auto answer = h.Call<pb::CreateTopicsResponse>("CreateTopics", request);
  EXPECT_EQ(answer.error(), Code(KafkaError::kNotController));
  EXPECT_NE(h.controller->speculative().FindTopicByName("a"), nullptr);
  EXPECT_EQ(h.controller->speculative().FindTopicByName("t29"), nullptr);
  h.quorum.FailProposals(absl::OkStatus());
  h.quorum.CommitAll();
  EXPECT_EQ(h.controller->committed().hash(), h.controller->speculative().hash());
}

TEST(QuorumControllerTest, TooManyWaitingOperationsRefuseClientsButNotBrokers) {
  auto config = ControllerHarness::Config();
  config.max_waiting = 2;
  ControllerHarness h(config);
  h.quorum.Lead();
  h.StartBroker(1, 1);
  for (const char* name : {"a", "b"}) {
    h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest(name));
  }
  const auto refused = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("c"));
  ASSERT_TRUE(refused.done());
  EXPECT_EQ(refused.error(), Code(KafkaError::kRequestTimedOut));
  pb::AllocateProducerIdsRequest ids;
  *ids.mutable_caller() = h.Caller(1);
  const auto broker = h.Call<pb::AllocateProducerIdsResponse>("AllocateProducerIds", ids);
  h.quorum.CommitAll();
  EXPECT_EQ(broker.error(), 0);
}

// I29, F4: blocks are disjoint, over controllers too.
TEST(QuorumControllerTest, ProducerIdBlocksNeverOverlap) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  pb::AllocateProducerIdsRequest request;
  *request.mutable_caller() = h.Caller(1);
  const auto first = h.Call<pb::AllocateProducerIdsResponse>("AllocateProducerIds", request);
  const auto second = h.Call<pb::AllocateProducerIdsResponse>("AllocateProducerIds", request);
  EXPECT_FALSE(first.done());
  h.quorum.CommitAll();
  EXPECT_EQ((*first).first(), 0);
  EXPECT_EQ((*first).count(), 1000);
  EXPECT_EQ((*second).first(), 1000);
  const auto lost = h.Call<pb::AllocateProducerIdsResponse>("AllocateProducerIds", request);
  h.quorum.Follow(NodeId(101), true);  // committed by the next leader, never answered
  EXPECT_EQ(lost.error(), Code(KafkaError::kNotController));
  h.quorum.Lead();
  h.Beat(1);
  EXPECT_EQ(h.Do<pb::AllocateProducerIdsResponse>("AllocateProducerIds", request).first(), 3000);
}

TEST(QuorumControllerTest, ARecordThatCannotBeReplayedEndsItsOfficeWithoutACrash) {
  ControllerHarness h;
  auto batch = std::make_shared<MetadataBatch>();
  batch->term = Term(1);
  batch->records = {testing::FenceRecord(9, 9, true)};
  h.controller->OnCommit({batch});
  EXPECT_FALSE(h.controller->failure().ok());
  h.controller->OnBecomeActive(Term(2));
  EXPECT_FALSE(h.controller->active());
}

TEST(QuorumControllerTest, CallsAndTimersAfterDestructionDoNothing) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  auto waiting = h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));
  h.controller.reset();
  EXPECT_TRUE(waiting.state().dropped);
  EXPECT_TRUE(h.server.Call("Controller.CreateTopics", "")->dropped);
  h.loop.Advance(Millis(20000));
}

TEST(QuorumControllerTest, TheQuorumIsDescribedAsItsLeaderSeesIt) {
  ControllerHarness h;
  h.quorum.Lead();
  h.quorum.set_replicas({{NodeId(100), testing::TestUuid(1), true, 5, 0, 0, 0},
                         {NodeId(7), testing::TestUuid(2), false, 3, 2, 40, -1}});
  h.StartBroker(1, 1);
  h.Call<pb::CreateTopicsResponse>("CreateTopics", CreateRequest("a"));  // not committed
  const auto answer =
      h.Call<pb::DescribeQuorumResponse>("DescribeQuorum", pb::DescribeQuorumRequest());
  ASSERT_TRUE(answer.done());  // without waiting for a commit
  EXPECT_EQ(answer.error(), 0);
  EXPECT_EQ((*answer).wall_time_ms(), h.loop.WallNow());
  const pb::QuorumStatusResponse status = (*answer).status();
  EXPECT_EQ(status.cluster_id(), ControllerHarness::Config().cluster_id);
  EXPECT_EQ(status.node_id(), 100);
  EXPECT_EQ(status.leader_id(), 100);
  EXPECT_EQ(status.role(), "leader");
  EXPECT_EQ(status.term(), 1);
  EXPECT_EQ(status.commit_index(), h.quorum.commit_index().value());
  EXPECT_EQ(status.log_end_index(), h.quorum.log_end_index().value());
  EXPECT_GT(status.log_end_index(), status.commit_index());
  ASSERT_EQ(status.replicas_size(), 2);
  EXPECT_EQ(status.replicas(0).node_id(), 100);
  EXPECT_TRUE(status.replicas(0).voter());
  EXPECT_EQ(status.replicas(1).node_id(), 7);
  EXPECT_EQ(status.replicas(1).directory_id(), testing::TestUuid(2).ToBytes());
  EXPECT_FALSE(status.replicas(1).voter());
  EXPECT_EQ(status.replicas(1).log_end_index(), 3);
  EXPECT_EQ(status.replicas(1).lag(), 2);
  EXPECT_EQ(status.replicas(1).last_fetch_age_ms(), 40);
  EXPECT_EQ(status.replicas(1).last_caught_up_age_ms(), -1);
}

TEST(QuorumControllerTest, AControllerThatHasJustResignedDoesNotDescribeTheQuorum) {
  ControllerHarness h;
  h.quorum.Lead();
  h.quorum.ForgetLeaderInStatus();
  ASSERT_TRUE(h.controller->active());
  const auto answer =
      h.Call<pb::DescribeQuorumResponse>("DescribeQuorum", pb::DescribeQuorumRequest());
  EXPECT_EQ(answer.error(), Code(KafkaError::kNotController));
}

TEST(QuorumControllerTest, ALeaderThatCannotConfirmThatItLeadsDoesNotDescribeTheQuorum) {  // C17
  ControllerHarness h;
  h.quorum.Lead();
  h.quorum.leadership_confirmation = absl::FailedPreconditionError("replaced meanwhile");
  const auto answer =
      h.Call<pb::DescribeQuorumResponse>("DescribeQuorum", pb::DescribeQuorumRequest());
  EXPECT_EQ(answer.error(), Code(KafkaError::kNotController));
}

TEST(QuorumControllerTest, AChangeOfVotersIsTheQuorumsToMakeAndItsRefusalsHaveKafkasCodes) {
  ControllerHarness h;
  h.quorum.Lead();
  pb::AdminChangeVotersRequest request;
  request.mutable_change()->set_kind(pb::ChangeVotersRequest::REMOVE);
  request.mutable_change()->mutable_voter()->set_node_id(7);
  EXPECT_EQ(h.Call<pb::AdminChangeVotersResponse>("ChangeVoters", request).error(), 0);
  ASSERT_EQ(h.quorum.voter_changes.size(), 1u);
  EXPECT_EQ(h.quorum.voter_changes[0].kind, VoterChange::Kind::kRemove);
  EXPECT_EQ(h.quorum.voter_changes[0].voter.node, NodeId(7));
  const std::pair<absl::Status, KafkaError> refusals[] = {
      {absl::NotFoundError(""), KafkaError::kVoterNotFound},
      {absl::AlreadyExistsError(""), KafkaError::kDuplicateVoter},
      {absl::FailedPreconditionError(""), KafkaError::kUnsupportedVersion},
      {absl::InvalidArgumentError(""), KafkaError::kInvalidRequest},
      {absl::UnavailableError(""), KafkaError::kRequestTimedOut}};
  for (const auto& [status, error] : refusals) {
    h.quorum.voter_change_result = status;
    EXPECT_EQ(h.Call<pb::AdminChangeVotersResponse>("ChangeVoters", request).error(), Code(error));
  }
  request.mutable_change()->set_cluster_id("another");  // C29
  EXPECT_EQ(h.Call<pb::AdminChangeVotersResponse>("ChangeVoters", request).error(),
            Code(KafkaError::kInconsistentClusterId));
  EXPECT_EQ(h.quorum.voter_changes.size(), 6u);
}

TEST(QuorumControllerTest, TheLoadersImageIsTheControllers) {
  ControllerHarness h;
  h.quorum.Lead();
  for (int id : {1, 2, 3}) h.StartBroker(id, id);
  h.CreateTopic("a", 5, 3);
  h.Kill(2);
  ImageLoader loader(&h.loop);
  std::vector<std::shared_ptr<const CommittedBatch>> batches;
  for (const auto& batch : h.quorum.log()) {
    auto copy = std::make_shared<CommittedBatch>();
    *copy = {batch->first, batch->term,    batch->append_time,
             batch->cause, batch->control, batch->records};
    batches.push_back(std::move(copy));
  }
  ASSERT_TRUE(loader.Apply(batches).ok());
  loader.Flush();
  EXPECT_EQ(loader.image()->hash(), h.controller->committed().hash());
  EXPECT_EQ(loader.image()->index(), h.controller->committed().index());
}

// D16: a controller whose state was stored never sees the log's beginning.
TEST(QuorumControllerTest, ARestoredStateIsAsGoodAsTheReplayedOne) {
  ControllerHarness h;
  h.quorum.Lead();
  h.StartBroker(1, 1);
  h.StartBroker(2, 2);
  ASSERT_EQ(h.CreateTopic("a", 3, 2).error(), 0);
  h.Kill(2);  // some partitions have lost their preferred leader
  h.quorum.CommitAll();
  const MetadataImage& stored = h.controller->committed();

  testing::FakeQuorum quorum(NodeId(ControllerHarness::kSelf), stored.index());
  QuorumController restored(ControllerHarness::Config(), &h.loop, &h.random, &quorum);
  restored.Restore(stored);
  EXPECT_EQ(restored.committed().hash(), stored.hash());
  EXPECT_EQ(restored.speculative().hash(), stored.hash());
  for (int broker : {1, 2}) {
    EXPECT_EQ(restored.partition_lookup().PartitionsOf(NodeId(broker)),
              h.controller->partition_lookup().PartitionsOf(NodeId(broker)));
  }
  EXPECT_FALSE(restored.partition_lookup().not_preferred().empty());
  EXPECT_EQ(restored.partition_lookup().not_preferred(),
            h.controller->partition_lookup().not_preferred());
  quorum.Lead();
  EXPECT_TRUE(restored.active());
  EXPECT_TRUE(restored.failure().ok());
  EXPECT_NE(restored.committed().FindTopicByName("a"), nullptr);
}

}  // namespace
}  // namespace quorate
