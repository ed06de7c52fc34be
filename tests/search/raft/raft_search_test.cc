// A short search finds nothing wrong; with one rule switched off it finds the damage, at the least
// number of steps.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "tests/search/raft/search.h"

namespace quorate::raft::search {
namespace {

TEST(RaftSearch, FindsNothingWrongIn300000States) {
  SearchOptions options;
  options.states = 300'000;
  const SearchResult result = Search(options);
  EXPECT_EQ(result.violations, 0) << result.violation;
  EXPECT_GE(result.states, options.states);
}

TEST(RaftSearch, FindsNothingWrongInLargeSteps) {
  SearchOptions options;
  options.states = 300'000;
  options.model.whole_calls = options.model.fsync_at_once = true;
  const SearchResult result = Search(options);
  EXPECT_EQ(result.violations, 0) << result.violation;
}

TEST(RaftSearch, FindsNothingWrongWithBrokenLinks) {
  SearchOptions options;
  options.states = 300'000;
  options.model.whole_calls = options.model.fsync_at_once = true;
  options.model.failures = 2;
  options.model.crashes = options.model.duplicates = 0;
  const SearchResult result = Search(options);
  EXPECT_EQ(result.violations, 0) << result.violation;
}

// All that one election and a proposal can do.
TEST(RaftSearch, SeesAllOfOneElection) {
  SearchOptions options;
  options.states = 1'000'000;
  options.model.whole_calls = true;
  options.model.values = 1;
  options.model.crashes = options.model.duplicates = 0;
  options.model.disks = {{{1, {Term(1), Term(1)}}, {1, {Term(1), Term(1)}}, {1, {Term(1)}}}};
  const SearchResult result = Search(options);
  EXPECT_EQ(result.violations, 0) << result.violation;
  EXPECT_TRUE(result.exhausted);
  EXPECT_EQ(result.reached.leader_term, 2);
  EXPECT_EQ(result.reached.commit, 4);
}

TEST(RaftSearch, SeesTruncations) {
  SearchOptions options;
  options.states = 100'000;
  options.model.whole_calls = true;
  options.model.terms = 3;
  options.model.crashes = options.model.duplicates = 0;
  options.model.disks = {{{2, {Term(1)}}, {2, {}}, {2, {Term(2)}}}};
  const SearchResult result = Search(options);
  EXPECT_EQ(result.violations, 0) << result.violation;
  EXPECT_GT(result.reached.truncations, 0u);
}

TEST(RaftSearch, TwoRunsAreTheSame) {
  SearchOptions options;
  options.states = 50'000;
  const SearchResult first = Search(options);
  const SearchResult second = Search(options);
  EXPECT_EQ(first.states, second.states);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.core_steps, second.core_steps);
}

TEST(RaftSearch, EndsWhenThereAreNoMoreStates) {
  SearchOptions options;
  options.model.terms = 1;
  options.model.values = options.model.crashes = options.model.duplicates = 0;
  options.model.whole_calls = options.model.fsync_at_once = true;
  const SearchResult result = Search(options);
  EXPECT_TRUE(result.exhausted);
  EXPECT_EQ(result.violations, 0) << result.violation;
}

// What has to go wrong without a rule, and after how many steps.
struct Mutant {
  const char* name;
  int depth;
  const char* violation;  // how it begins
  ModelOptions model;
};

class RaftSearchMutants : public ::testing::TestWithParam<Mutant> {};

TEST_P(RaftSearchMutants, AreFound) {
  SearchOptions options;
  options.model = GetParam().model;
  options.states = 3'000'000;
  ASSERT_TRUE(SetMutant(GetParam().name, &options.model.bugs));
  const SearchResult result = Search(options);
  EXPECT_EQ(result.violations, 1);
  EXPECT_EQ(result.violation_depth, GetParam().depth);
  EXPECT_TRUE(result.violation.starts_with(GetParam().violation)) << result.violation;
  EXPECT_EQ(result.path.front(), "> cluster 3");
}

ModelOptions Whole() { return ModelOptions(); }

ModelOptions NoFaults(bool large_steps) {
  ModelOptions options;
  options.values = options.crashes = options.duplicates = 0;
  options.whole_calls = options.fsync_at_once = large_steps;
  return options;
}

// Node 1 leads term 2 while it fsyncs, and its durable entry of term 1 leaves the log of the leader
// of term 3.
ModelOptions TornTail() {
  ModelOptions options = NoFaults(false);
  options.terms = 3;
  options.whole_calls = true;
  for (auto& disk : options.disks) disk.term = 1;
  options.disks[0].log = {Term(1)};
  return options;
}

// Figure 3.7 (b) of the dissertation: node 1 led term 1 and node 3 term 2, each with an entry of
// its own; two more terms show what goes wrong.
ModelOptions Figure37() {
  ModelOptions options = NoFaults(true);
  options.terms = 4;
  options.disks[0] = {2, {Term(1)}};
  options.disks[1] = {2, {}};
  options.disks[2] = {2, {Term(2)}};
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    All, RaftSearchMutants,
    ::testing::Values(Mutant{"vote_without_persisting", 11, "I", Whole()},
                      Mutant{"forget_vote_on_step_down", 10, "I", Whole()},
                      Mutant{"commit_before_own_fsync", 10, "I5", Whole()},
                      Mutant{"trust_unverified_fetch", 14, "I5", NoFaults(false)},
                      Mutant{"vote_ignores_log", 10, "I4", NoFaults(true)},
                      Mutant{"trust_stale_flush", 13, "I5", TornTail()},
                      Mutant{"commit_earlier_terms_by_counting", 11, "I4", Figure37()}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace quorate::raft::search
