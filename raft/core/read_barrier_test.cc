// Linearizable reads by a round of fetches (dissertation 6.4; scenario C17).
#include <gtest/gtest.h>

#include <optional>

#include "raft/core/core_harness.h"

namespace quorate::raft {
namespace {

const NodeId kOne(1), kTwo(2), kThree(3);

class ReadBarrierTest : public testing::Test {
 protected:
  explicit ReadBarrierTest(int voters = 3) : cluster(voters, 0, 1) {
    cluster.now = cluster.now + Millis(3000);
    cluster.Tick(kOne);
    cluster.DeliverAll();
    EXPECT_TRUE(cluster.core(kOne).is_active_leader());
  }
  // The outcome of read `id` in the last step, if it is in it.
  std::optional<bool> Outcome(uint64_t id) {
    for (const ReadOutcome& read : cluster.last_ready().reads) {
      if (read.id == id) return read.confirmed;
    }
    return std::nullopt;
  }
  // Delivers until the read ends or nothing is under way.
  std::optional<bool> DeliverUntil(uint64_t id) {
    while (!cluster.bag().empty()) {
      cluster.Deliver(0);
      if (Outcome(id)) return Outcome(id);
    }
    return std::nullopt;
  }
  CoreCluster cluster;
};

class ReadBarrierOfOneVoter : public ReadBarrierTest {
 protected:
  ReadBarrierOfOneVoter() : ReadBarrierTest(1) {}
};

TEST_F(ReadBarrierTest, IsConfirmedByFetchesOfAMajorityThatWereSentAfterIt) {
  cluster.Step(kOne, ReadBarrier{1});
  EXPECT_FALSE(Outcome(1).has_value());
  EXPECT_EQ(DeliverUntil(1), true);
}

TEST_F(ReadBarrierTest, AFetchThatWasUnderWayBeforeProvesNothing) {
  // All fetches are parked; they are answered, and the next ones are under way when the read comes.
  cluster.Propose(kOne);
  while (true) {
    const auto answer = std::find_if(
        cluster.bag().begin(), cluster.bag().end(),
        [](const Packet& packet) { return std::holds_alternative<FetchResponse>(packet.message); });
    if (answer == cluster.bag().end()) break;
    cluster.Deliver(static_cast<size_t>(answer - cluster.bag().begin()));
    cluster.FinishFlush(kTwo);
    cluster.FinishFlush(kThree);
  }
  const size_t under_way = cluster.bag().size();
  EXPECT_GE(under_way, 2u);
  cluster.Step(kOne, ReadBarrier{1});
  for (size_t i = 0; i < under_way; ++i) {
    const auto fetch = std::find_if(
        cluster.bag().begin(), cluster.bag().end(),
        [](const Packet& packet) { return std::holds_alternative<FetchRequest>(packet.message); });
    if (fetch == cluster.bag().end()) break;
    cluster.Deliver(static_cast<size_t>(fetch - cluster.bag().begin()));
    EXPECT_FALSE(Outcome(1).has_value());
  }
  EXPECT_EQ(DeliverUntil(1), true);  // the ones after those do
}

TEST_F(ReadBarrierTest, ALeaderThatStoodStillWhileAnotherTookOverConfirmsNothing) {
  cluster.Isolate(kOne);
  cluster.now = cluster.now + Millis(3000);
  cluster.Tick(kTwo);
  cluster.DeliverAll();
  ASSERT_EQ(cluster.leader(), kTwo);
  cluster.Step(kOne, ReadBarrier{1});  // node 1 thinks that it leads
  ASSERT_EQ(cluster.core(kOne).role(), Role::kLeader);
  EXPECT_FALSE(Outcome(1).has_value());
  cluster.Tick(kOne);  // it finds out, and says so
  EXPECT_EQ(Outcome(1), false);
}

TEST_F(ReadBarrierTest, IsRefusedByWhoDoesNotLead) {
  cluster.Step(kTwo, ReadBarrier{1});
  EXPECT_EQ(Outcome(1), false);
}

TEST_F(ReadBarrierTest, IsRefusedBeforeTheFirstCommitOfTheTerm) {
  cluster.Crash(kOne);
  cluster.bag().clear();
  cluster.now = cluster.now + Millis(3000);
  cluster.Tick(kTwo);
  for (int i = 0; i < 100 && cluster.core(kTwo).role() != Role::kLeader; ++i) cluster.Deliver(0);
  ASSERT_EQ(cluster.core(kTwo).role(), Role::kLeader);
  ASSERT_FALSE(cluster.core(kTwo).is_active_leader());
  cluster.Step(kTwo, ReadBarrier{1});
  EXPECT_EQ(Outcome(1), false);
}

TEST_F(ReadBarrierTest, OneRoundServesAllReadsBeforeIt) {
  cluster.Step(kOne, ReadBarrier{1});
  cluster.Step(kOne, ReadBarrier{2});
  bool first = false;
  bool second = false;
  while (!cluster.bag().empty()) {
    cluster.Deliver(0);
    first = first || Outcome(1) == true;
    second = second || Outcome(2) == true;
    EXPECT_TRUE(first || !second);
  }
  EXPECT_TRUE(first && second);
}

TEST_F(ReadBarrierOfOneVoter, IsConfirmedAtOnce) {
  cluster.Step(kOne, ReadBarrier{1});
  EXPECT_EQ(Outcome(1), true);
}

}  // namespace
}  // namespace quorate::raft
