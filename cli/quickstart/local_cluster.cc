#include "cli/quickstart/local_cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "cli/node/node_directory.h"

namespace quorate {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr char kHost[] = "127.0.0.1";
// Controllers listen this far above the clients' ports.
constexpr int kControllerPortGap = 1000;
// A death within this time of the start counts as quick; so many in a row and the node stays down.
constexpr milliseconds kQuickDeath(5000);
constexpr int kMaxQuickDeaths = 6;

absl::Status CheckPortFree(const Endpoint& at) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return absl::InternalError(strerror(errno));
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(at.port));
  inet_pton(AF_INET, at.host.c_str(), &address.sin_addr);
  const int result = bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  close(descriptor);
  if (result == 0) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrFormat("%s: %s; choose other ports with --port", at.ToString(), strerror(error)));
}

milliseconds RestartDelay(int quick_deaths) {
  return quick_deaths == 0 ? milliseconds(0) : milliseconds(100 << std::min(quick_deaths, 6));
}

// The last lines of a log file, for a person who wonders why a node died.
std::string Tail(FileSystem& files, const std::string& path, int lines) {
  absl::StatusOr<std::string> text = files.ReadFile(path);
  if (!text.ok()) return "";
  size_t at = text->size();
  for (int i = 0; i <= lines && at != std::string::npos && at > 0; ++i) {
    at = text->rfind('\n', at - 1);
  }
  return text->substr(at == std::string::npos ? 0 : at + 1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Create(
    const LocalClusterOptions& options, FileSystem& files, Random& random) {
  if (options.nodes < 1 || options.nodes > 9) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--nodes %d: 1 to 9 expected", options.nodes));
  }
  if (options.port < 1024 || options.port + kControllerPortGap + options.nodes > 65535) {
    return absl::InvalidArgumentError(absl::StrFormat("--port %d: 1024 to %d expected",
                                                      options.port,
                                                      65535 - kControllerPortGap - options.nodes));
  }
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(options, files));
  Q_RETURN_IF_ERROR(cluster->Prepare(random));
  return cluster;
}

absl::Status LocalCluster::Prepare(Random& random) {
  for (int i = 1; i <= options_.nodes; ++i) {
    LocalNode node;
    node.id = NodeId(i);
    node.client = {kHost, options_.port + i - 1};
    node.controller = {kHost, options_.port + kControllerPortGap + i - 1};
    node.directory = absl::StrFormat("%s/node-%d", options_.directory, i);
    node.data_directory = node.directory + "/data";
    nodes_.push_back(std::move(node));
  }
  absl::StatusOr<DirectoryIdentity> found =
      ReadDirectoryIdentity(files_, nodes_.front().data_directory);
  if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  cluster_id_ = found.ok() ? found->cluster_id : Uuid::Generate(random).ToString();
  const bool one_more =
      files_.Exists(absl::StrFormat("%s/node-%d", options_.directory, options_.nodes + 1));
  if (one_more) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s holds a cluster of more than %d nodes; give its --nodes",
                        options_.directory, options_.nodes));
  }
  for (LocalNode& node : nodes_) {
    Q_RETURN_IF_ERROR(files_.CreateDirectories(node.data_directory));
    if (found.ok() && !files_.Exists(node.data_directory + "/meta.properties")) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s holds a cluster without node %d; give its --nodes",
                          options_.directory, node.id.value()));
    }
    Q_RETURN_IF_ERROR(WriteConfig(node));
    FormatOptions format{cluster_id_, node.id, /*ignore_formatted=*/true};
    Q_RETURN_IF_ERROR(FormatDirectories(files_, {node.data_directory}, format, random).status());
    const std::vector<std::string> arguments = {options_.binary, "server",
                                                node.directory + "/server.properties"};
    node.process = std::make_unique<ChildProcess>(arguments, node.directory + "/server.log");
  }
  return absl::OkStatus();
}

absl::Status LocalCluster::WriteConfig(const LocalNode& node) {
  std::string voters;
  for (const LocalNode& voter : nodes_) {
    voters += absl::StrFormat("%s%d@%s", voters.empty() ? "" : ",", voter.id.value(),
                              voter.controller.ToString());
  }
  const int replication = std::min(3, options_.nodes);
  const std::string text = absl::StrFormat(
      "# Written by quorate quickstart; replaced at each start.\n"
      "process.roles=broker,controller\n"
      "node.id=%d\n"
      "listeners=PLAINTEXT://%s,CONTROLLER://%s\n"
      "controller.listener.names=CONTROLLER\n"
      "controller.quorum.voters=%s\n"
      "log.dirs=%s\n"
      "default.replication.factor=%d\n"
      "min.insync.replicas=%d\n"
      "offsets.topic.replication.factor=%d\n"
      "group.initial.rebalance.delay.ms=0\n",
      node.id.value(), node.client.ToString(), node.controller.ToString(), voters,
      node.data_directory, replication, replication == 3 ? 2 : 1, replication);
  return files_.WriteFileAtomically(node.directory + "/server.properties", text);
}

absl::Status LocalCluster::Start() {
  for (const LocalNode& node : nodes_) {
    Q_RETURN_IF_ERROR(CheckPortFree(node.client));
    Q_RETURN_IF_ERROR(CheckPortFree(node.controller));
  }
  for (LocalNode& node : nodes_) Q_RETURN_IF_ERROR(StartNode(node));
  return absl::OkStatus();
}

absl::Status LocalCluster::StartNode(LocalNode& node) {
  node.wanted = true;
  node.started = SteadyClock::now();
  return node.process->Start();
}

std::string LocalCluster::HandleDeath(LocalNode& node, const std::string& how) {
  const auto now = SteadyClock::now();
  std::string line = absl::StrFormat("node %d %s", node.id.value(), how);
  if (!options_.restart) {
    node.wanted = false;
    return line + "; not restarted (--no-restart)";
  }
  node.quick_deaths = now - node.started < kQuickDeath ? node.quick_deaths + 1 : 0;
  if (node.quick_deaths >= kMaxQuickDeaths) {
    node.wanted = false;
    node.gave_up = true;
    return absl::StrFormat(
        "%s; died %d times soon after its start and stays down. Its last words "
        "in %s:\n%s",
        line, node.quick_deaths, node.process->log_path(),
        Tail(files_, node.process->log_path(), 5));
  }
  // The first restart is immediate, so that a kill costs little.
  node.start_due = now + RestartDelay(std::max(node.quick_deaths - 1, 0));
  return line + "; restarting it";
}

std::vector<std::string> LocalCluster::Supervise() {
  std::vector<std::string> events;
  for (LocalNode& node : nodes_) {
    if (std::optional<std::string> how = node.process->Reap()) {
      events.push_back(HandleDeath(node, *how));
    }
    if (node.wanted && !node.process->running() && SteadyClock::now() >= node.start_due) {
      if (absl::Status started = StartNode(node); !started.ok()) {
        events.push_back(absl::StrFormat("node %d not started: %s", node.id.value(),
                                         std::string(started.message())));
        node.start_due = SteadyClock::now() + milliseconds(1000);
      }
    }
  }
  return events;
}

void LocalCluster::Kill(NodeId id) {
  for (LocalNode& node : nodes_) {
    if (node.id == id) node.process->Signal(SIGKILL);
  }
}

std::vector<std::string> LocalCluster::Stop(int timeout_ms) {
  std::vector<std::string> problems;
  const auto deadline = SteadyClock::now() + milliseconds(timeout_ms);
  for (LocalNode& node : nodes_) {
    node.wanted = false;
    node.process->Signal(SIGTERM);
  }
  for (LocalNode& node : nodes_) {
    if (!node.process->running()) continue;
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now()).count();
    const std::string how = node.process->WaitOrKill(static_cast<int>(std::max<int64_t>(left, 0)));
    if (how != "exited with 0") {
      problems.push_back(absl::StrFormat("node %d %s", node.id.value(), how));
    }
  }
  return problems;
}

std::string LocalCluster::bootstrap() const {
  std::string list;
  for (const LocalNode& node : nodes_) {
    list += (list.empty() ? "" : ",") + node.client.ToString();
  }
  return list;
}

bool LocalCluster::alive() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const LocalNode& node) { return node.wanted || node.process->running(); });
}

}  // namespace quorate
