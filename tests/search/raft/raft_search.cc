// Searches all states of three real Raft cores, breadth first (README.md).
//
// usage: raft_search [--states=N] [--depth=N] [--seconds=N] [--terms=N] [--values=N] [--crashes=N]
//                    [--duplicates=N] [--failures=N] [--entries=N] [--coarse] [--mutant=NAME]
//                    [--disks=D/D/D] [--whole_calls] [--fsync_at_once]
// --coarse stands for the last two.
// D is what a node finds at the start: its term, ':', the terms of its log, one digit each.
// The last line is `raft search: N distinct states, depth D, V violations`; exit 1 on a violation.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/search/raft/search.h"

namespace quorate::raft::search {
namespace {

int Usage(const std::string& wrong) {
  std::fprintf(stderr,
               "raft_search: %s\nusage: raft_search [--states=N] [--depth=N] [--seconds=N] "
               "[--terms=1..7] [--values=N]\n  [--crashes=N] [--duplicates=N] [--failures=N] "
               "[--entries=N] "
               "[--coarse] [--whole_calls] [--fsync_at_once]\n  [--mutant=NAME] "
               "[--disks=TERM:LOG/TERM:LOG/TERM:LOG]\nmutants:",
               wrong.c_str());
  for (const std::string& name : MutantNames()) std::fprintf(stderr, " %s", name.c_str());
  std::fprintf(stderr, "\n");
  return 2;
}

// "2:1/2:/2:122"
bool ParseDisks(const std::string& text, ModelOptions* options) {
  size_t node = 0;
  size_t at = 0;
  for (const char c : text) {
    if (c == '/') {
      if (++node >= kNodes) return false;
      at = 0;
    } else if (at++ == 1) {
      if (c != ':') return false;
    } else if (c < '0' || c > '7') {
      return false;
    } else if (at == 1) {
      options->disks[node].term = c - '0';
    } else {
      options->disks[node].log.push_back(Term(c - '0'));
    }
  }
  return node == kNodes - 1;
}

bool Parse(const std::string& argument, SearchOptions* options) {
  const size_t equals = argument.find('=');
  const std::string name = argument.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
  if (name == "--mutant") return SetMutant(value, &options->model.bugs);
  if (name == "--disks") return ParseDisks(value, &options->model);
  if (argument == "--whole_calls" || argument == "--coarse") options->model.whole_calls = true;
  if (argument == "--fsync_at_once" || argument == "--coarse") options->model.fsync_at_once = true;
  if (equals == std::string::npos) {
    return argument == "--whole_calls" || argument == "--fsync_at_once" || argument == "--coarse";
  }
  char* end = nullptr;
  const long long number = std::strtoll(value.c_str(), &end, 10);
  if (value.empty() || *end != '\0' || number < 0) return false;
  const int small = number > 200 ? 200 : static_cast<int>(number);
  if (name == "--states") return (options->states = static_cast<uint64_t>(number)) < 4'000'000'000;
  if (name == "--depth") return (options->depth = static_cast<int>(number)) > 0;
  if (name == "--seconds") return (options->seconds = static_cast<double>(number)) > 0;
  if (name == "--terms") return (options->model.terms = small) > 0 && small < 8;
  if (name == "--entries")
    return (options->model.entries_per_answer = static_cast<size_t>(small)) > 0;
  if (name == "--values") return (options->model.values = small) < 90;
  if (name == "--crashes") return (options->model.crashes = small) < 90;
  if (name == "--failures") return (options->model.failures = small) < 90;
  if (name == "--duplicates") return (options->model.duplicates = small) < 90;
  return false;
}

int Main(int argc, char** argv) {
  SearchOptions options;
  for (int i = 1; i < argc; ++i) {
    if (!Parse(argv[i], &options)) return Usage(std::string("cannot use ") + argv[i]);
  }
  const auto begin = std::chrono::steady_clock::now();
  options.clock = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  options.progress = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  const SearchResult result = Search(options);
  if (result.violations > 0) {
    std::printf("\nviolation after %d steps: %s\n", result.violation_depth,
                result.violation.c_str());
    for (const std::string& line : result.path) std::printf("%s\n", line.c_str());
    std::printf("\n");
  }
  std::printf("%llu steps taken, %llu steps of a core, %llu node states, %llu messages, %.1f s%s\n",
              static_cast<unsigned long long>(result.steps),
              static_cast<unsigned long long>(result.core_steps),
              static_cast<unsigned long long>(result.node_states),
              static_cast<unsigned long long>(result.messages), options.clock(),
              result.exhausted ? "; these are all states within the bounds" : "");
  std::printf("reached: a leader of term %d, commit index %d, %llu truncations\n",
              result.reached.leader_term, result.reached.commit,
              static_cast<unsigned long long>(result.reached.truncations));
  std::printf("raft search: %llu distinct states, depth %d, %d violations\n",
              static_cast<unsigned long long>(result.states), result.depth, result.violations);
  return result.violations > 0 ? 1 : 0;
}

}  // namespace
}  // namespace quorate::raft::search

int main(int argc, char** argv) { return quorate::raft::search::Main(argc, argv); }
