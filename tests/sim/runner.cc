#include "tests/sim/runner.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/sim/cluster/simulation.h"

namespace quorate::sim {
namespace {

// What a seed's process tells its parent, as lines "key value".
struct SeedReport {
  uint64_t seed = 0;
  bool passed = false;
  std::map<std::string, std::string> fields;
  std::vector<std::string> details;  // violations, then the log
};

struct Child {
  pid_t pid = 0;
  int pipe = -1;
  uint64_t seed = 0;
  std::string output;
};

RunResult RunOnce(const RunnerOptions& options, uint64_t seed) {
  Scenario scenario = MakeScenario(seed, options.seconds);
  if (!options.mutant.empty()) ApplyMutant(options.mutant, &scenario);
  return Simulation(scenario, options.loud).Run();
}

std::string Report(const RunnerOptions& options, uint64_t seed) {
  const RunResult result = RunOnce(options, seed);
  std::string out;
  bool passed = result.violations.empty();
  for (const Violation& violation : result.violations) {
    absl::StrAppendFormat(&out, "! %s: %s\n", violation.checker, violation.text);
  }
  if (options.check_determinism && seed % 10 == 0) {
    const RunResult again = RunOnce(options, seed);
    absl::StrAppendFormat(&out, "twice 1\n");
    if (again.trace_hash != result.trace_hash || again.events != result.events) {
      passed = false;
      absl::StrAppendFormat(&out, "! determinism: traces %016x (%d events) and %016x (%d events)\n",
                            result.trace_hash, result.events, again.trace_hash, again.events);
    }
  }
  if (!passed) {
    for (const std::string& line : result.log) absl::StrAppendFormat(&out, "| %s\n", line);
  }
  uint64_t faults = 0;
  for (const auto& [kind, count] : result.faults) {
    faults += count;
    absl::StrAppendFormat(&out, "fault %s=%d\n", kind, count);
  }
  absl::StrAppendFormat(&out,
                        "hash %016x\nevents %d\nfaults %d\nacked %d\nread %d\nretries %d\n"
                        "simulated %.3f\nhealing %.3f\nresult %s\n",
                        result.trace_hash, result.events, faults, result.acked, result.read,
                        result.retries, result.simulated_seconds, result.healing_seconds,
                        passed ? "passed" : "failed");
  return out;
}

Child Spawn(const RunnerOptions& options, uint64_t seed) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid < 0) std::abort();
  if (pid == 0) {
    close(ends[0]);
    const std::string report = Report(options, seed);
    size_t written = 0;
    while (written < report.size()) {
      const ssize_t count = write(ends[1], report.data() + written, report.size() - written);
      if (count <= 0) break;
      written += static_cast<size_t>(count);
    }
    _exit(0);
  }
  close(ends[1]);
  return {pid, ends[0], seed, ""};
}

SeedReport Parse(const Child& child, int status) {
  SeedReport report;
  report.seed = child.seed;
  size_t begin = 0;
  while (begin < child.output.size()) {
    const size_t end = child.output.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string line = child.output.substr(begin, end - begin);
    begin = end + 1;
    if (line[0] == '!' || line[0] == '|') {
      report.details.push_back(line);
    } else if (const size_t blank = line.find(' '); line.starts_with("fault ")) {
      const size_t equals = line.rfind('=');
      report.fields["fault " + line.substr(6, equals - 6)] = line.substr(equals + 1);
    } else if (blank != std::string::npos) {
      report.fields[line.substr(0, blank)] = line.substr(blank + 1);
    }
  }
  report.passed = report.fields["result"] == "passed";
  if (report.fields["result"].empty()) {
    report.details.push_back(
        WIFSIGNALED(status)
            ? absl::StrFormat("! crash: the process died of signal %d (%s)", WTERMSIG(status),
                              strsignal(WTERMSIG(status)))
            : absl::StrFormat("! crash: the process left with code %d", WEXITSTATUS(status)));
  }
  return report;
}

// Sums over all seeds, and what is printed of them.
class Totals {
 public:
  explicit Totals(const RunnerOptions& options) : options_(options) {}

  void Add(const SeedReport& report) {
    (report.passed ? passed_ : failed_) += 1;
    for (const auto& [key, value] : report.fields) {
      sums_[key] += std::strtod(value.c_str(), nullptr);
    }
    if (options_.json) {
      PrintJson(report);
    } else if (!report.passed) {
      PrintFailure(report);
    } else if (options_.seeds == 1) {
      std::printf("seed %llu: trace %s, %s events, %s acknowledged, %s read, %s retries\n",
                  static_cast<unsigned long long>(report.seed), Field(report, "hash"),
                  Field(report, "events"), Field(report, "acked"), Field(report, "read"),
                  Field(report, "retries"));
    }
    std::fflush(stdout);
  }

  void Print(double real_seconds) {
    std::printf("sim: faults injected:");
    for (const auto& [key, sum] : sums_) {
      if (key.starts_with("fault ")) std::printf(" %s %.0f,", key.c_str() + 6, sum);
    }
    std::printf(" %.0f together\n", sums_["faults"]);
    std::printf(
        "sim: %.0f events, %.0f records acknowledged, %.0f read, %.0f retries, %.0f simulated s "
        "in %.1f s (%.0f : 1), healed after %.1f s on average, %.0f seeds run twice\n",
        sums_["events"], sums_["acked"], sums_["read"], sums_["retries"], sums_["simulated"],
        real_seconds, sums_["simulated"] / real_seconds,
        passed_ > 0 ? sums_["healing"] / static_cast<double>(passed_ + failed_) : 0.0,
        sums_["twice"]);
    std::printf("sim: %llu passed, %llu failed\n", static_cast<unsigned long long>(passed_),
                static_cast<unsigned long long>(failed_));
  }
  uint64_t failed() const { return failed_; }

 private:
  static const char* Field(const SeedReport& report, const char* key) {
    const auto it = report.fields.find(key);
    return it == report.fields.end() ? "?" : it->second.c_str();
  }

  void PrintFailure(const SeedReport& report) const {
    const std::string mutant = options_.mutant.empty() ? "" : " --mutant=" + options_.mutant;
    std::printf("FAIL seed %llu\n", static_cast<unsigned long long>(report.seed));
    for (const std::string& line : report.details) std::printf("  %s\n", line.c_str());
    std::printf("reproduce: bazel-bin/tests/sim/sim --seed=%llu --seconds=%d%s\n",
                static_cast<unsigned long long>(report.seed), options_.seconds, mutant.c_str());
  }

  void PrintJson(const SeedReport& report) const {
    std::string violation;
    for (const std::string& line : report.details) {
      if (line[0] == '!' && violation.empty()) violation = line.substr(2);
    }
    std::string escaped;
    for (char c : violation) {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c;
    }
    std::printf(
        "{\"schema\":\"quorate.sim/1\",\"seed\":%llu,\"passed\":%s,\"trace\":\"%s\",\"events\":%s,"
        "\"faults\":%s,\"acked\":%s,\"simulated_s\":%s,\"violation\":\"%s\"}\n",
        static_cast<unsigned long long>(report.seed), report.passed ? "true" : "false",
        Field(report, "hash"), Number(report, "events"), Number(report, "faults"),
        Number(report, "acked"), Number(report, "simulated"), escaped.c_str());
  }
  static const char* Number(const SeedReport& report, const char* key) {
    const auto it = report.fields.find(key);
    return it == report.fields.end() ? "0" : it->second.c_str();
  }

  const RunnerOptions& options_;
  uint64_t passed_ = 0;
  uint64_t failed_ = 0;
  std::map<std::string, double> sums_;
};

}  // namespace

int RunSeeds(const RunnerOptions& options) {
  Scenario probe;
  if (!options.mutant.empty() && !ApplyMutant(options.mutant, &probe)) {
    std::fprintf(stderr, "no mutant %s; see --list-mutants\n", options.mutant.c_str());
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  Totals totals(options);
  std::vector<Child> children;
  uint64_t next = options.first;
  const uint64_t end = options.first + options.seeds;
  while (next < end || !children.empty()) {
    const bool enough = options.until_found && totals.failed() > 0;
    if (enough && children.empty()) break;
    while (!enough && next < end && children.size() < static_cast<size_t>(options.jobs)) {
      children.push_back(Spawn(options, next++));
    }
    std::vector<pollfd> polls;
    for (const Child& child : children) polls.push_back({child.pipe, POLLIN, 0});
    poll(polls.data(), polls.size(), -1);
    for (size_t i = children.size(); i-- > 0;) {
      if (polls[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = read(children[i].pipe, buffer, sizeof(buffer));
      if (count > 0) {
        children[i].output.append(buffer, static_cast<size_t>(count));
        continue;
      }
      int status = 0;
      waitpid(children[i].pid, &status, 0);
      close(children[i].pipe);
      totals.Add(Parse(children[i], status));
      children.erase(children.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  totals.Print(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return totals.failed() == 0 ? 0 : 1;
}

}  // namespace quorate::sim
