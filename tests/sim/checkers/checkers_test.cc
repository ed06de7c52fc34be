// Each checker finds what it is there for, and is silent about a good history.
#include <gtest/gtest.h>

#include <string>

#include "storage/record_batch.h"
#include "storage/record_batch_builder.h"
#include "tests/sim/checkers/answers_checker.h"
#include "tests/sim/checkers/broker_epoch_checker.h"
#include "tests/sim/checkers/commit_durability_checker.h"
#include "tests/sim/checkers/committed_offset_checker.h"
#include "tests/sim/checkers/epoch_cache_checker.h"
#include "tests/sim/checkers/flush_checker.h"
#include "tests/sim/checkers/idle_checker.h"
#include "tests/sim/checkers/isr_shape_checker.h"
#include "tests/sim/checkers/isr_superset_checker.h"
#include "tests/sim/checkers/leader_completeness_checker.h"
#include "tests/sim/checkers/leadership_checker.h"
#include "tests/sim/checkers/metadata_checker.h"
#include "tests/sim/checkers/owner_checker.h"
#include "tests/sim/checkers/producer_id_checker.h"
#include "tests/sim/checkers/read_checker.h"
#include "tests/sim/checkers/records_checker.h"
#include "tests/sim/checkers/recovery_checker.h"
#include "tests/sim/checkers/replica_checker.h"
#include "tests/sim/checkers/safe_halt_checker.h"
#include "tests/sim/checkers/snapshot_checker.h"
#include "tests/sim/checkers/term_checker.h"
#include "tests/sim/checkers/vote_checker.h"
#include "tests/sim/checkers/voter_set_checker.h"
#include "tests/sim/checkers/watermark_checker.h"

namespace quorate::sim {
namespace {

const PartitionName kPartition{"t", 0};

class CheckersTest : public testing::Test {
 protected:
  // The checker that spoke, or "" if none did.
  std::string Found() const { return verdict_.ok() ? "" : verdict_.violations()[0].checker; }
  // Sends and acknowledges numbers 0..count-1 of producer 1 at the same offsets.
  void Acknowledge(int count) {
    for (int i = 0; i < count; ++i) {
      records_.OnSend(kPartition, {1, i});
      records_.OnAck(kPartition, {1, i}, i);
    }
  }

  Verdict verdict_;
  RecordsChecker records_{verdict_};
  ReadChecker reads_{verdict_};
  LeadershipChecker leaders_{verdict_};
  WatermarkChecker watermarks_{verdict_};
  MetadataChecker metadata_{verdict_};
};

TEST_F(CheckersTest, ALogServedWithoutAcknowledgedRecordsIsNoSafeHalt) {
  Acknowledge(3);
  records_.OnFinalRead(kPartition, 0, {1, 0});
  SafeHaltChecker(verdict_, records_).OnPartition(kPartition, {1, 1, 1, false}, INT64_MAX);
  EXPECT_EQ(Found(), "lost");
}

TEST_F(CheckersTest, RefusedWithheldAndWholeAreSafeHalts) {
  Acknowledge(3);
  SafeHaltChecker halts(verdict_, records_);
  records_.OnFinalRead(kPartition, 0, {1, 0});
  halts.OnPartition(kPartition, {1, 3, 3, true}, INT64_MAX);
  halts.OnPartition(kPartition, {0, -1, -1, false}, INT64_MAX);
  halts.OnPartition(kPartition, {1, 1, 3, false}, INT64_MAX);
  halts.OnPartition(kPartition, {1, 1, 1, false}, /*tail=*/1);
  EXPECT_EQ(halts.refused(), 2u);
  EXPECT_EQ(halts.withheld(), 1u);
  EXPECT_EQ(halts.whole(), 1u);
  EXPECT_EQ(Found(), "");
}

TEST_F(CheckersTest, ATailMayBeGoneButNothingBeforeWhatIsLeft) {
  Acknowledge(4);
  records_.OnFinalRead(kPartition, 0, {1, 0});
  records_.OnFinalRead(kPartition, 2, {1, 2});
  records_.FinishPartition(kPartition, 1);
  EXPECT_EQ(Found(), "lost");
  EXPECT_EQ(verdict_.count(), 1u);
}

TEST_F(CheckersTest, ServingLessThanTheHighWatermarkWithoutAnErrorIsNoSafeHalt) {
  SafeHaltChecker(verdict_, records_).OnPartition(kPartition, {1, 3, 3, false}, INT64_MAX);
  EXPECT_EQ(Found(), "halt");
}

TEST_F(CheckersTest, AGoodHistoryPasses) {
  Acknowledge(3);
  records_.OnSend(kPartition, {1, 3});  // never acknowledged, there or not
  for (int i = 0; i < 4; ++i) records_.OnFinalRead(kPartition, i, {1, i});
  records_.Finish();
  EXPECT_EQ(Found(), "");
}

TEST_F(CheckersTest, ACommittedOffsetThatGoesBack) {
  CommittedOffsetChecker offsets(verdict_);
  offsets.OnRead("g", kPartition, offsets.Floor("g", kPartition), -1);  // none yet
  for (int64_t i = 1; i <= 5; ++i) offsets.OnSent("g", kPartition, i);
  offsets.OnAcked("g", kPartition, 3);
  const int64_t floor = offsets.Floor("g", kPartition);
  offsets.OnRead("g", kPartition, floor, 5);  // its acknowledgement is on its way
  offsets.OnRead("g", kPartition, floor, 4);  // asked before 5 was read
  offsets.OnRead("h", kPartition, offsets.Floor("h", kPartition), -1);
  EXPECT_EQ(Found(), "");
  EXPECT_EQ(offsets.Floor("g", kPartition), 5);
  offsets.OnRead("g", kPartition, 5, 4);
  EXPECT_EQ(Found(), "committed-offset");
}

TEST_F(CheckersTest, ACommittedOffsetThatNobodySent) {
  CommittedOffsetChecker offsets(verdict_);
  offsets.OnSent("g", kPartition, 4);
  offsets.OnRead("g", kPartition, -1, 6);
  EXPECT_EQ(Found(), "committed-offset");
}

TEST_F(CheckersTest, TwoOwnersInAGeneration) {
  OwnerChecker owners(verdict_);
  owners.OnOwner(1, kPartition, "a");
  owners.OnOwner(1, kPartition, "a");
  owners.OnOwner(2, kPartition, "b");
  EXPECT_EQ(Found(), "");
  owners.OnOwner(2, kPartition, "a");
  EXPECT_EQ(Found(), "group-owner");
}

TEST_F(CheckersTest, ALostRecord) {
  Acknowledge(2);
  records_.OnFinalRead(kPartition, 0, {1, 0});
  records_.Finish();
  EXPECT_EQ(Found(), "lost");
}

TEST_F(CheckersTest, ADuplicate) {
  Acknowledge(1);
  records_.OnFinalRead(kPartition, 0, {1, 0});
  records_.OnFinalRead(kPartition, 1, {1, 0});
  EXPECT_EQ(Found(), "duplicate");
}

TEST_F(CheckersTest, AnExchange) {
  for (int i = 0; i < 2; ++i) records_.OnSend(kPartition, {1, i});
  records_.OnFinalRead(kPartition, 0, {1, 1});
  records_.OnFinalRead(kPartition, 1, {1, 0});
  EXPECT_EQ(Found(), "order");
}

TEST_F(CheckersTest, APhantom) {
  records_.OnFinalRead(kPartition, 0, {1, 0});
  EXPECT_EQ(Found(), "phantom");
}

TEST_F(CheckersTest, ARecordElsewhereThanAcknowledged) {
  Acknowledge(1);
  records_.OnFinalRead(kPartition, 5, {1, 0});
  records_.Finish();
  EXPECT_EQ(Found(), "inconsistent-offsets");
}

TEST_F(CheckersTest, OneOffsetAcknowledgedTwice) {
  records_.OnAck(kPartition, {1, 0}, 7);
  records_.OnAck(kPartition, {2, 0}, 7);
  EXPECT_EQ(Found(), "inconsistent-offsets");
}

TEST_F(CheckersTest, AnOffsetThatChanges) {
  reads_.OnRead("a", false, kPartition, 0, {1, 0});
  reads_.OnRead("b", false, kPartition, 0, {1, 0});
  EXPECT_EQ(Found(), "");
  reads_.OnRead("b", false, kPartition, 0, {2, 0});
  EXPECT_EQ(Found(), "consistent-read");
}

TEST_F(CheckersTest, AnOffsetThatVanishes) {
  reads_.OnRead("a", false, kPartition, 0, {1, 0});
  reads_.Finish();
  EXPECT_EQ(Found(), "consistent-read");
}

TEST_F(CheckersTest, TwoRaftLeadersInATerm) {
  leaders_.OnRaftLeader(1, 5, 1);
  leaders_.OnRaftLeader(2, 5, 1);
  leaders_.OnRaftLeader(2, 6, 2);
  EXPECT_EQ(Found(), "");
  leaders_.OnRaftLeader(3, 5, 3);
  EXPECT_EQ(Found(), "raft-leader");
}

TEST_F(CheckersTest, TwoLeadersInALeaderEpoch) {
  leaders_.OnPartitionLeader(kPartition, 1, 1);
  leaders_.OnPartitionLeader(kPartition, 2, 2);
  EXPECT_EQ(Found(), "");
  leaders_.OnPartitionLeader(kPartition, 2, 1);
  EXPECT_EQ(Found(), "partition-leader");
}

TEST_F(CheckersTest, AHighWatermarkThatMovesBack) {
  watermarks_.OnPositions(1, 1, kPartition, {true, 3, 0, 10, 10, 12});
  watermarks_.OnPositions(1, 2, kPartition, {true, 4, 0, 8, 10, 12});
  EXPECT_EQ(Found(), "");
  watermarks_.OnPositions(1, 2, kPartition, {true, 4, 0, 7, 10, 12});
  EXPECT_EQ(Found(), "high-watermark");
}

TEST_F(CheckersTest, PositionsThatDoNotFit) {
  watermarks_.OnPositions(1, 1, kPartition, {false, 3, 0, 13, 12, 12});
  EXPECT_EQ(Found(), "positions");
}

TEST_F(CheckersTest, ACommitIndexThatMovesBack) {
  metadata_.OnCommitIndex(1, 1, 10, 12);
  metadata_.OnCommitIndex(1, 2, 5, 12);
  EXPECT_EQ(Found(), "");
  metadata_.OnCommitIndex(1, 2, 4, 12);
  EXPECT_EQ(Found(), "commit-index");
}

TEST_F(CheckersTest, MetadataThatDiverges) {
  metadata_.OnImage(1, 10, "x");
  metadata_.OnImage(2, 10, "x");
  EXPECT_EQ(Found(), "");
  metadata_.OnImage(3, 10, "y");
  EXPECT_EQ(Found(), "metadata-divergence");
}

TEST_F(CheckersTest, ReplicasThatDiffer) {
  CheckReplicas(kPartition, {{1, "abc"}, {2, "abc"}}, verdict_);
  EXPECT_EQ(Found(), "");
  CheckReplicas(kPartition, {{1, "abc"}, {2, "abd"}}, verdict_);
  EXPECT_EQ(Found(), "replicas");
}

TEST_F(CheckersTest, PartitionStatesThatMustNotBe) {
  const IsrShape good{{1, 2, 3}, {1, 2}, {}, 1, 4, 7};
  {
    IsrShapeChecker checker(verdict_, 2);
    checker.OnState(kPartition, 10, good, {3});
    checker.OnState(kPartition, 11, {{1, 2, 3}, {1}, {2}, 1, 4, 8}, {1});
    EXPECT_EQ(Found(), "");
    checker.OnState(kPartition, 12, {{1, 2, 3}, {1}, {2}, 1, 3, 9}, {});
    EXPECT_EQ(Found(), "isr-shape");
  }
  for (const IsrShape& bad :
       {IsrShape{{1, 2, 3}, {1, 4}, {}, 1, 4, 7}, IsrShape{{1, 2, 3}, {1}, {1}, 1, 4, 7},
        IsrShape{{1, 2, 3}, {1}, {2}, 3, 4, 7}, IsrShape{{1, 2, 3}, {1, 2}, {3}, 1, 4, 7}}) {
    Verdict verdict;
    IsrShapeChecker(verdict, 2).OnState(kPartition, 10, bad, {});
    EXPECT_FALSE(verdict.ok());
  }
  Verdict verdict;
  IsrShapeChecker(verdict, 2).OnState(kPartition, 10, good, {2});
  EXPECT_FALSE(verdict.ok());
}

TEST_F(CheckersTest, ABrokerEpochGivenTwice) {
  BrokerEpochChecker checker(verdict_);
  checker.OnRegistration(1, 5, "a");
  checker.OnRegistration(1, 5, "a");
  checker.OnRegistration(2, 5, "b");
  checker.OnRegistration(1, 6, "c");
  EXPECT_EQ(Found(), "");
  checker.OnRegistration(1, 6, "d");
  EXPECT_EQ(Found(), "broker-epoch");
}

TEST_F(CheckersTest, ATermThatGoesBack) {
  TermChecker checker(verdict_);
  checker.OnTerm(1, 1, 5, true);
  checker.OnTerm(1, 1, 7, false);
  checker.OnTerm(1, 2, 6, false);  // Term 7 may never have reached the disk.
  EXPECT_EQ(Found(), "");
  checker.OnTerm(1, 3, 4, false);
  EXPECT_EQ(Found(), "term");
}

TEST_F(CheckersTest, ALogThatStartsWhereNoSnapshotEnds) {
  SnapshotChecker checker(verdict_);
  checker.OnLog(1, 1, 0, 10, {});
  checker.OnLog(1, 1, 20, 40, {{20, 1}, {35, 2}});
  EXPECT_EQ(Found(), "");
  checker.OnLog(2, 1, 30, 40, {{35, 2}});
  EXPECT_EQ(Found(), "snapshot");
}

TEST_F(CheckersTest, ASnapshotOfWhatIsNotCommitted) {
  SnapshotChecker checker(verdict_);
  checker.OnLog(1, 1, 0, 34, {{35, 2}});
  EXPECT_EQ(Found(), "snapshot");
}

TEST_F(CheckersTest, ASnapshotThatIsGone) {
  SnapshotChecker checker(verdict_);
  checker.OnLog(1, 1, 20, 40, {{20, 1}, {35, 2}});
  checker.OnLog(1, 2, 20, 40, {{20, 1}});  // Another process may have set a damaged one aside.
  EXPECT_EQ(Found(), "");
  checker.OnLog(1, 1, 20, 40, {{20, 1}});
  EXPECT_EQ(Found(), "snapshot");
}

TEST_F(CheckersTest, SnapshotsOfOneIndexAndTwoTerms) {
  SnapshotChecker checker(verdict_);
  checker.OnLog(1, 1, 0, 40, {{35, 2}});
  checker.OnLog(2, 1, 0, 40, {{35, 3}});
  EXPECT_EQ(Found(), "snapshot");
}

TEST_F(CheckersTest, AStateFromASnapshotThatIsNotItsContents) {
  SnapshotChecker checker(verdict_);
  checker.OnRestored(1, 35, "ab", "ab");
  EXPECT_EQ(Found(), "");
  checker.OnRestored(1, 35, "ab", "ac");
  EXPECT_EQ(Found(), "snapshot");
}

TEST_F(CheckersTest, ALeaderWithoutWhatWasAcknowledged) {
  LeaderCompletenessChecker checker(verdict_);
  const MonoTime begin(std::chrono::seconds(1));
  checker.OnLeader(kPartition, 1, 1, 0, begin);
  checker.OnAck(kPartition, 9, begin + Millis(10));
  checker.OnLeader(kPartition, 1, 1, 0, begin + Millis(500));  // of an epoch that is known
  checker.OnAck(kPartition, 10, begin + Millis(500));
  checker.OnLeader(kPartition, 2, 2, 10, begin + Millis(510));  // 10 may be of a later epoch yet
  EXPECT_EQ(Found(), "");
  checker.OnLeader(kPartition, 3, 3, 10, begin + Millis(700));
  EXPECT_EQ(Found(), "leader-completeness");
}

TEST_F(CheckersTest, ACommitThatNoMajorityHolds) {
  CommitDurabilityChecker checker(verdict_, 3);
  checker.OnDurableEnd(1, 10);
  checker.OnDurableEnd(2, 8);
  checker.OnDurableEnd(3, 5);
  checker.Check(1, 8);
  EXPECT_EQ(Found(), "");
  checker.Check(1, 9);
  EXPECT_EQ(Found(), "commit-durability");
}

TEST_F(CheckersTest, ALeaderThatCountsOnTooFew) {
  IsrSupersetChecker checker(verdict_);
  checker.OnLeader(kPartition, {1, 3, 10, {1, 2, 3}}, {1, 2}, {{2, 10}});
  EXPECT_EQ(Found(), "");
  checker.OnLeader(kPartition, {1, 3, 10, {1}}, {1, 2}, {});
  EXPECT_EQ(Found(), "isr-superset");
}

TEST_F(CheckersTest, AnIsrMemberBelowTheHighWatermark) {
  IsrSupersetChecker checker(verdict_);
  checker.OnLeader(kPartition, {1, 3, 10, {1, 2}}, {1, 2}, {{2, 9}});
  EXPECT_EQ(Found(), "isr-holds");
}

TEST_F(CheckersTest, AnIsrMemberWithoutWhatAnEarlierLeaderCommitted) {  // B3
  IsrSupersetChecker checker(verdict_);
  checker.OnLeader(kPartition, {1, 3, 10, {1, 2}}, {1, 2}, {{2, 10}});
  checker.OnLeader(kPartition, {2, 4, 5, {2, 3}}, {2, 3}, {{3, 10}});
  EXPECT_EQ(Found(), "");
  checker.OnLeader(kPartition, {2, 4, 5, {2, 3}}, {2, 3}, {{3, 9}});
  EXPECT_EQ(Found(), "isr-holds");
}

TEST_F(CheckersTest, AProducerIdGivenTwice) {
  ProducerIdChecker checker(verdict_);
  checker.OnProducerId(1);
  checker.OnProducerId(2);
  EXPECT_EQ(Found(), "");
  checker.OnProducerId(1);
  EXPECT_EQ(Found(), "producer-id");
}

TEST_F(CheckersTest, AnEpochCacheThatLies) {
  RecordBatchBuilder builder{BatchOptions{}};
  builder.Add(0, std::nullopt, "x");
  const std::string batches = builder.Build();  // offset 0; the epoch is what the builder says
  const int32_t epoch = RecordBatchView::Parse(batches)->leader_epoch().value();
  CheckEpochCache(kPartition, 1, {{epoch, 0}, {epoch + 3, 1}}, batches, verdict_);
  EXPECT_EQ(Found(), "");
  CheckEpochCache(kPartition, 1, {{epoch + 1, 0}}, batches, verdict_);
  EXPECT_EQ(Found(), "epoch-cache");
  Verdict order;
  CheckEpochCache(kPartition, 1, {{3, 5}, {4, 5}}, "", order);
  EXPECT_FALSE(order.ok());
}

TEST_F(CheckersTest, AnIdleClusterThatIsBusyOrUnstable) {
  IdleChecker checker(verdict_, 3);
  checker.Check({10, 1000, 5, 3}, {15, 2000, 5, 3});
  EXPECT_EQ(Found(), "");
  for (const IdleMoment& end :
       {IdleMoment{15, 100'000, 5, 3}, IdleMoment{15, 2000, 6, 3}, IdleMoment{15, 2000, 5, 4}}) {
    Verdict verdict;
    IdleChecker(verdict, 3).Check({10, 1000, 5, 3}, end);
    EXPECT_FALSE(verdict.ok());
  }
}

TEST(RecordName, IsReadBackFromAValueAndOnlyFromAWholeOne) {
  const std::string value = MakeValue(kPartition, {3, 14}, 10);
  EXPECT_EQ(ParseValue(kPartition, value), (RecordName{3, 14}));
  EXPECT_EQ(ParseValue({"t", 1}, value), std::nullopt);
  EXPECT_EQ(ParseValue(kPartition, value.substr(0, value.size() - 1)), std::nullopt);
  std::string damaged = value;
  damaged.back() ^= 1;
  EXPECT_EQ(ParseValue(kPartition, damaged), std::nullopt);
}

TEST_F(CheckersTest, AVoteIsForEver) {
  VoteChecker votes(verdict_);
  votes.OnState(1, 1, 3, -1);
  votes.OnState(1, 1, 3, 2);
  votes.OnState(1, 2, 3, 2);  // remembered
  votes.OnState(1, 2, 4, 3);
  EXPECT_EQ(Found(), "");
  votes.OnState(1, 3, 4, -1);
  EXPECT_EQ(Found(), "vote");
}

TEST_F(CheckersTest, ATermThatWentBackIsSeenByTheVotes) {
  VoteChecker votes(verdict_);
  votes.OnState(1, 1, 3, 1);
  votes.OnState(1, 2, 2, -1);
  EXPECT_EQ(Found(), "vote");
}

TEST_F(CheckersTest, ARestartKeepsWhatWasSynced) {
  RecoveryChecker recoveries(verdict_);
  recoveries.OnOpened(1, "t-0", 0);  // nothing is known of before
  recoveries.OnEnd(1, "t-0", 5, 8);
  recoveries.OnOpened(1, "t-0", 7);
  recoveries.OnOpened(1, "t-0", 3);  // later looks do not count
  recoveries.OnEnd(1, "t-0", 9, 9);
  recoveries.OnCut(1, "t-0");
  recoveries.OnOpened(1, "t-0", 4);
  recoveries.OnEnd(2, "t-0", 5, 5);
  recoveries.OnWipe(2);
  recoveries.OnOpened(2, "t-0", 0);
  EXPECT_EQ(Found(), "");
  recoveries.OnEnd(1, "t-0", 5, 5);
  recoveries.OnOpened(1, "t-0", 4);
  EXPECT_EQ(Found(), "recovery");
}

TEST_F(CheckersTest, ARestartBringsNothingBack) {
  RecoveryChecker recoveries(verdict_);
  recoveries.OnEnd(1, "t-0", 5, INT64_MAX);  // in a write
  recoveries.OnOpened(1, "t-0", 9);
  recoveries.OnEnd(1, "t-0", 5, 8);
  recoveries.OnOpened(1, "t-0", 8);
  EXPECT_EQ(Found(), "");
  recoveries.OnEnd(1, "t-0", 5, 8);
  recoveries.OnOpened(1, "t-0", 9);
  EXPECT_EQ(Found(), "recovery");
}

TEST_F(CheckersTest, ANodeThatTakesForDurableWhatItsDiskLacks) {
  FlushChecker flushes(verdict_);
  flushes.OnClaim(1, 5, 5);
  flushes.OnClaim(1, 5, 8);
  EXPECT_EQ(Found(), "");
  flushes.OnClaim(1, 6, 5);
  EXPECT_EQ(Found(), "flush");
}

TEST_F(CheckersTest, ARequestThatIsNotAnswered) {
  AnswersChecker answers(verdict_);
  answers.OnOverdue();  // under faults
  answers.Begin();
  answers.Check();
  EXPECT_EQ(Found(), "");
  answers.OnOverdue();
  answers.Check();
  EXPECT_EQ(Found(), "answers");
}

// --- VoterSetChecker ---

// A core of node `self` with a committed voters record at index 3, and a vote in term 2.
raft::RaftCore CoreWith(int self, const std::vector<int>& voters, int voted_for) {
  std::map<NodeId, Uuid> first;
  for (int i = 1; i <= 3; ++i) first[NodeId(i)] = Uuid({static_cast<uint8_t>(i)});
  std::map<NodeId, Uuid> then;
  for (int i : voters) then[NodeId(i)] = Uuid({static_cast<uint8_t>(i)});
  raft::CoreConfig config;
  config.self = {NodeId(self), Uuid({static_cast<uint8_t>(self)})};
  raft::InitialState initial;
  initial.hard_state = {Term(2), {NodeId(voted_for), Uuid({static_cast<uint8_t>(voted_for)})}};
  initial.log_end = LogIndex(5);
  initial.snapshot = {LogIndex(5), Term(2)};  // all before it is committed
  raft::VoterHistory history(raft::VoterSet(first), true);
  history.Append(LogIndex(1), raft::VoterSet(first));
  history.Append(LogIndex(3), raft::VoterSet(then));
  initial.voters = history;
  return raft::RaftCore(config, std::move(initial));
}

TEST(VoterSetCheckerTest, AgreesWithOneChangeThatAllNodesKnow) {
  Verdict verdict;
  VoterSetChecker checker(verdict);
  checker.OnCore(CoreWith(1, {1, 2}, 1));
  checker.OnCore(CoreWith(2, {1, 2}, 1));
  EXPECT_TRUE(verdict.ok());
}

TEST(VoterSetCheckerTest, FindsTwoSetsAtOneIndex) {  // I8
  Verdict verdict;
  VoterSetChecker checker(verdict);
  checker.OnCore(CoreWith(1, {1, 2}, 1));
  checker.OnCore(CoreWith(2, {1, 3}, 1));
  EXPECT_FALSE(verdict.ok());
}

TEST(VoterSetCheckerTest, FindsTwoVotersThatGoAtOnce) {  // I8
  Verdict verdict;
  VoterSetChecker checker(verdict);
  checker.OnCore(CoreWith(1, {1}, 1));
  EXPECT_FALSE(verdict.ok());
}

// A core of node `self` that knows `voters` from a snapshot that ends at index 5.
raft::RaftCore CoreOfSnapshot(int self, const std::vector<int>& voters) {
  std::map<NodeId, Uuid> named;
  for (int i : voters) named[NodeId(i)] = Uuid({static_cast<uint8_t>(i)});
  raft::CoreConfig config;
  config.self = {NodeId(self), Uuid({static_cast<uint8_t>(self)})};
  raft::InitialState initial;
  initial.hard_state.term = Term(2);
  initial.log_start = initial.log_end = LogIndex(5);
  initial.snapshot = {LogIndex(5), Term(2)};
  initial.term_starts.StartAt(LogIndex(5), Term(2));
  initial.voters = raft::VoterHistory(raft::VoterSet(named), true);
  return raft::RaftCore(config, std::move(initial));
}

TEST(VoterSetCheckerTest, FindsASnapshotThatNamesOtherVoters) {  // D7
  for (const bool right : {true, false}) {
    Verdict verdict;
    VoterSetChecker checker(verdict);
    checker.OnCore(CoreWith(1, {1, 2}, 1));
    for (int look = 0; look < 2; ++look) {
      checker.OnCore(CoreOfSnapshot(2, right ? std::vector<int>{1, 2} : std::vector<int>{1, 2, 3}));
    }
    EXPECT_EQ(verdict.ok(), right);
  }
}

TEST(VoterSetCheckerTest, FindsTwoVotesOfOneDiskInATerm) {  // I9
  Verdict verdict;
  VoterSetChecker checker(verdict);
  checker.OnCore(CoreWith(1, {1, 2}, 1));
  checker.OnCore(CoreWith(1, {1, 2}, 2));
  EXPECT_FALSE(verdict.ok());
}

}  // namespace
}  // namespace quorate::sim
