#include <gtest/gtest.h>

#include "storage/log.h"
#include "storage/log_test_util.h"
#include "storage/segment.h"

namespace quorate {
namespace {

using Records = std::vector<std::pair<int64_t, std::string>>;

class LogAppendTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.topic_id = Uuid::FromBytes("0123456789abcdef");
    Reopen();
  }
  void Reopen(bool clean = true) {
    options_.clean_shutdown = clean;
    log_.reset();
    auto log = Log::Open(&files_, "data/t-0", options_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  MemoryFileSystem files_;
  LogOpenOptions options_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogAppendTest, AnEmptyLogHasNoFiles) {
  EXPECT_TRUE(log_->Close(true).ok());
  EXPECT_FALSE(files_.Exists("data/t-0"));
  EXPECT_EQ(log_->end_offset(), Offset(0));
  EXPECT_TRUE(log_->Read(Offset(0), Offset(0), 100, true)->slices.empty());
}

TEST_F(LogAppendTest, LeaderAssignsOffsetsAndEpoch) {
  const auto first = AppendAt(*log_, BatchOf({"a", "b"}), 3);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->first_offset, Offset(0));
  EXPECT_EQ(first->last_offset, Offset(1));
  EXPECT_EQ(first->max_timestamp, 1001);
  const auto second = AppendAt(*log_, BatchOf({"c"}), 4);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->first_offset, Offset(2));
  EXPECT_EQ(RecordsOf(*log_), (Records{{0, "a"}, {1, "b"}, {2, "c"}}));
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(4));
  EXPECT_EQ(log_->EpochAt(Offset(1)), LeaderEpoch(3));
  EXPECT_EQ(*log_->EndOffsetFor(LeaderEpoch(3)), (EpochEndOffset{LeaderEpoch(3), Offset(2)}));
}

TEST_F(LogAppendTest, GatheredPiecesSucceedAndFailOneByOne) {
  std::string corrupt = BatchOf({"x"});
  corrupt.back() ^= 1;
  std::vector<LeaderAppend> pieces;
  for (const std::string& bytes :
       {BatchOf({"a"}), corrupt, ProducerBatchOf(1, 0, 0), ProducerBatchOf(1, 0, 0),
        ProducerBatchOf(1, 0, 2), BatchOf({"b"})}) {
    pieces.push_back({SharedBytes::Copy(bytes), AppendOrigin::kClient, false});
  }
  int writes = 0;
  files_.set_hook([&](MemoryFileSystem::Op op, const std::string& path) -> absl::Status {
    if (op == MemoryFileSystem::Op::kWrite && path.ends_with(".log")) ++writes;
    return absl::OkStatus();
  });
  const auto results = log_->AppendAsLeader(pieces, LeaderEpoch(1), 1000);
  EXPECT_EQ(writes, 1) << "one write for all";
  EXPECT_EQ(results[0]->first_offset, Offset(0));
  EXPECT_TRUE(absl::IsDataLoss(results[1].status()));
  EXPECT_EQ(results[2]->first_offset, Offset(1));
  EXPECT_EQ(results[3]->verdict, ProducerVerdict::kDuplicate);
  EXPECT_EQ(results[3]->first_offset, Offset(1));
  EXPECT_EQ(results[4]->verdict, ProducerVerdict::kOutOfOrderSequence);
  EXPECT_EQ(results[5]->first_offset, Offset(2));
  EXPECT_EQ(log_->end_offset(), Offset(3));
}

TEST_F(LogAppendTest, ClientsMayNotSendControlBatchesOrSeveral) {  // scenario G22
  const std::string marker =
      BuildEndTransactionMarker(ProducerId(1), ProducerEpoch(0), true, 0, 1000);
  EXPECT_TRUE(absl::IsInvalidArgument(AppendAt(*log_, marker).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(AppendAt(*log_, BatchOf({"a"}) + BatchOf({"b"})).status()));
  EXPECT_TRUE(AppendAt(*log_, BatchOf({"a"}) + BatchOf({"b"}), 1, AppendOrigin::kRaft).ok());
  EXPECT_EQ(log_->end_offset(), Offset(2));
}

TEST_F(LogAppendTest, TooLargeIsNotDiskFull) {
  LogConfig config;
  config.max_batch_bytes = 100;
  log_->UpdateConfig(config);
  const auto large = AppendAt(*log_, BatchOf({std::string(200, 'x')}));
  EXPECT_TRUE(Log::IsBatchTooLarge(large.status()));
  files_.set_capacity(0);
  const auto full = AppendAt(*log_, BatchOf({"x"}));
  EXPECT_TRUE(absl::IsResourceExhausted(full.status())) << full.status();
  EXPECT_FALSE(Log::IsBatchTooLarge(full.status()));
}

TEST_F(LogAppendTest, LogAppendTimeIsStamped) {
  const auto result = log_->AppendAsLeader(
      {SharedBytes::FromString(BatchOf({"a"}, 5)), AppendOrigin::kClient, true}, LeaderEpoch(1),
      9999);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->log_append_time, 9999);
  EXPECT_EQ(*log_->OffsetForTimestamp(9000, Offset(1)),
            (TimestampedOffset{Offset(0), 9999, LeaderEpoch(1)}));
}

TEST_F(LogAppendTest, DiskFullIsRetriableAndLeavesNoTrace) {  // scenario G4
  ASSERT_TRUE(AppendAt(*log_, ProducerBatchOf(1, 0, 0)).ok());
  const ProducerStateTable before = log_->producers();
  files_.set_hook([](MemoryFileSystem::Op op, const std::string&) -> absl::Status {
    if (op == MemoryFileSystem::Op::kWrite) return absl::ResourceExhaustedError("full");
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsResourceExhausted(AppendAt(*log_, ProducerBatchOf(1, 0, 1)).status()));
  EXPECT_EQ(log_->producers(), before);
  EXPECT_EQ(log_->end_offset(), Offset(1));
  EXPECT_EQ(RecordsOf(*log_).size(), 1u) << "reads go on";
  files_.set_hook(nullptr);
  EXPECT_EQ(AppendAt(*log_, ProducerBatchOf(1, 0, 1))->first_offset, Offset(1));
}

TEST_F(LogAppendTest, AnInputOutputErrorFailsTheLogForGood) {  // scenario G16
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  files_.set_hook([](MemoryFileSystem::Op op, const std::string&) -> absl::Status {
    return op == MemoryFileSystem::Op::kWrite ? absl::DataLossError("EIO") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(AppendAt(*log_, BatchOf({"b"})).status()));
  files_.set_hook(nullptr);
  EXPECT_TRUE(absl::IsUnavailable(AppendAt(*log_, BatchOf({"b"})).status()));
  EXPECT_TRUE(absl::IsUnavailable(log_->Flush()));
  EXPECT_EQ(log_->flushed_end_offset(), Offset(0));
  EXPECT_EQ(RecordsOf(*log_), (Records{{0, "a"}}));
}

TEST_F(LogAppendTest, AFailedSyncFailsTheLogForGood) {  // scenario H1
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  files_.set_hook([](MemoryFileSystem::Op op, const std::string&) -> absl::Status {
    return op == MemoryFileSystem::Op::kSync ? absl::DataLossError("EIO") : absl::OkStatus();
  });
  EXPECT_FALSE(log_->Flush().ok());
  files_.set_hook(nullptr);
  EXPECT_FALSE(log_->failure().ok());
  EXPECT_TRUE(absl::IsUnavailable(AppendAt(*log_, BatchOf({"b"})).status()));
  EXPECT_TRUE(absl::IsUnavailable(log_->Flush()));
  EXPECT_EQ(log_->flushed_end_offset(), Offset(0));
}

TEST_F(LogAppendTest, AFullDiskBesideTheDataIsTriedAgain) {
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  files_.set_hook([](MemoryFileSystem::Op, const std::string& path) -> absl::Status {
    return path.ends_with(".tmp") ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  EXPECT_FALSE(log_->Flush().ok());
  EXPECT_EQ(log_->flushed_end_offset(), Offset(0));
  files_.set_hook(nullptr);
  EXPECT_TRUE(log_->Flush().ok());
  EXPECT_EQ(log_->flushed_end_offset(), Offset(1));
}

TEST_F(LogAppendTest, FlushRaisesTheFlushedEndToWhatItCaptured) {
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  EXPECT_TRUE(log_->needs_flush());
  const FlushJob job = log_->PrepareFlush();
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"b"})).ok());
  EXPECT_EQ(job.target(), Offset(1));
  log_->CompleteFlush(job, job.Run());
  EXPECT_EQ(log_->flushed_end_offset(), Offset(1));
  EXPECT_TRUE(log_->needs_flush());
  EXPECT_TRUE(log_->Flush().ok());
  EXPECT_FALSE(log_->needs_flush());
}

TEST_F(LogAppendTest, AFlushOfRecordsCutMeanwhileIsNotCounted) {  // scenario C12
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"old"})).ok());
  const FlushJob job = log_->PrepareFlush();
  ASSERT_TRUE(log_->TruncateTo(Offset(2)).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"new"}), 2).ok());
  log_->CompleteFlush(job, job.Run());
  EXPECT_LE(log_->flushed_end_offset(), Offset(2));
  EXPECT_TRUE(log_->Flush().ok());
  EXPECT_EQ(log_->flushed_end_offset(), Offset(5));
}

TEST_F(LogAppendTest, SegmentsRollBySizeTimeAndIndex) {
  LogConfig config;
  config.segment_bytes = 200;
  log_->UpdateConfig(config);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"0123456789"})).ok());
  EXPECT_EQ(log_->segment_count(), 3u);
  config.segment_bytes = 1 << 20;
  config.segment_ms = 10;
  log_->UpdateConfig(config);
  EXPECT_FALSE(AppendAt(*log_, BatchOf({"a"}, 1005))->rolled);
  EXPECT_TRUE(AppendAt(*log_, BatchOf({"a"}, 1011))->rolled);
  config.segment_ms = 1 << 30;
  config.index_interval_bytes = 0;
  config.index_max_bytes = 36;
  log_->UpdateConfig(config);
  int rolls = 0;
  for (int i = 0; i < 20; ++i) rolls += AppendAt(*log_, BatchOf({"a"}, 2000 + i))->rolled ? 1 : 0;
  EXPECT_GT(rolls, 4);
  EXPECT_EQ(RecordsOf(*log_).size(), 28u);
}

TEST_F(LogAppendTest, RelativeOffsetsNeverOverflow) {  // scenario G9
  LogConfig config;
  config.offset_gaps_allowed = true;
  log_->UpdateConfig(config);
  ASSERT_TRUE(log_->AppendAsFollower(StoredBatch(0, 1, {"a"}), 0).ok());
  const auto far = log_->AppendAsFollower(StoredBatch(int64_t{1} << 31, 1, {"b"}), 0);
  ASSERT_TRUE(far.ok()) << far.status();
  EXPECT_TRUE(far->rolled);
  EXPECT_EQ(RecordsOf(*log_), (Records{{0, "a"}, {int64_t{1} << 31, "b"}}));
}

TEST_F(LogAppendTest, FollowerKeepsOffsetsAndEpochs) {
  const std::string two = std::string(StoredBatch(0, 2, {"a", "b"}).view()) +
                          std::string(StoredBatch(2, 4, {"c"}).view());
  const auto result = log_->AppendAsFollower(SharedBytes::Copy(two + two.substr(0, 30)), 0);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->last_offset, Offset(2));
  EXPECT_EQ(log_->EpochAt(Offset(1)), LeaderEpoch(2));
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(4));
}

TEST_F(LogAppendTest, FollowerRefusesGapsOldEpochsAndBadBytes) {  // scenario A13
  ASSERT_TRUE(log_->AppendAsFollower(StoredBatch(0, 2, {"a"}), 0).ok());
  EXPECT_TRUE(absl::IsOutOfRange(log_->AppendAsFollower(StoredBatch(2, 2, {"x"}), 0).status()));
  EXPECT_TRUE(absl::IsOutOfRange(log_->AppendAsFollower(StoredBatch(0, 2, {"x"}), 0).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(log_->AppendAsFollower(StoredBatch(1, 1, {"x"}), 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      log_->AppendAsFollower(StoredBatch(1, 9, {"x"}), 0, LeaderEpoch(8)).status()));
  std::string corrupt(StoredBatch(1, 2, {"x"}).view());
  corrupt.back() ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(log_->AppendAsFollower(SharedBytes::Copy(corrupt), 0).status()));
  EXPECT_EQ(log_->end_offset(), Offset(1));
}

TEST_F(LogAppendTest, AnEpochWithoutRecordsGivesWayToTheLeaders) {  // scenario A7
  ASSERT_TRUE(log_->AppendAsFollower(StoredBatch(0, 2, {"a"}), 0).ok());
  log_->AssignEpoch(LeaderEpoch(5));
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(5));
  ASSERT_TRUE(log_->AppendAsFollower(StoredBatch(1, 3, {"b"}), 0).ok());
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(3));
}

TEST_F(LogAppendTest, ALogStartInTheMiddleOfABatch) {
  ASSERT_TRUE(log_->TruncateFullyAndStartAt(Offset(11)).ok());
  ASSERT_TRUE(log_->AppendAsFollower(StoredBatch(10, 1, {"a", "b", "c"}), 0).ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(11));
  EXPECT_EQ(RecordsOf(*log_), (Records{{11, "b"}, {12, "c"}}));
}

TEST_F(LogAppendTest, ReadsAreBoundedByUpperAndBytes) {
  for (const char* value : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(AppendAt(*log_, BatchOf({value, value})).ok());
  }
  const auto size = static_cast<int64_t>(BatchOf({"a", "a"}).size());
  auto read = log_->Read(Offset(3), Offset(8), 2 * size, true);
  EXPECT_EQ(read->first_offset, Offset(2));
  EXPECT_EQ(read->next_offset, Offset(6));
  EXPECT_EQ(read->bytes, 2 * size);
  read = log_->Read(Offset(0), Offset(5), 1 << 20, true);
  EXPECT_EQ(read->next_offset, Offset(4)) << "the batch [4, 6) is not below 5";
  read = log_->Read(Offset(0), Offset(8), 1, true);
  EXPECT_EQ(read->next_offset, Offset(2)) << "at least one";
  read = log_->Read(Offset(0), Offset(8), 1, false);
  EXPECT_TRUE(read->slices.empty());
  EXPECT_EQ(read->next_offset, Offset(0));
  read = log_->Read(Offset(0), Offset(8), 2 * size - 1, false);
  EXPECT_EQ(read->next_offset, Offset(2));
  EXPECT_TRUE(absl::IsOutOfRange(log_->Read(Offset(9), Offset(9), 1, true).status()));
  ASSERT_TRUE(log_->IncrementLogStartOffset(Offset(3)).ok());
  EXPECT_TRUE(absl::IsOutOfRange(log_->Read(Offset(2), Offset(8), 1, true).status()));
}

TEST_F(LogAppendTest, ReadsCrossSegmentsAndOutliveRetention) {  // scenario G5
  LogConfig config;
  config.segment_bytes = 200;
  log_->UpdateConfig(config);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({std::to_string(i)})).ok());
  const auto read = log_->Read(Offset(0), Offset(20), 1 << 20, true);
  EXPECT_EQ(read->next_offset, Offset(20));
  EXPECT_EQ(read->slices.size(), log_->segment_count());
  const auto removal = log_->DeleteOldSegments({-1, 0, Offset(20)}, 5000);
  ASSERT_TRUE(removal.ok()) << removal.status();
  EXPECT_TRUE(removal->Run().ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(20));
  EXPECT_TRUE(log_->empty());
  EXPECT_TRUE(read->ToBytes().ok());
  EXPECT_EQ(AppendAt(*log_, BatchOf({"x"}))->first_offset, Offset(20)) << "scenario A23";
}

TEST_F(LogAppendTest, RetentionByTimeSizeAndBound) {
  LogConfig config;
  config.segment_bytes = 100;
  log_->UpdateConfig(config);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"abc"}, 1000 * i)).ok());
  EXPECT_EQ(log_->segment_count(), 10u);
  ASSERT_TRUE(log_->DeleteOldSegments({2000, -1, Offset(3)}, 9000).ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(3)) << "not above the bound";
  ASSERT_TRUE(log_->DeleteOldSegments({2000, -1, Offset(10)}, 9000).ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(7)) << "0..6999 are older than 2000 ms";
  ASSERT_TRUE(log_->DeleteOldSegments({-1, 140, Offset(10)}, 9000).ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(8));
  ASSERT_TRUE(log_->IncrementLogStartOffset(Offset(9)).ok());
  ASSERT_TRUE(log_->DeleteOldSegments({-1, -1, Offset(0)}, 9000).ok());
  EXPECT_EQ(log_->segment_count(), 1u) << "below the log start always";
}

TEST_F(LogAppendTest, FindsRecordsByTime) {
  LogConfig config;
  config.segment_bytes = 400;
  config.index_interval_bytes = 100;
  log_->UpdateConfig(config);
  for (int i = 0; i < 40; ++i) {
    BatchOptions options;
    options.codec = i % 2 == 0 ? CompressionCodec::kZstd : CompressionCodec::kNone;
    ASSERT_TRUE(AppendAt(*log_, BatchOf({"a", "b"}, 1000 + 10 * i, options)).ok());
  }
  for (int t = 990; t <= 1391; ++t) {
    // Records: 1000, 1001, 1010, 1011, ...
    int64_t expected = 0;
    while (1000 + 10 * (expected / 2) + expected % 2 < t) ++expected;
    const auto found = log_->OffsetForTimestamp(t, Offset(80));
    ASSERT_TRUE(found.ok() && found->has_value()) << t;
    EXPECT_EQ((*found)->offset, Offset(expected)) << t;
  }
  EXPECT_FALSE(log_->OffsetForTimestamp(1392, Offset(80))->has_value());
  EXPECT_FALSE(log_->OffsetForTimestamp(1391, Offset(79))->has_value());
  EXPECT_EQ(**log_->MaxTimestamp(), (TimestampedOffset{Offset(79), 1391, LeaderEpoch(1)}));
}

TEST_F(LogAppendTest, TimestampsThatGoBackDoNotHurt) {  // scenario G8
  LogConfig config;
  config.index_interval_bytes = 0;
  log_->UpdateConfig(config);
  for (int64_t t : {500, 100, 900, 300, 950}) {
    ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"}, t)).ok());
  }
  EXPECT_EQ((*log_->OffsetForTimestamp(600, Offset(5)))->offset, Offset(2));
  EXPECT_EQ((*log_->OffsetForTimestamp(100, Offset(5)))->offset, Offset(0));
}

TEST_F(LogAppendTest, LastStableOffsetAndAbortedTransactions) {
  const auto coordinator = AppendOrigin::kCoordinator;
  const auto marker = [](int64_t id, bool commit) {
    return BuildEndTransactionMarker(ProducerId(id), ProducerEpoch(0), commit, 0, 1000);
  };
  ASSERT_TRUE(AppendAt(*log_, ProducerBatchOf(1, 0, 0, 2, true)).ok());  // 0, 1
  ASSERT_TRUE(AppendAt(*log_, ProducerBatchOf(2, 0, 0, 1, true)).ok());  // 2
  EXPECT_EQ(log_->LastStableOffset(Offset(3)), Offset(0));
  ASSERT_TRUE(AppendAt(*log_, marker(1, false), 1, coordinator).ok());  // 3
  EXPECT_EQ(log_->LastStableOffset(Offset(3)), Offset(0)) << "the marker is above the HW";
  EXPECT_EQ(log_->LastStableOffset(Offset(4)), Offset(2));
  ASSERT_TRUE(AppendAt(*log_, marker(2, true), 1, coordinator).ok());  // 4
  EXPECT_EQ(log_->LastStableOffset(Offset(5)), Offset(5));
  const std::vector<AbortedTransaction> aborted = {
      {ProducerId(1), Offset(0), Offset(3), Offset(2)}};
  EXPECT_EQ(*log_->AbortedTransactions(Offset(0), Offset(5)), aborted);
  EXPECT_TRUE(log_->AbortedTransactions(Offset(4), Offset(5))->empty());
  ASSERT_TRUE(log_->Roll(0).ok());
  ASSERT_TRUE(log_->Close(true).ok());
  Reopen();
  EXPECT_EQ(*log_->AbortedTransactions(Offset(0), Offset(5)), aborted);
  Reopen(false);
  EXPECT_EQ(*log_->AbortedTransactions(Offset(0), Offset(5)), aborted);
}

TEST_F(LogAppendTest, FilesAreKafkas) {
  LogConfig config;
  config.index_interval_bytes = 100;
  log_->UpdateConfig(config);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"abcdefgh"}, 100 + i)).ok());
  ASSERT_TRUE(log_->Close(true).ok());
  EXPECT_EQ(
      *files_.List("data/t-0"),
      (std::vector<std::string>{"00000000000000000000.index", "00000000000000000000.log",
                                "00000000000000000000.timeindex", "00000000000000000004.snapshot",
                                "leader-epoch-checkpoint", "partition.metadata"}));
  EXPECT_EQ(*files_.ReadFile("data/t-0/partition.metadata"),
            "version: 0\ntopic_id: " + options_.topic_id.ToString());
  EXPECT_EQ(*files_.ReadFile("data/t-0/leader-epoch-checkpoint"), "0\n1\n1 0\n");
  // A batch is 76 bytes: the third is the first with more than 100 bytes since the last entry.
  EXPECT_EQ(*files_.ReadFile("data/t-0/00000000000000000000.index"),
            std::string("\0\0\0\2\0\0\0\x98", 8));
  EXPECT_EQ(*files_.ReadFile("data/t-0/00000000000000000000.timeindex"),
            std::string("\0\0\0\0\0\0\0\x66\0\0\0\2\0\0\0\0\0\0\0\x67\0\0\0\3", 24));
}

}  // namespace
}  // namespace quorate
