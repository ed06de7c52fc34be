// quorate simulate
#include <glog/logging.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fault_point.h"
#include "cli/commands/commands.h"
#include "cli/terminal/terminal.h"
#include "tests/sim/cluster/mutants.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/runner.h"
#include "tests/sim/scenarios/directed.h"

namespace quorate {
namespace {

// As typed.
struct SimulateOptions {
  sim::RunnerOptions runner;
  uint64_t seed = 0;  // 0 = not given
  std::string profile = "dense";
  double minutes = 0;  // 0 = as the profile has it
  std::vector<std::string> faults;
  std::vector<std::string> without;
  std::vector<std::string> skip;
  bool list_faults = false;
  bool list_mutants = false;
  bool list_scenarios = false;
  bool list_points = false;
  bool logs = false;
};

// "3" or "3-7".
bool ParseRange(const std::string& text, std::pair<int, int>* range) {
  const char* end = text.data() + text.size();
  auto result = std::from_chars(text.data(), end, range->first);
  if (result.ec != std::errc()) return false;
  range->second = range->first;
  if (result.ptr == end) return true;
  if (*result.ptr != '-') return false;
  result = std::from_chars(result.ptr + 1, end, range->second);
  return result.ec == std::errc() && result.ptr == end && range->first <= range->second;
}

// False with a message on stderr if a name is unknown.
bool ParseKinds(const std::vector<std::string>& names, std::vector<sim::FaultKind>* kinds) {
  for (const std::string& name : names) {
    const auto kind = sim::FaultFromOption(name);
    if (!kind) {
      std::fprintf(stderr, "error: no kind of fault %s; see --list-faults\n", name.c_str());
      return false;
    }
    kinds->push_back(*kind);
  }
  return true;
}

// Fills options.runner; false with a message on stderr if something is wrong.
bool Complete(SimulateOptions* options) {
  sim::RunnerOptions& runner = options->runner;
  const int nodes = runner.scenario.nodes;
  runner.scenario = sim::DefaultsOf(*sim::ProfileFromName(options->profile));
  runner.scenario.nodes = nodes;
  if (options->minutes > 0) {
    runner.scenario.duration = Millis(std::llround(options->minutes * 60'000));
  }
  if (options->seed > 0) {
    runner.first = options->seed;
    runner.seeds = 1;
  }
  if (options->faults == std::vector<std::string>{"all"}) {
    runner.scenario.all_kinds = true;
  } else if (!options->faults.empty()) {
    runner.scenario.kinds.emplace();
    const bool none = options->faults == std::vector<std::string>{"none"};
    if (!none && !ParseKinds(options->faults, &*runner.scenario.kinds)) return false;
  }
  std::vector<sim::FaultKind> without;
  if (!ParseKinds(options->without, &without)) return false;
  runner.scenario.without.insert(without.begin(), without.end());
  for (const std::string& text : options->skip) {
    if (ParseRange(text, &runner.scenario.skipped.emplace_back())) continue;
    std::fprintf(stderr, "error: --skip takes numbers and ranges such as 3,7-12, not %s\n",
                 text.c_str());
    return false;
  }
  return true;
}

int Simulate(SimulateOptions* options) {
  if (options->list_faults) {
    for (int kind = 0; kind < sim::kFaultKinds; ++kind) {
      std::puts(sim::FaultOption(static_cast<sim::FaultKind>(kind)).c_str());
    }
    return kExitDone;
  }
  if (options->list_points) {
    std::set<std::string> lines;
    for (const FaultPoint* point : FaultPoints()) {
      lines.insert(std::string(point->name) +
                   (point->kind == FaultPoint::Kind::kBuggify ? "  buggify" : "  failpoint"));
    }
    for (const std::string& line : lines) std::puts(line.c_str());
    return kExitDone;
  }
  if (options->list_mutants) {
    for (const sim::Mutant& mutant : sim::Mutants()) {
      std::printf("%s\t%s\t%s\n", mutant.scenario, mutant.name, mutant.options);
    }
    return kExitDone;
  }
  if (options->list_scenarios) {
    for (const sim::DirectedScenario& scenario : sim::DirectedScenarios()) {
      std::printf("%s\t%s\n", scenario.id, scenario.title);
    }
    return kExitDone;
  }
  if (!Complete(options)) return kExitUsage;
  FLAGS_logtostderr = options->logs;
  FLAGS_minloglevel = options->logs ? google::GLOG_INFO : google::GLOG_FATAL;
  google::InitGoogleLogging("quorate");
  return sim::RunSeeds(options->runner);
}

void AddPlanOptions(CLI::App& command, SimulateOptions* options) {
  command
      .add_option(
          "--profile", options->profile,
          "dense: busy clients, a fault every second or two, 1 minute; sparse: quiet "
          "clients, minutes between faults, 2 hours; elections: the metadata quorum alone, "
          "faults all the time, 20 seconds; beyond: as dense, and once a fault that exceeds "
          "the promise and must end whole or in a safe halt, 30 seconds")
      ->check(CLI::IsMember({"dense", "sparse", "elections", "beyond"}));
  command
      .add_option("--nodes", options->runner.scenario.nodes, "Nodes, each controller and broker")
      ->check(CLI::Range(3, 9));
  command.add_option("--minutes", options->minutes, "Simulated minutes under faults of each run")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--faults", options->faults,
                  "Kinds of faults: a list, all or none (default: a subset that each seed "
                  "chooses)")
      ->delimiter(',');
  command
      .add_option("--without", options->without,
                  "Leave out the planned faults of these kinds, and nothing else")
      ->delimiter(',');
  command
      .add_option("--skip", options->skip, "Leave out planned faults by their numbers, e.g. 3,7-12")
      ->delimiter(',');
  command.add_option("--mutant", options->runner.mutant,
                     "Switch a known mistake on, to see it found");
  command.add_option("--scenario", options->runner.directed,
                     "Instead of random faults: a known failure, by its id, brought about exactly");
  command.add_flag("--list-scenarios", options->list_scenarios,
                   "Print the directed scenarios: id, what happens");
  command.add_flag("--list-faults", options->list_faults, "Print the kinds of faults");
  command.add_flag("--list-points", options->list_points,
                   "Print the places in the code that runs disturb (buggify) or end processes at "
                   "(failpoint)");
  command.add_flag("--list-mutants", options->list_mutants,
                   "Print the known mistakes: id of the failure, name, the options that find it");
}

}  // namespace

void RegisterSimulateCommand(CLI::App& app, int* exit_code) {
  auto options = std::make_shared<SimulateOptions>();
  sim::RunnerOptions& runner = options->runner;
  CLI::App* simulate = app.add_subcommand(
      "simulate", "Run whole clusters under faults in a simulated world and check every promise");
  CLI::Option* seed =
      simulate->add_option("--seed", options->seed, "Run this seed")->check(CLI::PositiveNumber);
  simulate->add_option("--seeds", runner.seeds, "Run this many seeds")
      ->check(CLI::PositiveNumber)
      ->excludes(seed);
  simulate->add_option("--first", runner.first, "The first of --seeds")
      ->check(CLI::PositiveNumber)
      ->excludes(seed);
  simulate->add_option("--jobs", runner.jobs, "Seeds at the same time")->check(CLI::Range(1, 256));
  AddPlanOptions(*simulate, options.get());
  simulate->add_flag("--check-determinism", runner.check_determinism,
                     "Run every tenth seed twice: both must leave the same trace");
  simulate->add_flag("--until-found", runner.until_found, "Stop at the first seed that fails");
  simulate->add_flag("--shrink", runner.shrink,
                     "Stop at the first seed that fails and look for a smaller run that does");
  simulate->add_flag("--json", runner.json, "One JSON object per seed, then one of totals");
  simulate->add_flag("--loud", runner.loud, "Everything that happens, on stderr");
  simulate->add_flag("--logs", options->logs, "The nodes' own log lines, on stderr");
  simulate->callback([options, exit_code] { *exit_code = Simulate(options.get()); });
  simulate->footer(
      "One seed decides everything: the same seed of the same binary gives the same run. Faults\n"
      "stay within what the cluster promises to survive; tests/sim/README.md says what is "
      "checked.\n"
      "Exit code 0: all runs passed; 1: one failed.\n"
      "Examples:\n"
      "  quorate simulate --seed 7 --loud\n"
      "  quorate simulate --seeds 500 --check-determinism\n"
      "  quorate simulate --seeds 100 --nodes 5 --faults pause,isolation,ring\n"
      "  quorate simulate --seeds 20 --profile sparse\n"
      "  quorate simulate --seeds 300 --mutant ack-before-isr --shrink");
}

}  // namespace quorate
