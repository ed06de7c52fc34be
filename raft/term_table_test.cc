// A vote's last term is that of the last record, whatever the log's epoch cache knows besides
// (dissertation 3.6.1; scenario A6 as seen from a voter).
#include "raft/term_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/record_batch_builder.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

class TermTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files_.CreateDirectories("/m").ok());
    ASSERT_TRUE(files_.SyncDirectory("/").ok());
    Open();
  }
  void Open() {
    LogOpenOptions options;
    options.config.segment_bytes = 256;  // a batch or two: the checkpoint file tells of the rest
    options.recovery_point = log_ ? log_->flushed_end_offset() : Offset(0);
    log_.reset();
    auto log = Log::Open(&files_, "/m/log", options);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  void Append(int term, int count = 1) {
    for (int i = 0; i < count; ++i) {
      RecordBatchBuilder builder{BatchOptions{}};
      builder.Add(1000, std::nullopt, "value");
      ASSERT_TRUE(log_->AppendAsLeader(
                          {SharedBytes::FromString(builder.Build()), AppendOrigin::kRaft, false},
                          LeaderEpoch(term), 1000)
                      .ok());
    }
  }
  raft::TermStarts Terms() {
    const auto terms = TermTableOf(*log_);
    EXPECT_TRUE(terms.ok()) << terms.status();
    return terms.value_or(raft::TermStarts());
  }

  MemoryFileSystem files_;
  std::unique_ptr<Log> log_;
};

TEST_F(TermTableTest, AnEmptyLogHasNoTerm) {
  EXPECT_EQ(Terms().last_term(), Term(0));
  log_->AssignEpoch(LeaderEpoch(4));
  EXPECT_EQ(Terms().last_term(), Term(0));
  EXPECT_EQ(Terms().size(), 0u);
}

TEST_F(TermTableTest, ALeaderThatWroteNothingGivesTheLogNoLaterTerm) {
  Append(1, 2);
  log_->AssignEpoch(LeaderEpoch(5));
  ASSERT_EQ(log_->latest_epoch(), LeaderEpoch(5));
  EXPECT_EQ(Terms().last_term(), Term(1));
  Append(6);
  EXPECT_EQ(Terms().last_term(), Term(6));
  EXPECT_EQ(Terms().size(), 2u);
  EXPECT_EQ(Terms().TermAt(LogIndex(1)), Term(1));
  EXPECT_EQ(Terms().TermAt(LogIndex(2)), Term(6));
}

TEST_F(TermTableTest, ATruncationToATermsBoundaryForgetsTheTerm) {
  Append(1, 2);
  Append(3, 2);
  Append(4, 2);
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(4)).ok());
  EXPECT_EQ(Terms().last_term(), Term(3));
  ASSERT_TRUE(log_->TruncateTo(Offset(3)).ok());
  EXPECT_EQ(Terms().last_term(), Term(3));
  ASSERT_TRUE(log_->TruncateTo(Offset(2)).ok());
  EXPECT_EQ(Terms().last_term(), Term(1));
}

TEST_F(TermTableTest, ARestartFindsTheTermOfTheLastRecord) {
  Append(1, 8);
  Append(3, 8);
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_GT(log_->segment_count(), 3u);
  ASSERT_TRUE(log_->TruncateTo(Offset(8)).ok());  // term 3 is gone as a whole; its mark is not
  Open();
  EXPECT_EQ(Terms().last_term(), Term(1));
  log_->AssignEpoch(LeaderEpoch(9));
  ASSERT_TRUE(log_->Flush().ok());  // the file now holds an epoch without records
  Open();
  EXPECT_EQ(log_->end_offset(), Offset(8));
  EXPECT_EQ(Terms().last_term(), Term(1));
  Append(10);
  ASSERT_TRUE(log_->Flush().ok());
  Open();
  EXPECT_EQ(Terms().last_term(), Term(10));
}

TEST_F(TermTableTest, RecordsOfNoTermAreDamage) {  // the term is outside the batch's checksum
  Append(0);
  EXPECT_TRUE(absl::IsDataLoss(TermTableOf(*log_).status()));
}

}  // namespace
}  // namespace quorate
