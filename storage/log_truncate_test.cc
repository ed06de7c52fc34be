#include <gtest/gtest.h>

#include "base/status_macros.h"
#include "storage/log.h"
#include "storage/log_test_util.h"

namespace quorate {
namespace {

using Records = std::vector<std::pair<int64_t, std::string>>;

class LogTruncateTest : public testing::Test {
 protected:
  void SetUp() override { Reopen(true); }
  void Reopen(bool clean) {
    log_.reset();
    options_.clean_shutdown = clean;
    auto log = Log::Open(&files_, "t-0", options_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  MemoryFileSystem files_;
  LogOpenOptions options_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTruncateTest, CutsAtTheOffset) {
  for (const char* v : {"a", "b", "c"}) ASSERT_TRUE(AppendAt(*log_, BatchOf({v})).ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(2)).ok());
  EXPECT_EQ(RecordsOf(*log_), (Records{{0, "a"}, {1, "b"}}));
  EXPECT_EQ(log_->truncation_count(), 1u);
  EXPECT_EQ(AppendAt(*log_, BatchOf({"d"}), 2)->first_offset, Offset(2));
}

TEST_F(LogTruncateTest, ABatchThatHoldsTheOffsetGoesWhole) {
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"b", "c", "d"})).ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(3)).ok());
  EXPECT_EQ(log_->end_offset(), Offset(1));
}

TEST_F(LogTruncateTest, AtOrAboveTheEndOnlyEpochsWithoutRecordsGo) {  // scenario A7
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"}), 1).ok());
  log_->AssignEpoch(LeaderEpoch(3));
  ASSERT_TRUE(log_->TruncateTo(Offset(1)).ok());
  EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(1));
  EXPECT_EQ(log_->truncation_count(), 0u);
  EXPECT_EQ(log_->end_offset(), Offset(1));
}

TEST_F(LogTruncateTest, EveryDerivedFieldFollows) {  // scenarios A16, G25
  options_.config.segment_bytes = 250;
  options_.config.index_interval_bytes = 0;
  log_->UpdateConfig(options_.config);
  std::vector<std::string> producers = {log_->producers().Serialize()};
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(
        AppendAt(*log_, ProducerBatchOf(i % 3, 0, i / 3, 1, i % 3 == 2, 1000 + i), 1 + i / 4).ok());
    producers.push_back(log_->producers().Serialize());
  }
  ASSERT_TRUE(log_->Flush().ok());
  for (int64_t end = 11; end >= 1; --end) {
    ASSERT_TRUE(log_->TruncateTo(Offset(end)).ok());
    EXPECT_EQ(log_->end_offset(), Offset(end));
    EXPECT_EQ(log_->flushed_end_offset(), Offset(end));
    EXPECT_EQ(log_->latest_epoch(), LeaderEpoch(1 + static_cast<int32_t>(end - 1) / 4));
    EXPECT_EQ(log_->producers().Serialize(), producers[static_cast<size_t>(end)]) << end;
    EXPECT_EQ(log_->LastStableOffset(Offset(end)), Offset(std::min<int64_t>(end, 2)));
    EXPECT_EQ((*log_->MaxTimestamp())->timestamp, 999 + end);
    EXPECT_EQ(RecordsOf(*log_).size(), static_cast<size_t>(end));
  }
}

TEST_F(LogTruncateTest, FullTruncationMovesEverything) {  // scenario A15
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(AppendAt(*log_, ProducerBatchOf(1, 0, i, 1, true)).ok());
  }
  ASSERT_TRUE(log_->TruncateFullyAndStartAt(Offset(100)).ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(100));
  EXPECT_EQ(log_->end_offset(), Offset(100));
  EXPECT_EQ(log_->flushed_end_offset(), Offset(100));
  EXPECT_EQ(log_->LastStableOffset(Offset(100)), Offset(100));
  EXPECT_TRUE(log_->producers().empty());
  EXPECT_EQ(log_->latest_epoch(), std::nullopt);
  EXPECT_EQ(log_->size_bytes(), 0);
  files_.Kill();
  Reopen(false);
  EXPECT_EQ(log_->end_offset(), Offset(100)) << "the place outlives a restart";
  EXPECT_EQ(AppendAt(*log_, BatchOf({"x"}))->first_offset, Offset(100));
}

TEST_F(LogTruncateTest, BelowTheStartIsAFullTruncation) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  ASSERT_TRUE(log_->IncrementLogStartOffset(Offset(4)).ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(2)).ok());
  EXPECT_EQ(log_->log_start_offset(), Offset(2));
  EXPECT_EQ(log_->end_offset(), Offset(2));
}

TEST_F(LogTruncateTest, TheStartMovesUpOnlyAndNotAboveTheEnd) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"}), 1 + i).ok());
  EXPECT_TRUE(*log_->IncrementLogStartOffset(Offset(3)));
  EXPECT_FALSE(*log_->IncrementLogStartOffset(Offset(2)));
  EXPECT_TRUE(absl::IsOutOfRange(log_->IncrementLogStartOffset(Offset(6)).status()));
  EXPECT_EQ(log_->epochs().entries().front(), (EpochStart{LeaderEpoch(4), Offset(3)}));
  EXPECT_EQ(log_->checkpointable_log_start(), Offset(0)) << "nothing is flushed";
  ASSERT_TRUE(log_->Flush().ok());
  EXPECT_EQ(log_->checkpointable_log_start(), Offset(3));
}

TEST_F(LogTruncateTest, AFailedTruncationFailsTheLog) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  files_.set_hook([](MemoryFileSystem::Op op, const std::string&) -> absl::Status {
    return op == MemoryFileSystem::Op::kTruncate ? absl::DataLossError("EIO") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(log_->TruncateTo(Offset(2))));
  files_.set_hook(nullptr);
  EXPECT_TRUE(absl::IsUnavailable(AppendAt(*log_, BatchOf({"a"})).status()));
}

TEST_F(LogTruncateTest, AReaderOfTruncatedBytesGetsACleanError) {  // scenario G5
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(AppendAt(*log_, BatchOf({"a"})).ok());
  const auto read = log_->Read(Offset(0), Offset(5), 1 << 20, true);
  ASSERT_TRUE(log_->TruncateTo(Offset(2)).ok());
  EXPECT_TRUE(absl::IsUnavailable(read->ToBytes().status()));
}

}  // namespace
}  // namespace quorate
