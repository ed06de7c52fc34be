#include "controller/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

std::vector<PlacementBroker> Brokers(const std::vector<std::string>& racks) {
  std::vector<PlacementBroker> out;
  for (size_t i = 0; i < racks.size(); ++i) {
    out.push_back({NodeId(static_cast<int32_t>(i)), racks[i]});
  }
  return out;
}

TEST(PlacementTest, FewerBrokersThanReplicasAreRefusedWithBothNumbers) {
  const auto placed = PlaceReplicas(Brokers({"", ""}), 1, 3, 0);
  EXPECT_EQ(placed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(placed.status().message().find('3'), absl::string_view::npos);
  EXPECT_NE(placed.status().message().find('2'), absl::string_view::npos);
}

TEST(PlacementTest, OneBrokerHoldsAll) {
  const auto placed = PlaceReplicas(Brokers({"a"}), 3, 1, 99);
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(placed->size(), 3u);
  for (const ReplicaList& replicas : *placed) EXPECT_EQ(replicas, ReplicaList{NodeId(0)});
}

TEST(PlacementTest, TheStartTurnsTheLayout) {
  std::set<NodeId> first;
  for (uint64_t start = 0; start < 3; ++start) {
    first.insert(PlaceReplicas(Brokers({"", "", ""}), 1, 2, start)->at(0)[0]);
  }
  EXPECT_EQ(first.size(), 3u);
}

TEST(PlacementTest, FollowersOfOneLeaderSpread) {
  const auto placed = PlaceReplicas(Brokers({"", "", "", ""}), 24, 2, 0);
  std::set<NodeId> followers;
  for (const ReplicaList& replicas : *placed) {
    if (replicas[0] == NodeId(0)) followers.insert(replicas[1]);
  }
  EXPECT_EQ(followers.size(), 3u);
}

TEST(PlacementTest, LeadersAreBalancedAndReplicasSpanTheRacks) {
  SeededRandom random(3);
  for (int round = 0; round < 300; ++round) {
    const size_t n = 1 + random.Below(12);
    const uint64_t rack_count = 1 + random.Below(4);
    std::vector<std::string> racks;
    for (size_t i = 0; i < n; ++i) racks.push_back("r" + std::to_string(random.Below(rack_count)));
    const int32_t partitions = static_cast<int32_t>(random.Below(40));
    const int32_t factor = static_cast<int32_t>(1 + random.Below(n));
    const auto placed = PlaceReplicas(Brokers(racks), partitions, factor, random.Next());
    ASSERT_TRUE(placed.ok());
    const std::set<std::string> all_racks(racks.begin(), racks.end());
    std::map<NodeId, int> leaders;
    for (const ReplicaList& replicas : *placed) {
      ASSERT_EQ(replicas.size(), static_cast<size_t>(factor));
      EXPECT_EQ(std::set<NodeId>(replicas.begin(), replicas.end()).size(), replicas.size());
      std::set<std::string> used;
      for (NodeId id : replicas) used.insert(racks[static_cast<size_t>(id.value())]);
      EXPECT_EQ(used.size(), std::min(all_racks.size(), replicas.size()));
      ++leaders[replicas[0]];
    }
    for (const auto& [id, count] : leaders) {
      EXPECT_LE(count, (partitions + static_cast<int>(n) - 1) / static_cast<int>(n));
    }
  }
}

}  // namespace
}  // namespace quorate
