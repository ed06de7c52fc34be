#include "controller/image/image_records.h"

#include <algorithm>

#include "base/random.h"
#include "controller/image/image_loader.h"
#include "controller/image/replay.h"
#include "controller/image/state_entry.h"
#include "controller/image/testing/records.h"
#include "gtest/gtest.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

using namespace testing;  // NOLINT: record builders

const Uuid kA = TestUuid(1);
const Uuid kB = TestUuid(2);

std::string ShutdownRecord(int broker, int64_t epoch) {
  pb::MetadataRecord record;
  record.mutable_broker_change()->set_broker_id(broker);
  record.mutable_broker_change()->set_broker_epoch(epoch);
  record.mutable_broker_change()->set_in_controlled_shutdown(true);
  return record.SerializeAsString();
}

// A record of any type, which may or may not fit `image`.
std::string RandomRecord(const MetadataImage& image, SeededRandom& random) {
  const int broker = static_cast<int>(random.Below(4));
  const BrokerImage* registered = image.FindBroker(NodeId(broker));
  const int64_t epoch = registered == nullptr ? 0 : registered->epoch.value();
  const Uuid topic = TestUuid(static_cast<int>(random.Below(5)));
  const int partition = static_cast<int>(random.Below(3));
  switch (random.Below(12)) {
    case 0:
      return RegisterRecord(broker, image.index().value(), random.Chance(0.5), "r");
    case 1:
      return FenceRecord(broker, epoch, random.Chance(0.5));
    case 2:
      return UnregisterRecord(broker, epoch);
    case 3:
      return ShutdownRecord(broker, epoch);
    case 4:
      return TopicRecord(topic.ToString(), topic);
    case 5:
      return PartitionRecord(topic, partition, {1, 2, 3});
    case 6:
      return IsrRecord(topic, partition, {2, 3}, random.Chance(0.5) ? 2 : -1);
    case 7:
      return random.Chance(0.2) ? RemoveTopicRecord(topic) : TopicRecord(topic.ToString(), topic);
    case 8:
      return TopicConfigRecord(topic.ToString(), "k" + std::to_string(partition), "v");
    case 9:
      return BrokerConfigRecord("b" + std::to_string(partition), std::to_string(broker));
    case 10:
      return FeatureRecord("f" + std::to_string(partition), broker);
    default:
      return ProducerIdsRecord(image.index().value());
  }
}

std::vector<std::vector<std::string>> BatchesOf(const MetadataImage& image, size_t max_bytes) {
  std::vector<std::vector<std::string>> batches;
  EXPECT_TRUE(WriteImageRecords(image, max_bytes, [&](std::vector<std::string> records) {
                batches.push_back(std::move(records));
                return absl::OkStatus();
              }).ok());
  return batches;
}

MetadataImage Rebuilt(const MetadataImage& image) {
  ImageBuilder builder(image.index(), image.term());
  for (const auto& batch : BatchesOf(image, 500)) {
    for (const std::string& record : batch) {
      const absl::Status added = builder.Add(record);
      EXPECT_TRUE(added.ok()) << added;
    }
  }
  return std::move(builder).Take();
}

TEST(ImageRecordsTest, TheRecordsOfAnImageRebuildIt) {
  SeededRandom random(5);
  for (int round = 0; round < 20; ++round) {
    MetadataImage image;
    for (int step = 0; step < 300; ++step) {
      Replay(image.index(), RandomRecord(image, random), &image, nullptr).IgnoreError();
      AdvanceTo(image.index() + 1, Term(round), &image);
    }
    const MetadataImage rebuilt = Rebuilt(image);
    ASSERT_EQ(rebuilt.hash(), image.hash()) << "round " << round;
    ASSERT_EQ(ComputeHash(rebuilt), image.hash());
    ASSERT_EQ(rebuilt.index(), image.index());
    ASSERT_EQ(rebuilt.term(), image.term());
    ASSERT_EQ(rebuilt.partition_count(), image.partition_count());
    ASSERT_EQ(rebuilt.topic_ids().size(), image.topic_ids().size());
    // Equal images give equal records, whatever their history.
    ASSERT_EQ(BatchesOf(rebuilt, 500), BatchesOf(image, 500));
  }
}

TEST(ImageRecordsTest, TheEmptyImageHasNoRecords) {
  EXPECT_TRUE(BatchesOf(MetadataImage(), 100).empty());
}

TEST(ImageRecordsTest, BatchesAreBoundedAndNeverEmpty) {
  std::vector<std::string> records = {TopicRecord("a", kA)};
  for (int i = 0; i < 100; ++i) records.push_back(PartitionRecord(kA, i, {1, 2, 3}));
  records.push_back(TopicConfigRecord("a", "large", std::string(1000, 'x')));
  size_t count = 0;
  bool larger = false;
  const auto batches = BatchesOf(ImageOf(records), 400);
  for (const auto& batch : batches) {
    ASSERT_FALSE(batch.empty());
    size_t bytes = 0;
    for (const std::string& record : batch) bytes += record.size();
    if (bytes > 400) {
      EXPECT_EQ(batch.size(), 1u);
      larger = true;
    }
    count += batch.size();
  }
  EXPECT_EQ(count, records.size());
  EXPECT_TRUE(larger);
  EXPECT_GT(batches.size(), 5u);
}

TEST(ImageRecordsTest, AnErrorOfTheSinkEndsTheWriting) {
  std::vector<std::string> records = {TopicRecord("a", kA), TopicRecord("b", kB)};
  int calls = 0;
  const absl::Status status = WriteImageRecords(ImageOf(records), 1, [&](std::vector<std::string>) {
    ++calls;
    return absl::UnavailableError("the disk is full");
  });
  EXPECT_EQ(status.message(), "the disk is full");
  EXPECT_EQ(calls, 1);
}

TEST(ImageBuilderTest, ARegistrationKeepsAnEpochBelowTheEndOfTheState) {
  ImageBuilder builder(LogIndex(10), Term(2));
  EXPECT_TRUE(builder.Add(RegisterRecord(1, 9)).ok());
  const absl::Status late = builder.Add(RegisterRecord(2, 10));
  EXPECT_EQ(late.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(late.message().find("record 1 of the state at index 10"), std::string::npos) << late;
  EXPECT_EQ(builder.Add("\xff\xff").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(builder.count(), 1);
  const MetadataImage image = std::move(builder).Take();
  EXPECT_EQ(image.FindBroker(NodeId(1))->epoch, BrokerEpoch(9));
  EXPECT_EQ(image.FindBroker(NodeId(2)), nullptr);
  EXPECT_EQ(image.index(), LogIndex(10));
  EXPECT_EQ(image.term(), Term(2));
}

// Scenario E3: what a snapshot lacks goes.
TEST(DeltaBetweenTest, WhatTheNextImageLacksIsInTheDelta) {
  const auto old = std::make_shared<const MetadataImage>(
      ImageOf({RegisterRecord(1, 0), RegisterRecord(2, 1), TopicRecord("a", kA),
               PartitionRecord(kA, 0, {1}), TopicConfigRecord("a", "k", "v"), FeatureRecord("f", 1),
               ProducerIdsRecord(7)}));
  const MetadataImage next = ImageOf({RegisterRecord(1, 0), TopicRecord("a", kB),
                                      PartitionRecord(kB, 0, {1}), ProducerIdsRecord(7)});
  const MetadataDelta delta = DeltaBetween(old, next);
  EXPECT_EQ(delta.previous, old);
  EXPECT_EQ(delta.brokers, std::set<NodeId>{NodeId(2)});
  EXPECT_EQ(delta.topics_deleted, std::set<Uuid>{kA});
  EXPECT_EQ(delta.topics_created, std::set<Uuid>{kB});
  EXPECT_EQ(delta.partitions, (std::set<TopicPartition>{{kB, PartitionIndex(0)}}));
  EXPECT_EQ(delta.configs, (std::set<ConfigResource>{{ConfigResourceType::kTopic, "a"}}));
  EXPECT_TRUE(delta.features);
  EXPECT_FALSE(delta.producer_ids);
  EXPECT_TRUE(DeltaBetween(old, *old).empty());
}

// What replay notes of every change is a superset of what really differs, and a comparison finds
// all of it.
TEST(DeltaBetweenTest, AgreesWithWhatReplayNotes) {
  SeededRandom random(9);
  MetadataImage image;
  for (int round = 0; round < 200; ++round) {
    const auto before = std::make_shared<const MetadataImage>(image);
    MetadataDelta noted;
    for (int step = 0; step < 6; ++step) {
      Replay(image.index(), RandomRecord(image, random), &image, &noted).IgnoreError();
    }
    const MetadataDelta found = DeltaBetween(before, image);
    const auto within = [](const auto& small, const auto& large) {
      return std::includes(large.begin(), large.end(), small.begin(), small.end());
    };
    EXPECT_TRUE(within(found.topics_created, noted.topics_created));
    EXPECT_TRUE(within(found.topics_deleted, noted.topics_deleted));
    EXPECT_TRUE(within(found.brokers, noted.brokers));
    EXPECT_TRUE(within(found.partitions, noted.partitions));
    EXPECT_TRUE(within(found.configs, noted.configs));
    EXPECT_LE(found.producer_ids, noted.producer_ids);
    EXPECT_LE(found.features, noted.features);
    for (NodeId id : noted.brokers) {
      const BrokerImage* a = before->FindBroker(id);
      const BrokerImage* b = image.FindBroker(id);
      const bool differs =
          (a == nullptr) != (b == nullptr) || (a != nullptr && StateEntry(*a) != StateEntry(*b));
      EXPECT_EQ(found.brokers.count(id), differs ? 1u : 0u);
    }
  }
}

}  // namespace
}  // namespace quorate
