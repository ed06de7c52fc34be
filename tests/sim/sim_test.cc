// A few short runs, so that `bazel test //...` sees the whole cluster; ./check runs many long ones.
#include <glog/logging.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/simulation.h"

namespace quorate::sim {
namespace {

RunResult RunQuietly(uint64_t seed) {
  FLAGS_logtostderr = false;
  FLAGS_minloglevel = google::GLOG_FATAL;
  return Simulation(MakeScenario(seed, /*seconds=*/8), /*loud=*/false).Run();
}

std::string Text(const RunResult& result) {
  std::string text;
  for (const Violation& violation : result.violations) {
    text += violation.checker + ": " + violation.text + "\n";
  }
  return text;
}

TEST(Simulation, ShortRunsPass) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const RunResult result = RunQuietly(seed);
    EXPECT_EQ(Text(result), "") << "seed " << seed;
    EXPECT_GT(result.acked, 0u) << "seed " << seed;
  }
}

TEST(Simulation, ASeedLeavesTheSameTraceEveryTime) {
  const RunResult first = RunQuietly(3);
  const RunResult second = RunQuietly(3);
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.events, second.events);
  EXPECT_NE(first.trace_hash, RunQuietly(4).trace_hash);
}

}  // namespace
}  // namespace quorate::sim
