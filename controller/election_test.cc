#include "controller/election.h"

#include <set>

#include "controller/image/testing/records.h"
#include "gtest/gtest.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

using testing::Replicas;
using testing::TestUuid;

PartitionState State(std::initializer_list<int> isr, int leader,
                     std::initializer_list<int> elr = {}) {
  PartitionState state;
  state.replicas = Replicas({1, 2, 3});
  state.isr = Replicas(isr);
  state.elr = Replicas(elr);
  state.leader = NodeId(leader);
  state.leader_epoch = LeaderEpoch(5);
  state.partition_epoch = PartitionEpoch(9);
  return state;
}

CanLead Live(std::set<int> live) {
  return [live = std::move(live)](NodeId id) { return live.count(id.value()) > 0; };
}

PartitionChange To(const ReplicaList& isr) { return {.isr = isr, .lost = {}}; }

constexpr ElectionRules kMin2{.min_insync_replicas = 2, .unclean = false};
constexpr ElectionRules kMin2Unclean{.min_insync_replicas = 2, .unclean = true};

TEST(ElectionTest, NothingAskedChangesNothing) {
  const PartitionState old = State({1, 2, 3}, 1);
  EXPECT_EQ(Next(old, To(old.isr), kMin2, Live({1, 2, 3})), old);
  EXPECT_FALSE(ChangeRecord({TestUuid(1), PartitionIndex(0)}, old, old).has_value());
}

TEST(ElectionTest, ALeaderThatCanStayKeepsItsEpoch) {
  const PartitionState next = Next(State({1, 2, 3}, 1), To(Replicas({1, 2})), kMin2, Live({1, 2}));
  EXPECT_EQ(next.leader, NodeId(1));
  EXPECT_EQ(next.leader_epoch, LeaderEpoch(5));
  EXPECT_EQ(next.partition_epoch, PartitionEpoch(10));
}

TEST(ElectionTest, ALostLeaderIsReplacedFromTheIsrInReplicaOrder) {
  const PartitionState next = Next(State({1, 2, 3}, 1), To(Replicas({3, 2})), kMin2, Live({2, 3}));
  EXPECT_EQ(next.leader, NodeId(2));
  EXPECT_EQ(next.leader_epoch, LeaderEpoch(6));
  EXPECT_EQ(next.isr, Replicas({2, 3}));
}

// KIP-966, "Eligible Leader Replicas": the ELR is kept as long as the ISR is below the minimum.
TEST(ElectionTest, WhoFallsOutBelowTheMinimumIsEligible) {
  PartitionState state = Next(State({1, 2, 3}, 1), To(Replicas({1, 2})), kMin2, Live({1, 2}));
  EXPECT_EQ(state.elr, Replicas({}));  // two commit without 3
  state = Next(state, To(Replicas({1})), kMin2, Live({1}));
  EXPECT_EQ(state.isr, Replicas({1}));
  EXPECT_EQ(state.elr, Replicas({2}));
  state = Next(state, To({}), kMin2, Live({}));
  EXPECT_EQ(state.isr, Replicas({}));
  EXPECT_EQ(state.elr, Replicas({1, 2}));
  EXPECT_EQ(state.leader, kNoNode);
  EXPECT_EQ(state.leader_epoch, LeaderEpoch(6));
}

TEST(ElectionTest, TheElrEndsWhenTheIsrReachesTheMinimum) {
  const PartitionState next = Next(State({1}, 1, {2}), To(Replicas({1, 3})), kMin2, Live({1, 3}));
  EXPECT_EQ(next.isr, Replicas({1, 3}));
  EXPECT_EQ(next.elr, Replicas({}));
}

TEST(ElectionTest, AMinimumAboveTheReplicasCountsAsAllOfThem) {
  const ElectionRules rules{.min_insync_replicas = 7, .unclean = false};
  EXPECT_EQ(Next(State({1}, 1, {2}), To(Replicas({1, 2, 3})), rules, Live({1, 2, 3})).elr,
            Replicas({}));
}

TEST(ElectionTest, WithAnEmptyIsrAnEligibleReplicaLeads) {
  const PartitionState next = Next(State({}, -1, {1, 2}), To({}), kMin2, Live({2, 3}));
  EXPECT_EQ(next.leader, NodeId(2));
  EXPECT_EQ(next.isr, Replicas({2}));
  EXPECT_EQ(next.elr, Replicas({1}));
  EXPECT_FALSE(next.leader_recovering);  // it misses nothing that was committed
}

TEST(ElectionTest, NobodyElseLeadsUnlessUncleanElectionIsAllowed) {
  const PartitionState old = State({}, -1, {1, 2});
  EXPECT_EQ(Next(old, To({}), kMin2, Live({3})), old);
  const PartitionState next = Next(old, To({}), kMin2Unclean, Live({3}));
  EXPECT_EQ(next.leader, NodeId(3));
  EXPECT_EQ(next.isr, Replicas({3}));
  EXPECT_EQ(next.elr, Replicas({}));
  EXPECT_TRUE(next.leader_recovering);
}

TEST(ElectionTest, ALostReplicaLeavesBothSetsAndIsOnlyRemembered) {
  PartitionState next =
      Next(State({1}, 1, {2}), {.isr = Replicas({1}), .lost = Replicas({2})}, kMin2, Live({1}));
  EXPECT_EQ(next.elr, Replicas({}));
  EXPECT_EQ(next.last_known_elr, Replicas({2}));
  // It is no candidate, even alone; with unclean election it comes before the others.
  next = Next(next, {.isr = {}, .lost = Replicas({1})}, kMin2, Live({2, 3}));
  EXPECT_EQ(next.leader, kNoNode);
  EXPECT_EQ(next.last_known_elr, Replicas({1, 2}));
  EXPECT_EQ(Next(next, To({}), kMin2Unclean, Live({2, 3})).leader, NodeId(2));
}

TEST(ElectionTest, ThePreferredReplicaTakesOverOnlyFromWithinTheIsr) {
  PartitionChange change{.isr = Replicas({2, 3}), .lost = {}, .prefer_first = true};
  EXPECT_EQ(Next(State({2, 3}, 2), change, kMin2, Live({1, 2, 3})).leader, NodeId(2));
  change.isr = Replicas({1, 2, 3});
  EXPECT_EQ(Next(State({1, 2, 3}, 2), change, kMin2, Live({1, 2, 3})).leader, NodeId(1));
  EXPECT_EQ(Next(State({1, 2, 3}, 2), change, kMin2, Live({2, 3})).leader, NodeId(2));
}

TEST(ElectionTest, ARecoveredLeaderIsMarkedSo) {
  PartitionState old = State({1}, 1);
  old.leader_recovering = true;
  PartitionChange change = To(Replicas({1}));
  EXPECT_TRUE(Next(old, change, kMin2, Live({1})).leader_recovering);
  change.recovered = true;
  EXPECT_FALSE(Next(old, change, kMin2, Live({1})).leader_recovering);
}

TEST(ElectionTest, TheRecordHoldsOnlyWhatChanged) {
  const PartitionState old = State({1, 2, 3}, 1);
  const auto record = ChangeRecord({TestUuid(1), PartitionIndex(4)}, old,
                                   Next(old, To(Replicas({1, 2})), kMin2, Live({1, 2})));
  ASSERT_TRUE(record.has_value());
  const auto& change = record->partition_change();
  EXPECT_EQ(change.partition(), 4);
  EXPECT_TRUE(change.has_isr());
  EXPECT_FALSE(change.has_leader());
  EXPECT_FALSE(change.has_elr());
  EXPECT_FALSE(change.has_leader_recovering());
}

}  // namespace
}  // namespace quorate
