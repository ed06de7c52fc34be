// ImageStore (controller/image/image_store.h) over the simulated disk: what it stores, what it
// loads, and what crashes leave (scenarios E9, G13).
#include "controller/image/image_store.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/image/image_loader.h"
#include "controller/image/replay.h"
#include "controller/image/stored_image.h"
#include "controller/image/testing/records.h"
#include "gtest/gtest.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/sim/world/sim_pool.h"
#include "tests/sim/world/sim_state_store.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {
namespace {

using namespace quorate::testing;  // NOLINT: record builders
using Found = ImageStore::Found;

constexpr char kDirectory[] = "/meta/image";

// A log of random batches, the same for a seed, that grows as it is asked for.
class RandomLog {
 public:
  explicit RandomLog(uint64_t seed) : random_(seed) {}

  // Batch number `n`, from 0 on.
  std::shared_ptr<const CommittedBatch> Batch(size_t n) {
    while (batches_.size() <= n) Grow();
    return batches_[n];
  }
  // The hash of the state at `index`; nothing if no batch ends there.
  std::optional<StateHash> HashAt(LogIndex index) const {
    const auto it = hashes_.find(index);
    return it == hashes_.end() ? std::nullopt : std::optional<StateHash>(it->second);
  }

 private:
  std::string RandomRecord() {
    const int broker = static_cast<int>(random_.Below(4));
    const BrokerImage* registered = image_.FindBroker(NodeId(broker));
    const int64_t epoch = registered == nullptr ? 0 : registered->epoch.value();
    const Uuid topic = TestUuid(static_cast<int>(random_.Below(6)));
    const int partition = static_cast<int>(random_.Below(4));
    switch (random_.Below(12)) {
      case 0:
        return RegisterRecord(broker, image_.index().value(), random_.Chance(0.5), "r");
      case 1:
        return FenceRecord(broker, epoch, random_.Chance(0.5));
      case 2:
        return UnregisterRecord(broker, epoch);
      case 3:
      case 4:
        return TopicRecord("t" + topic.ToString(), topic);
      case 5:
        return PartitionRecord(topic, partition, {1, 2, 3});
      case 6:
        return IsrRecord(topic, partition, {2, 3}, random_.Chance(0.5) ? 2 : -1);
      case 7:
        return RemoveTopicRecord(topic);
      case 8:
        return random_.Chance(0.5)
                   ? TopicConfigRecord("t" + topic.ToString(), "k" + std::to_string(partition), "v")
                   : RemoveTopicConfigRecord("t" + topic.ToString(),
                                             "k" + std::to_string(partition));
      case 9:
        return BrokerConfigRecord("b" + std::to_string(partition), std::to_string(broker));
      case 10:
        return FeatureRecord("f" + std::to_string(partition), broker);
      default:
        return ProducerIdsRecord(image_.index().value());
    }
  }

  void Grow() {
    auto batch = std::make_shared<CommittedBatch>();
    batch->first = image_.index();
    batch->term = Term(1 + static_cast<int64_t>(batches_.size() / 10));
    const size_t records = 1 + random_.Below(4);
    while (batch->records.size() < records) {
      std::string record = RandomRecord();
      if (Replay(image_.index(), record, &image_, nullptr).ok()) {
        batch->records.push_back(std::move(record));
      }
    }
    AdvanceTo(batch->end(), batch->term, &image_);
    hashes_[batch->end()] = image_.hash();
    batches_.push_back(std::move(batch));
  }

  SeededRandom random_;
  MetadataImage image_;
  std::vector<std::shared_ptr<const CommittedBatch>> batches_;
  std::map<LogIndex, StateHash> hashes_;
};

absl::Status Justified(LogIndex, Term) { return absl::OkStatus(); }

// Counts what is written.
class CountingStores final : public StateStores {
 public:
  CountingStores(StateStores& stores, uint64_t& writes) : stores_(stores), writes_(writes) {}
  absl::StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory) override {
    auto store = stores_.Open(directory);
    if (!store.ok()) return store;
    return std::unique_ptr<StateStore>(std::make_unique<Store>(*std::move(store), writes_));
  }

 private:
  class Store final : public StateStore {
   public:
    Store(std::unique_ptr<StateStore> store, uint64_t& writes)
        : store_(std::move(store)), writes_(writes) {}
    absl::StatusOr<std::optional<std::string>> Get(std::string_view key) override {
      return store_->Get(key);
    }
    absl::Status Scan(std::string_view prefix,
                      absl::FunctionRef<bool(std::string_view, std::string_view)> visit) override {
      return store_->Scan(prefix, visit);
    }
    absl::Status Write(const StateBatch& batch) override {
      ++writes_;
      return store_->Write(batch);
    }
    absl::Status Flush() override { return store_->Flush(); }

   private:
    const std::unique_ptr<StateStore> store_;
    uint64_t& writes_;
  };
  StateStores& stores_;
  uint64_t& writes_;
};

// One process with its loader and its store.
class Node {
 public:
  Node(World& world, SimDisk& disk, double damage = 0, std::string cluster_id = "cluster")
      : process_(world, "node", world.random().Next()),
        files_(disk),
        stores_(files_, world.random(), damage),
        pool_(process_, PoolLatency{Micros(50), Micros(3000)}) {
    EXPECT_TRUE(files_.CreateDirectories("/meta").ok());
    store_.emplace(ImageStoreEnv{&process_.loop(), &pool_, &files_, &counting_},
                   ImageStoreOptions{kDirectory, std::move(cluster_id), Millis(2), Millis(50)});
  }

  ImagePtr Load(ImageStore::Justify justify = Justified) {
    ImagePtr image;
    process_.world().RunAs(process_, [&] { image = store_->Load(justify); });
    loader_ = std::make_unique<ImageLoader>(&process_.loop(), image);
    process_.world().RunAs(process_, [&] { loader_->AddPublisher(&*store_); });
    return image;
  }
  // Applies the batches [from, to) of `log` that follow the image.
  void Apply(RandomLog& log, size_t from, size_t to) {
    process_.world().RunAs(process_, [&] {
      for (size_t n = from; n < to; ++n) {
        if (log.Batch(n)->end() <= loader_->image()->index()) continue;
        EXPECT_TRUE(loader_->Apply({log.Batch(n)}).ok());
      }
    });
  }
  bool stored() const { return store_->stored_index() == loader_->image()->index(); }

  Process& process() { return process_; }
  SimFileSystem& files() { return files_; }
  SimStateStores& stores() { return stores_; }
  uint64_t writes() const { return writes_; }
  ImageStore& store() { return *store_; }
  ImageLoader& loader() { return *loader_; }

 private:
  Process process_;
  SimFileSystem files_;
  SimStateStores stores_;
  uint64_t writes_ = 0;
  CountingStores counting_{stores_, writes_};
  SimPool pool_;
  std::optional<ImageStore> store_;
  std::unique_ptr<ImageLoader> loader_;
};

class ImageStoreTest : public ::testing::Test {
 protected:
  // A node that stored the first `batches` of the log and is gone.
  void Store(size_t batches) {
    Node node(world_, disk_);
    node.Load();
    node.Apply(log_, 0, batches);
    world_.RunUntil(world_.now() + Millis(100));
    EXPECT_TRUE(node.stored());
    disk_.ProcessDied();
  }

  World world_{1};
  SimDisk disk_{world_.random()};
  RandomLog log_{1};
};

TEST_F(ImageStoreTest, WhatWasPublishedIsLoadedByTheNextProcess) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    World world(seed);
    SimDisk disk(world.random());
    RandomLog log(seed);
    size_t batches = 0;
    for (int life = 0; life < 4; ++life) {
      Node node(world, disk);
      const ImagePtr loaded = node.Load();
      ASSERT_EQ(node.store().found(), life == 0 ? Found::kNothing : Found::kImage);
      if (loaded != nullptr) {
        ASSERT_EQ(loaded->index(), log.Batch(batches - 1)->end());
        ASSERT_EQ(loaded->term(), log.Batch(batches - 1)->term);
        ASSERT_EQ(loaded->hash(), *log.HashAt(loaded->index()));
        ASSERT_EQ(ComputeHash(*loaded), loaded->hash());
      }
      for (int burst = 0; burst < 20; ++burst) {
        const size_t more = world.random().Below(6);
        node.Apply(log, batches, batches + more);
        batches += more;
        world.RunUntil(world.now() + Micros(world.random().Between(0, 5000)));
      }
      world.RunUntil(world.now() + Millis(100));
      ASSERT_TRUE(node.stored());
      disk.ProcessDied();
    }
  }
}

TEST_F(ImageStoreTest, TheCostFollowsTheChange) {
  std::vector<std::string> records;
  for (int t = 1; t <= 500; ++t) {
    records.push_back(TopicRecord("topic" + std::to_string(t), TestUuid(t)));
    records.push_back(PartitionRecord(TestUuid(t), 0, {1, 2, 3}));
  }
  Node node(world_, disk_);
  node.Load();
  const auto apply = [&](std::vector<std::string> some) {
    auto batch = std::make_shared<CommittedBatch>();
    batch->first = node.loader().image()->index();
    batch->term = Term(1);
    batch->records = std::move(some);
    world_.RunAs(node.process(), [&] { EXPECT_TRUE(node.loader().Apply({batch}).ok()); });
    world_.RunUntil(world_.now() + Millis(100));
    EXPECT_TRUE(node.stored());
  };
  apply(std::move(records));
  const int64_t before = disk_.used_bytes();
  EXPECT_GT(before, 40'000);
  apply({IsrRecord(TestUuid(7), 0, {2, 3}, 2)});
  EXPECT_LT(disk_.used_bytes() - before, 400);
}

TEST_F(ImageStoreTest, ChangesThatComeDuringAWriteAreStoredTogether) {
  Node node(world_, disk_);
  node.Load();
  node.Apply(log_, 0, 1);
  size_t n = 1;
  for (const MonoTime end = world_.now() + Millis(200); world_.now() < end; ++n) {
    node.Apply(log_, n, n + 1);
    world_.RunUntil(world_.now() + Micros(100));
  }
  // 2000 images; 2 to 5 ms from one write to the next.
  EXPECT_GE(node.writes(), 40u);
  EXPECT_LE(node.writes(), 101u);
}

TEST_F(ImageStoreTest, TheLoadedImageIsNotWrittenAgain) {
  Store(10);
  Node node(world_, disk_);
  ASSERT_NE(node.Load(), nullptr);
  world_.RunUntil(world_.now() + Millis(100));
  EXPECT_EQ(node.writes(), 0u);
}

TEST_F(ImageStoreTest, AStoreThatTheLogDoesNotVouchForIsDeleted) {
  Store(10);
  Node node(world_, disk_);
  LogIndex asked;
  Term asked_term;
  EXPECT_EQ(node.Load([&](LogIndex index, Term term) {
    asked = index;
    asked_term = term;
    return absl::FailedPreconditionError("the log is shorter");
  }),
            nullptr);
  EXPECT_EQ(asked, log_.Batch(9)->end());
  EXPECT_EQ(asked_term, log_.Batch(9)->term);
  EXPECT_EQ(node.store().found(), Found::kUnjustified);
  EXPECT_FALSE(node.files().Exists(kDirectory));
  // It begins anew.
  node.Apply(log_, 0, 5);
  world_.RunUntil(world_.now() + Millis(100));
  EXPECT_TRUE(node.stored());
  disk_.ProcessDied();
  Node next(world_, disk_);
  ASSERT_NE(next.Load(), nullptr);
  EXPECT_EQ(next.loader().image()->hash(), *log_.HashAt(log_.Batch(4)->end()));
}

TEST_F(ImageStoreTest, AStoreOfAnotherClusterIsDeleted) {
  Store(3);
  Node node(world_, disk_, 0, "another");
  EXPECT_EQ(node.Load(), nullptr);
  EXPECT_EQ(node.store().found(), Found::kForeign);
  EXPECT_FALSE(node.files().Exists(kDirectory));
}

TEST_F(ImageStoreTest, AStoreOfAnUnknownFormatIsDeleted) {
  Store(3);
  Node node(world_, disk_);
  StateBatch batch;
  batch.Put("!position", "2\nwhatever comes\n");
  ASSERT_TRUE((*node.stores().Open(kDirectory))->Write(batch).ok());
  EXPECT_EQ(node.Load(), nullptr);
  EXPECT_EQ(node.store().found(), Found::kForeign);
}

TEST_F(ImageStoreTest, AnEntryTooManyOrTooFewOrADifferentOneIsAMismatchAndSetAside) {
  for (int kind = 0; kind < 4; ++kind) {
    SCOPED_TRACE(kind);
    Node writer(world_, disk_);
    ASSERT_TRUE(writer.files().RemoveTree(kDirectory).ok());
    Store(30);
    Node node(world_, disk_);
    auto store = *node.stores().Open(kDirectory);
    std::string first;
    ASSERT_TRUE(store
                    ->Scan("A",
                           [&](std::string_view key, std::string_view) {
                             first = key;
                             return false;
                           })
                    .ok());
    ASSERT_FALSE(first.empty());
    StateBatch batch;
    if (kind == 0) batch.Delete(first);
    if (kind == 1) batch.Put(first, "");
    if (kind == 2) batch.Put(first, "\x01");
    if (kind == 3) batch.Put("Z", std::string("\0\0\0\x03", 4) + "abc");
    ASSERT_TRUE(store->Write(batch).ok());
    store.reset();
    EXPECT_EQ(node.Load(), nullptr);
    EXPECT_EQ(node.store().found(), Found::kMismatch);
    EXPECT_FALSE(node.files().Exists(kDirectory));
    EXPECT_TRUE(node.files().Exists(std::string(kDirectory) + ".damaged"));
    disk_.ProcessDied();
  }
}

TEST_F(ImageStoreTest, ADamagedStoreIsSetAside) {
  Store(10);
  Node node(world_, disk_, /*damage=*/1);
  auto file = node.files().Open(std::string(kDirectory) + "/batches", OpenMode::kWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Truncate(*(*file)->Size() - 1).ok());
  EXPECT_EQ(node.Load(), nullptr);
  EXPECT_EQ(node.store().found(), Found::kUnreadable);
  EXPECT_TRUE(node.files().Exists(std::string(kDirectory) + ".damaged"));
  node.Apply(log_, 0, 3);
  world_.RunUntil(world_.now() + Millis(100));
  EXPECT_TRUE(node.stored());
}

TEST_F(ImageStoreTest, AfterAFailedWriteTheStoreBeginsAnewAndHoldsNothingUp) {
  Node node(world_, disk_);
  node.Load();
  node.Apply(log_, 0, 5);
  world_.RunUntil(world_.now() + Millis(100));
  disk_.faults().full = true;
  node.Apply(log_, 5, 20);
  world_.RunUntil(world_.now() + Millis(200));
  EXPECT_FALSE(node.stored());
  EXPECT_GE(node.store().failures(), 2u);
  node.Apply(log_, 20, 25);
  disk_.faults().full = false;
  world_.RunUntil(world_.now() + Millis(100));
  EXPECT_TRUE(node.stored());
  disk_.ProcessDied();
  Node next(world_, disk_);
  const ImagePtr loaded = next.Load();
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->hash(), *log_.HashAt(log_.Batch(24)->end()));
}

TEST_F(ImageStoreTest, FinishStoresTheRestWhateverIsUnderWay) {
  for (int64_t microseconds = 0; microseconds < 6000; microseconds += 500) {
    World world(2);
    SimDisk disk(world.random());
    RandomLog log(2);
    {
      Node node(world, disk);
      node.Load();
      node.Apply(log, 0, 10);
      world.RunUntil(world.now() + Micros(microseconds));
      node.Apply(log, 10, 20);
      bool done = false;
      world.RunAs(node.process(), [&] {
        node.loader().Flush();
        node.store().Finish([&] { done = true; });
      });
      EXPECT_FALSE(done);
      world.RunUntil(world.now() + Millis(20));
      EXPECT_TRUE(done);
      EXPECT_TRUE(node.stored());
      disk.ProcessDied();
    }
    Node next(world, disk);
    const ImagePtr loaded = next.Load();
    ASSERT_NE(loaded, nullptr);
    EXPECT_EQ(loaded->index(), log.Batch(19)->end());
  }
}

TEST_F(ImageStoreTest, FinishDoesNotInsist) {
  Node node(world_, disk_);
  node.Load();
  node.Apply(log_, 0, 5);
  disk_.faults().full = true;
  bool done = false;
  world_.RunAs(node.process(), [&] {
    node.loader().Flush();
    node.store().Finish([&] { done = true; });
  });
  world_.RunUntil(world_.now() + Millis(20));
  EXPECT_TRUE(done);
  EXPECT_FALSE(node.stored());
}

TEST_F(ImageStoreTest, AFullDiskAtTheStartIsNoReasonNotToLoad) {
  Store(5);
  disk_.faults().full = true;
  Node node(world_, disk_);
  EXPECT_NE(node.Load(), nullptr);
}

// E9: whatever change of the disk a machine dies in, what is loaded afterwards is the fold of a
// prefix of the log, no older than what a whole store would need.
TEST_F(ImageStoreTest, AfterACrashAtAnyChangeOfTheDiskTheStoreIsTheFoldOfAPrefix) {
  std::map<Found, int> outcomes;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    for (int64_t fatal = 0; fatal < 40; ++fatal) {
      World world(seed * 1000 + static_cast<uint64_t>(fatal));
      SimDisk disk(world.random());
      RandomLog log(seed);
      size_t batches = 0;
      // Three lives: the second one on what the first crash left, and dying the same way.
      for (int life = 0; life < 3; ++life) {
        Node node(world, disk, 0.2);
        ImagePtr loaded = node.Load();
        ++outcomes[node.store().found()];
        ASSERT_NE(node.store().found(), Found::kMismatch);
        if (loaded != nullptr) {
          ASSERT_EQ(loaded->hash(), log.HashAt(loaded->index()).value_or(StateHash()));
          ASSERT_LE(loaded->index(), log.Batch(batches - 1)->end());
        }
        bool dead = false;
        disk.faults().changes_until_death = fatal;
        disk.faults().die = [&] {
          node.process().Freeze(/*silently=*/false);
          dead = true;
        };
        node.Apply(log, 0, batches);
        for (int burst = 0; burst < 60 && !dead; ++burst) {
          const size_t more = world.random().Below(4);
          node.Apply(log, batches, batches + more);
          batches += more;
          world.RunUntil(world.now() + Micros(world.random().Between(0, 8000)));
          if (world.random().Chance(0.02)) disk.faults().full = !disk.faults().full;
        }
        disk.faults().full = false;
        disk.Crash();
      }
    }
  }
  EXPECT_GT(outcomes[Found::kImage], 80);
  EXPECT_GT(outcomes[Found::kUnreadable], 10);
}

}  // namespace
}  // namespace quorate::sim
