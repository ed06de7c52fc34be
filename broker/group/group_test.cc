#include "broker/group/group.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace quorate {
namespace {

using kafka::KafkaError;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A group, a clock the test moves, and a log of answers by ticket.
class GroupTest : public ::testing::Test {
 protected:
  GroupTest() {
    limits_.initial_rebalance_delay = seconds(3);
    limits_.max_size = 4;
  }

  static JoinRequest Request(const std::string& member, const std::string& instance = "") {
    JoinRequest request;
    request.group_id = "g";
    request.member_id = member;
    if (!instance.empty()) request.instance_id = instance;
    request.client_id = "client";
    request.client_host = "/host";
    request.session_timeout = seconds(10);
    request.rebalance_timeout = seconds(60);
    request.protocol_type = "consumer";
    request.protocols = {{"range", SharedBytes::Copy("sub")}};
    return request;
  }
  // Ticket numbers are given by the test.
  void Join(int ticket, const JoinRequest& request, const std::string& new_id = "") {
    Run([&](GroupOutput& out) { group_.Join(request, new_id, GroupTicket(ticket), time_, out); });
  }
  void Sync(int ticket, const std::string& member, int generation,
            const std::vector<MemberAssignment>& assignments = {}) {
    SyncRequest request;
    request.group_id = "g";
    request.member_id = member;
    request.generation = generation;
    request.assignments = assignments;
    Run([&](GroupOutput& out) { group_.Sync(request, GroupTicket(ticket), time_, out); });
  }
  std::vector<KafkaError> Leave(const std::vector<MemberIdentity>& members) {
    std::vector<KafkaError> errors;
    Run([&](GroupOutput& out) { errors = group_.Leave(members, time_, out); });
    return errors;
  }
  void Written(KafkaError error = KafkaError::kNone) {
    ASSERT_FALSE(writes_.empty());
    const uint64_t id = writes_.front().id;
    writes_.erase(writes_.begin());
    Run([&](GroupOutput& out) { group_.OnWritten(id, error, time_, out); });
  }
  // Moves the clock on, ticking when the group asks for it.
  void Advance(Micros by) {
    const MonoTime end = time_.now + by;
    while (group_.NextDeadline() <= end) {
      const MonoTime due = std::max(group_.NextDeadline(), time_.now);
      time_.wall += (due - time_.now).count() / 1000;
      time_.now = due;
      Run([&](GroupOutput& out) { group_.Tick(time_, out); });
      ASSERT_GT(group_.NextDeadline(), due) << "a tick must make progress";
    }
    time_.wall += (end - time_.now).count() / 1000;
    time_.now = end;
  }
  void Heartbeats(const std::vector<std::string>& members) {
    for (const auto& m : members) {
      EXPECT_NE(group_.Heartbeat({m, std::nullopt}, group_.generation(), time_),
                KafkaError::kUnknownMemberId);
    }
  }
  template <typename F>
  void Run(F f) {
    GroupOutput out;
    f(out);
    for (auto& join : out.joins) {
      EXPECT_FALSE(joined_.contains(static_cast<int>(join.ticket))) << "answered twice";
      joined_[static_cast<int>(join.ticket)] = join.result;
    }
    for (auto& sync : out.syncs) {
      EXPECT_FALSE(synced_.contains(static_cast<int>(sync.ticket))) << "answered twice";
      synced_[static_cast<int>(sync.ticket)] = sync.result;
    }
    for (auto& write : out.writes) writes_.push_back(std::move(write));
  }
  // "a" leads, "b" follows, both stable in generation 1.
  void MakeStable() {
    Join(901, Request(""), "a");
    Join(902, Request(""), "b");
    Advance(seconds(7));
    Sync(903, "b", 1);
    Sync(904, "a", 1, {{"a", SharedBytes::Copy("for-a")}, {"b", SharedBytes::Copy("for-b")}});
    Written();
    ASSERT_EQ(group_.state(), GroupState::kStable);
    ASSERT_EQ(group_.generation(), 1);
  }

  GroupLimits limits_;
  GroupTime time_{MonoTime(seconds(1000)), 1'000'000};
  Group group_{"g", &limits_};
  std::map<int, JoinResult> joined_;
  std::map<int, SyncResult> synced_;
  std::vector<GroupOutput::Write> writes_;
};

TEST_F(GroupTest, FirstDynamicJoinIsToldItsIdAndMustComeBackWithIt) {
  JoinRequest request = Request("");
  request.require_known_member_id = true;
  Join(1, request, "a");
  EXPECT_EQ(joined_.at(1).error, KafkaError::kMemberIdRequired);
  EXPECT_EQ(joined_.at(1).member_id, "a");
  EXPECT_EQ(group_.state(), GroupState::kEmpty);
  request.member_id = "a";
  Join(2, request);
  Advance(seconds(3));
  EXPECT_EQ(joined_.at(2).error, KafkaError::kNone);
  EXPECT_EQ(joined_.at(2).generation, 1);
  EXPECT_EQ(joined_.at(2).leader, "a");
  ASSERT_EQ(joined_.at(2).members.size(), 1u);
  EXPECT_EQ(joined_.at(2).members[0].metadata.view(), "sub");
}

TEST_F(GroupTest, IdGivenOutExpiresWithTheSession) {
  JoinRequest request = Request("");
  request.require_known_member_id = true;
  Join(1, request, "a");
  Advance(seconds(10));
  request.member_id = "a";
  Join(2, request);
  EXPECT_EQ(joined_.at(2).error, KafkaError::kUnknownMemberId);
  EXPECT_TRUE(group_.IsIdle());
}

TEST_F(GroupTest, InitialRebalanceWaitsForTheDelayAndLongerWhileMembersCome) {
  Join(1, Request(""), "a");
  Advance(seconds(2));
  Join(2, Request(""), "b");
  Advance(milliseconds(1500));
  EXPECT_TRUE(joined_.empty()) << "b came within the delay, which begins again";
  Advance(seconds(3));
  EXPECT_EQ(joined_.at(1).generation, 1);
  EXPECT_EQ(joined_.at(2).generation, 1);
  EXPECT_EQ(joined_.at(1).members.size(), 2u);
  EXPECT_TRUE(joined_.at(2).members.empty()) << "only the leader gets the members";
}

TEST_F(GroupTest, WithoutDelayTheFirstJoinCompletesAtOnce) {
  limits_.initial_rebalance_delay = Micros(0);
  Join(1, Request(""), "a");
  EXPECT_EQ(joined_.at(1).generation, 1);
}

TEST_F(GroupTest, SessionTimeoutOutsideTheLimitsIsRefused) {
  JoinRequest request = Request("");
  request.session_timeout = seconds(5);
  Join(1, request, "a");
  EXPECT_EQ(joined_.at(1).error, KafkaError::kInvalidSessionTimeout);
  request.session_timeout = std::chrono::hours(1);
  Join(2, request, "a");
  EXPECT_EQ(joined_.at(2).error, KafkaError::kInvalidSessionTimeout);
}

TEST_F(GroupTest, ProtocolThatNotAllSupportIsRefused) {
  MakeStable();
  JoinRequest request = Request("");
  request.protocols = {{"sticky", SharedBytes::Copy("s")}};
  Join(1, request, "c");
  EXPECT_EQ(joined_.at(1).error, KafkaError::kInconsistentGroupProtocol);
  request = Request("");
  request.protocol_type = "connect";
  Join(2, request, "c");
  EXPECT_EQ(joined_.at(2).error, KafkaError::kInconsistentGroupProtocol);
  EXPECT_EQ(group_.state(), GroupState::kStable);
}

TEST_F(GroupTest, ProtocolIsChosenByVotesAmongThoseAllSupport) {
  const auto with = [](std::vector<std::string> names) {
    JoinRequest request = Request("");
    request.protocols.clear();
    for (auto& name : names) request.protocols.push_back({name, SharedBytes::Copy(name)});
    return request;
  };
  Join(1, with({"only-a", "range", "sticky"}), "a");
  Join(2, with({"sticky", "range"}), "b");
  Join(3, with({"sticky", "range"}), "c");
  Advance(seconds(10));
  EXPECT_EQ(joined_.at(1).protocol_name, "sticky");
  EXPECT_EQ(joined_.at(1).members.at(2).metadata.view(), "sticky");
}

TEST_F(GroupTest, FollowersWaitForTheLeadersAssignmentToBeWritten) {
  Join(1, Request(""), "a");
  Join(2, Request(""), "b");
  Advance(seconds(7));
  Sync(3, "b", 1);
  Sync(4, "a", 1, {{"b", SharedBytes::Copy("for-b")}, {"nobody", SharedBytes::Copy("x")}});
  EXPECT_TRUE(synced_.empty());
  ASSERT_EQ(writes_.size(), 1u);
  EXPECT_EQ(writes_[0].snapshot.members.size(), 2u);
  EXPECT_EQ(writes_[0].snapshot.members[1].assignment.view(), "for-b");
  Written();
  EXPECT_EQ(synced_.at(3).assignment.view(), "for-b");
  EXPECT_EQ(synced_.at(4).assignment.view(), "");
  EXPECT_EQ(group_.state(), GroupState::kStable);
  Sync(5, "b", 1);
  EXPECT_EQ(synced_.at(5).assignment.view(), "for-b") << "again, from memory";
}

TEST_F(GroupTest, AssignmentThatCannotBeWrittenStartsANewRebalance) {
  Join(1, Request(""), "a");
  Advance(seconds(3));
  Sync(2, "a", 1);
  Written(KafkaError::kCoordinatorNotAvailable);
  EXPECT_EQ(synced_.at(2).error, KafkaError::kCoordinatorNotAvailable);
  EXPECT_EQ(group_.state(), GroupState::kPreparingRebalance);
}

TEST_F(GroupTest, LateWriteOfAnOlderGenerationChangesNothing) {
  Join(1, Request(""), "a");
  Advance(seconds(3));
  Sync(2, "a", 1);
  Join(3, Request(""), "b");  // a new rebalance
  EXPECT_EQ(synced_.at(2).error, KafkaError::kRebalanceInProgress);
  Written();
  EXPECT_EQ(group_.state(), GroupState::kPreparingRebalance);
}

TEST_F(GroupTest, RebalanceCompletesAsSoonAsAllKnownMembersAreBack) {
  MakeStable();
  Join(1, Request(""), "c");
  EXPECT_EQ(group_.Heartbeat({"a", std::nullopt}, 1, time_), KafkaError::kRebalanceInProgress);
  Join(2, Request("a"));
  EXPECT_FALSE(joined_.contains(1));
  Join(3, Request("b"));
  EXPECT_EQ(joined_.at(1).generation, 2);
  EXPECT_EQ(joined_.at(2).generation, 2);
  EXPECT_EQ(joined_.at(3).leader, "a");
}

TEST_F(GroupTest, MembersThatDoNotRejoinInTimeAreOut) {
  MakeStable();
  Join(1, Request(""), "c");
  for (int i = 0; i < 12; ++i) {
    Heartbeats({"a", "b"});  // alive, but they never rejoin
    Advance(seconds(5));
  }
  EXPECT_EQ(joined_.at(1).generation, 2);
  EXPECT_EQ(joined_.at(1).leader, "c");
  EXPECT_EQ(group_.size(), 1u);
  EXPECT_EQ(group_.Heartbeat({"a", std::nullopt}, 1, time_), KafkaError::kUnknownMemberId);
}

TEST_F(GroupTest, SilentMemberIsOutAfterItsSessionAndOthersRebalance) {
  MakeStable();
  Advance(seconds(6));
  Heartbeats({"a"});
  Advance(seconds(5));
  EXPECT_FALSE(group_.HasMember("b"));
  EXPECT_EQ(group_.state(), GroupState::kPreparingRebalance);
  Join(1, Request("a"));
  EXPECT_EQ(joined_.at(1).generation, 2);
}

TEST_F(GroupTest, ParkedJoinKeepsAMemberWithoutHeartbeats) {
  MakeStable();
  Join(1, Request("a"));  // the leader asks for a rebalance
  for (int i = 0; i < 5; ++i) {
    Advance(seconds(8));
    Heartbeats({"b"});
  }
  EXPECT_TRUE(group_.HasMember("a")) << "40 s parked, with a session of 10";
}

TEST_F(GroupTest, MemberThatNeverSyncsIsOutAfterTheRebalanceTimeout) {
  MakeStable();
  Join(1, Request("a"));
  Join(2, Request("b"));
  Sync(3, "a", 2);
  Written();
  for (int i = 0; i < 12; ++i) {  // b heartbeats, but does not sync (K7)
    Heartbeats({"a", "b"});
    Advance(seconds(5));
  }
  EXPECT_FALSE(group_.HasMember("b"));
  EXPECT_EQ(group_.state(), GroupState::kPreparingRebalance);
}

TEST_F(GroupTest, LastMemberGoneWritesTheEmptyGroup) {
  MakeStable();
  EXPECT_EQ(Leave({{"a", std::nullopt}, {"x", std::nullopt}}),
            (std::vector{KafkaError::kNone, KafkaError::kUnknownMemberId}));
  EXPECT_EQ(group_.state(), GroupState::kPreparingRebalance);
  Leave({{"b", std::nullopt}});
  EXPECT_EQ(group_.state(), GroupState::kEmpty);
  EXPECT_EQ(group_.generation(), 2);
  ASSERT_EQ(writes_.size(), 1u);
  EXPECT_TRUE(writes_[0].snapshot.members.empty());
  EXPECT_EQ(writes_[0].snapshot.protocol_type, "consumer");
}

TEST_F(GroupTest, HeartbeatTellsWhatIsWrong) {
  MakeStable();
  EXPECT_EQ(group_.Heartbeat({"a", std::nullopt}, 1, time_), KafkaError::kNone);
  EXPECT_EQ(group_.Heartbeat({"a", std::nullopt}, 0, time_), KafkaError::kIllegalGeneration);
  EXPECT_EQ(group_.Heartbeat({"x", std::nullopt}, 1, time_), KafkaError::kUnknownMemberId);
  EXPECT_EQ(group_.Heartbeat({"a", "static"}, 1, time_), KafkaError::kUnknownMemberId);
}

TEST_F(GroupTest, SyncChecksGenerationMemberAndProtocol) {
  MakeStable();
  Sync(1, "x", 1);
  EXPECT_EQ(synced_.at(1).error, KafkaError::kUnknownMemberId);
  Sync(2, "a", 7);
  EXPECT_EQ(synced_.at(2).error, KafkaError::kIllegalGeneration);
  SyncRequest request;
  request.member_id = "a";
  request.generation = 1;
  request.protocol_type = "connect";
  Run([&](GroupOutput& out) { group_.Sync(request, GroupTicket(3), time_, out); });
  EXPECT_EQ(synced_.at(3).error, KafkaError::kInconsistentGroupProtocol);
}

TEST_F(GroupTest, FollowerThatJoinsAgainUnchangedKeepsTheGeneration) {
  MakeStable();
  Join(1, Request("b"));
  EXPECT_EQ(joined_.at(1).generation, 1);
  EXPECT_EQ(group_.state(), GroupState::kStable);
  JoinRequest changed = Request("b");
  changed.protocols[0].metadata = SharedBytes::Copy("other topics");
  Join(2, changed);
  EXPECT_EQ(group_.state(), GroupState::kPreparingRebalance);
}

TEST_F(GroupTest, GroupTakesNoMoreThanItsMaximum) {
  limits_.max_size = 2;
  MakeStable();
  Join(1, Request(""), "c");
  EXPECT_EQ(joined_.at(1).error, KafkaError::kGroupMaxSizeReached);
  EXPECT_EQ(group_.state(), GroupState::kStable);
  Join(2, Request("a"));      // rebalance
  Join(3, Request(""), "c");  // the first to come fill the room (K8)
  Join(4, Request("b"));
  EXPECT_EQ(joined_.at(4).error, KafkaError::kGroupMaxSizeReached);
  EXPECT_EQ(joined_.at(2).generation, 2);
  EXPECT_EQ(joined_.at(3).generation, 2);
}

TEST_F(GroupTest, StaticMemberThatComesBackKeepsTheGenerationOnceThatIsWritten) {
  Join(1, Request("", "s1"), "s1-first");
  Join(2, Request("", "s2"), "s2-first");
  Advance(seconds(7));
  Sync(3, "s1-first", 1, {{"s2-first", SharedBytes::Copy("work")}});
  Sync(4, "s2-first", 1);
  Written();
  Join(5, Request("", "s2"), "s2-second");
  EXPECT_FALSE(joined_.contains(5)) << "the new id must survive a move of the coordinator";
  ASSERT_EQ(writes_.size(), 1u);
  EXPECT_EQ(writes_[0].snapshot.members[1].member_id, "s2-second");
  Written();
  EXPECT_EQ(joined_.at(5).generation, 1);
  EXPECT_EQ(joined_.at(5).member_id, "s2-second");
  EXPECT_EQ(group_.state(), GroupState::kStable);
  // The old one is fenced wherever it shows up (K9).
  EXPECT_EQ(group_.Heartbeat({"s2-first", "s2"}, 1, time_), KafkaError::kFencedInstanceId);
  EXPECT_EQ(group_.CheckCommit({"s2-first", "s2"}, 1, time_), KafkaError::kFencedInstanceId);
  SyncRequest sync;
  sync.member_id = "s2-second";
  sync.instance_id = "s2";
  sync.generation = 1;
  Run([&](GroupOutput& out) { group_.Sync(sync, GroupTicket(6), time_, out); });
  EXPECT_EQ(synced_.at(6).assignment.view(), "work");
}

TEST_F(GroupTest, StaticLeaderThatComesBackIsToldToSkipTheAssignmentIfItCan) {
  Join(1, Request("", "s1"), "first");
  Advance(seconds(3));
  Sync(2, "first", 1);
  Written();
  JoinRequest request = Request("", "s1");
  request.can_skip_assignment = true;
  Join(3, request, "second");
  Written();
  EXPECT_TRUE(joined_.at(3).skip_assignment);
  EXPECT_EQ(joined_.at(3).leader, "second");
  EXPECT_EQ(joined_.at(3).members.size(), 1u);
  Join(4, Request("", "s1"), "third");
  Written();
  EXPECT_EQ(joined_.at(4).leader, "second")
      << "an older client must not take itself for the leader";
  EXPECT_TRUE(joined_.at(4).members.empty());
}

TEST_F(GroupTest, StaticMemberReplacedDuringARebalanceFencesTheOneThatWaits) {
  Join(1, Request("", "s1"), "first");
  Join(2, Request("", "s1"), "second");
  EXPECT_EQ(joined_.at(1).error, KafkaError::kFencedInstanceId);
  Advance(seconds(7));
  EXPECT_EQ(joined_.at(2).generation, 1);
  EXPECT_EQ(joined_.at(2).leader, "second");
}

TEST_F(GroupTest, StaticMemberStaysThroughARebalanceUntilItsSessionEnds) {
  Join(1, Request("", "s1"), "s1-id");
  Join(2, Request(""), "b");
  Advance(seconds(7));
  Sync(3, group_.leader().value(), 1);
  Sync(4, group_.leader() == "b" ? "s1-id" : "b", 1);
  Written();
  JoinRequest changed = Request("b");
  changed.protocols[0].metadata = SharedBytes::Copy("new");
  changed.rebalance_timeout = seconds(6);
  Join(5, changed);
  EXPECT_TRUE(group_.HasMember("s1-id"));
  Advance(seconds(11));
  EXPECT_FALSE(group_.HasMember("s1-id"));
  EXPECT_EQ(joined_.at(5).error, KafkaError::kNone);
}

TEST_F(GroupTest, StaticMembersCanBeRemovedByInstanceIdAlone) {
  Join(1, Request("", "s1"), "first");
  Advance(seconds(3));
  EXPECT_EQ(
      Leave({{"", "s1"}, {"", "s2"}, {"", std::nullopt}}),
      (std::vector{KafkaError::kNone, KafkaError::kUnknownMemberId, KafkaError::kUnknownMemberId}));
  EXPECT_EQ(group_.state(), GroupState::kEmpty);
}

TEST_F(GroupTest, CommitsAreCheckedAgainstMembership) {
  EXPECT_EQ(group_.CheckCommit({"", std::nullopt}, -1, time_), KafkaError::kNone);
  MakeStable();
  EXPECT_EQ(group_.CheckCommit({"", std::nullopt}, -1, time_), KafkaError::kUnknownMemberId);
  EXPECT_EQ(group_.CheckCommit({"a", std::nullopt}, 1, time_), KafkaError::kNone);
  EXPECT_EQ(group_.CheckCommit({"a", std::nullopt}, 0, time_), KafkaError::kIllegalGeneration);
  EXPECT_EQ(group_.CheckCommit({"x", std::nullopt}, 1, time_), KafkaError::kUnknownMemberId);
  Join(1, Request("a"));
  EXPECT_EQ(group_.CheckCommit({"b", std::nullopt}, 1, time_), KafkaError::kNone)
      << "during a rebalance members commit what they give away";
  Join(2, Request("b"));
  EXPECT_EQ(group_.CheckCommit({"b", std::nullopt}, 2, time_), KafkaError::kRebalanceInProgress);
}

TEST_F(GroupTest, CommitIsASignOfLife) {
  MakeStable();
  for (int i = 0; i < 5; ++i) {
    Advance(seconds(8));
    Heartbeats({"b"});
    ASSERT_EQ(group_.CheckCommit({"a", std::nullopt}, 1, time_), KafkaError::kNone);
  }
}

TEST_F(GroupTest, RestoredGroupEqualsTheWrittenOneAndItsSessionsRun) {
  MakeStable();
  Group restored("g", &limits_, group_.Snapshot(), time_);
  EXPECT_EQ(restored.Snapshot(), group_.Snapshot());
  EXPECT_EQ(restored.state(), GroupState::kStable);
  EXPECT_EQ(restored.Heartbeat({"a", std::nullopt}, 1, time_), KafkaError::kNone);
  EXPECT_EQ(restored.NextDeadline(), time_.now + seconds(10));
}

TEST_F(GroupTest, DeadGroupAnswersThatItIsNotAvailable) {
  group_.MarkDead();
  Join(1, Request(""), "a");
  EXPECT_EQ(joined_.at(1).error, KafkaError::kCoordinatorNotAvailable);
  EXPECT_EQ(group_.CheckCommit({"", std::nullopt}, -1, time_),
            KafkaError::kCoordinatorNotAvailable);
  group_.Revive();
  EXPECT_EQ(group_.state(), GroupState::kEmpty);
}

}  // namespace
}  // namespace quorate
