// What a person is told of a violation, and what not.
#include "tests/sim/cluster/story.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace quorate::sim {
namespace {

using Kind = RunLogEntry::Kind;

MonoTime At(int seconds) { return MonoTime(std::chrono::seconds(seconds)); }

std::string Told(const std::deque<RunLogEntry>& log, const Violation& violation,
                 const std::optional<AckMoment>& ack, size_t lines) {
  std::string text;
  for (const std::string& line : TellStory(log, violation, ack, lines)) text += line + "\n";
  return text;
}

std::deque<RunLogEntry> ALostRecord() {
  std::deque<RunLogEntry> log;
  for (int i = 0; i < 50; ++i) {
    log.push_back({.kind = Kind::kFault, .text = "early " + std::to_string(i), .at = At(i)});
  }
  log.push_back({.kind = Kind::kLeader, .text = "other leads", .partition = "t-1", .at = At(60)});
  log.push_back({.kind = Kind::kLeader, .text = "leads t-0", .partition = "t-0", .at = At(61)});
  log.push_back({.kind = Kind::kCut,
                 .text = "harmless cut",
                 .partition = "t-0",
                 .from = 90,
                 .to = 80,
                 .at = At(62)});
  log.push_back({.kind = Kind::kCut,
                 .text = "the cut",
                 .partition = "t-0",
                 .from = 50,
                 .to = 40,
                 .at = At(63)});
  log.push_back({.kind = Kind::kNode, .text = "node1 started", .nodes = {1}, .at = At(100)});
  return log;
}

const Violation kLost{"lost", "it is gone", {{"t", 0}, 45}};

TEST(Story, HasTheCutAndTheLeaderAndTheAckInTheirOrderAndNoOtherPartition) {
  const std::string told = Told(ALostRecord(), kLost, AckMoment{At(58), "acknowledged"}, 4);
  EXPECT_NE(told.find("the cut"), std::string::npos) << told;
  EXPECT_NE(told.find("leads t-0"), std::string::npos) << told;
  EXPECT_EQ(told.find("other leads"), std::string::npos) << told;
  EXPECT_LT(told.find("acknowledged"), told.find("leads t-0")) << told;
  EXPECT_LT(told.find("leads t-0"), told.find("the cut")) << told;
}

TEST(Story, IsNoLongerThanAskedFor) {
  for (size_t lines : {1, 5, 20}) {
    EXPECT_LE(TellStory(ALostRecord(), kLost, AckMoment{At(58), "x"}, lines).size(), lines);
  }
}

TEST(Story, OfAnEmptyLogIsEmpty) { EXPECT_TRUE(TellStory({}, kLost, std::nullopt, 5).empty()); }

}  // namespace
}  // namespace quorate::sim
