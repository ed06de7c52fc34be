// The simulator's command line. See tests/sim/README.md.
#include <glog/logging.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/cluster/simulation.h"
#include "tests/sim/runner.h"

namespace {

constexpr char kUsage[] =
    "usage: sim [--seed=N | --seeds=N [--first=S]] [--seconds=60] [--jobs=2]\n"
    "           [--check-determinism] [--mutant=NAME] [--until-found] [--json] [--loud] [--logs]\n"
    "       sim --list-mutants\n";

// Takes "--name=value" or "--name"; true if `argument` is that flag.
bool Flag(std::string_view argument, std::string_view name, std::string* value) {
  if (!argument.starts_with("--")) return false;
  argument.remove_prefix(2);
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  if (argument.empty()) {
    value->clear();
    return true;
  }
  if (argument[0] != '=') return false;
  *value = std::string(argument.substr(1));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  quorate::sim::RunnerOptions options;
  bool logs = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    std::string value;
    // "--seeds 500" means "--seeds=500".
    if (argument.find('=') == std::string::npos && i + 1 < argc && argv[i + 1][0] != '-') {
      argument.append("=").append(argv[++i]);
    }
    if (Flag(argument, "seed", &value)) {
      options.first = std::strtoull(value.c_str(), nullptr, 10);
      options.seeds = 1;
    } else if (Flag(argument, "seeds", &value)) {
      options.seeds = std::strtoull(value.c_str(), nullptr, 10);
    } else if (Flag(argument, "first", &value)) {
      options.first = std::strtoull(value.c_str(), nullptr, 10);
    } else if (Flag(argument, "seconds", &value)) {
      options.seconds = std::atoi(value.c_str());
    } else if (Flag(argument, "jobs", &value)) {
      options.jobs = std::atoi(value.c_str());
    } else if (Flag(argument, "check-determinism", &value)) {
      options.check_determinism = true;
    } else if (Flag(argument, "mutant", &value)) {
      options.mutant = value;
    } else if (Flag(argument, "until-found", &value)) {
      options.until_found = true;
    } else if (Flag(argument, "json", &value)) {
      options.json = true;
    } else if (Flag(argument, "loud", &value)) {
      options.loud = true;
    } else if (Flag(argument, "logs", &value)) {
      logs = true;
    } else if (Flag(argument, "list-mutants", &value)) {
      for (const std::string& name : quorate::sim::MutantNames()) std::puts(name.c_str());
      return 0;
    } else {
      std::fputs(kUsage, stderr);
      return 2;
    }
  }
  if (options.seconds <= 0 || options.jobs <= 0 || options.seeds == 0) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  FLAGS_logtostderr = logs;
  FLAGS_minloglevel = logs ? 0 : google::GLOG_FATAL;
  google::InitGoogleLogging(argv[0]);
  return quorate::sim::RunSeeds(options);
}
