#include "tests/sim/shrinker.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

namespace quorate::sim {
namespace {

constexpr int kMaxRuns = 300;
// A run is made shorter in steps of 0.05 minutes, which its reproduction line can say.
constexpr Millis kStep{3'000};

class Shrinker {
 public:
  Shrinker(const RunnerOptions& options, uint64_t seed, const SeedReport& failure)
      : seed_(seed), checker_(failure.Checker()), best_{options, failure, 0} {
    best_.options.check_determinism = false;
    best_.options.loud = false;
  }

  ShrinkResult Run() {
    Shorten();
    DropKinds();
    DropFaults();
    Shorten();
    DropFaults();
    return best_;
  }

 private:
  // Takes `options` over if they fail in the same way.
  bool Try(const RunnerOptions& options) {
    if (best_.runs >= kMaxRuns) return false;
    ++best_.runs;
    SeedReport report = RunOne(options, seed_);
    if (report.passed || report.Checker() != checker_) return false;
    best_.options = options;
    best_.report = std::move(report);
    return true;
  }

  // First to where the run ended when it failed, then by halves.
  void Shorten() {
    const double simulated = std::strtod(best_.report.Field("simulated").c_str(), nullptr);
    const Millis end(static_cast<int64_t>(simulated * 1000));
    const auto steps_of = [](Millis time) {
      return (time.count() + kStep.count() - 1) / kStep.count();
    };
    int64_t works = steps_of(best_.options.scenario.duration);
    int64_t too_short = 0;
    int64_t next = std::min(works - 1, steps_of(end));
    while (next > too_short && next < works) {
      RunnerOptions shorter = best_.options;
      shorter.scenario.duration = kStep * next;
      (Try(shorter) ? works : too_short) = next;
      next = (works + too_short) / 2;
    }
  }

  void DropKinds() {
    std::set<std::string> kinds;
    for (const auto& [number, kind] : best_.report.injected) kinds.insert(kind);
    for (int i = 0; i < kFaultKinds; ++i) {
      const auto kind = static_cast<FaultKind>(i);
      if (!kinds.contains(FaultName(kind))) continue;
      RunnerOptions fewer = best_.options;
      fewer.scenario.without.insert(kind);
      Try(fewer);
    }
  }

  // Leaves out runs of neighbours, from large to small.
  void DropFaults() {
    for (size_t chunk = best_.report.injected.size(); chunk >= 1; chunk /= 2) {
      for (size_t begin = 0; begin < best_.report.injected.size();) {
        const auto& injected = best_.report.injected;
        const size_t last = std::min(begin + chunk, injected.size()) - 1;
        RunnerOptions fewer = best_.options;
        AddSkipped(injected[begin].first, injected[last].first, &fewer.scenario.skipped);
        // If it worked, others have moved to `begin`.
        if (!Try(fewer)) begin += chunk;
        if (best_.runs >= kMaxRuns) return;
      }
    }
  }

  static void AddSkipped(int first, int last, std::vector<std::pair<int, int>>* skipped) {
    skipped->emplace_back(first, last);
    std::sort(skipped->begin(), skipped->end());
    std::vector<std::pair<int, int>> merged;
    for (const auto& range : *skipped) {
      if (!merged.empty() && range.first <= merged.back().second + 1) {
        merged.back().second = std::max(merged.back().second, range.second);
      } else {
        merged.push_back(range);
      }
    }
    *skipped = std::move(merged);
  }

  const uint64_t seed_;
  const std::string checker_;
  ShrinkResult best_;
};

}  // namespace

ShrinkResult Shrink(const RunnerOptions& options, uint64_t seed, const SeedReport& failure) {
  return Shrinker(options, seed, failure).Run();
}

}  // namespace quorate::sim
