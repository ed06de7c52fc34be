#include "storage/leader_epoch_cache.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace quorate {
namespace {

LeaderEpochCache CacheOf(const std::vector<std::pair<int, int>>& entries) {
  LeaderEpochCache cache;
  for (const auto& [epoch, start] : entries) cache.Assign(LeaderEpoch(epoch), Offset(start));
  return cache;
}

std::vector<EpochStart> Entries(const std::vector<std::pair<int, int>>& entries) {
  std::vector<EpochStart> result;
  for (const auto& [epoch, start] : entries) result.push_back({LeaderEpoch(epoch), Offset(start)});
  return result;
}

TEST(LeaderEpochCacheTest, EndIsTheNextEpochsStart) {
  const LeaderEpochCache cache = CacheOf({{2, 0}, {5, 10}});
  EXPECT_EQ(*cache.EndOffsetFor(LeaderEpoch(2), Offset(20)),
            (EpochEndOffset{LeaderEpoch(2), Offset(10)}));
  EXPECT_EQ(*cache.EndOffsetFor(LeaderEpoch(4), Offset(20)),
            (EpochEndOffset{LeaderEpoch(2), Offset(10)}));
  EXPECT_EQ(*cache.EndOffsetFor(LeaderEpoch(5), Offset(20)),
            (EpochEndOffset{LeaderEpoch(5), Offset(20)}));
  EXPECT_EQ(*cache.EndOffsetFor(LeaderEpoch(9), Offset(20)),
            (EpochEndOffset{LeaderEpoch(5), Offset(20)}));
  EXPECT_TRUE(absl::IsNotFound(cache.EndOffsetFor(LeaderEpoch(1), Offset(20)).status()));
}

TEST(LeaderEpochCacheTest, AnEpochWithoutRecordsIsReplaced) {
  LeaderEpochCache cache = CacheOf({{1, 0}, {2, 10}});
  EXPECT_TRUE(cache.Assign(LeaderEpoch(3), Offset(10)));
  EXPECT_EQ(cache.entries(), Entries({{1, 0}, {3, 10}}));
  EXPECT_FALSE(cache.Assign(LeaderEpoch(3), Offset(15)));
  EXPECT_FALSE(cache.Assign(LeaderEpoch(2), Offset(15)));
}

TEST(LeaderEpochCacheTest, EpochZeroCounts) {  // scenario A8
  LeaderEpochCache cache;
  EXPECT_TRUE(cache.Assign(LeaderEpoch(0), Offset(0)));
  EXPECT_EQ(cache.latest_epoch(), LeaderEpoch(0));
}

TEST(LeaderEpochCacheTest, TruncationForgetsEpochsAtOrAboveTheEnd) {  // scenario A7
  LeaderEpochCache cache = CacheOf({{1, 0}, {2, 10}, {3, 20}});
  cache.TruncateFromEnd(Offset(20));
  EXPECT_EQ(cache.entries(), Entries({{1, 0}, {2, 10}}));
  cache.TruncateFromEnd(Offset(11));
  EXPECT_EQ(cache.entries(), Entries({{1, 0}, {2, 10}}));
}

TEST(LeaderEpochCacheTest, ANewStartMovesTheSpanningEpoch) {
  LeaderEpochCache cache = CacheOf({{1, 0}, {2, 10}, {3, 20}});
  cache.TruncateFromStart(Offset(15));
  EXPECT_EQ(cache.entries(), Entries({{2, 15}, {3, 20}}));
  cache.TruncateFromStart(Offset(20));
  EXPECT_EQ(cache.entries(), Entries({{3, 20}}));
  cache.TruncateFromStart(Offset(5));
  EXPECT_EQ(cache.entries(), Entries({{3, 20}}));
}

TEST(LeaderEpochCacheTest, LookupByOffsetAndPreviousEpoch) {
  const LeaderEpochCache cache = CacheOf({{1, 5}, {4, 10}});
  EXPECT_EQ(cache.EpochAt(Offset(4)), std::nullopt);
  EXPECT_EQ(cache.EpochAt(Offset(9)), LeaderEpoch(1));
  EXPECT_EQ(cache.EpochAt(Offset(10)), LeaderEpoch(4));
  EXPECT_EQ(cache.PreviousEpoch(LeaderEpoch(4)), LeaderEpoch(1));
  EXPECT_EQ(cache.PreviousEpoch(LeaderEpoch(1)), std::nullopt);
}

TEST(LeaderEpochCacheTest, TextIsKafkas) {
  const LeaderEpochCache cache = CacheOf({{0, 0}, {3, 17}});
  EXPECT_EQ(cache.Serialize(), "0\n2\n0 0\n3 17\n");
  EXPECT_EQ(LeaderEpochCache::Parse("0\n2\n0 0\n3 17\n")->entries(), cache.entries());
  for (const char* bad : {"", "1\n0\n", "0\n1\n", "0\n1\n5", "0\n1\n5 7", "0\n1\n5 x\n",
                          "0\n2\n3 0\n3 5\n", "0\n2\n3 5\n4 5\n", "0\n1\n-1 0\n"}) {
    EXPECT_TRUE(absl::IsDataLoss(LeaderEpochCache::Parse(bad).status())) << bad;
  }
}

// The seven shapes of Vanlightly's 3_log_divergence.md (scenario A4). Logs are lists of epochs, one
// per record.
class DivergenceTest : public testing::Test {
 protected:
  static LeaderEpochCache CacheFor(const std::vector<int>& log) {
    LeaderEpochCache cache;
    for (size_t i = 0; i < log.size(); ++i) {
      cache.Assign(LeaderEpoch(log[i]), Offset(static_cast<int64_t>(i)));
    }
    return cache;
  }

  // What is left of `follower` once it has been truncated against `leader`.
  static size_t Truncated(const std::vector<int>& leader, std::vector<int> follower) {
    const LeaderEpochCache leader_cache = CacheFor(leader);
    LeaderEpochCache cache = CacheFor(follower);
    for (int round = 0; round < 20; ++round) {
      if (!cache.latest_epoch().has_value()) return 0;
      std::optional<EpochEndOffset> answer;
      const auto end = leader_cache.EndOffsetFor(*cache.latest_epoch(),
                                                 Offset(static_cast<int64_t>(leader.size())));
      if (end.ok()) answer = *end;
      const auto follower_end = static_cast<int64_t>(follower.size());
      const TruncationStep step = NextTruncation(cache, Offset(0), Offset(follower_end), answer);
      EXPECT_LE(step.truncate_to, Offset(follower_end));
      follower.resize(static_cast<size_t>(step.truncate_to.value()));
      cache.TruncateFromEnd(step.truncate_to);
      if (step.final) return follower.size();
    }
    ADD_FAILURE() << "does not end";
    return 0;
  }

  // Length of the shared prefix.
  static size_t Shared(const std::vector<int>& a, const std::vector<int>& b) {
    size_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return n;
  }
};

TEST_F(DivergenceTest, ABehindInTheSameEpoch) { EXPECT_EQ(Truncated({1, 1, 1}, {1, 1}), 2u); }
TEST_F(DivergenceTest, BBehindANewerEpoch) { EXPECT_EQ(Truncated({1, 1, 2, 2}, {1, 1}), 2u); }
TEST_F(DivergenceTest, CAheadInTheSameEpoch) { EXPECT_EQ(Truncated({1, 1}, {1, 1, 1}), 2u); }
TEST_F(DivergenceTest, DAheadInANewerEpoch) { EXPECT_EQ(Truncated({1, 1}, {1, 1, 2, 2}), 2u); }
TEST_F(DivergenceTest, EForkIntoANewerEpoch) {
  EXPECT_EQ(Truncated({1, 1, 2, 2}, {1, 1, 3, 3, 3}), 2u);
}
TEST_F(DivergenceTest, FForkIntoAnOlderEpoch) {
  EXPECT_EQ(Truncated({1, 1, 3, 3}, {1, 1, 2, 2, 2}), 2u);
}
TEST_F(DivergenceTest, GNoCommonEpoch) {
  EXPECT_EQ(Truncated({2, 2}, {1, 1, 1}), 0u);
  EXPECT_EQ(Truncated({1, 1, 1}, {2, 2}), 0u);
}

TEST_F(DivergenceTest, RandomHistoriesMeetAtTheSharedPrefix) {
  SeededRandom random(11);
  for (int i = 0; i < 20'000; ++i) {
    // An epoch has one leader, so equal epochs mean equal records: both logs grow from a shared
    // prefix, and later epochs are used by one of them only.
    std::vector<int> shared;
    int epoch = 0;
    for (uint64_t n = random.Below(6); n > 0; --n) {
      shared.push_back(epoch += static_cast<int>(random.Below(2)));
    }
    std::vector<int> leader = shared;
    std::vector<int> follower = shared;
    // One of the two may go on in the shared epoch.
    std::vector<int>* longer = random.Chance(0.5) ? &leader : &follower;
    for (uint64_t n = random.Below(3); n > 0 && !shared.empty(); --n) longer->push_back(epoch);
    for (uint64_t n = random.Below(6); n > 0; --n) {
      ++epoch;
      std::vector<int>* writer = random.Chance(0.5) ? &leader : &follower;
      for (uint64_t m = random.Below(3) + 1; m > 0; --m) writer->push_back(epoch);
    }
    EXPECT_EQ(Truncated(leader, follower), Shared(leader, follower));
  }
}

}  // namespace
}  // namespace quorate
