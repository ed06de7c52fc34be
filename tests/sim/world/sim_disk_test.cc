// What only a simulated disk can do: lose what was not synced.
#include "tests/sim/world/sim_disk.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

absl::Status Write(File& file, int64_t offset, std::string_view bytes) {
  return file.WriteAt(offset, {&bytes, 1});
}

class SimDiskTest : public testing::Test {
 protected:
  // A disk with /d and the file /d/f, durable with `contents`.
  void Begin(uint64_t seed, std::string_view contents) {
    file_.reset();
    fs_.reset();
    random_ = std::make_unique<SeededRandom>(seed);
    disk_ = std::make_unique<SimDisk>(*random_);
    fs_ = std::make_unique<SimFileSystem>(*disk_);
    ASSERT_TRUE(fs_->CreateDirectories("/d").ok());
    file_ = *fs_->Open("/d/f", OpenMode::kCreate);
    ASSERT_TRUE(Write(*file_, 0, contents).ok());
    ASSERT_TRUE(file_->Sync().ok());
    ASSERT_TRUE(fs_->SyncDirectory("/d").ok());
  }
  void Crash() {
    disk_->Crash();
    fs_ = std::make_unique<SimFileSystem>(*disk_);
  }
  std::string Contents(const std::string& path = "/d/f") {
    auto contents = fs_->ReadFile(path);
    return contents.ok() ? *contents : "(" + contents.status().ToString() + ")";
  }

  std::unique_ptr<SeededRandom> random_;
  std::unique_ptr<SimDisk> disk_;
  std::unique_ptr<SimFileSystem> fs_;
  std::shared_ptr<File> file_;
};

TEST_F(SimDiskTest, ACrashKeepsWhatWasSynced) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Begin(seed, std::string(10'000, 'a'));
    Crash();
    EXPECT_EQ(Contents(), std::string(10'000, 'a'));
  }
}

TEST_F(SimDiskTest, ACrashKeepsLosesOrTearsEachUnsyncedPage) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Begin(seed, std::string(3 * 4096, 'a'));
    ASSERT_TRUE(Write(*file_, 0, std::string(3 * 4096, 'b')).ok());
    Crash();
    const std::string contents = Contents();
    ASSERT_EQ(contents.size(), 3u * 4096);
    std::string pages;
    for (int page = 0; page < 3; ++page) {
      int kept = 0;
      for (int sector = 0; sector < 8; ++sector) {
        const std::string bytes = contents.substr(page * 4096 + sector * 512, 512);
        ASSERT_EQ(bytes, std::string(512, bytes[0]));  // Sectors are written whole.
        kept += bytes[0] == 'b';
      }
      pages += kept == 0 ? 'a' : kept == 8 ? 'b' : 't';
    }
    outcomes.insert(pages);
  }
  EXPECT_EQ(outcomes.size(), 27u);
  EXPECT_GT(disk_->torn_pages() + outcomes.count("ttt"), 0u);
}

TEST_F(SimDiskTest, AWipedDiskKeepsOnlyWhatItIsToldTo) {
  Begin(1, "abc");
  ASSERT_TRUE(fs_->CreateDirectories("/d/kept").ok());
  ASSERT_TRUE(Write(**fs_->Open("/d/kept/x", OpenMode::kCreate), 0, "x").ok());
  ASSERT_TRUE(fs_->CreateDirectories("/d/gone").ok());
  Crash();
  const bool was_there = fs_->Exists("/d/kept/x");
  disk_->WipeExcept({"/d/kept"});
  EXPECT_FALSE(fs_->Exists("/d/f"));
  EXPECT_FALSE(fs_->Exists("/d/gone"));
  EXPECT_TRUE(fs_->IsDirectory("/d/kept"));
  EXPECT_EQ(fs_->Exists("/d/kept/x"), was_there);
  Crash();
  EXPECT_FALSE(fs_->Exists("/d/f"));
}

TEST_F(SimDiskTest, AnUnsyncedAppendMaySurviveInPart) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Begin(seed, "head");
    ASSERT_TRUE(Write(*file_, 4, std::string(10'000, 'b')).ok());
    Crash();
    EXPECT_EQ(Contents().substr(0, 4), "head");
    sizes.insert(Contents().size());
  }
  EXPECT_EQ(*sizes.begin(), 4u);
  EXPECT_EQ(*sizes.rbegin(), 10'004u);
  EXPECT_GT(sizes.size(), 10u);
}

TEST_F(SimDiskTest, AProcessDeathLosesNothing) {
  Begin(1, "abc");
  ASSERT_TRUE(Write(*file_, 3, "def").ok());
  disk_->ProcessDied();
  EXPECT_FALSE(Write(*file_, 6, "ghi").ok());
  fs_ = std::make_unique<SimFileSystem>(*disk_);
  EXPECT_EQ(Contents(), "abcdef");
}

TEST_F(SimDiskTest, NamesBecomeDurableInTheirOrder) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Begin(seed, "old");
    for (const char* name : {"/d/1", "/d/2", "/d/3"}) {
      ASSERT_TRUE(fs_->Open(name, OpenMode::kCreate).ok());
    }
    Crash();
    std::string names;
    const auto listed = fs_->List("/d");
    ASSERT_TRUE(listed.ok());
    for (const std::string& name : *listed) names += name;
    outcomes.insert(names);
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"f", "1f", "12f", "123f"}));
}

TEST_F(SimDiskTest, AWrittenAtomicallyFileIsOldOrNewWhereverTheMachineDies) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Begin(seed, "old");
    bool died = false;
    disk_->faults().changes_until_death = static_cast<int64_t>(seed % 6);
    disk_->faults().die = [&] { died = true; };
    const absl::Status status = fs_->WriteFileAtomically("/d/f", "new");
    EXPECT_EQ(status.ok(), !died);
    Crash();
    const std::string contents = Contents();
    EXPECT_TRUE(contents == "new" || (died && contents == "old")) << contents;
    outcomes.insert(contents);
  }
  EXPECT_EQ(outcomes.size(), 2u);
}

TEST_F(SimDiskTest, AFailedSyncLosesPagesAndIsReported) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Begin(seed, "aaa");
    ASSERT_TRUE(Write(*file_, 0, "bbb").ok());
    disk_->faults().failing_syncs = 1;
    EXPECT_EQ(file_->Sync().code(), absl::StatusCode::kDataLoss);
    EXPECT_TRUE(file_->Sync().ok());
    outcomes.insert(Contents());
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"aaa", "bbb"}));
}

TEST_F(SimDiskTest, AFullDiskRefusesWritesAndKeepsTheRest) {
  Begin(1, "abc");
  disk_->faults().full = true;
  EXPECT_EQ(Write(*file_, 3, "d").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fs_->Open("/d/new", OpenMode::kCreate).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Contents(), "abc");
  EXPECT_TRUE(fs_->Remove("/d/f").ok());
}

TEST_F(SimDiskTest, AGoneProcessChangesNothing) {
  Begin(1, "abc");
  std::unique_ptr<SimFileSystem> old = std::move(fs_);
  Crash();
  EXPECT_FALSE(old->Remove("/d/f").ok());
  EXPECT_FALSE(old->WriteFileAtomically("/d/f", "x").ok());
  EXPECT_FALSE(file_->Truncate(0).ok());
  EXPECT_EQ(Contents(), "abc");
}

TEST_F(SimDiskTest, ACrashReleasesLocks) {
  Begin(1, "abc");
  auto lock = fs_->Lock("/d/lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_FALSE(fs_->Lock("/d/lock").ok());
  Crash();
  EXPECT_TRUE(fs_->Lock("/d/lock").ok());
  lock->reset();  // The old holder's end does not take the new one's away; it is gone already.
}

TEST_F(SimDiskTest, ReadsFailAsOftenAsAskedFor) {
  Begin(1, "abc");
  disk_->faults().failing_reads = 1;
  EXPECT_NE(Contents(), "abc");
  EXPECT_EQ(Contents(), "abc");
  disk_->faults().failing_reads = -1;
  EXPECT_NE(Contents(), "abc");
  EXPECT_NE(Contents(), "abc");
  EXPECT_EQ(disk_->failed_reads(), 3u);
}

TEST_F(SimDiskTest, AnOlderStateOfADirectoryCanBePutBack) {
  Begin(1, "old");
  const SimDisk::Tree before = disk_->Copy("/d");
  ASSERT_TRUE(Write(*file_, 0, "new").ok());
  ASSERT_TRUE(fs_->Open("/d/g", OpenMode::kCreate).ok());
  file_.reset();
  Crash();
  disk_->Replace("/d", before);
  Crash();  // it is durable
  EXPECT_EQ(Contents(), "old");
  EXPECT_FALSE(fs_->Exists("/d/g"));
}

TEST_F(SimDiskTest, AFlippedBitIsSeenByReadersAndMappingsAndSurvivesACrash) {
  Begin(1, "aaaaaaaa");
  const auto mapping = *file_->Map();
  SeededRandom random(3);
  EXPECT_EQ(disk_->FlipBit("/d", {".none"}, random), "");
  EXPECT_NE(disk_->FlipBit("/d", {"f"}, random), "");
  const std::string flipped = Contents();
  EXPECT_NE(flipped, "aaaaaaaa");
  EXPECT_EQ(mapping->bytes(), flipped);
  file_.reset();
  Crash();
  EXPECT_EQ(Contents(), flipped);
}

}  // namespace
}  // namespace quorate::sim
