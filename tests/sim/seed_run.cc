#include "tests/sim/seed_run.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_format.h"
#include "tests/sim/cluster/mutants.h"
#include "tests/sim/cluster/simulation.h"
#include "tests/sim/elections/elections_run.h"
#include "tests/sim/scenarios/directed.h"

namespace quorate::sim {
namespace {

constexpr size_t kLastWords = 20;

// The run of this process and where its story goes should it die of a signal.
const RunLog* dying_log = nullptr;
int dying_pipe = -1;

// Tells the last that happened. Not safe in a signal handler in general; the process is lost, and
// whatever comes of it is more than nothing.
void TellLastWords(int signal) {
  if (dying_log != nullptr) {
    const auto& entries = dying_log->entries();
    const size_t first = entries.size() > kLastWords ? entries.size() - kLastWords : 0;
    for (size_t i = first; i < entries.size(); ++i) {
      const std::string line = "| " + Timed(entries[i].at, entries[i].text) + "\n";
      if (write(dying_pipe, line.data(), line.size()) < 0) break;
    }
  }
  raise(signal);
}

void ListenForDeath(int pipe) {
  dying_pipe = pipe;
  struct sigaction action = {};
  action.sa_handler = TellLastWords;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    sigaction(signal, &action, nullptr);
  }
}

RunResult Run(const RunnerOptions& options, uint64_t seed) {
  Scenario scenario = options.directed.empty()
                          ? MakeScenario(seed, options.scenario)
                          : MakeDirected(*FindDirectedScenario(options.directed), seed);
  if (!options.mutant.empty()) ApplyMutant(options.mutant, &scenario);
  if (scenario.profile == Profile::kElections) return ElectionsRun(scenario, options.loud).Run();
  Simulation simulation(scenario, options.loud);
  dying_log = &simulation.log();
  RunResult result = simulation.Run();
  dying_log = nullptr;
  return result;
}

// The child's report: lines of a letter, a blank and a text: ! violation, | story, # injected
// fault, = field.
std::string ReportOf(const RunnerOptions& options, uint64_t seed) {
  const RunResult result = Run(options, seed);
  std::string out;
  bool passed = result.violations.empty();
  for (const Violation& violation : result.violations) {
    absl::StrAppendFormat(&out, "! %s: %s\n", violation.checker, violation.text);
  }
  if (options.check_determinism && seed % 10 == 0) {
    const RunResult again = Run(options, seed);
    absl::StrAppendFormat(&out, "= twice 1\n");
    if (again.trace_hash != result.trace_hash || again.events != result.events) {
      passed = false;
      absl::StrAppendFormat(&out, "! determinism: traces %016x (%d events) and %016x (%d events)\n",
                            result.trace_hash, result.events, again.trace_hash, again.events);
    }
  }
  for (const std::string& line : result.story) absl::StrAppendFormat(&out, "| %s\n", line);
  for (const auto& [number, kind] : result.injected) {
    absl::StrAppendFormat(&out, "# %d %s\n", number, kind);
  }
  for (const auto& [kind, count] : result.faults) {
    absl::StrAppendFormat(&out, "= fault:%s %d\n", kind, count);
  }
  for (const auto& [point, count] : result.points) {
    if (count > 0) absl::StrAppendFormat(&out, "= point:%s %d\n", point, count);
  }
  for (const auto& [what, count] : result.effects) {
    absl::StrAppendFormat(&out, "= effect:%s %d\n", what, count);
  }
  absl::StrAppendFormat(
      &out,
      "= hash %016x\n= events %d\n= faults %d\n= acked %d\n= read %d\n"
      "= retries %d\n= commits %d\n= simulated %.3f\n= node_hours %.5f\n= healing %.3f\n"
      "= result %s\n",
      result.trace_hash, result.events, result.injected.size(), result.acked, result.read,
      result.retries, result.commits, result.simulated_seconds, result.node_hours,
      result.healing_seconds, passed ? "passed" : "failed");
  return out;
}

[[noreturn]] void RunChild(const RunnerOptions& options, uint64_t seed, int pipe) {
  // What a run frees it needs again soon: giving it back to the system costs a tenth of its time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 16 << 20);
  ListenForDeath(pipe);
  const std::string report = ReportOf(options, seed);
  size_t written = 0;
  while (written < report.size()) {
    const ssize_t count = write(pipe, report.data() + written, report.size() - written);
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  _exit(0);
}

}  // namespace

std::string SeedReport::Checker() const {
  return violations.empty() ? "" : violations[0].substr(0, violations[0].find(':'));
}

const std::string& SeedReport::Field(const std::string& name) const {
  static const std::string kZero = "0";
  const auto it = fields.find(name);
  return it == fields.end() ? kZero : it->second;
}

SeedRun::SeedRun(const RunnerOptions& options, uint64_t seed) : seed_(seed) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) {
    close(ends[0]);
    RunChild(options, seed, ends[1]);
  }
  close(ends[1]);
  pipe_ = ends[0];
}

bool SeedRun::Read() {
  char buffer[4096];
  const ssize_t count = read(pipe_, buffer, sizeof(buffer));
  if (count > 0) {
    output_.append(buffer, static_cast<size_t>(count));
    return true;
  }
  waitpid(pid_, &status_, 0);
  close(pipe_);
  return false;
}

SeedReport SeedRun::Report() const {
  SeedReport report;
  report.seed = seed_;
  size_t begin = 0;
  while (begin < output_.size()) {
    size_t end = output_.find('\n', begin);
    if (end == std::string::npos) end = output_.size();
    const std::string line = output_.substr(begin, end - begin);
    begin = end + 1;
    if (line.size() < 2) continue;
    const std::string text = line.substr(2);
    if (line[0] == '!') report.violations.push_back(text);
    if (line[0] == '|') report.story.push_back(text);
    if (line[0] == '#') {
      report.injected.emplace_back(std::atoi(text.c_str()), text.substr(text.find(' ') + 1));
    }
    // The name of a field may have blanks in it, its value has none.
    if (line[0] == '=')
      report.fields[text.substr(0, text.rfind(' '))] = text.substr(text.rfind(' ') + 1);
  }
  report.passed = report.Field("result") == "passed";
  if (report.fields.find("result") != report.fields.end()) return report;
  report.violations.push_back(
      WIFSIGNALED(status_)
          ? absl::StrFormat("crash: the process died of signal %d (%s)", WTERMSIG(status_),
                            strsignal(WTERMSIG(status_)))
          : absl::StrFormat("crash: the process left with code %d", WEXITSTATUS(status_)));
  return report;
}

SeedReport RunOne(const RunnerOptions& options, uint64_t seed) {
  SeedRun run(options, seed);
  while (run.Read()) {
  }
  return run.Report();
}

}  // namespace quorate::sim
