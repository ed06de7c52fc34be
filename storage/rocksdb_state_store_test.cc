#include "storage/rocksdb_state_store.h"

#include <rocksdb/env.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/posix/contract_worlds.h"
#include "base/posix/posix_file_system.h"
#include "base/state_store_contract.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

class RocksDbWorld final : public StateStoreWorld {
 public:
  StateStores& stores() override { return stores_; }
  FileSystem& fs() override { return fs_; }
  std::string directory() override { return directory_.path(); }
  absl::StatusOr<std::unique_ptr<StateStore>> ReopenAfterKill(
      std::unique_ptr<StateStore> store, const std::string& directory) override {
    // What a kill leaves is what the files hold now: no close, no flush of buffers.
    const std::string copy = directory + ".copy";
    EXPECT_TRUE(fs_.CreateDirectories(copy).ok());
    const std::vector<std::string> names = *fs_.List(directory);
    for (const std::string& name : names) {
      EXPECT_TRUE(
          fs_.WriteFileAtomically(copy + "/" + name, *fs_.ReadFile(directory + "/" + name)).ok());
    }
    store.reset();
    EXPECT_TRUE(fs_.RemoveTree(directory).ok());
    EXPECT_TRUE(fs_.Rename(copy, directory).ok());
    return stores_.Open(directory);
  }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem fs_;
  RocksDbStateStores stores_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(RocksDb, StateStoreContract, RocksDbWorld);

// Files on which writes fail once told so.
class FullDisk final : public rocksdb::EnvWrapper {
 public:
  FullDisk() : EnvWrapper(Env::Default()) {}
  bool full = false;
  rocksdb::Status NewWritableFile(const std::string& name,
                                  std::unique_ptr<rocksdb::WritableFile>* out,
                                  const rocksdb::EnvOptions& options) override {
    if (full) return NoSpace();
    std::unique_ptr<rocksdb::WritableFile> file;
    rocksdb::Status status = target()->NewWritableFile(name, &file, options);
    if (status.ok()) *out = std::make_unique<FullFile>(this, std::move(file));
    return status;
  }

 private:
  static rocksdb::Status NoSpace() { return rocksdb::Status::NoSpace("no space left on device"); }
  class FullFile final : public rocksdb::WritableFileWrapper {
   public:
    FullFile(FullDisk* disk, std::unique_ptr<rocksdb::WritableFile> file)
        : WritableFileWrapper(file.get()), disk_(disk), file_(std::move(file)) {}
    using WritableFileWrapper::Append;
    rocksdb::Status Append(const rocksdb::Slice& bytes) override {
      return disk_->full ? NoSpace() : file_->Append(bytes);
    }

   private:
    FullDisk* const disk_;
    const std::unique_ptr<rocksdb::WritableFile> file_;
  };
};

class RocksDbStateStoreTest : public testing::Test {
 protected:
  std::string Path() { return directory_.path() + "/store"; }
  std::string FileNamed(std::string_view ending) {
    std::string found;
    const std::vector<std::string> names = *fs_.List(Path());
    for (const std::string& name : names) {
      if (name.ends_with(ending) || name.starts_with(ending)) found = Path() + "/" + name;
    }
    return found;
  }
  void WriteRounds(int rounds) {
    auto store = *stores_.Open(Path());
    for (int i = 0; i < rounds; ++i) {
      StateBatch batch;
      batch.Put("a", std::to_string(i));
      batch.Put(absl::StrFormat("k%d", i), std::string(30, 'x'));
      batch.Put("z", std::to_string(i));
      ASSERT_TRUE(store->Write(batch).ok());
    }
  }
  // How many rounds of WriteRounds are there, all whole; -1 if the store cannot be opened or read
  // and says that it is damaged.
  int RoundsIn(const std::string& path) {
    auto store = stores_.Open(path);
    if (!store.ok()) {
      EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
      return -1;
    }
    const auto a = (*store)->Get("a");
    const auto z = (*store)->Get("z");
    if (!a.ok() || !z.ok()) return -1;
    EXPECT_EQ(*a, *z);
    const int rounds = *a ? std::stoi(**a) + 1 : 0;
    int keys = 0;
    EXPECT_TRUE((*store)
                    ->Scan("k",
                           [&](std::string_view, std::string_view) {
                             ++keys;
                             return true;
                           })
                    .ok());
    EXPECT_EQ(keys, rounds);
    return rounds;
  }

  TemporaryDirectory directory_;
  PosixFileSystem fs_;
  RocksDbStateStores stores_;
};

TEST_F(RocksDbStateStoreTest, OpeningWritesNoFile) {
  WriteRounds(1);
  const auto before = *fs_.List(Path());
  ASSERT_TRUE(stores_.Open(Path()).ok());
  EXPECT_EQ(*fs_.List(Path()), before);
}

TEST_F(RocksDbStateStoreTest, ACutWriteAheadLogLeavesAPrefixOfTheBatches) {
  WriteRounds(6);
  const std::string log = FileNamed(".log");
  const std::string bytes = *fs_.ReadFile(log);
  int last = 6;
  for (size_t length = bytes.size(); length > 0; length -= 3 > length ? length : 3) {
    ASSERT_TRUE(fs_.WriteFileAtomically(log, std::string_view(bytes).substr(0, length)).ok());
    const int rounds = RoundsIn(Path());
    EXPECT_GE(rounds, 0);
    EXPECT_LE(rounds, last);
    last = rounds;
  }
  EXPECT_EQ(last, 0);
}

TEST_F(RocksDbStateStoreTest, AFlippedByteInTheWriteAheadLogLeavesAPrefixOrIsDataLoss) {
  WriteRounds(6);
  const std::string log = FileNamed(".log");
  const std::string bytes = *fs_.ReadFile(log);
  int cut = 0;
  for (size_t at = 0; at < bytes.size(); at += 5) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    ASSERT_TRUE(fs_.WriteFileAtomically(log, flipped).ok());
    if (RoundsIn(Path()) < 6) ++cut;
  }
  EXPECT_GT(cut, 50);
}

TEST_F(RocksDbStateStoreTest, FlushedStateNeedsNoWriteAheadLog) {
  WriteRounds(3);
  ASSERT_TRUE((*stores_.Open(Path()))->Flush().ok());
  const std::vector<std::string> names = *fs_.List(Path());
  for (const std::string& name : names) {
    if (!name.ends_with(".log")) continue;
    ASSERT_TRUE(fs_.Remove(Path() + "/" + name).ok());
  }
  EXPECT_EQ(RoundsIn(Path()), 3);
}

TEST_F(RocksDbStateStoreTest, DamagedTableAndManifestFilesAreDataLoss) {
  WriteRounds(3);
  ASSERT_TRUE((*stores_.Open(Path()))->Flush().ok());
  for (const char* kind : {".sst", "MANIFEST", "CURRENT"}) {
    const std::string path = FileNamed(kind);
    const std::string bytes = *fs_.ReadFile(path);
    std::string damaged = bytes;
    for (size_t i = 0; i < damaged.size() && i < 40; ++i) damaged[i] = 'x';
    ASSERT_TRUE(fs_.WriteFileAtomically(path, damaged).ok());
    EXPECT_EQ(RoundsIn(Path()), -1) << kind;
    ASSERT_TRUE(fs_.WriteFileAtomically(path, bytes).ok());
  }
  ASSERT_TRUE(fs_.Remove(FileNamed(".sst")).ok());
  EXPECT_EQ(RoundsIn(Path()), -1);
}

TEST_F(RocksDbStateStoreTest, AFullDiskIsResourceExhaustedAndTheStoreTakesNoMore) {
  FullDisk disk;
  RocksDbStateStores stores(&disk);
  auto store = *stores.Open(Path());
  StateBatch batch;
  batch.Put("a", "1");
  ASSERT_TRUE(store->Write(batch).ok());
  disk.full = true;
  const absl::Status refused = store->Write(batch);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_NE(std::string(refused.message()).find(Path()), std::string::npos) << refused;
  disk.full = false;
  EXPECT_EQ(store->Write(batch).code(), absl::StatusCode::kResourceExhausted);
  store.reset();
  store = *stores.Open(Path());
  batch.Put("b", "2");
  EXPECT_TRUE(store->Write(batch).ok());
  EXPECT_EQ(**store->Get("b"), "2");
}

TEST_F(RocksDbStateStoreTest, AFullDiskAtTheFirstWriteLosesNothing) {
  WriteRounds(2);
  FullDisk disk;
  RocksDbStateStores stores(&disk);
  auto store = *stores.Open(Path());
  disk.full = true;
  StateBatch batch;
  batch.Put("a", "1");
  EXPECT_EQ(store->Write(batch).code(), absl::StatusCode::kResourceExhausted);
  store.reset();
  EXPECT_EQ(RoundsIn(Path()), 2);
}

}  // namespace
}  // namespace quorate
