// The files of raft/: quorum-state, recovery-point, the batches, and the reader for tools.
#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/metadata_batch_codec.h"
#include "raft/metadata_log_reader.h"
#include "raft/quorum_state_file.h"
#include "storage/log.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

raft::HardState SomeState() { return {Term(7), {NodeId(2), Uuid({1, 2, 3})}, NodeId(2)}; }

TEST(QuorumState, ReadsBackWhatWasWritten) {
  MemoryFileSystem files;
  ASSERT_TRUE(files.CreateDirectories("/d").ok());
  EXPECT_EQ(ReadQuorumState(&files, "/d/q")->has_value(), false);
  ASSERT_TRUE(WriteQuorumState(&files, "/d/q", SomeState()).ok());
  EXPECT_EQ(**ReadQuorumState(&files, "/d/q"), SomeState());
}

TEST(QuorumState, EveryFlippedBitAndEveryTruncationIsFound) {
  const std::string good = EncodeQuorumState(SomeState());
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      EXPECT_TRUE(absl::IsDataLoss(DecodeQuorumState(bad).status())) << i;
    }
    EXPECT_TRUE(absl::IsDataLoss(DecodeQuorumState(good.substr(0, i)).status())) << i;
  }
}

TEST(QuorumState, ACrashLeavesTheOldOrTheNewStateWhole) {  // C4
  SeededRandom random(1);
  for (int round = 0; round < 200; ++round) {
    MemoryFileSystem files;
    ASSERT_TRUE(files.CreateDirectories("/d").ok());
    ASSERT_TRUE(files.SyncDirectory("/").ok());
    ASSERT_TRUE(WriteQuorumState(&files, "/d/q", SomeState()).ok());
    raft::HardState next = SomeState();
    next.term = Term(8);
    int left = static_cast<int>(random.Below(6));
    files.set_hook([&left](MemoryFileSystem::Op, const std::string&) {
      return left-- > 0 ? absl::OkStatus() : absl::DataLossError("crash");
    });
    const bool written = WriteQuorumState(&files, "/d/q", next).ok();
    files.Crash(random);
    const auto found = ReadQuorumState(&files, "/d/q");
    ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
    EXPECT_TRUE(**found == next || (!written && **found == SomeState()));
  }
}

TEST(MetadataBatch, KeepsRecordsCauseTermAndTime) {
  const std::string bytes = EncodeMetadataBatch({"a", "", "c"}, "because", Term(4), 1234);
  const auto view = RecordBatchView::Parse(bytes);
  ASSERT_TRUE(view.ok());
  const auto batch = DecodeMetadataBatch(*view);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ((*batch)->records, (std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ((*batch)->cause, "because");
  EXPECT_EQ((*batch)->term, Term(4));
  EXPECT_EQ((*batch)->append_time, 1234);
  EXPECT_FALSE((*batch)->control);
}

TEST(MetadataBatch, AFlippedBitIsFoundBeforeItIsReplicated) {  // C30
  std::string bytes = EncodeMetadataBatch({"abc"}, "because", Term(4), 1234);
  ASSERT_TRUE(SpansOf(bytes).ok());
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 4);
  EXPECT_TRUE(absl::IsDataLoss(SpansOf(bytes).status()));
}

class ReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    LogOpenOptions options;
    options.config.segment_bytes = 300;  // several files
    log_ = *Log::Open(&files_, kLog, options);
    Append(EncodeLeaderChange({NodeId(1), {NodeId(1)}, {NodeId(1)}}, Term(1), 5), Term(1));
    for (int i = 0; i < 20; ++i) {
      Append(EncodeMetadataBatch({"r" + std::to_string(i), "s"}, "c", Term(1), 5), Term(1));
    }
    ASSERT_TRUE(log_->Flush().ok());
    ASSERT_GT(log_->segment_count(), 3u);
  }
  void Append(std::string bytes, Term term) {
    LeaderAppend piece;
    piece.batches = SharedBytes::FromString(std::move(bytes));
    piece.origin = AppendOrigin::kRaft;
    ASSERT_TRUE(log_->AppendAsLeader(piece, LeaderEpoch(term.value()), 5).ok());
  }
  // Reads all; the status of the end.
  absl::Status ReadAll(std::vector<MetadataLogReader::Entry>* entries) {
    auto reader = MetadataLogReader::Open(&files_, "/m");
    if (!reader.ok()) return reader.status();
    while (true) {
      auto entry = (*reader)->Next();
      if (!entry.ok()) return entry.status();
      torn_ = (*reader)->torn_bytes();
      if (!entry->has_value()) return absl::OkStatus();
      entries->push_back(**std::move(entry));
    }
  }

  const std::string kLog = "/m/__cluster_metadata-0";
  MemoryFileSystem files_;
  std::unique_ptr<Log> log_;
  int64_t torn_ = 0;
};

TEST_F(ReaderTest, GivesEveryBatchInOrderWhileTheLogIsOpen) {
  std::vector<MetadataLogReader::Entry> entries;
  ASSERT_TRUE(ReadAll(&entries).ok());
  ASSERT_EQ(entries.size(), 21u);
  EXPECT_EQ(entries[0].control_type, ControlRecordType::kLeaderChange);
  EXPECT_EQ(entries[5].batch->first, LogIndex(9));
  EXPECT_EQ(entries[5].batch->records[0], "r4");
  EXPECT_EQ(entries[5].batch->cause, "c");
}

TEST_F(ReaderTest, NamesFileAndPositionOfDamage) {
  std::vector<MetadataLogReader::Entry> entries;
  ASSERT_TRUE(ReadAll(&entries).ok());
  const MetadataLogReader::Entry bad = entries[8];
  files_.CorruptByte(bad.file, bad.position + bad.size_bytes - 3, '~');
  entries.clear();
  const absl::Status status = ReadAll(&entries);
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_EQ(entries.size(), 8u);
  EXPECT_NE(status.message().find(bad.file), std::string::npos) << status;
  EXPECT_NE(status.message().find("position " + std::to_string(bad.position)), std::string::npos)
      << status;
}

TEST_F(ReaderTest, AnUnfinishedLastBatchEndsTheLog) {
  std::vector<MetadataLogReader::Entry> entries;
  ASSERT_TRUE(ReadAll(&entries).ok());
  auto file = *files_.Open(entries.back().file, OpenMode::kWrite);
  ASSERT_TRUE(file->Truncate(*file->Size() - 3).ok());
  entries.clear();
  ASSERT_TRUE(ReadAll(&entries).ok());
  EXPECT_EQ(entries.size(), 20u);
  EXPECT_GT(torn_, 0);
}

TEST_F(ReaderTest, AnEmptyDirectoryIsNotFound) {
  MemoryFileSystem empty;
  ASSERT_TRUE(empty.CreateDirectories("/m").ok());
  EXPECT_TRUE(absl::IsNotFound(MetadataLogReader::Open(&empty, "/m").status()));
}

}  // namespace
}  // namespace quorate
