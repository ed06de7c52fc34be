// A few short runs, so that `bazel test //...` sees the whole cluster; ./check runs many long ones.
#include <glog/logging.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "base/fault_point.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/simulation.h"
#include "tests/sim/runner.h"
#include "tests/sim/seed_run.h"
#include "tests/sim/shrinker.h"

namespace quorate::sim {
namespace {

ScenarioOptions Short() {
  ScenarioOptions options;
  options.duration = Millis(8'000);
  return options;
}

RunResult RunQuietly(uint64_t seed, const ScenarioOptions& options = Short()) {
  FLAGS_logtostderr = false;
  FLAGS_minloglevel = google::GLOG_FATAL;
  return Simulation(MakeScenario(seed, options), /*loud=*/false).Run();
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

TEST(Simulation, FiveNodesPass) {
  ScenarioOptions options = Short();
  options.nodes = 5;
  EXPECT_EQ(Text(RunQuietly(1, options)), "");
}

TEST(Simulation, ASparseRunPasses) {
  ScenarioOptions options = DefaultsOf(Profile::kSparse);
  options.duration = std::chrono::minutes(20);
  EXPECT_EQ(Text(RunQuietly(1, options)), "");
}

// Each excess happens, and ends in a safe halt; some of them leave partitions that refuse.
TEST(Simulation, WhatExceedsThePromiseEndsInASafeHalt) {
  ScenarioOptions options = DefaultsOf(Profile::kBeyond);
  options.duration = Millis(12'000);
  uint64_t refused = 0;
  for (uint64_t seed = 0; seed < kExcessKinds; ++seed) {
    RunResult result = RunQuietly(seed, options);
    EXPECT_EQ(Text(result), "") << "seed " << seed;
    EXPECT_GT(result.faults[ExcessName(static_cast<ExcessKind>(seed))], 0u);
    refused += result.effects["partitions that refuse after the excess"];
  }
  EXPECT_GT(refused, 0u);
}

// Each kind of fault fires when it is the only one asked for.
TEST(Simulation, EveryKindOfFaultFires) {
  for (int i = 0; i < kFaultKinds; ++i) {
    ScenarioOptions options = Short();
    options.kinds = {static_cast<FaultKind>(i)};
    uint64_t fired = 0;
    for (uint64_t seed = 1; seed <= 20 && fired == 0; ++seed) {
      const RunResult result = RunQuietly(seed, options);
      fired += result.injected.size();
      EXPECT_EQ(Text(result), "") << "seed " << seed;
    }
    EXPECT_GT(fired, 0u) << FaultName(static_cast<FaultKind>(i));
  }
}

TEST(Simulation, AConsumerGroupCommitsItsOffsets) {
  uint64_t commits = 0;
  for (uint64_t seed = 1; seed <= 20 && commits == 0; ++seed) {
    if (MakeScenario(seed, Short()).group_members == 0) continue;
    const RunResult result = RunQuietly(seed);
    EXPECT_EQ(Text(result), "") << "seed " << seed;
    commits = result.commits;
  }
  EXPECT_GT(commits, 0u);
}

// Points disturb a run, and the same ones each time; without them the run is another one.
TEST(Simulation, PointsFireAsTheSeedDecides) {
  ScenarioOptions options = Short();
  std::map<std::string, uint64_t> points;
  uint64_t seed = 0;
  const auto fired = [&points] {
    uint64_t sum = 0;
    for (const FaultPoint* point : FaultPoints()) {
      if (point->kind == FaultPoint::Kind::kBuggify) sum += points[std::string(point->name)];
    }
    return sum;
  };
  while (fired() == 0 && seed < 10) points = RunQuietly(++seed, options).points;
  EXPECT_GT(fired(), 0u);
  EXPECT_EQ(RunQuietly(seed, options).points, points);
  options.points = false;
  points = RunQuietly(seed, options).points;
  EXPECT_EQ(fired(), 0u);
}

TEST(Simulation, AFaultThatIsLeftOutDoesNotHappenAndLeavesTheEarlierOnes) {
  ScenarioOptions options = Short();
  options.duration = Millis(30'000);
  options.kinds = {FaultKind::kCutLink, FaultKind::kStorm};
  const RunResult all = RunQuietly(1, options);
  ASSERT_GE(all.injected.size(), 3u);
  const auto [number, kind] = all.injected[2];
  options.skipped = {{number, number}};
  const RunResult fewer = RunQuietly(1, options);
  EXPECT_EQ(fewer.injected.size() + 1, all.injected.size());
  EXPECT_EQ(fewer.injected[0], all.injected[0]);
  EXPECT_EQ(fewer.injected[1], all.injected[1]);
  for (const auto& [other, name] : fewer.injected) EXPECT_NE(other, number);
  options.without = {FaultKind::kStorm};
  for (const auto& [other, name] : RunQuietly(1, options).injected) EXPECT_EQ(name, "cut link");
}

// A known mistake is found, told in few lines, and shrunk to a smaller run that fails the same way.
TEST(Runner, AMutantIsShrunkToASmallerRunThatFailsInTheSameWay) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  RunnerOptions options;
  options.mutant = "producers-not-replicated";
  options.scenario.duration = Millis(21'000);
  options.scenario.kinds = {FaultKind::kProcessCrash, FaultKind::kCutLink, FaultKind::kStorm};
  SeedReport failure;
  for (uint64_t seed = 1; seed <= 500 && failure.injected.size() < 4; ++seed) {
    SeedReport report = RunOne(options, seed);
    if (!report.passed && report.injected.size() > failure.injected.size()) {
      failure = std::move(report);
    }
  }
  ASSERT_FALSE(failure.violations.empty());
  EXPECT_FALSE(failure.story.empty());
  EXPECT_LE(failure.story.size(), 25u);
  const ShrinkResult small = Shrink(options, failure.seed, failure);
  EXPECT_FALSE(small.report.passed);
  EXPECT_EQ(small.report.Checker(), failure.Checker());
  ASSERT_GE(failure.injected.size(), 4u);
  EXPECT_LT(small.report.injected.size(), failure.injected.size());
  // What its reproduction line says is what ran.
  const SeedReport again = RunOne(small.options, failure.seed);
  EXPECT_EQ(again.Field("hash"), small.report.Field("hash"));
  EXPECT_EQ(again.violations, small.report.violations);
}

TEST(Runner, ARunThatDiesOfASignalStillTellsItsStory) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  RunnerOptions options;
  options.scenario = Short();
  options.scenario.abort_at = Millis(5'000);
  const SeedReport report = RunOne(options, 1);
  EXPECT_FALSE(report.passed);
  ASSERT_EQ(report.violations.size(), 1u);
  EXPECT_NE(report.violations[0].find("died of signal 6"), std::string::npos);
  EXPECT_FALSE(report.story.empty());
  EXPECT_LE(report.story.size(), 20u);
}

TEST(Runner, TheReproductionLineSaysAllThatDiffersFromTheDefaults) {
  RunnerOptions options;
  EXPECT_EQ(ReproductionLine(options, 7), "quorate simulate --seed 7");
  options.scenario.nodes = 5;
  options.scenario.duration = Millis(9'000);
  options.scenario.without = {FaultKind::kCutLink, FaultKind::kPause};
  options.scenario.skipped = {{3, 3}, {7, 12}};
  options.mutant = "x";
  EXPECT_EQ(ReproductionLine(options, 7),
            "quorate simulate --seed 7 --nodes 5 --minutes 0.15 --without cut-link,pause --skip "
            "3,7-12 --mutant x");
}

}  // namespace
}  // namespace quorate::sim
