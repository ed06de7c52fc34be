#include "tests/sim/runner.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/fault_point.h"
#include "tests/sim/cluster/mutants.h"
#include "tests/sim/cluster/simulation.h"
#include "tests/sim/scenarios/directed.h"
#include "tests/sim/seed_run.h"
#include "tests/sim/shrinker.h"

namespace quorate::sim {
namespace {

constexpr double kProgressSeconds = 10;
constexpr std::string_view kPoint = "point:";
// Fewer say nothing of how often a point takes part.
constexpr size_t kSeedsForCoverage = 100;

std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
    out += c;
  }
  return out + "\"";
}

// Sums over all seeds, and what is printed of them.
class Totals {
 public:
  explicit Totals(const RunnerOptions& options)
      : options_(options), begin_(std::chrono::steady_clock::now()) {}

  void Add(const SeedReport& report) {
    (report.passed ? passed_ : failed_) += 1;
    for (const auto& [key, value] : report.fields) {
      sums_[key] += std::strtod(value.c_str(), nullptr);
      if (key.starts_with(kPoint)) ++seeds_with_[key.substr(kPoint.size())];
    }
    if (options_.json) {
      PrintJson(report);
    } else if (!report.passed) {
      PrintFailure(report);
    } else if (options_.seeds == 1) {
      std::printf("seed %d: trace %s, %s events, %s acknowledged, %s read, %s retries\n",
                  static_cast<int>(report.seed), report.Field("hash").c_str(),
                  report.Field("events").c_str(), report.Field("acked").c_str(),
                  report.Field("read").c_str(), report.Field("retries").c_str());
    }
    std::fflush(stdout);
  }

  // Now and then a line on stderr.
  void MaybeReport() {
    const double now = Seconds();
    if (now < next_progress_) return;
    next_progress_ = now + kProgressSeconds;
    const double done = static_cast<double>(passed_ + failed_);
    std::fprintf(stderr, "%s",
                 absl::StrFormat("sim: %d of %d seeds, %.1f a second, %d failed, %.0f : 1\n",
                                 passed_ + failed_, options_.seeds, done / now, failed_,
                                 sums_["simulated"] / now)
                     .c_str());
  }
  // Seconds until MaybeReport has something to say.
  double UntilReport() const { return std::max(0.0, next_progress_ - Seconds()); }

  void Print() {
    const double seconds = Seconds();
    const double done = std::max(1.0, static_cast<double>(passed_ + failed_));
    const std::string text =
        "sim: faults injected: " + Listed("fault:") +
        absl::StrFormat("%.0f together\n", sums_["faults"]) + "sim: of them: " + Listed("effect:") +
        absl::StrFormat("healed after %.1f s on average\n", sums_["healing"] / done) +
        absl::StrFormat(
            "sim: %.0f events (%.0f a real second), %.0f records acknowledged, %.0f read, %.0f "
            "retries, %.0f offsets committed, %.0f simulated s in %.1f s (%.0f : 1), %.1f "
            "node-hours, %.0f seeds run "
            "twice\n",
            sums_["events"], sums_["events"] / seconds, sums_["acked"], sums_["read"],
            sums_["retries"], sums_["commits"], sums_["simulated"], seconds,
            sums_["simulated"] / seconds, sums_["node_hours"], sums_["twice"]) +
        PointsText();
    // Scripts read one object per line; the totals are for people then.
    std::fputs(text.c_str(), options_.json ? stderr : stdout);
    if (options_.json) {
      std::puts(absl::StrFormat("{\"schema\":\"quorate.simulate.totals/1\",\"passed\":%d,"
                                "\"failed\":%d,\"faults\":%.0f,\"events\":%.0f,"
                                "\"acked\":%.0f,\"twice\":%.0f,\"simulated_s\":%.0f,"
                                "\"node_hours\":%.3f,\"real_s\":%.1f,\"seeds_with_point\":%s}",
                                passed_, failed_, sums_["faults"], sums_["events"], sums_["acked"],
                                sums_["twice"], sums_["simulated"], sums_["node_hours"], seconds,
                                PointsJson())
                    .c_str());
    } else {
      std::puts(absl::StrFormat("sim: %d passed, %d failed", passed_, failed_).c_str());
    }
  }
  uint64_t failed() const { return failed_; }

 private:
  // How many points there are, and which took part in fewer than 1 % of the seeds.
  std::string PointsText() const {
    const size_t seeds = passed_ + failed_;
    if (seeds < kSeedsForCoverage || seeds_with_.empty()) return "";
    std::string rare;
    for (const std::string& name : RarePoints()) {
      const auto it = seeds_with_.find(name);
      absl::StrAppendFormat(&rare, " %s (%d)", name, it == seeds_with_.end() ? 0 : it->second);
    }
    return absl::StrFormat("sim: %d points, all but %d in 1 %% of the seeds or more%s%s\n",
                           FaultPoints().size(), RarePoints().size(), rare.empty() ? "" : ":",
                           rare);
  }

  // By name; REQUIRES: there was a seed.
  std::vector<std::string> RarePoints() const {
    std::set<std::string> rare;
    for (const FaultPoint* point : FaultPoints()) {
      const auto it = seeds_with_.find(std::string(point->name));
      const uint64_t seeds = it == seeds_with_.end() ? 0 : it->second;
      if (seeds * 100 < passed_ + failed_) rare.insert(std::string(point->name));
    }
    return {rare.begin(), rare.end()};
  }

  std::string PointsJson() const {
    std::string json;
    for (const FaultPoint* point : FaultPoints()) {
      const auto it = seeds_with_.find(std::string(point->name));
      absl::StrAppendFormat(&json, "%s%s:%d", json.empty() ? "" : ",",
                            JsonString(std::string(point->name)),
                            it == seeds_with_.end() ? 0 : it->second);
    }
    return "{" + json + "}";
  }

  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

  std::string Listed(const std::string& prefix) const {
    std::string text;
    for (const auto& [key, sum] : sums_) {
      if (key.starts_with(prefix)) {
        absl::StrAppendFormat(&text, "%s %.0f, ", key.substr(prefix.size()), sum);
      }
    }
    return text;
  }

  void PrintFailure(const SeedReport& report) const {
    std::string text = absl::StrFormat("FAIL seed %d\n", report.seed);
    for (size_t i = 0; i < report.violations.size() && i < 3; ++i) {
      absl::StrAppendFormat(&text, "  %s\n", report.violations[i]);
    }
    for (const std::string& line : report.story) absl::StrAppendFormat(&text, "  %s\n", line);
    absl::StrAppendFormat(&text, "reproduce: %s\n", ReproductionLine(options_, report.seed));
    std::fputs(text.c_str(), stdout);
  }

  void PrintJson(const SeedReport& report) const {
    const std::string violation = report.violations.empty() ? "" : report.violations[0];
    std::puts(absl::StrFormat(
                  "{\"schema\":\"quorate.simulate/1\",\"seed\":%d,\"passed\":%s,\"trace\":\"%s\","
                  "\"events\":%s,\"faults\":%s,\"acked\":%s,\"simulated_s\":%s,\"violation\":%s,"
                  "\"reproduce\":%s}",
                  report.seed, report.passed ? "true" : "false", report.Field("hash"),
                  report.Field("events"), report.Field("faults"), report.Field("acked"),
                  report.Field("simulated"), JsonString(violation),
                  JsonString(ReproductionLine(options_, report.seed)))
                  .c_str());
  }

  const RunnerOptions& options_;
  const std::chrono::steady_clock::time_point begin_;
  double next_progress_ = kProgressSeconds;
  uint64_t passed_ = 0;
  uint64_t failed_ = 0;
  std::map<std::string, double> sums_;
  std::map<std::string, uint64_t> seeds_with_;  // in how many each point took part
};

void ShrinkAndPrint(const RunnerOptions& options, const SeedReport& failure) {
  const ShrinkResult small = Shrink(options, failure.seed, failure);
  std::string text =
      absl::StrFormat("shrunk in %d runs: from %d faults in %s s to %d in %s s\n", small.runs,
                      failure.injected.size(), failure.Field("simulated"),
                      small.report.injected.size(), small.report.Field("simulated"));
  for (size_t i = 0; i < small.report.violations.size() && i < 3; ++i) {
    absl::StrAppendFormat(&text, "  %s\n", small.report.violations[i]);
  }
  for (const std::string& line : small.report.story) absl::StrAppendFormat(&text, "  %s\n", line);
  absl::StrAppendFormat(&text, "smaller: %s\n", ReproductionLine(small.options, failure.seed));
  std::fputs(text.c_str(), options.json ? stderr : stdout);
}

}  // namespace

std::string ReproductionLine(const RunnerOptions& options, uint64_t seed) {
  const ScenarioOptions& scenario = options.scenario;
  const ScenarioOptions defaults = DefaultsOf(scenario.profile);
  std::string line = absl::StrFormat("quorate simulate --seed %d", seed);
  if (scenario.profile != Profile::kDense) {
    absl::StrAppendFormat(&line, " --profile %s", ProfileName(scenario.profile));
  }
  if (scenario.nodes != defaults.nodes) absl::StrAppendFormat(&line, " --nodes %d", scenario.nodes);
  if (scenario.duration != defaults.duration) {
    absl::StrAppendFormat(&line, " --minutes %g",
                          static_cast<double>(scenario.duration.count()) / 60'000);
  }
  const auto names = [](const auto& kinds) {
    return absl::StrJoin(kinds, ",",
                         [](std::string* out, FaultKind kind) { out->append(FaultOption(kind)); });
  };
  if (scenario.all_kinds) line += " --faults all";
  if (scenario.kinds)
    line += " --faults " + (scenario.kinds->empty() ? "none" : names(*scenario.kinds));
  if (!scenario.without.empty()) line += " --without " + names(scenario.without);
  if (!scenario.skipped.empty()) {
    line +=
        " --skip " + absl::StrJoin(scenario.skipped, ",", [](std::string* out, const auto& range) {
          absl::StrAppendFormat(out, "%d", range.first);
          if (range.second != range.first) absl::StrAppendFormat(out, "-%d", range.second);
        });
  }
  if (!options.directed.empty()) line += " --scenario " + options.directed;
  if (!options.mutant.empty()) line += " --mutant " + options.mutant;
  return line;
}

int RunSeeds(const RunnerOptions& options) {
  Scenario probe;
  if (!options.mutant.empty() && !ApplyMutant(options.mutant, &probe)) {
    std::fprintf(stderr, "error: no mutant %s; see --list-mutants\n", options.mutant.c_str());
    return 2;
  }
  if (!options.directed.empty() && FindDirectedScenario(options.directed) == nullptr) {
    std::fprintf(stderr, "error: no scenario %s; see --list-scenarios\n", options.directed.c_str());
    return 2;
  }
  Totals totals(options);
  std::vector<std::unique_ptr<SeedRun>> running;
  std::unique_ptr<SeedReport> first_failure;
  uint64_t next = options.first;
  const uint64_t end = options.first + options.seeds;
  while (next < end || !running.empty()) {
    const bool enough = (options.until_found || options.shrink) && totals.failed() > 0;
    if (enough && running.empty()) break;
    while (!enough && next < end && running.size() < static_cast<size_t>(options.jobs)) {
      running.push_back(std::make_unique<SeedRun>(options, next++));
    }
    std::vector<pollfd> polls;
    for (const auto& run : running) polls.push_back({run->pipe(), POLLIN, 0});
    poll(polls.data(), polls.size(), static_cast<int>(totals.UntilReport() * 1000) + 1);
    totals.MaybeReport();
    for (size_t i = running.size(); i-- > 0;) {
      if (polls[i].revents == 0 || running[i]->Read()) continue;
      SeedReport report = running[i]->Report();
      running.erase(running.begin() + static_cast<ptrdiff_t>(i));
      totals.Add(report);
      const bool earlier = first_failure == nullptr || report.seed < first_failure->seed;
      if (!report.passed && earlier)
        first_failure = std::make_unique<SeedReport>(std::move(report));
    }
  }
  if (options.shrink && first_failure != nullptr) ShrinkAndPrint(options, *first_failure);
  totals.Print();
  return totals.failed() == 0 ? 0 : 1;
}

}  // namespace quorate::sim
