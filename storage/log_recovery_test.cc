#include <gtest/gtest.h>

#include "base/status_macros.h"
#include "storage/log.h"
#include "storage/log_test_util.h"

namespace quorate {
namespace {

using Records = std::vector<std::pair<int64_t, std::string>>;

constexpr char kDir[] = "data/t-0";
constexpr char kFirst[] = "data/t-0/00000000000000000000.log";

class LogRecoveryTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Open(true).ok()); }

  absl::Status Open(bool clean, int64_t recovery_point = 0) {
    log_.reset();
    options_.clean_shutdown = clean;
    options_.recovery_point = Offset(recovery_point);
    Q_ASSIGN_OR_RETURN(log_, Log::Open(&files_, kDir, options_));
    return absl::OkStatus();
  }
  void Append(int count, int epoch = 1) {
    for (int i = 0; i < count; ++i) {
      const auto result =
          AppendAt(*log_, BatchOf({std::to_string(log_->end_offset().value())}), epoch);
      ASSERT_TRUE(result.ok()) << result.status();
    }
  }
  static Records Numbers(int64_t from, int64_t to) {
    Records records;
    for (; from < to; ++from) records.emplace_back(from, std::to_string(from));
    return records;
  }
  // Bytes of the batches made by Append (one digit each).
  static int64_t BatchBytes() { return static_cast<int64_t>(BatchOf({"0"}).size()); }

  MemoryFileSystem files_;
  LogOpenOptions options_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogRecoveryTest, ACleanLogReadsNothingBack) {
  Append(5);
  ASSERT_TRUE(log_->Close(true).ok());
  ASSERT_TRUE(Open(true).ok());
  EXPECT_EQ(log_->recovery().segments_scanned, 0);
  EXPECT_EQ(log_->flushed_end_offset(), Offset(5));
  EXPECT_FALSE(log_->needs_flush());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 5));
  Append(1);
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 6));
}

TEST_F(LogRecoveryTest, AKilledProcessLosesNothing) {
  Append(5);
  files_.Kill();
  ASSERT_TRUE(Open(false).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 5));
  EXPECT_EQ(log_->recovery().bytes_cut, 0);
  EXPECT_EQ(log_->flushed_end_offset(), Offset(5)) << "recovery flushes what it keeps";
}

TEST_F(LogRecoveryTest, ATornTailIsCut) {  // scenario G1
  Append(5);
  ASSERT_TRUE(log_->Flush().ok());
  files_.CorruptByte(kFirst, 4 * BatchBytes() + 65, '!');
  ASSERT_TRUE(Open(false, 4).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 4));
  EXPECT_EQ(log_->recovery().bytes_cut, BatchBytes());
  EXPECT_NE(log_->recovery().cut_reason.find("CRC"), std::string::npos);
  Append(2, 2);
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 6));
}

TEST_F(LogRecoveryTest, DamageBelowTheRecoveryPointIsNeverCutAway) {  // scenarios G1, G12
  Append(5);
  ASSERT_TRUE(log_->Flush().ok());
  files_.CorruptByte(kFirst, 2 * BatchBytes() + 65, '!');
  const std::string before = *files_.ReadFile(kFirst);
  const absl::Status status = Open(false, 4);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find(kFirst), std::string::npos);
  EXPECT_NE(status.message().find(std::to_string(2 * BatchBytes())), std::string::npos) << status;
  EXPECT_EQ(*files_.ReadFile(kFirst), before) << "nothing is changed";
}

TEST_F(LogRecoveryTest, DamageBelowTheFlushMarkIsNeverCutAway) {  // scenario G1
  options_.config.flush_mark = true;
  ASSERT_TRUE(Open(true).ok());
  Append(3);
  ASSERT_TRUE(log_->Flush().ok());
  Append(2);
  files_.CorruptByte(kFirst, 4 * BatchBytes() + 65, '!');
  ASSERT_TRUE(Open(false).ok()) << "what was not flushed may be torn";
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 4));
  files_.CorruptByte(kFirst, 2 * BatchBytes() + 65, '!');
  const std::string before = *files_.ReadFile(kFirst);
  EXPECT_TRUE(absl::IsDataLoss(Open(false)));
  EXPECT_EQ(*files_.ReadFile(kFirst), before) << "nothing is changed";
}

TEST_F(LogRecoveryTest, TheFlushMarkFollowsATruncation) {
  options_.config.flush_mark = true;
  ASSERT_TRUE(Open(true).ok());
  Append(5);
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(2)).ok());
  log_->RecoveryPointCheckpointed(log_->truncation_count());
  SeededRandom random(1);
  log_.reset();
  files_.Crash(random);
  ASSERT_TRUE(Open(false, 2).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 2));
}

TEST_F(LogRecoveryTest, WhatFollowsAHoleIsRemovedForGood) {  // scenario G2
  options_.config.segment_bytes = 3 * BatchBytes();
  log_->UpdateConfig(options_.config);
  Append(8);
  ASSERT_TRUE(log_->Flush().ok());
  for (int64_t i = 0; i < BatchBytes(); ++i) {
    files_.CorruptByte(kFirst, BatchBytes() + i, '\0');
  }
  ASSERT_TRUE(Open(false, 1).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 1));
  EXPECT_EQ(log_->segment_count(), 1u);
  EXPECT_EQ(files_.ReadFile(kFirst)->size(), static_cast<size_t>(BatchBytes()));
  files_.Kill();
  ASSERT_TRUE(Open(false, 1).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 1));
}

TEST_F(LogRecoveryTest, OldBytesOfAnotherPlaceAreNotTaken) {  // scenario G3
  Append(3);
  ASSERT_TRUE(log_->Flush().ok());
  log_.reset();
  auto file = files_.Open(kFirst, OpenMode::kWrite);
  // A valid batch with the offset of an earlier one, and one of an earlier epoch.
  const SharedBytes stale = StoredBatch(1, 1, {"x"});
  std::string_view piece = stale.view();
  ASSERT_TRUE((*file)->WriteAt(3 * BatchBytes(), {&piece, 1}).ok());
  ASSERT_TRUE(Open(false, 3).ok());
  EXPECT_EQ(log_->end_offset(), Offset(3));
  log_.reset();
  file = files_.Open(kFirst, OpenMode::kWrite);
  const SharedBytes old = StoredBatch(3, 0, {"x"});
  piece = old.view();
  ASSERT_TRUE((*file)->WriteAt(3 * BatchBytes(), {&piece, 1}).ok());
  ASSERT_TRUE(Open(false, 3).ok());
  EXPECT_EQ(log_->end_offset(), Offset(3));
}

TEST_F(LogRecoveryTest, OnlySegmentsAboveTheRecoveryPointAreRead) {  // scenario G24
  options_.config.segment_bytes = 2 * BatchBytes();
  log_->UpdateConfig(options_.config);
  Append(9);
  ASSERT_TRUE(log_->Flush().ok());
  files_.FailReads(kFirst);
  ASSERT_TRUE(Open(false, 7).ok());
  EXPECT_EQ(log_->recovery().segments_scanned, 2);
  EXPECT_EQ(RecordsOf(*log_, Offset(2)), Numbers(2, 9));
}

TEST_F(LogRecoveryTest, AnUnreadableFileIsAnErrorNotACut) {
  Append(3);
  ASSERT_TRUE(log_->Flush().ok());
  files_.FailReads(kFirst);
  EXPECT_TRUE(absl::IsDataLoss(Open(false)));
}

TEST_F(LogRecoveryTest, ALogThatEndsBelowWhatWasFlushedIsDataLoss) {  // scenario G12
  Append(3);
  ASSERT_TRUE(log_->Flush().ok());
  EXPECT_TRUE(absl::IsDataLoss(Open(false, 4)));
  options_.log_start_offset = Offset(5);
  EXPECT_TRUE(absl::IsDataLoss(Open(false, 3)));
  options_.log_start_offset = Offset(0);
  ASSERT_TRUE(files_.RemoveTree(kDir).ok());
  EXPECT_TRUE(absl::IsDataLoss(Open(false, 3)));
}

TEST_F(LogRecoveryTest, AnOldRecoveryPointAfterATruncationIsNoLoss) {
  Append(8);
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(3)).ok());
  files_.Kill();
  ASSERT_TRUE(Open(false, 8).ok());
  EXPECT_EQ(log_->end_offset(), Offset(3));
  log_->RecoveryPointCheckpointed(log_->truncation_count());
  EXPECT_FALSE(files_.Exists("data/t-0/truncation-mark"));
  EXPECT_TRUE(absl::IsDataLoss(Open(false, 8)));
}

TEST_F(LogRecoveryTest, IndexesOfEveryKindOfDamageAreRebuilt) {  // scenario G10
  options_.config.segment_bytes = 10 * BatchBytes();
  options_.config.index_interval_bytes = 0;
  log_->UpdateConfig(options_.config);
  Append(10);
  Append(10, 2);
  ASSERT_TRUE(log_->Close(true).ok());
  const std::string index = "data/t-0/00000000000000000000.index";
  const std::string time_index = "data/t-0/00000000000000000000.timeindex";
  const std::string good = *files_.ReadFile(index);
  ASSERT_EQ(good.size(), 9 * 8u);
  std::string shifted = good;
  shifted[4 * 8 + 7] = static_cast<char>(shifted[4 * 8 + 7] + 1);
  const std::vector<std::string> damages = {"",
                                            "x",
                                            good.substr(0, 40),
                                            shifted,
                                            good + good,
                                            std::string(72, '\0'),
                                            std::string(72, '\xff')};
  for (bool clean : {true, false}) {
    for (const std::string& damage : damages) {
      for (const std::string& path : {index, time_index}) {
        ASSERT_TRUE(files_.WriteFileAtomically(path, damage).ok());
        ASSERT_TRUE(Open(clean, 15).ok());
        const auto records = RecordsOf(*log_);
        EXPECT_EQ(records.size(), 20u);
        for (int64_t offset = 0; offset < 20; ++offset) {
          const auto read = log_->Read(Offset(offset), Offset(20), 1, true);
          ASSERT_TRUE(read.ok()) << read.status();
          EXPECT_EQ(read->first_offset, Offset(offset));
        }
        ASSERT_TRUE(log_->Close(true).ok());
      }
    }
    ASSERT_TRUE(files_.Remove(index).ok());
    ASSERT_TRUE(Open(clean, 15).ok());
    EXPECT_EQ(RecordsOf(*log_).size(), 20u);
    ASSERT_TRUE(log_->Close(true).ok());
  }
}

TEST_F(LogRecoveryTest, EpochsAreRebuiltFromTheBatches) {  // scenarios A8, G13
  Append(2, 0);
  Append(3, 4);
  Append(1, 6);
  const std::vector<EpochStart> epochs = log_->epochs().entries();
  ASSERT_EQ(epochs.size(), 3u);
  ASSERT_TRUE(log_->Close(true).ok());
  for (bool clean : {true, false}) {
    ASSERT_TRUE(files_.Remove("data/t-0/leader-epoch-checkpoint").ok());
    ASSERT_TRUE(Open(clean, 5).ok());
    EXPECT_EQ(log_->epochs().entries(), epochs) << clean;
    ASSERT_TRUE(log_->Close(true).ok());
    ASSERT_TRUE(files_.WriteFileAtomically("data/t-0/leader-epoch-checkpoint", "0\n7\n1 ").ok());
    ASSERT_TRUE(Open(clean, 5).ok());
    EXPECT_EQ(log_->epochs().entries(), epochs) << clean;
    ASSERT_TRUE(log_->Close(true).ok());
  }
}

TEST_F(LogRecoveryTest, AnElectionWithoutRecordsIsRemembered) {  // scenario A6
  Append(3, 1);
  log_->AssignEpoch(LeaderEpoch(5));
  EXPECT_EQ(*log_->EndOffsetFor(LeaderEpoch(1)), (EpochEndOffset{LeaderEpoch(1), Offset(3)}));
  EXPECT_EQ(*log_->EndOffsetFor(LeaderEpoch(5)), (EpochEndOffset{LeaderEpoch(5), Offset(3)}));
  ASSERT_TRUE(log_->Close(true).ok());
  ASSERT_TRUE(Open(true).ok());
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(5));
}

TEST_F(LogRecoveryTest, AnEpochWhoseRecordsWereCutDoesNotComeBack) {
  Append(3, 7);
  ASSERT_TRUE(log_->Roll(0).ok());
  Append(2, 8);
  ASSERT_TRUE(log_->Flush().ok());  // the checkpoint file says that 8 begins at 3
  ASSERT_TRUE(log_->TruncateTo(Offset(3)).ok());
  files_.Kill();
  ASSERT_TRUE(Open(false, 5).ok());
  EXPECT_EQ(log_->end_offset(), Offset(3));
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(7));
}

TEST_F(LogRecoveryTest, IndexesOfASegmentSealedAfterTheLastFlushAreRebuilt) {  // scenario G15
  ASSERT_TRUE(AppendAt(*log_, ProducerBatchOf(1, 0, 0, 1, true)).ok());
  ASSERT_TRUE(log_->Close(true).ok());
  ASSERT_TRUE(Open(true).ok());
  const std::string marker =
      BuildEndTransactionMarker(ProducerId(1), ProducerEpoch(0), false, 0, 5000);
  ASSERT_TRUE(AppendAt(*log_, marker, 1, AppendOrigin::kCoordinator).ok());
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_TRUE(log_->Roll(0).ok());
  files_.Kill();
  ASSERT_TRUE(Open(false, 2).ok());
  EXPECT_EQ(log_->AbortedTransactions(Offset(0), Offset(2))->size(), 1u);
  EXPECT_EQ((*log_->MaxTimestamp())->timestamp, 5000) << "not the old index's";
}

TEST_F(LogRecoveryTest, ProducerStateComesFromSnapshotAndTail) {  // scenarios G13, G14
  options_.config.segment_bytes = 250;
  log_->UpdateConfig(options_.config);
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(AppendAt(*log_, ProducerBatchOf(1 + i % 2, 0, i / 2)).ok());
    if (i == 6) {
      ASSERT_TRUE(log_->Flush().ok());
    }
  }
  const std::string state = log_->producers().Serialize();
  files_.Kill();
  ASSERT_TRUE(Open(false, 7).ok());
  EXPECT_EQ(log_->producers().Serialize(), state);
  ASSERT_TRUE(log_->Close(true).ok());
  const std::vector<std::string> names = *files_.List(kDir);
  for (const std::string& name : names) {
    if (!name.ends_with(".snapshot")) continue;
    ASSERT_TRUE(files_.WriteFileAtomically(std::string(kDir) + "/" + name, "torn").ok());
  }
  for (bool clean : {true, false}) {
    ASSERT_TRUE(Open(clean, 7).ok());
    EXPECT_EQ(log_->producers().Serialize(), state) << clean;
    EXPECT_EQ(AppendAt(*log_, ProducerBatchOf(1, 0, 4))->verdict, ProducerVerdict::kDuplicate);
  }
}

TEST_F(LogRecoveryTest, AnotherTopicsDirectoryIsRefused) {  // scenario F5
  options_.topic_id = Uuid::FromBytes("0123456789abcdef");
  ASSERT_TRUE(Open(true).ok());
  Append(1);
  ASSERT_TRUE(log_->Close(true).ok());
  options_.topic_id = Uuid::FromBytes("fedcba9876543210");
  EXPECT_TRUE(absl::IsFailedPrecondition(Open(true)));
}

TEST_F(LogRecoveryTest, ATornTopicIdOfAFlushedLogIsDataLoss) {
  options_.topic_id = Uuid::FromBytes("0123456789abcdef");
  ASSERT_TRUE(Open(true).ok());
  Append(2);
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_TRUE(files_.WriteFileAtomically("data/t-0/partition.metadata", "vers").ok());
  EXPECT_TRUE(absl::IsDataLoss(Open(false, 2)));
}

// Simulation seeds 105, 194, 339 and 473: a machine crash left an empty topic id; the log that was
// then written lost everything when next the process alone was killed.
TEST_F(LogRecoveryTest, ATornTopicIdIsReplacedBeforeRecordsFollow) {
  options_.topic_id = Uuid::FromBytes("0123456789abcdef");
  ASSERT_TRUE(Open(true).ok());
  Append(1);
  ASSERT_TRUE(files_.WriteFileAtomically("data/t-0/partition.metadata", "").ok());
  ASSERT_TRUE(Open(false).ok());
  EXPECT_EQ(log_->end_offset(), Offset(0)) << "nothing tells whose records these were";
  Append(3);
  files_.Kill();
  ASSERT_TRUE(Open(false).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 3));
}

TEST_F(LogRecoveryTest, AMissingTopicIdOfACleanLogIsWrittenAtOnce) {
  options_.topic_id = Uuid::FromBytes("0123456789abcdef");
  ASSERT_TRUE(Open(true).ok());
  Append(2);
  ASSERT_TRUE(log_->Close(true).ok());
  ASSERT_TRUE(files_.Remove("data/t-0/partition.metadata").ok());
  ASSERT_TRUE(Open(true, 2).ok());
  files_.Kill();
  ASSERT_TRUE(Open(false, 2).ok());
  EXPECT_EQ(RecordsOf(*log_), Numbers(0, 2));
}

TEST_F(LogRecoveryTest, LeftoversAreRemoved) {
  Append(1);
  ASSERT_TRUE(log_->Close(true).ok());
  for (const char* name :
       {"x.tmp", "00000000000000000007.log.deleted", "x.cleaned", "00000000000000000009.index"}) {
    ASSERT_TRUE(files_.WriteFileAtomically(std::string(kDir) + "/" + name, "x").ok());
  }
  const size_t before = files_.List(kDir)->size();
  ASSERT_TRUE(Open(true).ok());
  EXPECT_EQ(files_.List(kDir)->size(), before - 4);
}

TEST_F(LogRecoveryTest, ArbitraryBytesNeverCrashRecovery) {
  SeededRandom random(3);
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(files_.RemoveTree(kDir).ok());
    ASSERT_TRUE(Open(true).ok());
    Append(4);
    ASSERT_TRUE(log_->Close(true).ok());
    const std::vector<std::string> names = *files_.List(kDir);
    for (const std::string& name : names) {
      const std::string path = std::string(kDir) + "/" + name;
      std::string bytes = *files_.ReadFile(path);
      if (bytes.empty()) continue;
      for (uint64_t n = random.Below(4); n > 0; --n) {
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
      }
      if (random.Chance(0.2)) bytes.resize(random.Below(bytes.size()));
      ASSERT_TRUE(files_.WriteFileAtomically(path, bytes).ok());
    }
    const bool clean = random.Chance(0.5);
    if (!Open(clean, 0).ok()) continue;
    // After a clean stop only the tail is looked at, and offsets lie outside the CRC.
    EXPECT_TRUE(clean || log_->end_offset() <= Offset(4));
  }
}

// Scenario G4: a restart works while the disk is full.
TEST_F(LogRecoveryTest, OpeningNeedsNoSpace) {
  options_.config.segment_bytes = 4 * BatchBytes();
  ASSERT_TRUE(Open(true).ok());
  Append(6);
  ASSERT_TRUE(log_->Flush().ok());
  Append(5, 2);
  // The last batch is torn.
  const std::string last = "data/t-0/00000000000000000008.log";
  files_.Kill();
  auto file = *files_.Open(last, OpenMode::kWrite);
  ASSERT_TRUE(file->Truncate(*file->Size() - 1).ok());
  bool full = true;
  files_.set_hook([&full](MemoryFileSystem::Op op, const std::string& path) {
    const bool needs_space = op == MemoryFileSystem::Op::kOpenNew ||
                             op == MemoryFileSystem::Op::kWrite ||
                             op == MemoryFileSystem::Op::kPreallocate;
    return full && needs_space ? absl::ResourceExhaustedError(path + ": full") : absl::OkStatus();
  });
  const absl::Status opened = Open(false, 6);
  ASSERT_TRUE(opened.ok()) << opened;
  EXPECT_TRUE(log_->failure().ok());
  EXPECT_EQ(log_->end_offset(), Offset(10));
  EXPECT_EQ(log_->flushed_end_offset(), Offset(6));
  EXPECT_TRUE(log_->needs_flush());
  EXPECT_TRUE(absl::IsResourceExhausted(AppendAt(*log_, BatchOf({"x"}), 2).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(log_->Flush()));
  full = false;
  ASSERT_TRUE(log_->Flush().ok());
  EXPECT_EQ(log_->flushed_end_offset(), Offset(10));
  ASSERT_TRUE(log_->Close(true).ok());
  ASSERT_TRUE(Open(true).ok());
  EXPECT_EQ(log_->end_offset(), Offset(10));
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(2));
}

}  // namespace
}  // namespace quorate
