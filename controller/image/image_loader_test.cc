#include "controller/image/image_loader.h"

#include <deque>

#include "controller/image/image_records.h"
#include "controller/image/replay.h"
#include "controller/image/testing/records.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

using namespace testing;  // NOLINT: record builders

const Uuid kA = TestUuid(1);

// A loop whose tasks run when the test says so.
class ManualLoop final : public EventLoop, public Clock {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  TimerId RunAfter(Micros, Task) override { return TimerId::kNone; }
  bool Cancel(TimerId) override { return false; }
  bool OnLoop() const override { return true; }
  const Clock& clock() const override { return *this; }
  MonoTime Now() const override { return MonoTime(); }
  WallMillis WallNow() const override { return 0; }

  void RunAll() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<Task> tasks_;
};

struct Recorder : ImagePublisher {
  void OnImage(const ImagePtr& image, const std::shared_ptr<const MetadataDelta>& delta) override {
    images.push_back(image);
    deltas.push_back(delta);
  }
  std::vector<ImagePtr> images;
  std::vector<std::shared_ptr<const MetadataDelta>> deltas;
};

std::shared_ptr<const CommittedBatch> Batch(int64_t first, std::vector<std::string> records,
                                            bool control = false) {
  auto batch = std::make_shared<CommittedBatch>();
  batch->first = LogIndex(first);
  batch->term = Term(3);
  batch->append_time = 1234;
  batch->cause = EncodeCause({.trigger = "t" + std::to_string(first)});
  batch->control = control;
  batch->records = std::move(records);
  return batch;
}

TEST(ImageLoaderTest, BatchesThatComeTogetherArePublishedAsOneImage) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  Recorder seen;
  loader.AddPublisher(&seen);
  EXPECT_TRUE(seen.images.empty());
  ASSERT_TRUE(
      loader.Apply({Batch(0, {"leader change"}, true), Batch(1, {RegisterRecord(1, 1)})}).ok());
  ASSERT_TRUE(loader.Apply({Batch(2, {TopicRecord("a", kA), PartitionRecord(kA, 0, {1})})}).ok());
  EXPECT_TRUE(seen.images.empty());
  loop.RunAll();
  ASSERT_EQ(seen.images.size(), 1u);
  EXPECT_EQ(seen.images[0]->index(), LogIndex(4));
  EXPECT_EQ(seen.images[0]->term(), Term(3));
  EXPECT_EQ(loader.image(), seen.images[0]);
  const MetadataDelta& delta = *seen.deltas[0];
  EXPECT_EQ(delta.previous->index(), LogIndex(0));
  EXPECT_EQ(delta.topics_created, std::set<Uuid>{kA});
  ASSERT_EQ(delta.batches.size(), 3u);
  EXPECT_EQ(delta.batches[1].cause.trigger, "t1");
  EXPECT_EQ(delta.batches[2].first, LogIndex(2));
  EXPECT_EQ(delta.batches[2].end, LogIndex(4));
  EXPECT_EQ(delta.batches[2].append_time, 1234);
}

TEST(ImageLoaderTest, EachDeltaStartsWhereTheLastImageEnded) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  Recorder seen;
  loader.AddPublisher(&seen);
  ASSERT_TRUE(loader.Apply({Batch(0, {TopicRecord("a", kA)})}).ok());
  loader.Flush();
  loop.RunAll();
  ASSERT_EQ(seen.images.size(), 1u);
  ASSERT_TRUE(loader.Apply({Batch(1, {RemoveTopicRecord(kA)})}).ok());
  loop.RunAll();
  ASSERT_EQ(seen.images.size(), 2u);
  EXPECT_EQ(seen.deltas[1]->previous, seen.images[0]);
  EXPECT_EQ(seen.deltas[1]->topics_deleted, std::set<Uuid>{kA});
  EXPECT_NE(seen.images[0]->FindTopic(kA), nullptr);  // the old image stays as it was
}

TEST(ImageLoaderTest, ALatePublisherHearsOfTheWholeImage) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  ASSERT_TRUE(loader
                  .Apply({Batch(0, {RegisterRecord(1, 0), TopicRecord("a", kA),
                                    PartitionRecord(kA, 0, {1})})})
                  .ok());
  loop.RunAll();
  Recorder late;
  loader.AddPublisher(&late);
  ASSERT_EQ(late.images.size(), 1u);
  EXPECT_EQ(late.deltas[0]->brokers, std::set<NodeId>{NodeId(1)});
  EXPECT_EQ(late.deltas[0]->partitions.size(), 1u);
}

TEST(ImageLoaderTest, ABatchThatCannotBeReplayedStopsItBeforeThatBatch) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  Recorder seen;
  loader.AddPublisher(&seen);
  const auto bad = Batch(1, {RegisterRecord(1, 1), FenceRecord(9, 9, true)});
  const absl::Status status =
      loader.Apply({Batch(0, {TopicRecord("a", kA)}), bad, Batch(3, {RegisterRecord(1, 3)})});
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("index 2"), absl::string_view::npos) << status;
  loop.RunAll();
  ASSERT_EQ(seen.images.size(), 1u);
  EXPECT_EQ(seen.images[0]->index(), LogIndex(1));
  EXPECT_EQ(seen.images[0]->FindBroker(NodeId(1)), nullptr);
  EXPECT_TRUE(seen.deltas[0]->brokers.empty());
  EXPECT_EQ(loader.failure(), status);
  EXPECT_EQ(loader.Apply({Batch(1, {RegisterRecord(1, 1)})}), status);
  loop.RunAll();
  EXPECT_EQ(seen.images.size(), 1u);
}

TEST(ImageLoaderTest, AGapIsRefused) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  EXPECT_FALSE(loader.Apply({Batch(5, {TopicRecord("a", kA)})}).ok());
}

TEST(ImageLoaderTest, AnUnreadableCauseDoesNotStopIt) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  auto batch = std::make_shared<CommittedBatch>(*Batch(0, {TopicRecord("a", kA)}));
  batch->cause = "\xff\xff";
  EXPECT_TRUE(loader.Apply({batch}).ok());
}

TEST(ImageLoaderTest, APublishStillQueuedAtDestructionDoesNothing) {
  ManualLoop loop;
  Recorder seen;
  {
    ImageLoader loader(&loop);
    loader.AddPublisher(&seen);
    ASSERT_TRUE(loader.Apply({Batch(0, {TopicRecord("a", kA)})}).ok());
  }
  loop.RunAll();
  EXPECT_TRUE(seen.images.empty());
}

// Scenario E3: what the snapshot lacks is in the delta, so that whoever follows removes it.
TEST(ImageLoaderTest, ASnapshotTakesThePlaceOfTheImage) {
  ManualLoop loop;
  ImageLoader loader(&loop);
  Recorder seen;
  loader.AddPublisher(&seen);
  const Uuid b = TestUuid(2);
  ASSERT_TRUE(loader.Apply({Batch(0, {TopicRecord("a", kA), PartitionRecord(kA, 0, {1})})}).ok());
  loop.RunAll();
  // Applied but not published when the snapshot comes: it has no part in the next image.
  ASSERT_TRUE(loader.Apply({Batch(2, {TopicRecord("c", TestUuid(3))})}).ok());
  ImageBuilder builder(LogIndex(10), Term(4));
  ASSERT_TRUE(builder.Add(TopicRecord("b", b)).ok());
  loader.LoadSnapshot(std::move(builder).Take());
  ASSERT_TRUE(loader.Apply({Batch(10, {PartitionRecord(b, 0, {1})})}).ok());
  loop.RunAll();
  ASSERT_EQ(seen.images.size(), 2u);
  EXPECT_EQ(seen.images[1]->index(), LogIndex(11));
  EXPECT_EQ(seen.images[1]->FindTopicByName("a"), nullptr);
  EXPECT_EQ(seen.images[1]->FindTopicByName("c"), nullptr);
  const MetadataDelta& delta = *seen.deltas[1];
  EXPECT_EQ(delta.previous, seen.images[0]);
  EXPECT_EQ(delta.topics_deleted, std::set<Uuid>{kA});
  EXPECT_EQ(delta.topics_created, std::set<Uuid>{b});
}

TEST(ImageLoaderTest, ASnapshotHealsAnImageThatCouldNotFollow) {  // E4
  ManualLoop loop;
  ImageLoader loader(&loop);
  ASSERT_FALSE(loader.Apply({Batch(0, {RemoveTopicRecord(kA)})}).ok());
  loader.LoadSnapshot(std::move(ImageBuilder(LogIndex(5), Term(1))).Take());
  EXPECT_TRUE(loader.failure().ok());
  EXPECT_TRUE(loader.Apply({Batch(5, {TopicRecord("a", kA)})}).ok());
}

}  // namespace
}  // namespace quorate
