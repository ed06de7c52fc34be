// The checkers of clients' questions, of steps, of stale messages and of what is derived from logs.
#include <gtest/gtest.h>

#include <string>

#include "storage/record_batch.h"
#include "storage/record_batch_builder.h"
#include "tests/sim/checkers/derived_state_checker.h"
#include "tests/sim/checkers/follower_checker.h"
#include "tests/sim/checkers/latest_offset_checker.h"
#include "tests/sim/checkers/read_barrier_checker.h"
#include "tests/sim/checkers/stale_message_checker.h"
#include "tests/sim/checkers/step_checker.h"

namespace quorate::sim {
namespace {

const PartitionName kPartition{"t", 0};

class SystemCheckersTest : public testing::Test {
 protected:
  // The checker that spoke, or "" if none did.
  std::string Found() const { return verdict_.ok() ? "" : verdict_.violations()[0].checker; }

  Verdict verdict_;
};

TEST_F(SystemCheckersTest, ALatestOffsetThatGoesBack) {
  LatestOffsetChecker offsets(verdict_);
  EXPECT_EQ(offsets.Floor(kPartition, 3), -1);
  offsets.OnCommittedUpTo(kPartition, 3, 10);
  offsets.OnCommittedUpTo(kPartition, 3, 8);  // an answer that came late
  offsets.OnCommittedUpTo(kPartition, 5, 12);
  EXPECT_EQ(offsets.Floor(kPartition, 2), -1);
  EXPECT_EQ(offsets.Floor(kPartition, 4), 10);
  EXPECT_EQ(offsets.Floor(kPartition, 5), 12);
  offsets.OnLatest(kPartition, 4, offsets.Floor(kPartition, 4), 13);  // deposed, and knew more
  EXPECT_EQ(offsets.Floor(kPartition, 5), 13);
  EXPECT_EQ(Found(), "");
  offsets.OnLatest(kPartition, 5, 13, 12);
  EXPECT_EQ(Found(), "latest-offset");
}

TEST_F(SystemCheckersTest, AFollowerWithRecordsOfAnotherLeader) {  // A11
  FollowerChecker followers(verdict_);
  followers.OnEnds(kPartition, 3, 1, 10, 2, 10);
  EXPECT_EQ(Found(), "");
  followers.OnEnds(kPartition, 3, 1, 10, 2, 11);
  EXPECT_EQ(Found(), "follower");
}

TEST_F(SystemCheckersTest, AReadOfThePast) {
  ReadBarrierChecker reads(verdict_);
  reads.OnConfirmed(1, 10, 10);
  reads.OnConfirmed(1, 10, 12);
  EXPECT_EQ(Found(), "");
  reads.OnConfirmed(1, 10, 9);
  EXPECT_EQ(Found(), "stale-read");
}

TEST_F(SystemCheckersTest, EventsThatGoOnAndOn) {
  StepChecker steps(verdict_);
  steps.OnSteps(StepChecker::kAtOnce, StepChecker::kByOne);
  EXPECT_EQ(Found(), "");
  steps.OnSteps(StepChecker::kAtOnce + 1, 1);
  EXPECT_EQ(Found(), "steps");
  Verdict verdict;
  StepChecker(verdict).OnSteps(1, StepChecker::kByOne + 1);
  EXPECT_FALSE(verdict.ok());
}

TEST_F(SystemCheckersTest, AStaleMessageThatChangesSomething) {
  StaleMessageChecker messages(verdict_);
  messages.OnTaken(1, "a vote", 5, 5);
  EXPECT_EQ(Found(), "");
  messages.OnTaken(1, "a vote", 5, 6);
  EXPECT_EQ(Found(), "stale-message");
  EXPECT_EQ(messages.count(), 2u);
}

// Two batches of one producer, at offsets 0-1 and 2, and a state that says so.
class DerivedStateTest : public SystemCheckersTest {
 protected:
  DerivedStateTest() {
    Add(0, {100, 105}, 0);
    Add(2, {103}, 2);
    state_.batch_at = [](int64_t offset) { return offset < 2 ? 0 : 2; };
    state_.offset_for_time = [](WallMillis time) { return time <= 100 ? 0 : 1; };
    state_.producers = &producers_;
  }
  void Add(int64_t base, const std::vector<WallMillis>& times, int32_t sequence) {
    BatchOptions options;
    options.producer_id = ProducerId(7);
    options.producer_epoch = ProducerEpoch(0);
    options.base_sequence = sequence;
    RecordBatchBuilder builder(options);
    for (WallMillis time : times) builder.Add(time, std::nullopt, "x");
    std::string batch = builder.Build();
    PatchBatchHeader(batch.data(), Offset(base), LeaderEpoch(1));
    const auto view = RecordBatchView::Parse(batch);
    producers_.Update(*view, Offset(base), view->max_timestamp());
    batches_ += batch;
  }
  void Check() { CheckDerivedState(kPartition, 1, batches_, state_, verdict_); }

  std::string batches_;
  ProducerStateTable producers_;
  DerivedState state_;
};

TEST_F(DerivedStateTest, WhatAgreesWithTheBatchesPasses) {
  Check();
  EXPECT_EQ(Found(), "");
}

TEST_F(DerivedStateTest, AnIndexThatLeadsElsewhere) {
  state_.batch_at = [](int64_t) { return 0; };
  Check();
  EXPECT_EQ(Found(), "derived-state");
}

TEST_F(DerivedStateTest, ATimeIndexThatLeadsElsewhere) {
  state_.offset_for_time = [](WallMillis) { return 2; };
  Check();
  EXPECT_EQ(Found(), "derived-state");
}

TEST_F(DerivedStateTest, AProducerThatIsForgotten) {
  producers_.Clear();
  Check();
  EXPECT_EQ(Found(), "derived-state");
}

TEST_F(DerivedStateTest, AProducerThatWroteLessThanItsBatchesSay) {
  producers_.Clear();
  const auto view = RecordBatchView::Parse(batches_);
  producers_.Update(*view, Offset(0), view->max_timestamp());
  Check();
  EXPECT_EQ(Found(), "derived-state");
}

}  // namespace
}  // namespace quorate::sim
