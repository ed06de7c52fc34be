#include "controller/image/replay.h"

#include "base/random.h"
#include "controller/image/testing/records.h"
#include "gtest/gtest.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

using namespace testing;  // NOLINT: record builders

const Uuid kA = TestUuid(1);
const Uuid kB = TestUuid(2);

// Refused, and nothing of image or delta moved.
absl::Status RefusalOf(MetadataImage image, const std::string& record) {
  const MetadataImage before = image;
  MetadataDelta delta;
  const absl::Status status = Replay(image.index(), record, &image, &delta);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(image.index(), before.index());
  EXPECT_EQ(image.hash(), before.hash());
  EXPECT_EQ(ComputeHash(image), ComputeHash(before));
  EXPECT_TRUE(delta.empty());
  return status;
}

void Refused(const MetadataImage& image, const std::string& record) {
  EXPECT_NE(RefusalOf(image, record).message(), "");
}

TEST(ReplayTest, ARegistrationShowsAsTheBroker) {
  const MetadataImage image = ImageOf({RegisterRecord(3, 0, true, "east")});
  const BrokerImage* broker = image.FindBroker(NodeId(3));
  ASSERT_NE(broker, nullptr);
  EXPECT_EQ(broker->epoch, BrokerEpoch(0));
  EXPECT_EQ(broker->rack, "east");
  EXPECT_TRUE(broker->fenced);
  EXPECT_FALSE(image.IsUnfenced(NodeId(3)));
  EXPECT_EQ(broker->FindListener("PLAINTEXT")->host, "host3");
  EXPECT_EQ(broker->FindListener("SSL"), nullptr);
  EXPECT_EQ(broker->replication_listener.port, 9094);
  EXPECT_EQ(image.index(), LogIndex(1));
}

TEST(ReplayTest, ABrokerEpochIsTheIndexOfItsRegistration) {
  EXPECT_EQ(RefusalOf(MetadataImage(), RegisterRecord(1, 7)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ReplayTest, AChangeOfAStaleRegistrationIsRefused) {
  const MetadataImage image = ImageOf({RegisterRecord(1, 0), RegisterRecord(1, 1)});
  Refused(image, FenceRecord(1, 0, true));
  Refused(image, UnregisterRecord(1, 0));
  Refused(image, FenceRecord(2, 0, true));
}

TEST(ReplayTest, AbsentFieldsOfABrokerChangeStay) {
  const MetadataImage image = ImageOf({RegisterRecord(1, 0, true, "r"), FenceRecord(1, 0, false)});
  EXPECT_FALSE(image.FindBroker(NodeId(1))->fenced);
  EXPECT_EQ(image.FindBroker(NodeId(1))->rack, "r");
  EXPECT_TRUE(image.IsUnfenced(NodeId(1)));
}

TEST(ReplayTest, AnUnregisteredBrokerIsGone) {
  const MetadataImage image = ImageOf({RegisterRecord(1, 0), UnregisterRecord(1, 0)});
  EXPECT_EQ(image.FindBroker(NodeId(1)), nullptr);
  EXPECT_EQ(image.hash(), StateHash());
}

TEST(ReplayTest, ATopicIsFoundByIdAndByName) {
  const MetadataImage image = ImageOf({TopicRecord("a", kA), PartitionRecord(kA, 0, {1, 2})});
  ASSERT_NE(image.FindTopic(kA), nullptr);
  EXPECT_EQ(image.FindTopicByName("a"), image.FindTopic(kA));
  EXPECT_EQ(image.FindPartition(kA, PartitionIndex(0))->isr, Replicas({1, 2}));
  EXPECT_EQ(image.FindPartition(kA, PartitionIndex(1)), nullptr);
  EXPECT_EQ(image.FindPartition(kB, PartitionIndex(0)), nullptr);
  EXPECT_EQ(image.partition_count(), 1);
}

TEST(ReplayTest, ATopicsNameAndIdAreUnique) {
  const MetadataImage image = ImageOf({TopicRecord("a", kA)});
  Refused(image, TopicRecord("a", kB));
  Refused(image, TopicRecord("b", kA));
}

TEST(ReplayTest, ARemovedTopicTakesPartitionsAndConfigsWithIt) {
  MetadataImage image =
      ImageOf({TopicRecord("a", kA), PartitionRecord(kA, 0, {1}), PartitionRecord(kA, 1, {1}),
               TopicConfigRecord("a", "retention.ms", "1")});
  ASSERT_TRUE(Replay(image.index(), RemoveTopicRecord(kA), &image, nullptr).ok());
  EXPECT_EQ(image.FindTopic(kA), nullptr);
  EXPECT_EQ(image.FindTopicByName("a"), nullptr);
  EXPECT_EQ(image.FindConfigs(ConfigResourceType::kTopic, "a"), nullptr);
  EXPECT_EQ(image.partition_count(), 0);
  EXPECT_EQ(image.hash(), StateHash());
}

TEST(ReplayTest, PartitionsAreNumberedWithoutGaps) {
  const MetadataImage image = ImageOf({TopicRecord("a", kA)});
  Refused(image, PartitionRecord(kA, 1, {1}));
  Refused(image, PartitionRecord(kA, -1, {1}));
}

TEST(ReplayTest, AChangeRaisesThePartitionEpochAndWithALeaderTheLeaderEpoch) {
  const MetadataImage image = ImageOf({TopicRecord("a", kA), PartitionRecord(kA, 0, {1, 2}),
                                       IsrRecord(kA, 0, {2}, 2), IsrRecord(kA, 0, {1, 2})});
  const PartitionState* state = image.FindPartition(kA, PartitionIndex(0));
  EXPECT_EQ(state->partition_epoch, PartitionEpoch(2));
  EXPECT_EQ(state->leader_epoch, LeaderEpoch(1));
  EXPECT_EQ(state->leader, NodeId(2));
  EXPECT_EQ(state->replicas, Replicas({1, 2}));
}

TEST(ReplayTest, ARecordThatBreaksThePartitionsInvariantsIsRefused) {
  const MetadataImage image = ImageOf({TopicRecord("a", kA), PartitionRecord(kA, 0, {1, 2})});
  Refused(image, IsrRecord(kA, 0, {1, 3}));  // not a replica
  Refused(image, IsrRecord(kA, 0, {2}));     // leader 1 left the ISR
  Refused(image, IsrRecord(kA, 0, {1, 1}));  // twice
  Refused(image, IsrRecord(kA, 0, {-1}));    // no broker
  Refused(image, IsrRecord(kA, 7, {1}));     // no such partition
  Refused(image, IsrRecord(kB, 0, {1}));     // no such topic
}

TEST(ReplayTest, ConfigsAreSetReplacedAndRemoved) {
  MetadataImage image = ImageOf({TopicConfigRecord("a", "x", "1"), TopicConfigRecord("a", "x", "2"),
                                 TopicConfigRecord("a", "y", "3")});
  EXPECT_EQ(*image.FindConfig(ConfigResourceType::kTopic, "a", "x"), "2");
  EXPECT_EQ(image.FindConfig(ConfigResourceType::kTopic, "b", "x"), nullptr);
  for (const char* key : {"x", "y"}) {
    ASSERT_TRUE(Replay(image.index(), RemoveTopicConfigRecord("a", key), &image, nullptr).ok());
  }
  EXPECT_EQ(image.FindConfigs(ConfigResourceType::kTopic, "a"), nullptr);
  EXPECT_EQ(image.hash(), StateHash());
}

TEST(ReplayTest, TheNextProducerIdNeverGoesBack) {
  const MetadataImage image = ImageOf({ProducerIdsRecord(1000)});
  EXPECT_EQ(image.next_producer_id(), ProducerId(1000));
  Refused(image, ProducerIdsRecord(999));
}

TEST(ReplayTest, AFeatureOfLevelZeroIsRemoved) {
  const MetadataImage image = ImageOf({FeatureRecord("f", 2), FeatureRecord("f", 0)});
  EXPECT_TRUE(image.features().empty());
  EXPECT_EQ(image.hash(), StateHash());
}

TEST(ReplayTest, BytesThatAreNoRecordAreRefusedWithTheIndex) {
  const absl::Status garbage = RefusalOf(MetadataImage(), "\xff\xff\xff");
  EXPECT_EQ(garbage.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(garbage.message().find("index 0"), absl::string_view::npos);
  EXPECT_EQ(RefusalOf(MetadataImage(), "").code(), absl::StatusCode::kDataLoss);
}

TEST(ReplayTest, AnUnknownRecordTypeIsRefusedWithItsNumber) {
  const std::string record("\xfa\x06\x00", 3);  // field 111, empty
  const absl::Status status = RefusalOf(MetadataImage(), record);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("111"), absl::string_view::npos) << status;
}

TEST(ReplayTest, TheHashDoesNotDependOnTheOrderOfChanges) {
  const MetadataImage one = ImageOf({TopicRecord("a", kA), TopicRecord("b", kB)});
  const MetadataImage two = ImageOf({TopicRecord("b", kB), TopicRecord("a", kA)});
  EXPECT_EQ(one.hash(), two.hash());
  EXPECT_NE(one.hash(), ImageOf({TopicRecord("a", kA)}).hash());
}

TEST(ReplayTest, TheDeltaNamesWhatChanged) {
  MetadataImage image = ImageOf({RegisterRecord(1, 0), TopicRecord("a", kA)});
  MetadataDelta delta;
  for (const std::string& record :
       {FenceRecord(1, 0, true), PartitionRecord(kA, 0, {1}), TopicRecord("b", kB),
        PartitionRecord(kB, 0, {1}), TopicConfigRecord("b", "x", "1"), ProducerIdsRecord(5),
        FeatureRecord("f", 1)}) {
    ASSERT_TRUE(Replay(image.index(), record, &image, &delta).ok());
  }
  EXPECT_EQ(delta.brokers, std::set<NodeId>{NodeId(1)});
  EXPECT_EQ(delta.topics_created, std::set<Uuid>{kB});
  EXPECT_EQ(delta.partitions,
            (std::set<TopicPartition>{{kA, PartitionIndex(0)}, {kB, PartitionIndex(0)}}));
  EXPECT_EQ(delta.configs, (std::set<ConfigResource>{{ConfigResourceType::kTopic, "b"}}));
  EXPECT_TRUE(delta.producer_ids);
  EXPECT_TRUE(delta.features);
}

TEST(ReplayTest, ATopicThatCameAndWentIsNotInTheDelta) {
  MetadataImage image = ImageOf({TopicRecord("a", kA)});
  MetadataDelta delta;
  for (const std::string& record : {TopicRecord("b", kB), PartitionRecord(kB, 0, {1}),
                                    RemoveTopicRecord(kB), RemoveTopicRecord(kA)}) {
    ASSERT_TRUE(Replay(image.index(), record, &image, &delta).ok());
  }
  EXPECT_TRUE(delta.topics_created.empty());
  EXPECT_TRUE(delta.partitions.empty());
  EXPECT_EQ(delta.topics_deleted, std::set<Uuid>{kA});
}

TEST(ReplayTest, TheIncrementalHashEqualsTheOneComputedAnew) {
  SeededRandom random(11);
  MetadataImage image;
  for (int step = 0; step < 3000; ++step) {
    const int broker = static_cast<int>(random.Below(4));
    const Uuid topic = TestUuid(static_cast<int>(random.Below(5)));
    const int partition = static_cast<int>(random.Below(3));
    std::string record;
    switch (random.Below(8)) {
      case 0:
        record = RegisterRecord(broker, image.index().value());
        break;
      case 1:
        record = FenceRecord(broker, image.index().value() - 1, random.Chance(0.5));
        break;
      case 2:
        record = TopicRecord(topic.ToString(), topic);
        break;
      case 3:
        record = PartitionRecord(topic, partition, {1, 2, 3});
        break;
      case 4:
        record = IsrRecord(topic, partition, {2, 3}, 2);
        break;
      case 5:
        record = RemoveTopicRecord(topic);
        break;
      case 6:
        record = TopicConfigRecord(topic.ToString(), "k" + std::to_string(partition),
                                   std::to_string(step));
        break;
      default:
        record = ProducerIdsRecord(step);
    }
    const MetadataImage before = image;
    if (!Replay(image.index(), record, &image, nullptr).ok()) {
      EXPECT_EQ(image.hash(), before.hash());
    }
    ASSERT_EQ(image.hash(), ComputeHash(image)) << "step " << step;
  }
  EXPECT_GT(image.index().value(), 500);
}

TEST(CauseTest, RoundTripsAndEmptyBytesAreTheEmptyCause) {
  const Cause cause{"CreateTopics", "User:alice", NodeId(2), "client", 17, "one topic"};
  EXPECT_EQ(*DecodeCause(EncodeCause(cause)), cause);
  EXPECT_EQ(*DecodeCause(""), Cause{});
  EXPECT_EQ(DecodeCause("\xff\xff").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ToString(cause), "CreateTopics by User:alice: one topic");
}

}  // namespace
}  // namespace quorate
