#include "tests/sim/world/sim_state_store.h"

#include <memory>
#include <string>
#include <vector>

#include "base/state_store_contract.h"
#include "gtest/gtest.h"
#include "tests/sim/world/contract_worlds.h"

namespace quorate::sim {
namespace {

class SimStoreWorld final : public StateStoreWorld {
 public:
  SimStoreWorld() { EXPECT_TRUE(files_->CreateDirectories("/disk").ok()); }
  StateStores& stores() override { return *stores_; }
  FileSystem& fs() override { return *files_; }
  std::string directory() override { return "/disk"; }
  absl::StatusOr<std::unique_ptr<StateStore>> ReopenAfterKill(
      std::unique_ptr<StateStore> store, const std::string& directory) override {
    disk_.ProcessDied();
    store.reset();
    NewProcess();
    return stores_->Open(directory);
  }

 private:
  void NewProcess() {
    files_ = std::make_unique<SimFileSystem>(disk_);
    stores_ = std::make_unique<SimStateStores>(*files_, random_);
  }
  SeededRandom random_{7};
  SimDisk disk_{random_};
  std::unique_ptr<SimFileSystem> files_ = std::make_unique<SimFileSystem>(disk_);
  std::unique_ptr<SimStateStores> stores_ = std::make_unique<SimStateStores>(*files_, random_);
};

// A machine crash leaves a prefix of the batches, or a store that says it is damaged; what was
// flushed stays in either case but the last.
TEST(SimStateStoreTest, ACrashLeavesAPrefixWithAllThatWasFlushed) {
  int kept_all = 0;
  int lost_some = 0;
  int damaged = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    SimDisk disk(random);
    int written = 0;
    int flushed = 0;
    // The second time on top of what the first crash left.
    for (int life = 0; life < 2; ++life) {
      SimFileSystem files(disk);
      SimStateStores stores(files, random);
      auto store = stores.Open("/store");
      if (!store.ok()) {
        ASSERT_EQ(store.status().code(), absl::StatusCode::kDataLoss);
        ++damaged;
        ASSERT_TRUE(files.RemoveTree("/store").ok());
        store = stores.Open("/store");
        ASSERT_TRUE(store.ok());
        written = flushed = 0;
      }
      const auto count = (*store)->Get("count");
      ASSERT_TRUE(count.ok());
      const int found = *count ? std::stoi(**count) : 0;
      ASSERT_GE(found, flushed);
      ASSERT_LE(found, written);
      if (life > 0) (found == written ? kept_all : lost_some)++;
      int keys = 0;
      ASSERT_TRUE((*store)
                      ->Scan("k",
                             [&](std::string_view, std::string_view) {
                               ++keys;
                               return true;
                             })
                      .ok());
      ASSERT_EQ(keys, found);
      written = found;
      const int rounds = static_cast<int>(random.Below(30));
      for (int i = 0; i < rounds; ++i) {
        StateBatch batch;
        batch.Put("k" + std::to_string(written), std::string(random.Below(1000), 'v'));
        batch.Put("count", std::to_string(++written));
        ASSERT_TRUE((*store)->Write(batch).ok());
        if (random.Chance(0.1)) {
          ASSERT_TRUE((*store)->Flush().ok());
          flushed = written;
        }
      }
      disk.Crash();
    }
  }
  EXPECT_GT(kept_all, 10);
  EXPECT_GT(lost_some, 50);
  EXPECT_GT(damaged, 10);
}

TEST(SimStateStoreTest, AFullDiskIsResourceExhaustedAndTheStoreTakesNoMore) {
  SeededRandom random(1);
  SimDisk disk(random);
  SimFileSystem files(disk);
  SimStateStores stores(files, random);
  auto store = *stores.Open("/store");
  StateBatch batch;
  batch.Put("a", "1");
  disk.faults().full = true;
  EXPECT_EQ(store->Write(batch).code(), absl::StatusCode::kResourceExhausted);
  disk.faults().full = false;
  EXPECT_EQ(store->Write(batch).code(), absl::StatusCode::kResourceExhausted);
  store = *stores.Open("/store");
  EXPECT_TRUE(store->Write(batch).ok());
}

}  // namespace
}  // namespace quorate::sim

namespace quorate {
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, StateStoreContract, sim::SimStoreWorld);
}  // namespace quorate
