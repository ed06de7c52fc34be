#include "broker/group/group_coordinator.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/group/fake_offsets_log.h"
#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr PartitionIndex kPartition{4};  // of the group "abc"

class CoordinatorTest : public ::testing::Test {
 protected:
  CoordinatorTest() {
    options_.limits.initial_rebalance_delay = Micros(0);
    Make();
  }
  void Make() {
    coordinator_ = std::make_unique<GroupCoordinator>(
        GroupCoordinatorEnv{&loop_, &random_, &log_, &images_}, options_);
    coordinator_->Start();
  }
  void Lead(int epoch = 1) {
    log_.Lead(kPartition, epoch);
    loop_.RunPosted();
  }
  std::optional<KafkaError> Commit(int64_t offset, int generation = -1,
                                   const std::string& member = "", int partition = 0) {
    CommitRequest request;
    request.group_id = "abc";
    request.generation = generation;
    request.member_id = member;
    request.entries.push_back({{"t", partition}, quorate::testing::TestUuid(5), offset, 1, "meta"});
    auto answer = std::make_shared<std::optional<KafkaError>>();
    coordinator_->Commit(request, [answer](std::vector<KafkaError> e) { *answer = e.at(0); });
    last_commit_ = answer;
    return *answer;
  }
  // The committed offset of "t"-0; -1 = none, -2 = an error.
  int64_t Fetch(int partition = 0) {
    const auto fetched =
        coordinator_->FetchOffsets("abc", std::vector<OffsetKey>{{"t", partition}});
    if (fetched.error != KafkaError::kNone) return -2;
    return fetched.offsets.at(0).second.has_value() ? fetched.offsets[0].second->offset : -1;
  }
  KafkaError FetchError() { return coordinator_->FetchOffsets("abc", std::nullopt).error; }
  std::shared_ptr<std::optional<JoinResult>> Join(const std::string& member = "",
                                                  const std::string& instance = "") {
    JoinRequest request;
    request.group_id = "abc";
    request.member_id = member;
    if (!instance.empty()) request.instance_id = instance;
    request.client_id = "client";
    request.session_timeout = seconds(10);
    request.rebalance_timeout = seconds(60);
    request.protocol_type = "consumer";
    request.protocols = {{"range", SharedBytes::Copy("\xff\xff not a subscription")}};
    auto answer = std::make_shared<std::optional<JoinResult>>();
    coordinator_->Join(request, [answer](JoinResult r) { *answer = std::move(r); });
    return answer;
  }
  std::shared_ptr<std::optional<SyncResult>> Sync(const std::string& member, int generation) {
    SyncRequest request;
    request.group_id = "abc";
    request.member_id = member;
    request.generation = generation;
    request.assignments = {{member, SharedBytes::Copy("work")}};
    auto answer = std::make_shared<std::optional<SyncResult>>();
    coordinator_->Sync(request, [answer](SyncResult r) { *answer = std::move(r); });
    return answer;
  }
  // A group with one member, stable in generation 1.
  std::string MakeStable() {
    const auto joined = Join();
    EXPECT_TRUE(joined->has_value());
    const std::string member = (*joined)->member_id;
    const auto synced = Sync(member, 1);
    EXPECT_TRUE(synced->has_value() && (*synced)->error == KafkaError::kNone);
    return member;
  }
  KafkaError Heartbeat(const std::string& member, int generation = 1) {
    return coordinator_->Heartbeat("abc", {member, std::nullopt}, generation);
  }
  std::optional<KafkaError> Delete() {
    auto answer = std::make_shared<std::optional<KafkaError>>();
    coordinator_->Delete("abc", [answer](KafkaError e) { *answer = e; });
    return *answer;
  }
  KafkaError Leave(const std::string& member) {
    std::optional<KafkaError> answer;
    coordinator_->Leave("abc", {{member, std::nullopt}},
                        [&](GroupCoordinator::LeaveResult r) { answer = r.members.at(0); });
    return answer.value_or(KafkaError::kUnknownServerError);
  }

  TestLoop loop_;
  SeededRandom random_{1};
  ImageView images_{&loop_};
  FakeOffsetsLog log_{&loop_};
  GroupCoordinatorOptions options_;
  std::unique_ptr<GroupCoordinator> coordinator_;
  std::shared_ptr<std::optional<KafkaError>> last_commit_;
};

TEST_F(CoordinatorTest, WhoDoesNotLeadThePartitionIsNotTheCoordinator) {
  EXPECT_EQ(Commit(1), KafkaError::kNotCoordinator);
  EXPECT_EQ(Join()->value().error, KafkaError::kNotCoordinator);
  EXPECT_EQ(FetchError(), KafkaError::kNotCoordinator);
}

TEST_F(CoordinatorTest, CommitIsAnsweredAndVisibleOnlyOnceItsRecordIsCommitted) {
  Lead();
  log_.commit_at_once = false;
  EXPECT_FALSE(Commit(7).has_value());
  EXPECT_EQ(Fetch(), -1);
  log_.Commit(kPartition);
  EXPECT_EQ(*last_commit_, KafkaError::kNone);
  EXPECT_EQ(Fetch(), 7);
}

TEST_F(CoordinatorTest, CommitThatIsRefusedChangesNothing) {
  Lead();
  ASSERT_EQ(Commit(7), KafkaError::kNone);
  log_.refuse = kafka::KafkaStatus(KafkaError::kNotEnoughReplicas);
  EXPECT_EQ(Commit(8), KafkaError::kCoordinatorNotAvailable);
  EXPECT_EQ(Fetch(), 7);
}

TEST_F(CoordinatorTest, CommitOfUnknownEndIsDecidedByTheLog) {
  Lead();
  ASSERT_EQ(Commit(7), KafkaError::kNone);
  log_.commit_at_once = false;
  Commit(8);
  log_.FailWaiting(kPartition, kafka::KafkaStatus(KafkaError::kRequestTimedOut));
  EXPECT_EQ(*last_commit_, KafkaError::kCoordinatorNotAvailable);
  loop_.RunPosted();
  EXPECT_EQ(FetchError(), KafkaError::kCoordinatorLoadInProgress)
      << "8 is in the log and may be lost yet: neither it nor 7 may be shown";
  log_.Commit(kPartition);
  loop_.RunPosted();
  EXPECT_EQ(Fetch(), 8);
}

TEST_F(CoordinatorTest, TooLongMetadataIsRefusedAloneAndTheRestIsCommitted) {
  Lead();
  CommitRequest request;
  request.group_id = "abc";
  request.entries.push_back({{"t", 0}, Uuid(), 1, -1, std::string(4097, 'x')});
  request.entries.push_back({{"t", 1}, Uuid(), 2, -1, std::string(4096, 'x')});
  std::vector<KafkaError> errors;
  coordinator_->Commit(request, [&](std::vector<KafkaError> e) { errors = std::move(e); });
  EXPECT_EQ(errors, (std::vector{KafkaError::kOffsetMetadataTooLarge, KafkaError::kNone}));
  EXPECT_EQ(Fetch(0), -1);
  EXPECT_EQ(Fetch(1), 2);
}

TEST_F(CoordinatorTest, UnknownGroupTakesCommitsOfSimpleConsumersOnly) {
  Lead();
  EXPECT_EQ(Commit(1, 3, "m"), KafkaError::kIllegalGeneration);
  EXPECT_EQ(Commit(1), KafkaError::kNone);
  const auto listing = coordinator_->List();
  ASSERT_EQ(listing.groups.size(), 1u);
  EXPECT_EQ(listing.groups[0].state, "Empty");
  EXPECT_EQ(listing.groups[0].protocol_type, "");
}

TEST_F(CoordinatorTest, LoadBringsBackGroupsAndOffsetsInChunks) {
  Lead();
  const std::string member = MakeStable();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Commit(i, 1, member, i % 3), KafkaError::kNone);
  const std::string before = coordinator_->DumpForTest();
  log_.StopLeading(kPartition);
  loop_.RunPosted();
  EXPECT_EQ(FetchError(), KafkaError::kNotCoordinator);
  EXPECT_EQ(coordinator_->DumpForTest(), "");
  log_.reads = 0;
  Lead(2);
  EXPECT_GT(log_.reads, 5);
  EXPECT_EQ(coordinator_->DumpForTest(), before);
  EXPECT_EQ(Heartbeat(member), KafkaError::kNone);
  loop_.Advance(seconds(11));
  EXPECT_EQ(Heartbeat(member), KafkaError::kUnknownMemberId) << "sessions run after a load";
}

TEST_F(CoordinatorTest, WhileLoadingCallsAreToldSoAndHeartbeatsPass) {
  Lead();
  ASSERT_EQ(Commit(1), KafkaError::kNone);
  log_.StopLeading(kPartition);
  log_.Lead(kPartition, 2);
  log_.observer()->OnBecomeLeader(kPartition, LeaderEpoch(2));
  EXPECT_EQ(FetchError(), KafkaError::kCoordinatorLoadInProgress);
  EXPECT_EQ(Join()->value().error, KafkaError::kCoordinatorLoadInProgress);
  EXPECT_EQ(Heartbeat("m"), KafkaError::kNone);
  EXPECT_TRUE(coordinator_->List().loading);
  loop_.RunPosted();
  EXPECT_EQ(Fetch(), 1);
}

TEST_F(CoordinatorTest, LoadServesOnlyOnceAllItReadIsCommitted) {
  Lead();
  ASSERT_EQ(Commit(1), KafkaError::kNone);
  log_.commit_at_once = false;
  Commit(2);
  log_.StopLeading(kPartition);
  Lead(2);
  EXPECT_EQ(FetchError(), KafkaError::kCoordinatorLoadInProgress);
  log_.Commit(kPartition);
  loop_.RunPosted();
  EXPECT_EQ(Fetch(), 2);
}

TEST_F(CoordinatorTest, LeadershipThatGoesAndComesBackIsLoadedAnewWhateverTheOrderHeard) {
  Lead(1);
  ASSERT_EQ(Commit(5), KafkaError::kNone);
  // It moved away; another broker committed 9; it is back in epoch 3.
  log_.StopLeading(kPartition);
  auto& records = log_.records(kPartition);
  OffsetRecord foreign{"abc", {"t", 0}, CommittedOffset()};
  foreign.value->offset = 9;
  records.push_back(EncodeRecord(foreign));
  log_.SetCommitted(kPartition);
  log_.Lead(kPartition, 3);
  // Late and out of order: the old leadership, the new one, the loss of the old one.
  log_.observer()->OnBecomeLeader(kPartition, LeaderEpoch(1));
  log_.observer()->OnBecomeLeader(kPartition, LeaderEpoch(3));
  log_.observer()->OnStopLeading(kPartition);
  loop_.RunPosted();
  EXPECT_EQ(Fetch(), 9);
  EXPECT_EQ(Commit(10), KafkaError::kNone);
}

TEST_F(CoordinatorTest, StateOfAnOlderEpochIsNotServedBeforeTheObserverHeard) {
  Lead(1);
  ASSERT_EQ(Commit(5), KafkaError::kNone);
  log_.StopLeading(kPartition);  // the call to the observer is on its way
  EXPECT_EQ(FetchError(), KafkaError::kNotCoordinator);
  log_.Lead(kPartition, 2);
  EXPECT_EQ(FetchError(), KafkaError::kNotCoordinator);
}

TEST_F(CoordinatorTest, PartitionThatGoesOfflineWhileLoadingIsNotCoordinated) {
  Lead();
  for (int i = 0; i < 10; ++i) Commit(i);
  log_.StopLeading(kPartition);
  loop_.RunPosted();
  log_.Lead(kPartition, 2);
  log_.fail_read = absl::NotFoundError("gone");
  log_.observer()->OnBecomeLeader(kPartition, LeaderEpoch(2));
  log_.StopLeading(kPartition);
  loop_.RunPosted();
  EXPECT_EQ(FetchError(), KafkaError::kNotCoordinator);
}

TEST_F(CoordinatorTest, LoadThatFailsIsTriedAgain) {
  Lead();
  ASSERT_EQ(Commit(3), KafkaError::kNone);
  log_.StopLeading(kPartition);
  loop_.RunPosted();
  log_.fail_read = absl::DataLossError("bad sector");
  Lead(2);
  EXPECT_EQ(FetchError(), KafkaError::kCoordinatorLoadInProgress);
  loop_.Advance(seconds(2));
  EXPECT_EQ(Fetch(), 3);
}

TEST_F(CoordinatorTest, UnknownRecordsAreSkippedWhenLoading) {
  Lead();
  ASSERT_EQ(Commit(3), KafkaError::kNone);
  log_.StopLeading(kPartition);
  loop_.RunPosted();
  auto& records = log_.records(kPartition);
  records.push_back({std::string("\x00\x09???", 5), "value"});
  LogRecord newer = records.front();
  (*newer.value)[1] = 99;
  records.push_back(newer);
  records.push_back({"", std::nullopt});
  // A tombstone of a group nobody knows: compaction took what came before it (trap 11).
  records.push_back(EncodeRecord(GroupRecord{"other", std::nullopt}));
  log_.SetCommitted(kPartition);
  Lead(2);
  EXPECT_EQ(Fetch(), 3);
  EXPECT_EQ(coordinator_->List().groups.size(), 1u);
}

TEST_F(CoordinatorTest, LossOfLeadershipFailsCallsThatWait) {
  Lead();
  const std::string member = MakeStable();
  const auto other = Join();
  EXPECT_FALSE(other->has_value()) << "it waits for the first member to rejoin";
  log_.commit_at_once = false;
  log_.StopLeading(kPartition);
  loop_.RunPosted();
  ASSERT_TRUE(other->has_value());
  EXPECT_EQ((*other)->error, KafkaError::kNotCoordinator);
}

TEST_F(CoordinatorTest, SyncIsAnsweredOnceTheAssignmentIsCommitted) {
  Lead();
  const std::string member = Join()->value().member_id;
  log_.commit_at_once = false;
  const auto synced = Sync(member, 1);
  EXPECT_FALSE(synced->has_value());
  log_.Commit(kPartition);
  ASSERT_TRUE(synced->has_value());
  EXPECT_EQ((*synced)->assignment.view(), "work");
  EXPECT_EQ(coordinator_->Describe("abc").state, "Stable");
}

TEST_F(CoordinatorTest, MembersLeaveBySessionAndTheEmptyGroupIsWritten) {
  Lead();
  MakeStable();
  loop_.Advance(seconds(11));
  EXPECT_EQ(coordinator_->Describe("abc").state, "Empty");
  log_.StopLeading(kPartition);
  Lead(2);
  EXPECT_EQ(coordinator_->Describe("abc").state, "Empty");
  EXPECT_EQ(coordinator_->Describe("abc").protocol_type, "consumer");
}

TEST_F(CoordinatorTest, StaticMemberThatCameBackSurvivesAReload) {
  Lead();
  const std::string first = Join("", "s")->value().member_id;
  SyncRequest sync;
  sync.group_id = "abc";
  sync.member_id = first;
  sync.instance_id = "s";
  sync.generation = 1;
  coordinator_->Sync(sync, [](SyncResult) {});
  const std::string second = Join("", "s")->value().member_id;
  EXPECT_NE(first, second);
  log_.StopLeading(kPartition);
  Lead(2);
  EXPECT_EQ(coordinator_->Heartbeat("abc", {first, "s"}, 1), KafkaError::kFencedInstanceId);
  EXPECT_EQ(coordinator_->Heartbeat("abc", {second, "s"}, 1), KafkaError::kNone);
}

TEST_F(CoordinatorTest, DeleteRefusesGroupsWithMembersAndRemovesEmptyOnes) {
  Lead();
  EXPECT_EQ(Delete(), KafkaError::kGroupIdNotFound);
  const std::string member = MakeStable();
  ASSERT_EQ(Commit(1, 1, member), KafkaError::kNone);
  EXPECT_EQ(Delete(), KafkaError::kNonEmptyGroup);
  EXPECT_EQ(Leave(member), KafkaError::kNone);
  EXPECT_EQ(Delete(), KafkaError::kNone);
  EXPECT_EQ(coordinator_->Describe("abc").error, KafkaError::kGroupIdNotFound);
  EXPECT_EQ(Fetch(), -1);
  log_.StopLeading(kPartition);
  Lead(2);
  EXPECT_EQ(coordinator_->DumpForTest(), "");
}

TEST_F(CoordinatorTest, GroupStaysIfItsTombstonesCannotBeWritten) {
  Lead();
  ASSERT_EQ(Commit(1), KafkaError::kNone);
  log_.refuse = kafka::KafkaStatus(KafkaError::kNotEnoughReplicas);
  EXPECT_EQ(Delete(), KafkaError::kCoordinatorNotAvailable);
  EXPECT_EQ(Fetch(), 1);
  log_.refuse = absl::OkStatus();
  EXPECT_EQ(Commit(2), KafkaError::kNone);
}

TEST_F(CoordinatorTest, OffsetsExpireOnlyWhenTheGroupHasLongBeenEmpty) {
  options_.offsets_retention = std::chrono::hours(1);
  coordinator_.reset();
  Make();
  Lead();
  const std::string member = MakeStable();
  ASSERT_EQ(Commit(1, 1, member), KafkaError::kNone);
  for (int i = 0; i < 1500; ++i) {  // more than three hours with a member
    loop_.Advance(seconds(8));
    ASSERT_EQ(Heartbeat(member), KafkaError::kNone);
  }
  EXPECT_EQ(Leave(member), KafkaError::kNone);
  loop_.Advance(minutes(30));
  // Not early after a reload either (K4): the record says since when it is empty.
  log_.StopLeading(kPartition);
  Lead(2);
  loop_.Advance(minutes(25));
  EXPECT_EQ(Fetch(), 1);
  loop_.Advance(minutes(20));
  EXPECT_EQ(Fetch(), -1);
  EXPECT_EQ(coordinator_->DumpForTest(), "") << "the group goes with its last offset";
}

TEST_F(CoordinatorTest, DeletedTopicTakesItsOffsetsAlong) {
  Lead();
  ASSERT_EQ(Commit(1), KafkaError::kNone);
  using namespace quorate::testing;  // NOLINT: short names of records
  MetadataDelta delta;
  delta.previous = std::make_shared<const MetadataImage>(
      ImageOf({TopicRecord("t", TestUuid(5)), TopicRecord("u", TestUuid(6))}));
  delta.topics_deleted = {TestUuid(6)};
  coordinator_->OnImage(delta);
  EXPECT_EQ(Fetch(), 1);
  delta.topics_deleted = {TestUuid(5)};
  coordinator_->OnImage(delta);
  EXPECT_EQ(Fetch(), -1);
}

TEST_F(CoordinatorTest, DestructionWithCallsPendingIsQuiet) {
  Lead();
  const std::string member = MakeStable();
  const auto waits = Join();
  log_.commit_at_once = false;
  Commit(1, 1, member);
  coordinator_.reset();
  log_.Commit(kPartition);
  loop_.Advance(minutes(20));
  EXPECT_FALSE(waits->has_value());
  EXPECT_FALSE(last_commit_->has_value());
}

TEST_F(CoordinatorTest, GroupThatNeverCameToBeLeavesNothingBehind) {
  Lead();
  JoinRequest request;
  request.group_id = "abc";
  request.session_timeout = seconds(10);
  request.protocol_type = "consumer";  // but no protocols
  std::optional<JoinResult> result;
  coordinator_->Join(request, [&](JoinResult r) { result = std::move(r); });
  EXPECT_EQ(result->error, KafkaError::kInconsistentGroupProtocol);
  EXPECT_TRUE(coordinator_->List().groups.empty());
  request.protocols = {{"range", SharedBytes()}};
  request.require_known_member_id = true;
  coordinator_->Join(request, [&](JoinResult r) { result = std::move(r); });
  EXPECT_EQ(result->error, KafkaError::kMemberIdRequired);
  loop_.Advance(seconds(11));
  EXPECT_TRUE(coordinator_->List().groups.empty());
  EXPECT_EQ(log_.appends, 0);
}

}  // namespace
}  // namespace quorate
