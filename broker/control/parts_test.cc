// ImageView, ProducerIdAllocator, IsrChannel, TopicCreator.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/control/image_view.h"
#include "broker/control/isr_channel.h"
#include "broker/control/producer_id_allocator.h"
#include "broker/control/topic_creator.h"
#include "broker/testing/fake_rpc.h"
#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using testing::TestUuid;

class PartsTest : public ::testing::Test {
 protected:
  static ImagePtr ImageAt(int64_t index) {
    std::vector<std::string> records;
    for (int i = 0; i < index; ++i) {
      records.push_back(testing::TopicRecord("t" + std::to_string(i), TestUuid(i + 1)));
    }
    return std::make_shared<const MetadataImage>(testing::ImageOf(records));
  }

  TestLoop loop;
  FakeRpcClient rpc;
  SeededRandom random{1};
  ControllerChannel channel{
      &loop, &rpc, &random, {{NodeId(1), {"c1", 1}}}, [] { return NodeId(1); }};
  ImageView images{&loop};
};

TEST_F(PartsTest, WaitForRunsAtOnceForAnIndexThatIsThere) {
  images.Update(ImageAt(3));
  int reached = -1;
  images.WaitFor(LogIndex(3), MonoTime::Max(), [&](bool ok) { reached = ok; });
  EXPECT_EQ(reached, 1);
}

TEST_F(PartsTest, WaitForRunsWhenTheIndexIsReachedOrAtTheDeadline) {
  std::vector<std::pair<int, bool>> ran;
  for (int index : {4, 2, 9}) {
    images.WaitFor(LogIndex(index), loop.Now() + std::chrono::seconds(1),
                   [&ran, index](bool ok) { ran.emplace_back(index, ok); });
  }
  images.Update(ImageAt(1));
  EXPECT_TRUE(ran.empty());
  images.Update(ImageAt(4));
  EXPECT_EQ(ran, (std::vector<std::pair<int, bool>>{{2, true}, {4, true}}));
  loop.Advance(std::chrono::seconds(2));
  EXPECT_EQ(ran.back(), std::make_pair(9, false));
  EXPECT_EQ(loop.timer_count(), 0u);
}

// --- ProducerIdAllocator ---

class ProducerIdTest : public PartsTest {
 protected:
  static constexpr char kMethod[] = "Controller.AllocateProducerIds";
  void GiveBlock(int64_t first, int count) {
    pb::AllocateProducerIdsResponse response;
    response.set_first(first);
    response.set_count(count);
    rpc.Answer(kMethod, response);
  }
  void Ask() {
    allocator.Allocate([this](absl::StatusOr<ProducerId> id) {
      if (id.ok()) {
        given.push_back(id->value());
      } else {
        ++failures;
      }
    });
  }
  ProducerIdAllocator allocator{
      &loop, &channel, {"cluster", NodeId(5)}, [] { return BrokerEpoch(7); }};
  std::vector<int64_t> given;
  int failures = 0;
};

TEST_F(ProducerIdTest, GivesTheIdsOfABlockInOrderEachOnce) {
  Ask();
  Ask();
  EXPECT_EQ(rpc.made[kMethod], 1);
  EXPECT_EQ(rpc.RequestOf<pb::AllocateProducerIdsRequest>(kMethod).caller().broker_epoch(), 7);
  GiveBlock(1000, 1000);
  Ask();
  EXPECT_EQ(given, (std::vector<int64_t>{1000, 1001, 1002}));
}

TEST_F(ProducerIdTest, AsksForTheNextBlockBeforeTheLastIdIsGone) {
  Ask();
  GiveBlock(0, 1000);
  while (given.size() < 950) Ask();
  EXPECT_EQ(rpc.made[kMethod], 2);
  GiveBlock(5000, 1000);
  while (given.size() < 2000) Ask();
  EXPECT_EQ(given[999], 999);
  EXPECT_EQ(given[1000], 5000);
  EXPECT_EQ(std::set<int64_t>(given.begin(), given.end()).size(), 2000u);
}

TEST_F(ProducerIdTest, FailsThoseWhoWaitWhenNoControllerAnswers) {
  Ask();
  Ask();
  for (int i = 0; i < 100 && failures == 0; ++i) {
    if (rpc.Find(kMethod) != RpcCallId::kNone) rpc.Fail(kMethod, absl::UnavailableError("down"));
    loop.Advance(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(failures, 2);
  Ask();
  GiveBlock(0, 10);
  EXPECT_EQ(given, std::vector<int64_t>{0});
}

TEST_F(ProducerIdTest, ABlockSmallerThanTheQueueIsFollowedByAnother) {
  for (int i = 0; i < 5; ++i) Ask();
  GiveBlock(0, 2);
  EXPECT_EQ(given.size(), 2u);
  GiveBlock(10, 2);
  GiveBlock(20, 2);
  EXPECT_EQ(given, (std::vector<int64_t>{0, 1, 10, 11, 20}));
}

// --- IsrChannel ---

class IsrChannelTest : public PartsTest {
 protected:
  static constexpr char kMethod[] = "Controller.AlterPartition";
  void Propose(int partition) {
    IsrProposal proposal;
    proposal.partition = {TestUuid(1), PartitionIndex(partition)};
    proposal.leader_epoch = LeaderEpoch(4);
    proposal.partition_epoch = PartitionEpoch(6);
    proposal.isr = {{NodeId(5), kNoBrokerEpoch}, {NodeId(6), BrokerEpoch(33)}};
    isr->Submit(proposal, [this, partition](const IsrOutcome& outcome) {
      outcomes.emplace_back(partition, outcome);
    });
  }
  static void AddAnswer(pb::AlterPartitionResponse* response, int partition, int error) {
    auto* out = response->add_partitions();
    out->set_topic_id(TestUuid(1).ToBytes());
    out->set_partition(partition);
    out->set_error(error);
    out->set_partition_epoch(7);
    out->add_isr(5);
    out->add_isr(6);
  }
  std::unique_ptr<IsrChannel> isr = std::make_unique<IsrChannel>(
      &loop, &channel, "cluster", NodeId(5), [] { return BrokerEpoch(7); });
  std::vector<std::pair<int, IsrOutcome>> outcomes;
};

TEST_F(IsrChannelTest, ProposalsOfOneRoundGoInOneCallAndLaterOnesWaitForItsAnswer) {
  Propose(0);
  Propose(1);
  loop.RunPosted();
  Propose(2);
  loop.RunPosted();
  EXPECT_EQ(rpc.made[kMethod], 1);
  const auto request = rpc.RequestOf<pb::AlterPartitionRequest>(kMethod);
  ASSERT_EQ(request.partitions_size(), 2);
  EXPECT_EQ(request.partitions(0).new_isr(1).broker_epoch(), 33);
  pb::AlterPartitionResponse response;
  AddAnswer(&response, 0, 0);
  AddAnswer(&response, 1, 95);
  rpc.Answer(kMethod, response);
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(outcomes[0].second.status.ok());
  EXPECT_EQ(outcomes[0].second.partition_epoch, PartitionEpoch(7));
  EXPECT_EQ(outcomes[0].second.isr.size(), 2u);
  EXPECT_EQ(kafka::ErrorFor(outcomes[1].second.status), KafkaError::kInvalidUpdateVersion);
  loop.RunPosted();
  EXPECT_EQ(rpc.RequestOf<pb::AlterPartitionRequest>(kMethod).partitions_size(), 1);
  EXPECT_EQ(request.sequence(), 1);
  EXPECT_EQ(rpc.RequestOf<pb::AlterPartitionRequest>(kMethod).sequence(), 2);
}

TEST_F(IsrChannelTest, AnUnansweredPartitionAndALostCallAreUnknownOutcomes) {
  Propose(0);
  loop.RunPosted();
  rpc.Answer(kMethod, pb::AlterPartitionResponse());
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].second.status.code(), absl::StatusCode::kUnavailable);
  Propose(1);
  loop.RunPosted();
  for (int i = 0; i < 100 && outcomes.size() < 2; ++i) {
    if (rpc.Find(kMethod) != RpcCallId::kNone) rpc.Fail(kMethod, absl::UnavailableError("gone"));
    loop.Advance(std::chrono::milliseconds(50));
  }
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[1].second.status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(IsrChannelTest, ARefusedCallIsAnUnknownOutcomeForAllOfIt) {
  Propose(0);
  loop.RunPosted();
  pb::AlterPartitionResponse response;
  response.mutable_header()->set_error(77);
  rpc.Answer(kMethod, response);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].second.status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(IsrChannelTest, DestructionDropsWhatIsUnderWay) {
  Propose(0);
  loop.RunPosted();
  Propose(1);
  isr.reset();
  loop.RunPosted();
  EXPECT_TRUE(rpc.calls.empty());
  EXPECT_TRUE(outcomes.empty());
}

// --- TopicCreator ---

class TopicCreatorTest : public PartsTest {
 protected:
  static constexpr char kMethod[] = "Controller.CreateTopics";
  void Create(const std::string& name) {
    NewTopicSpec spec;
    spec.name = name;
    topics.Create(spec, [this](const absl::Status& status) { results.push_back(status); });
  }
  void Answer(const std::string& name, int error, int64_t index) {
    pb::CreateTopicsResponse response;
    auto* topic = response.add_topics();
    topic->set_name(name);
    topic->set_error(error);
    topic->set_error_message("because");
    response.set_log_index(index);
    rpc.Answer(kMethod, response);
  }
  TopicCreator topics{&loop,     &channel,  &images,
                      "cluster", NodeId(5), [] { return BrokerEpoch(7); }};
  std::vector<absl::Status> results;
};

TEST_F(TopicCreatorTest, SeveralWhoWantTheSameTopicShareOneCreation) {
  Create("a");
  Create("a");
  Create("b");
  EXPECT_EQ(rpc.made[kMethod], 2);
  EXPECT_TRUE(rpc.RequestOf<pb::CreateTopicsRequest>(kMethod).automatic());
  Answer("a", 0, 0);
  EXPECT_EQ(results.size(), 2u);
}

TEST_F(TopicCreatorTest, IsDoneOnlyWhenTheImageShowsTheTopic) {
  Create("a");
  Answer("a", 0, 5);
  EXPECT_TRUE(results.empty());
  images.Update(ImageAt(5));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].ok());
}

TEST_F(TopicCreatorTest, ATopicThatIsThereAlreadyIsFine) {
  Create("a");
  Answer("a", 36, 0);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].ok());
}

TEST_F(TopicCreatorTest, TellsTheControllersRefusal) {
  Create("a");
  Answer("a", 38, 0);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(kafka::ErrorFor(results[0]), KafkaError::kInvalidReplicationFactor);
}

TEST_F(TopicCreatorTest, GivesUpAfterItsTimeout) {
  Create("a");
  loop.Advance(std::chrono::milliseconds(1999));
  rpc.Fail(kMethod, absl::UnavailableError("x"));
  loop.Advance(std::chrono::milliseconds(50));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace quorate
