#include "raft/snapshot_file.h"

#include <gtest/gtest.h>

#include "raft/snapshot_store.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

const raft::SnapshotId kId{LogIndex(42), Term(3)};

class SnapshotFileTest : public ::testing::Test {
 protected:
  SnapshotFileTest() { EXPECT_TRUE(files_.CreateDirectories("/d").ok()); }

  std::string Write(const raft::SnapshotId& id, int batches = 3) {
    const std::string path = "/d/" + SnapshotFileName(id);
    auto writer = SnapshotWriter::Create(&files_, path, {id, 1000 + id.end.value(), "cluster"});
    EXPECT_TRUE(writer.ok());
    for (int i = 0; i < batches; ++i) {
      EXPECT_TRUE((*writer)->Add({"a" + std::to_string(i), "b" + std::to_string(i)}).ok());
    }
    EXPECT_TRUE((*writer)->Finish().ok());
    return path;
  }
  absl::Status ReadStatus(const std::string& path, const raft::SnapshotId& id = kId) {
    return LoadSnapshotFile(&files_, path, id, "cluster").status();
  }
  int64_t SizeOf(const std::string& path) { return *(*files_.Open(path, OpenMode::kRead))->Size(); }

  MemoryFileSystem files_;
};

TEST(SnapshotFileNameTest, IsKafkasAndReadsBack) {
  EXPECT_EQ(SnapshotFileName(kId), "00000000000000000042-0000000003.checkpoint");
  EXPECT_EQ(ParseSnapshotFileName(SnapshotFileName(kId)), kId);
  for (const char* name :
       {"", "x", "00000000000000000042-0000000003.checkpoint.part",
        "00000000000000000042-0000000003.checkpoint.corrupt", "00000000000000000042.snapshot",
        "0000000000000000004x-0000000003.checkpoint", "99999999999999999999-0000000003.checkpoint",
        "00000000000000000042-9999999999.checkpoint",
        "00000000000000000000-0000000000.checkpoint"}) {
    EXPECT_FALSE(ParseSnapshotFileName(name)) << name;
  }
}

TEST_F(SnapshotFileTest, GivesBackWhatWasWritten) {
  const auto snapshot = LoadSnapshotFile(&files_, Write(kId), kId, "cluster");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ((*snapshot)->end, LogIndex(42));
  EXPECT_EQ((*snapshot)->term, Term(3));
  EXPECT_EQ((*snapshot)->append_time, 1042);
  EXPECT_EQ((*snapshot)->records, (std::vector<std::string>{"a0", "b0", "a1", "b1", "a2", "b2"}));
}

TEST_F(SnapshotFileTest, TheVotersComeBackAndNoneIfThereWereNone) {  // KIP-853
  const std::string path = "/d/" + SnapshotFileName(kId);
  const raft::VoterSet voters(
      std::map<NodeId, raft::Voter>{{NodeId(1), {Uuid({1}), {"host", 9093}}}},
      {{NodeId(2), Uuid({2})}});
  SnapshotHeader header{kId, 1042, "cluster"};
  header.voters = voters;
  auto writer = SnapshotWriter::Create(&files_, path, header);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto snapshot = LoadSnapshotFile(&files_, path, kId, "cluster");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  ASSERT_NE((*snapshot)->voters, nullptr);
  EXPECT_TRUE(*(*snapshot)->voters == voters);
  const raft::SnapshotId other{LogIndex(50), Term(3)};
  const auto without = LoadSnapshotFile(&files_, Write(other), other, "cluster");
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ((*without)->voters, nullptr);
}

TEST_F(SnapshotFileTest, AnEmptyStateIsAStateToo) {
  const auto snapshot = LoadSnapshotFile(&files_, Write(kId, 0), kId, "cluster");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_TRUE((*snapshot)->records.empty());
}

// C30, E7: whichever byte is wrong, it is seen.
TEST_F(SnapshotFileTest, AnyWrongByteIsFound) {
  const std::string path = Write(kId);
  const std::string whole = *files_.ReadFile(path);
  for (size_t i = 0; i < whole.size(); ++i) {
    files_.CorruptByte(path, static_cast<int64_t>(i), static_cast<char>(whole[i] ^ 0x10));
    const absl::Status status = ReadStatus(path);
    EXPECT_TRUE(absl::IsDataLoss(status)) << "byte " << i << ": " << status;
    files_.CorruptByte(path, static_cast<int64_t>(i), whole[i]);
  }
  EXPECT_TRUE(ReadStatus(path).ok());
}

TEST_F(SnapshotFileTest, AnyMissingTailIsFound) {
  const std::string path = Write(kId);
  for (int64_t size = SizeOf(path) - 1; size >= 0; --size) {
    ASSERT_TRUE((*files_.Open(path, OpenMode::kWrite))->Truncate(size).ok());
    const absl::Status status = ReadStatus(path);
    EXPECT_TRUE(absl::IsDataLoss(status)) << size << " bytes: " << status;
    EXPECT_NE(status.message().find(path), std::string::npos);
  }
}

TEST_F(SnapshotFileTest, BytesAfterTheFooterAreFound) {
  const std::string path = Write(kId);
  const std::string again = *files_.ReadFile(path);
  const std::string_view piece = again;
  ASSERT_TRUE((*files_.Open(path, OpenMode::kWrite))->WriteAt(SizeOf(path), {&piece, 1}).ok());
  EXPECT_TRUE(absl::IsDataLoss(ReadStatus(path)));
}

TEST_F(SnapshotFileTest, ANameThatIsNotTheHeadersIsFound) {
  const std::string path = Write(kId);
  EXPECT_TRUE(absl::IsDataLoss(ReadStatus(path, {LogIndex(43), Term(3)})));
  EXPECT_TRUE(absl::IsDataLoss(ReadStatus(path, {LogIndex(42), Term(4)})));
  EXPECT_EQ(LoadSnapshotFile(&files_, path, kId, "other").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(SnapshotFileTest, TheStoreSetsDamagedOnesAsideUntilOneIsValid) {
  const raft::SnapshotId older{LogIndex(10), Term(1)};
  Write(older);
  const std::string path = Write(kId);
  files_.CorruptByte(path, 100, '\x7f');
  auto store = SnapshotStore::Open(&files_, "/d", "cluster");
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->newest(), kId);
  const auto loaded = (*store)->LoadNewest();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->end, LogIndex(10));
  EXPECT_EQ((*store)->newest(), older);
  EXPECT_EQ((*store)->set_aside(), std::vector<std::string>{path + ".corrupt"});
}

TEST_F(SnapshotFileTest, TheStoreRemovesWhatWasNotFinished) {
  ASSERT_TRUE(files_.WriteFileAtomically("/d/" + SnapshotFileName(kId) + ".part", "x").ok());
  ASSERT_TRUE(files_.WriteFileAtomically("/d/" + SnapshotFileName(kId) + ".fetched", "x").ok());
  auto store = SnapshotStore::Open(&files_, "/d", "cluster");
  ASSERT_TRUE(store.ok());
  EXPECT_TRUE((*store)->snapshots().empty());
  EXPECT_TRUE(files_.List("/d")->empty());
}

TEST_F(SnapshotFileTest, RetentionNeverTakesOneOfTheTwoNewest) {
  for (int end : {10, 20, 30, 40}) Write({LogIndex(end), Term(1)});
  auto store = SnapshotStore::Open(&files_, "/d", "cluster");
  ASSERT_TRUE(store.ok());
  const auto no_log = [](LogIndex) { return int64_t{0}; };
  EXPECT_TRUE((*store)->TakeExpired({1 << 30, -1}, 5000, no_log).empty());
  // Older than 3965 ms at 5000: the state of index 30 is of time 1030.
  EXPECT_EQ((*store)->TakeExpired({-1, 3985}, 5000, no_log).size(), 1u);
  EXPECT_EQ((*store)->TakeExpired({0, -1}, 5000, no_log).size(), 1u);
  EXPECT_EQ((*store)->snapshots().size(), 2u);
  EXPECT_EQ((*store)->TakeBefore(LogIndex(40)).size(), 1u);
  EXPECT_EQ((*store)->newest().end, LogIndex(40));
}

}  // namespace
}  // namespace quorate
