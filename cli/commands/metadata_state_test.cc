#include "cli/commands/metadata_state.h"

#include <gtest/gtest.h>

#include "controller/image/image_records.h"
#include "controller/image/testing/records.h"
#include "raft/metadata_batch_codec.h"
#include "raft/snapshot_file.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

using namespace testing;  // NOLINT: record builders

const Uuid kA = TestUuid(1);

// A log of batches of one or two records each, of which a directory holds some.
class MetadataStateTest : public ::testing::Test {
 protected:
  MetadataStateTest() {
    EXPECT_TRUE(files_.CreateDirectories("/m/__cluster_metadata-0").ok());
    batches_ = {{RegisterRecord(1, 0)},
                {TopicRecord("a", kA), PartitionRecord(kA, 0, {1})},
                {TopicConfigRecord("a", "k", "v")},
                {FeatureRecord("f", 2)}};
  }

  // Batches from number `first` on, as the one segment.
  void WriteLog(size_t first) {
    std::string bytes;
    int64_t index = 0;
    int64_t base = 0;
    for (size_t i = 0; i < batches_.size(); ++i) {
      std::string batch = EncodeMetadataBatch(batches_[i], "", Term(1), 1000);
      for (int k = 0; k < 8; ++k) {
        batch[static_cast<size_t>(k)] = static_cast<char>(index >> (8 * (7 - k)));
      }
      if (i == first) base = index;
      if (i >= first) bytes += batch;
      index += static_cast<int64_t>(batches_[i].size());
    }
    char name[64];
    snprintf(name, sizeof(name), "/m/__cluster_metadata-0/%020d.log", static_cast<int>(base));
    ASSERT_TRUE(files_.WriteFileAtomically(name, bytes).ok());
  }
  MetadataImage ImageAfter(size_t batches) {
    std::vector<std::string> records;
    for (size_t i = 0; i < batches; ++i) {
      records.insert(records.end(), batches_[i].begin(), batches_[i].end());
    }
    return ImageOf(records);
  }
  std::string WriteSnapshot(size_t batches) {
    const MetadataImage image = ImageAfter(batches);
    const raft::SnapshotId id{image.index(), Term(1)};
    const std::string path = "/m/__cluster_metadata-0/" + SnapshotFileName(id);
    auto writer = SnapshotWriter::Create(&files_, path, {id, 1000, "cluster"});
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE(WriteImageRecords(image, 100, [&](std::vector<std::string> records) {
                  return (*writer)->Add(records);
                }).ok());
    EXPECT_TRUE((*writer)->Finish().ok());
    return path;
  }
  absl::StatusOr<MetadataImage> At(int64_t index) {
    return StateAt(&files_, "/m", index < 0 ? std::nullopt : std::optional(LogIndex(index)));
  }

  MemoryFileSystem files_;
  std::vector<std::vector<std::string>> batches_;
};

TEST_F(MetadataStateTest, WithoutASnapshotTheLogAloneTells) {
  WriteLog(0);
  EXPECT_EQ(At(3)->hash(), ImageAfter(2).hash());
  EXPECT_EQ(At(-1)->hash(), ImageAfter(4).hash());
  EXPECT_EQ(At(0)->hash(), MetadataImage().hash());
  // A batch that holds the index does not count.
  EXPECT_EQ(At(2)->index(), LogIndex(1));
}

TEST_F(MetadataStateTest, ASnapshotAndTheLogBehindItTell) {
  WriteLog(2);
  WriteSnapshot(2);
  EXPECT_EQ(At(3)->hash(), ImageAfter(2).hash());
  EXPECT_EQ(At(4)->hash(), ImageAfter(3).hash());
  EXPECT_EQ(At(-1)->hash(), ImageAfter(4).hash());
}

TEST_F(MetadataStateTest, AnIndexBeforeTheOldestSnapshotIsRefusedWithWhatThereIs) {
  WriteLog(2);
  WriteSnapshot(2);
  const absl::Status status = At(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_NE(status.message().find("the state at index 1 cannot be shown: the log begins at 3"),
            std::string::npos)
      << status;
  EXPECT_EQ(At(99).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(MetadataStateTest, ADamagedSnapshotIsListedAndNotUsed) {
  WriteLog(0);
  const std::string path = WriteSnapshot(3);
  WriteSnapshot(2);
  files_.CorruptByte(path, 100, '\x7f');
  const auto snapshots = ListSnapshots(&files_, "/m");
  ASSERT_TRUE(snapshots.ok());
  ASSERT_EQ(snapshots->size(), 2u);
  EXPECT_TRUE((*snapshots)[0].state.ok());
  EXPECT_EQ((*snapshots)[0].records, 3);
  EXPECT_EQ((*snapshots)[1].id.end, LogIndex(4));
  EXPECT_TRUE(absl::IsDataLoss((*snapshots)[1].state));
  EXPECT_EQ(At(-1)->hash(), ImageAfter(4).hash());
}

TEST_F(MetadataStateTest, ALogThatDoesNotContinueTheSnapshotIsDamage) {
  WriteLog(3);
  WriteSnapshot(2);
  EXPECT_TRUE(absl::IsDataLoss(At(-1).status()));
}

}  // namespace
}  // namespace quorate
