#include "broker/replica/leader_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "controller/image/testing/records.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;
using ::quorate::testing::Replicas;
using ::quorate::testing::TestUuid;
using ::testing::ElementsAre;

constexpr Micros kLag = std::chrono::seconds(30);
const TopicPartition kId{TestUuid(1), PartitionIndex(0)};

class LeaderStateTest : public ::testing::Test {
 protected:
  LeaderStateTest() {
    image_.replicas = Replicas({1, 2, 3});
    image_.isr = Replicas({1, 2, 3});
    image_.leader = NodeId(1);
    image_.leader_epoch = LeaderEpoch(4);
    image_.partition_epoch = PartitionEpoch(7);
    for (int id : {1, 2, 3}) brokers_[NodeId(id)] = {BrokerEpoch(10 * id), true, false};
  }
  LeaderState Make(int64_t epoch_start = 100, int64_t high_watermark = 90) {
    return LeaderState(NodeId(1), kId, image_, Offset(epoch_start), Offset(high_watermark), kLag,
                       now_);
  }
  FetchVerdict Fetch(LeaderState& state, int replica, int64_t offset, int64_t end) {
    return state.RecordFetch(NodeId(replica), brokers_[NodeId(replica)].epoch, Offset(offset),
                             Offset(end), now_, lookup_);
  }
  bool Advance(LeaderState& state, int64_t own, int64_t end, int min_isr = 1) {
    return state.AdvanceHighWatermark(Offset(own), Offset(end), min_isr, now_, lookup_);
  }

  MonoTime now_{std::chrono::hours(1)};
  PartitionState image_;
  std::map<NodeId, BrokerView> brokers_;
  std::function<BrokerView(NodeId)> lookup_ = [this](NodeId id) {
    const auto it = brokers_.find(id);
    return it == brokers_.end() ? BrokerView{} : it->second;
  };
};

TEST_F(LeaderStateTest, TheHighWatermarkWaitsForEveryMemberOfTheIsr) {
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  EXPECT_FALSE(Advance(state, 110, 110));
  Fetch(state, 3, 105, 110);
  EXPECT_TRUE(Advance(state, 110, 110));
  EXPECT_EQ(state.high_watermark(), Offset(105));
}

TEST_F(LeaderStateTest, TheHighWatermarkWaitsForTheLeadersOwnFlush) {
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  Fetch(state, 3, 110, 110);
  EXPECT_TRUE(Advance(state, 102, 110));
  EXPECT_EQ(state.high_watermark(), Offset(102));
}

TEST_F(LeaderStateTest, TheHighWatermarkNeverMovesBack) {
  LeaderState state = Make();
  Fetch(state, 2, 80, 110);
  Fetch(state, 3, 110, 110);
  EXPECT_FALSE(Advance(state, 110, 110));
  EXPECT_EQ(state.high_watermark(), Offset(90));
}

TEST_F(LeaderStateTest, BelowMinIsrTheHighWatermarkIsFrozen) {
  image_.isr = Replicas({1});
  LeaderState state = Make();
  EXPECT_FALSE(Advance(state, 110, 110, 2));
  EXPECT_TRUE(Advance(state, 110, 110, 1));
}

TEST_F(LeaderStateTest, MinIsrAboveTheReplicaCountCountsAsAll) {
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  Fetch(state, 3, 110, 110);
  EXPECT_TRUE(Advance(state, 110, 110, 5));
  EXPECT_FALSE(state.HasMinIsr(5));
}

TEST_F(LeaderStateTest, B8APendingRemovalStillCounts) {
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  Fetch(state, 3, 100, 110);
  now_ = now_ + kLag + Micros(2);
  Fetch(state, 2, 110, 110);
  const auto proposal = state.MaybePropose(Offset(110), now_, lookup_);
  ASSERT_TRUE(proposal.has_value());
  EXPECT_EQ(proposal->isr.size(), 2u);
  Advance(state, 110, 110);
  EXPECT_EQ(state.high_watermark(), Offset(100));
}

TEST_F(LeaderStateTest, B8APendingAdditionCountsAtOnce) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  Fetch(state, 3, 100, 100);
  ASSERT_TRUE(state.MaybePropose(Offset(110), now_, lookup_).has_value());
  now_ = now_ + kLag * 2;  // no longer caught up, but it may be in the ISR already
  Fetch(state, 2, 110, 110);
  Advance(state, 110, 110);
  EXPECT_EQ(state.high_watermark(), Offset(100));
}

TEST_F(LeaderStateTest, ACaughtUpReplicaAboutToJoinHoldsTheHighWatermark) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make(100, 90);
  Fetch(state, 3, 95, 95);  // caught up, but below the start of the epoch
  Fetch(state, 2, 110, 110);
  Advance(state, 110, 110);
  EXPECT_EQ(state.high_watermark(), Offset(95));
}

TEST_F(LeaderStateTest, AFencedReplicaOutsideTheIsrHoldsNothing) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make(100, 90);
  Fetch(state, 3, 95, 95);
  brokers_[NodeId(3)].active = false;
  Fetch(state, 2, 110, 110);
  Advance(state, 110, 110);
  EXPECT_EQ(state.high_watermark(), Offset(110));
}

TEST_F(LeaderStateTest, B3JoiningTakesTheStartOfTheEpochAndTheHighWatermark) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make(100, 90);
  Fetch(state, 3, 99, 99);
  EXPECT_FALSE(state.MaybePropose(Offset(99), now_, lookup_).has_value());
  Fetch(state, 3, 100, 100);
  const auto proposal = state.MaybePropose(Offset(100), now_, lookup_);
  ASSERT_TRUE(proposal.has_value());
  EXPECT_THAT(proposal->isr, ElementsAre(IsrMember{NodeId(1), kNoBrokerEpoch},
                                         IsrMember{NodeId(2), kNoBrokerEpoch},
                                         IsrMember{NodeId(3), BrokerEpoch(30)}));
  EXPECT_EQ(proposal->partition_epoch, PartitionEpoch(7));
}

TEST_F(LeaderStateTest, AReplicaThatLagsDoesNotJoinHoweverLowTheHighWatermark) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make(100, 90);
  Fetch(state, 3, 105, 110);
  EXPECT_FALSE(state.MaybePropose(Offset(110), now_, lookup_).has_value());
  now_ = now_ + std::chrono::seconds(1);
  Fetch(state, 3, 110, 120);  // it has what was there a second ago
  EXPECT_TRUE(state.MaybePropose(Offset(120), now_, lookup_).has_value());
}

TEST_F(LeaderStateTest, B4AFencedReplicaDoesNotJoin) {
  image_.isr = Replicas({1, 2});
  brokers_[NodeId(3)] = {BrokerEpoch(30), false, true};
  LeaderState state = Make();
  Fetch(state, 3, 110, 110);
  EXPECT_FALSE(state.MaybePropose(Offset(110), now_, lookup_).has_value());
}

TEST_F(LeaderStateTest, B5AFetchOfAnOlderIncarnationIsRefused) {
  LeaderState state = Make();
  EXPECT_EQ(state.RecordFetch(NodeId(2), BrokerEpoch(19), Offset(110), Offset(110), now_, lookup_),
            FetchVerdict::kStaleBrokerEpoch);
  EXPECT_EQ(state.ReplicaEnd(NodeId(2)), kNoOffset);
}

TEST_F(LeaderStateTest, B5ANewIncarnationStartsFromWhatItReports) {
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  EXPECT_EQ(state.RecordFetch(NodeId(2), BrokerEpoch(77), Offset(0), Offset(110), now_, lookup_),
            FetchVerdict::kAccepted);
  EXPECT_EQ(state.ReplicaEnd(NodeId(2)), Offset(0));
  EXPECT_EQ(state.RecordFetch(NodeId(2), BrokerEpoch(20), Offset(110), Offset(110), now_, lookup_),
            FetchVerdict::kStaleBrokerEpoch);
}

TEST_F(LeaderStateTest, AnIncarnationTheImageDoesNotKnowYetDoesNotJoin) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make();
  state.RecordFetch(NodeId(3), BrokerEpoch(99), Offset(110), Offset(110), now_, lookup_);
  EXPECT_FALSE(state.MaybePropose(Offset(110), now_, lookup_).has_value());
  brokers_[NodeId(3)].epoch = BrokerEpoch(99);
  EXPECT_TRUE(state.MaybePropose(Offset(110), now_, lookup_).has_value());
}

TEST_F(LeaderStateTest, AFetchOfABrokerThatIsNoReplicaIsRefused) {
  LeaderState state = Make();
  EXPECT_EQ(state.RecordFetch(NodeId(9), BrokerEpoch(1), Offset(110), Offset(110), now_, lookup_),
            FetchVerdict::kNotAReplica);
}

TEST_F(LeaderStateTest, AMemberThatHeldAllUntilTheLastAppendLagsFromThereOn) {
  LeaderState state = Make();
  Fetch(state, 2, 110, 110);
  Fetch(state, 3, 110, 110);
  now_ = now_ + std::chrono::hours(1);
  EXPECT_EQ(state.NextLagCheck(Offset(110), now_), std::nullopt);
  state.OnAppend(Offset(110), now_);
  EXPECT_EQ(state.NextLagCheck(Offset(111), now_), now_ + kLag + Micros(1));
  EXPECT_FALSE(state.MaybePropose(Offset(111), now_ + kLag, lookup_).has_value());
  EXPECT_TRUE(state.MaybePropose(Offset(111), now_ + kLag + Micros(1), lookup_).has_value());
}

TEST_F(LeaderStateTest, AFollowerThatReachesWhatWasThereAtItsLastFetchIsCaughtUpAsOfThen) {
  LeaderState state = Make();
  Fetch(state, 3, 200, 200);
  Fetch(state, 2, 150, 200);
  const MonoTime first = now_;
  now_ = now_ + std::chrono::seconds(5);
  Fetch(state, 2, 200, 300);
  Fetch(state, 3, 300, 300);
  EXPECT_EQ(state.NextLagCheck(Offset(300), now_), first + kLag + Micros(1));
}

TEST_F(LeaderStateTest, B7AnUnknownOutcomeKeepsTheProposalPending) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make();
  Fetch(state, 3, 110, 110);
  const auto proposal = state.MaybePropose(Offset(110), now_, lookup_);
  ASSERT_TRUE(proposal.has_value());
  IsrOutcome outcome;
  outcome.status = absl::DeadlineExceededError("lost");
  EXPECT_EQ(state.OnOutcome(*proposal, outcome, now_), ProposalFate::kUnknown);
  outcome.status = KafkaStatus(KafkaError::kInvalidUpdateVersion);  // maybe by its own first copy
  EXPECT_EQ(state.OnOutcome(*proposal, outcome, now_), ProposalFate::kUnknown);
  EXPECT_TRUE(state.InMaximalIsr(NodeId(3)));
}

TEST_F(LeaderStateTest, B7ANewerImageEndsWhatIsPending) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make();
  Fetch(state, 3, 110, 110);
  const auto proposal = state.MaybePropose(Offset(110), now_, lookup_);
  image_.partition_epoch = PartitionEpoch(8);
  state.Update(image_, now_);
  EXPECT_FALSE(state.pending().has_value());
  IsrOutcome late;  // its old answer changes nothing
  late.isr = {NodeId(1)};
  late.leader_epoch = LeaderEpoch(4);
  late.partition_epoch = PartitionEpoch(8);
  EXPECT_EQ(state.OnOutcome(*proposal, late, now_), ProposalFate::kRefused);
  EXPECT_EQ(state.isr().size(), 2u);
}

TEST_F(LeaderStateTest, ARefusalEndsWhatIsPending) {
  image_.isr = Replicas({1, 2});
  LeaderState state = Make();
  Fetch(state, 3, 110, 110);
  const auto proposal = state.MaybePropose(Offset(110), now_, lookup_);
  IsrOutcome outcome;
  outcome.status = KafkaStatus(KafkaError::kIneligibleReplica);
  EXPECT_EQ(state.OnOutcome(*proposal, outcome, now_), ProposalFate::kRefused);
  EXPECT_FALSE(state.InMaximalIsr(NodeId(3)));
}

TEST_F(LeaderStateTest, AnUncleanLeaderSaysThatItRecovered) {
  image_.isr = Replicas({1});
  image_.leader_recovering = true;
  LeaderState state = Make();
  const auto proposal = state.MaybePropose(Offset(110), now_, lookup_);
  ASSERT_TRUE(proposal.has_value());
  EXPECT_FALSE(proposal->leader_recovering);
}

// The high watermark against a model that keeps whole histories: whatever the order of fetches,
// appends, proposals and outcomes, each record below it is held by every member that any ISR the
// controller may have committed has.
TEST_F(LeaderStateTest, InvariantI16TheHighWatermarkIsHeldByEveryPossibleIsr) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    LeaderState state = Make(0, 0);
    int64_t end = 0, flushed = 0;
    std::map<NodeId, int64_t> held = {{NodeId(2), 0}, {NodeId(3), 0}};
    std::set<NodeId> committed = {NodeId(1), NodeId(2), NodeId(3)};  // the controller's truth
    PartitionEpoch epoch = image_.partition_epoch;
    std::optional<IsrProposal> sent;
    for (int step = 0; step < 200; ++step) {
      const Offset before = state.high_watermark();
      const NodeId replica(static_cast<int>(random.Between(2, 3)));
      switch (random.Below(7)) {
        case 0:
          state.OnAppend(Offset(end), now_);
          end += random.Between(1, 3);
          break;
        case 1:
          flushed = random.Between(flushed, end);
          break;
        case 2:
          held[replica] = random.Between(held[replica], end);
          Fetch(state, replica.value(), held[replica], end);
          break;
        case 3:
          now_ = now_ + Micros(random.Below(20'000'000));
          break;
        case 4:
          if (auto proposal = state.MaybePropose(Offset(end), now_, lookup_)) sent = proposal;
          break;
        case 5: {  // the controller carries it out; the answer comes, or is lost
          if (!sent.has_value() || sent->partition_epoch != epoch) break;
          committed.clear();
          for (const IsrMember& member : sent->isr) committed.insert(member.broker);
          epoch = epoch + 1;
          IsrOutcome outcome;
          outcome.leader = NodeId(1);
          outcome.leader_epoch = LeaderEpoch(4);
          outcome.partition_epoch = epoch;
          outcome.isr.assign(committed.begin(), committed.end());
          if (random.Chance(0.5)) outcome.status = absl::UnavailableError("lost");
          state.OnOutcome(*sent, outcome, now_);
          break;
        }
        case 6: {  // the image comes
          PartitionState image = image_;
          image.partition_epoch = epoch;
          image.isr.assign(committed.begin(), committed.end());
          state.Update(image, now_);
          break;
        }
      }
      Advance(state, flushed, end, 1);
      ASSERT_GE(state.high_watermark(), before);
      ASSERT_LE(state.high_watermark().value(), flushed);
      if (state.high_watermark() == before) continue;
      for (const NodeId member : committed) {
        if (member == NodeId(1)) continue;
        ASSERT_LE(state.high_watermark().value(), held[member]) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace quorate
