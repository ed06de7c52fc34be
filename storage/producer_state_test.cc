#include "storage/producer_state.h"

#include <gtest/gtest.h>

#include "storage/log_test_util.h"

namespace quorate {
namespace {

class ProducerStateTest : public testing::Test {
 protected:
  ProducerVerdict Check(const std::string& bytes) {
    const auto batch = RecordBatchView::Parse(bytes);
    QCHECK(batch.ok());
    return table_.Check(*batch).verdict;
  }
  std::optional<DecidedTransaction> Update(const std::string& bytes, int64_t base) {
    const auto batch = RecordBatchView::Parse(bytes);
    QCHECK(batch.ok());
    return table_.Update(*batch, Offset(base), batch->max_timestamp());
  }
  static std::string Marker(int64_t id, int16_t epoch, bool commit, int32_t coordinator = 0) {
    return BuildEndTransactionMarker(ProducerId(id), ProducerEpoch(epoch), commit, coordinator,
                                     1000);
  }

  ProducerStateTable table_;
};

TEST_F(ProducerStateTest, BatchesWithoutProducerPass) {
  EXPECT_EQ(Check(BatchOf({"a"})), ProducerVerdict::kAccept);
}

TEST_F(ProducerStateTest, AnUnknownProducerStartsAtZero) {
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 0)), ProducerVerdict::kAccept);
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 3)), ProducerVerdict::kUnknownProducer);
}

TEST_F(ProducerStateTest, SequencesFollowEachOther) {
  Update(ProducerBatchOf(1, 0, 0, 3), 0);
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 3)), ProducerVerdict::kAccept);
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 4)), ProducerVerdict::kOutOfOrderSequence);
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 2, 2)), ProducerVerdict::kOutOfOrderSequence);
}

TEST_F(ProducerStateTest, SequencesWrap) {
  Update(ProducerBatchOf(1, 0, INT32_MAX - 1, 2), 0);
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 0)), ProducerVerdict::kAccept);
  Update(ProducerBatchOf(1, 0, 0, 2), 2);
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, INT32_MAX - 1, 2)), ProducerVerdict::kDuplicate);
  Update(ProducerBatchOf(2, 0, INT32_MAX, 2), 4);
  EXPECT_EQ(Check(ProducerBatchOf(2, 0, INT32_MAX, 2)), ProducerVerdict::kDuplicate);
  EXPECT_EQ(Check(ProducerBatchOf(2, 0, 1)), ProducerVerdict::kAccept);
}

TEST_F(ProducerStateTest, TheLastFiveBatchesAreKnownDuplicates) {  // scenario J2
  for (int i = 0; i < 7; ++i) Update(ProducerBatchOf(1, 0, i * 2, 2), i * 2);
  const std::string fifth_last = ProducerBatchOf(1, 0, 4, 2);
  const auto batch = RecordBatchView::Parse(fifth_last);
  const ProducerCheck check = table_.Check(*batch);
  EXPECT_EQ(check.verdict, ProducerVerdict::kDuplicate);
  EXPECT_EQ(check.duplicate.first_offset(), Offset(4));
  EXPECT_EQ(check.duplicate.last_offset, Offset(5));
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 2, 2)), ProducerVerdict::kDuplicateForgotten);
}

TEST_F(ProducerStateTest, ANewEpochStartsAtZeroAndFencesTheOld) {
  Update(ProducerBatchOf(1, 3, 0, 5), 0);
  EXPECT_EQ(Check(ProducerBatchOf(1, 4, 5)), ProducerVerdict::kOutOfOrderSequence);
  EXPECT_EQ(Check(ProducerBatchOf(1, 4, 0)), ProducerVerdict::kAccept);
  Update(ProducerBatchOf(1, 4, 0), 5);
  EXPECT_EQ(Check(ProducerBatchOf(1, 3, 5)), ProducerVerdict::kStaleProducerEpoch);
  EXPECT_EQ(Check(ProducerBatchOf(1, 4, 1)), ProducerVerdict::kAccept);
}

TEST_F(ProducerStateTest, UpdateTakesWhateverTheLogHolds) {  // scenario A26
  Update(ProducerBatchOf(1, 2, 17), 100);
  EXPECT_EQ(table_.Find(ProducerId(1))->last_sequence(), 17);
  EXPECT_EQ(Check(ProducerBatchOf(1, 2, 18)), ProducerVerdict::kAccept);
}

TEST_F(ProducerStateTest, TransactionsOpenAndAreDecided) {
  Update(ProducerBatchOf(1, 0, 0, 2, true), 10);
  Update(ProducerBatchOf(2, 0, 0, 1, true), 12);
  EXPECT_EQ(table_.FirstOpenTransaction(), Offset(10));
  EXPECT_EQ(Check(ProducerBatchOf(1, 0, 2)), ProducerVerdict::kInvalidTxnState);
  const auto decided = Update(Marker(1, 0, false), 13);
  ASSERT_TRUE(decided.has_value());
  EXPECT_TRUE(decided->aborted);
  EXPECT_EQ(decided->first_offset, Offset(10));
  EXPECT_EQ(decided->last_offset, Offset(13));
  EXPECT_EQ(table_.FirstOpenTransaction(), Offset(12));
  EXPECT_FALSE(Update(Marker(1, 0, true), 14).has_value()) << "nothing was open";
}

TEST_F(ProducerStateTest, MarkersAreFencedByBothEpochs) {
  Update(ProducerBatchOf(1, 5, 0, 1, true), 0);
  Update(Marker(1, 5, true, 8), 1);
  EXPECT_EQ(Check(Marker(1, 4, true, 9)), ProducerVerdict::kStaleProducerEpoch);
  EXPECT_EQ(Check(Marker(1, 5, true, 7)), ProducerVerdict::kStaleCoordinatorEpoch);
  EXPECT_EQ(Check(Marker(1, 5, true, 8)), ProducerVerdict::kAccept) << "sent again: scenario J6";
}

TEST_F(ProducerStateTest, RestoreUndoesUpdate) {
  Update(ProducerBatchOf(1, 0, 0, 1, true), 0);
  const ProducerStateTable before = table_;
  const ProducerEntry entry = *table_.Find(ProducerId(1));
  Update(Marker(1, 0, true), 1);
  table_.Restore(ProducerId(1), entry);
  EXPECT_EQ(table_, before);
  EXPECT_EQ(table_.FirstOpenTransaction(), Offset(0));
  Update(ProducerBatchOf(2, 0, 0, 1, true), 0);
  table_.Restore(ProducerId(2), std::nullopt);
  EXPECT_EQ(table_, before);
}

TEST_F(ProducerStateTest, ExpiryForgetsTheSilentWithoutTransaction) {
  Update(ProducerBatchOf(1, 0, 0, 1, false, 100), 0);
  Update(ProducerBatchOf(2, 0, 0, 1, true, 100), 1);
  Update(ProducerBatchOf(3, 0, 0, 1, false, 200), 2);
  EXPECT_EQ(table_.Expire(150), 1u);
  EXPECT_EQ(table_.Find(ProducerId(1)), nullptr);
  EXPECT_NE(table_.Find(ProducerId(2)), nullptr);
}

TEST_F(ProducerStateTest, SnapshotKeepsTheLastBatchAndTheTransaction) {
  Update(ProducerBatchOf(1, 4, 0, 3), 0);
  Update(ProducerBatchOf(1, 4, 3, 2), 3);
  Update(ProducerBatchOf(2, 0, 0, 1, true), 5);
  const std::string bytes = table_.Serialize();
  EXPECT_EQ(bytes.size(), 10u + 2 * 46);
  const auto loaded = ProducerStateTable::Parse(bytes);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->Serialize(), bytes);
  EXPECT_EQ(loaded->FirstOpenTransaction(), Offset(5));
  EXPECT_EQ(loaded->Find(ProducerId(1))->batches[0].first_sequence(), 3);
}

TEST_F(ProducerStateTest, EveryDamageToASnapshotIsFound) {  // scenario G14
  Update(ProducerBatchOf(1, 4, 0, 3), 0);
  const std::string good = table_.Serialize();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    EXPECT_TRUE(absl::IsDataLoss(ProducerStateTable::Parse(bad).status())) << i;
    EXPECT_TRUE(absl::IsDataLoss(ProducerStateTable::Parse(good.substr(0, i)).status())) << i;
  }
}

}  // namespace
}  // namespace quorate
