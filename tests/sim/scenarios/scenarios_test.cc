// Every directed scenario passes; and every known failure that a simulation can show is either
// tested or on the list of those that are not yet.
#include <glog/logging.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/cluster/simulation.h"
#include "tests/sim/scenarios/directed.h"

namespace quorate::sim {
namespace {

class Directed : public testing::TestWithParam<std::string> {};

TEST_P(Directed, Passes) {
  FLAGS_logtostderr = false;
  FLAGS_minloglevel = google::GLOG_FATAL;
  const DirectedScenario* const scenario = FindDirectedScenario(GetParam());
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const RunResult result = Simulation(MakeDirected(*scenario, seed), /*loud=*/false).Run();
    for (const Violation& violation : result.violations) {
      ADD_FAILURE() << "quorate simulate --scenario " << GetParam() << " --seed " << seed << ": "
                    << violation.checker << ": " << violation.text;
    }
  }
}

std::vector<std::string> AllIds() {
  std::vector<std::string> ids;
  for (const DirectedScenario& scenario : DirectedScenarios()) ids.push_back(scenario.id);
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Directed, testing::ValuesIn(AllIds()),
                         [](const auto& info) { return info.param; });

std::string Slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The ids in the first column of the table below `heading`.
std::vector<std::string> TableBelow(const std::string& readme, const std::string& heading) {
  std::vector<std::string> ids;
  std::stringstream lines(readme.substr(readme.find(heading) + heading.size()));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) break;
    if (!line.starts_with("| ") || line.starts_with("| id")) continue;
    const std::string id = line.substr(2, line.find(' ', 2) - 2);
    if (id.find('-') == std::string::npos) ids.push_back(id);
  }
  return ids;
}

TEST(ScenarioList, EachKnownFailureIsTestedOrExplainedExactlyOnce) {
  const std::string readme = Slurp("tests/sim/scenarios/README.md");
  ASSERT_FALSE(readme.empty());
  std::map<std::string, int> mentioned;
  for (const DirectedScenario& scenario : DirectedScenarios()) ++mentioned[scenario.id];
  for (const char* heading : {"## Tested elsewhere", "## Not yet, because"}) {
    ASSERT_NE(readme.find(heading), std::string::npos);
    for (const std::string& id : TableBelow(readme, heading)) ++mentioned[id];
  }
  std::stringstream ids(Slurp("tests/sim/scenarios/ids"));
  std::set<std::string> known;
  for (std::string id; ids >> id;) known.insert(id);
  EXPECT_GE(known.size(), 110u);
  for (const std::string& id : known) EXPECT_EQ(mentioned[id], 1) << id;
}

}  // namespace
}  // namespace quorate::sim
