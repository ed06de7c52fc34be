// quorate quickstart: a cluster on this machine with one command.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/posix/posix_random.h"
#include "cli/commands/commands.h"
#include "cli/demo/demo.h"
#include "cli/node/stop_signal.h"
#include "cli/quickstart/local_cluster.h"
#include "cli/quickstart/readiness.h"
#include "cli/terminal/terminal.h"

namespace quorate {
namespace {

constexpr int kReadyTimeoutMs = 30000;
constexpr int kStopTimeoutMs = 15000;
constexpr int kSuperviseMs = 20;

struct QuickstartOptions {
  int nodes = 3;
  int port = 9092;
  std::string directory;
  bool no_restart = false;
  bool demo = false;
  DemoOptions demo_options;
};

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::string OwnBinary() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "quorate";
}

// Where the cluster's files are: --dir, or a temporary directory that goes with the cluster.
class ClusterDirectory {
 public:
  static absl::StatusOr<std::unique_ptr<ClusterDirectory>> Make(const std::string& wanted,
                                                                FileSystem& files) {
    if (!wanted.empty()) {
      char resolved[PATH_MAX];
      if (absl::Status made = files.CreateDirectories(wanted); !made.ok()) return made;
      const char* path = realpath(wanted.c_str(), resolved);
      return std::unique_ptr<ClusterDirectory>(
          new ClusterDirectory(path != nullptr ? path : wanted, false, files));
    }
    const char* base = std::getenv("TMPDIR");
    std::string pattern = absl::StrFormat("%s/quorate-XXXXXX", base != nullptr ? base : "/tmp");
    if (mkdtemp(pattern.data()) == nullptr) {
      return absl::InternalError(absl::StrFormat("no temporary directory at %s", pattern));
    }
    return std::unique_ptr<ClusterDirectory>(new ClusterDirectory(pattern, true, files));
  }
  ~ClusterDirectory() {
    if (!temporary_) return;
    if (absl::Status removed = files_.RemoveTree(path_); !removed.ok()) {
      ReportError("temporary directory not removed", removed);
    }
  }
  const std::string& path() const { return path_; }
  bool temporary() const { return temporary_; }

 private:
  ClusterDirectory(std::string path, bool temporary, FileSystem& files)
      : path_(std::move(path)), temporary_(temporary), files_(files) {}
  std::string path_;
  bool temporary_;
  FileSystem& files_;
};

void PrintWelcome(const LocalCluster& cluster, const ClusterDirectory& directory, int64_t ms) {
  Say(absl::StrFormat("Quorate: %d nodes are up after %d ms. Cluster id %s", cluster.nodes().size(),
                      ms, cluster.cluster_id()));
  Say(absl::StrFormat("  bootstrap  %s", cluster.bootstrap()));
  Say(absl::StrFormat("  data       %s/node-N/data%s", directory.path(),
                      directory.temporary() ? "   (removed at Ctrl-C; keep it with --dir)" : ""));
  Say(absl::StrFormat("  logs       %s/node-N/server.log", directory.path()));
  const std::string server = cluster.nodes().front().client.ToString();
  const std::string binary = OwnBinary();
  Say("Try:");
  Say(absl::StrFormat("  %s topic create greetings -p 3 --bootstrap-server %s", binary, server));
  Say(absl::StrFormat("  echo hello | %s produce greetings --bootstrap-server %s", binary, server));
  Say(absl::StrFormat("  %s consume greetings --from-beginning --bootstrap-server %s", binary,
                      server));
  Say(absl::StrFormat("  %s quorum status --bootstrap-server %s", binary, server));
  Say(absl::StrFormat("  %s metadata log %s", binary, cluster.nodes().front().data_directory));
  Say(absl::StrFormat("  kill -9 %d   # node 1; it comes back, nothing is lost",
                      cluster.nodes().front().process->pid()));
  Say("Ctrl-C stops the cluster.");
}

// Supervises until a signal, or until every node is down for good.
int SuperviseUntilStopped(LocalCluster& cluster, StopSignal& signals) {
  while (true) {
    for (const std::string& event : cluster.Supervise()) Say(event);
    if (!cluster.alive()) {
      Say("All nodes are down.");
      return kExitFailed;
    }
    if (signals.Wait(kSuperviseMs)) return kExitDone;
  }
}

int StopCluster(LocalCluster& cluster) {
  Say("Stopping...");
  const std::vector<std::string> problems = cluster.Stop(kStopTimeoutMs);
  for (const std::string& problem : problems) Say("  " + problem);
  Say(problems.empty() ? "All nodes stopped cleanly." : "Some nodes did not stop cleanly.");
  return problems.empty() ? kExitDone : kExitFailed;
}

int Quickstart(const QuickstartOptions& options) {
  StopSignal signals(
      StopSignal::Kind::kProcess);  // before any child: SIGINT and SIGTERM wait in line from now on
  PosixFileSystem files;
  PosixRandom random;
  auto directory = ClusterDirectory::Make(options.directory, files);
  if (!directory.ok()) return ReportError("quickstart", directory.status());
  LocalClusterOptions cluster_options;
  cluster_options.binary = OwnBinary();
  cluster_options.directory = (*directory)->path();
  cluster_options.nodes = options.nodes;
  cluster_options.port = options.port;
  cluster_options.restart = !options.no_restart;
  auto cluster = LocalCluster::Create(cluster_options, files, random);
  if (!cluster.ok()) return ReportError("quickstart", cluster.status());
  const auto started = std::chrono::steady_clock::now();
  if (absl::Status status = (*cluster)->Start(); !status.ok()) {
    return ReportError("quickstart", status);
  }
  const absl::Status ready = WaitUntilReady(**cluster, signals, kReadyTimeoutMs);
  if (absl::IsCancelled(ready)) return StopCluster(**cluster);
  if (!ready.ok()) {
    ReportError("quickstart", ready,
                absl::StrFormat("less %s/node-1/server.log", (*directory)->path()));
    StopCluster(**cluster);
    return kExitNoAnswer;
  }
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - started);
  int code = kExitDone;
  if (options.demo) {
    Say(absl::StrFormat("Demo on %d nodes, ready after %d ms.", options.nodes, elapsed.count()));
    code = RunDemo(**cluster, signals, options.demo_options);
  } else {
    PrintWelcome(**cluster, **directory, elapsed.count());
    code = SuperviseUntilStopped(**cluster, signals);
  }
  const int stopped = StopCluster(**cluster);
  return code != kExitDone ? code : stopped;
}

}  // namespace

void RegisterQuickstartCommand(CLI::App& app, int* exit_code) {
  auto options = std::make_shared<QuickstartOptions>();
  CLI::App* command = app.add_subcommand(
      "quickstart", "Start a cluster on this machine, each node controller and broker");
  command->add_option("--nodes", options->nodes, "How many nodes, 1 to 9")->capture_default_str();
  command->add_option("--port", options->port, "Port of the first node; the others follow")
      ->capture_default_str();
  command->add_option("--dir", options->directory,
                      "Keep data and logs here; a second run finds them again");
  command->add_flag("--no-restart", options->no_restart, "Leave a node down that died");
  command->add_flag("--demo", options->demo,
                    "Produce the package index, kill nodes meanwhile, check every record");
  command->add_option("--records", options->demo_options.max_records,
                      "Demo: at most so many records (0 = all)");
  command
      ->add_option("--rate", options->demo_options.records_per_second,
                   "Demo: records per second (0 = as fast as it goes)")
      ->capture_default_str();
  command->callback([options, exit_code] { *exit_code = Quickstart(*options); });
  command->footer(
      "Examples:\n  quorate quickstart\n  quorate quickstart --nodes 1 --port 19092\n"
      "  quorate quickstart --dir ./data\n  quorate quickstart --demo");
}

}  // namespace quorate
