// quorate quorum status, and what all commands under `quorate quorum` share
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/status_macros.h"
#include "cli/client/quorum_client.h"
#include "cli/commands/commands.h"
#include "cli/commands/quorum_options.h"
#include "cli/config/config_keys.h"
#include "cli/config/server_config.h"
#include "cli/terminal/terminal.h"

namespace quorate {
namespace {

using nlohmann::json;

}  // namespace

absl::StatusOr<std::vector<Endpoint>> ControllersOf(const QuorumOptions& options) {
  std::vector<Endpoint> endpoints;
  if (!options.config_file.empty()) {
    PosixFileSystem files;
    std::vector<std::string> warnings;
    Q_ASSIGN_OR_RETURN(ServerConfig config,
                       LoadServerConfig(files, options.config_file, {}, &warnings));
    for (const VoterConfig& voter : config.voters) endpoints.push_back(voter.endpoint);
    if (endpoints.empty()) endpoints = config.bootstrap_servers;
  }
  for (const std::string& item : SplitList(options.controllers)) {
    const std::optional<Endpoint> endpoint = ParseEndpoint(item);
    if (!endpoint) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--controllers %s: host:port expected", item));
    }
    endpoints.push_back(*endpoint);
  }
  if (endpoints.empty() && !options.controllers.empty()) {
    return absl::InvalidArgumentError("--controllers: host:port expected");
  }
  return endpoints;
}

void AddQuorumOptions(CLI::App& command, QuorumOptions* options) {
  AddClientOptions(command, &options->client);
  command.add_option("-c,--config", options->config_file,
                     "server.properties of a node: its controller.quorum.voters or "
                     "controller.quorum.bootstrap.servers are asked instead, also when no broker "
                     "is up");
  command.add_option("--controllers", options->controllers,
                     "Controllers to ask instead, host:port,...");
}

namespace {

std::string Age(int64_t ms) { return ms < 0 ? "-" : absl::StrFormat("%d ms", ms); }

void PrintQuorum(const QuorumView& view) {
  const std::string log = view.log_start
                              ? absl::StrFormat("log [%d,%d)", *view.log_start, view.log_end)
                              : absl::StrFormat("log end %d", view.log_end);
  std::puts(absl::StrFormat("Cluster %s  leader %s  term %d  commit index %d  %s%s",
                            view.cluster_id,
                            view.leader_id < 0 ? "none" : std::to_string(view.leader_id), view.term,
                            view.commit_index, log,
                            view.node_id == view.leader_id
                                ? ""
                                : absl::StrFormat("  (as %s %d knows it)", view.role, view.node_id))
                .c_str());
  std::vector<std::vector<std::string>> rows;
  for (const QuorumReplicaView& replica : view.replicas) {
    const bool leads = replica.node_id == view.leader_id && replica.voter;
    rows.push_back({std::to_string(replica.node_id),
                    leads           ? "leader"
                    : replica.voter ? "voter"
                                    : "observer",
                    replica.log_end < 0 ? "-" : std::to_string(replica.log_end),
                    std::to_string(replica.lag), leads ? "-" : Age(replica.last_fetch_age_ms),
                    leads ? "-" : Age(replica.last_caught_up_age_ms), replica.directory_id,
                    replica.address.empty() ? "-" : replica.address});
  }
  if (!rows.empty()) {
    PrintTable(
        {"NODE", "ROLE", "LOG-END", "LAG", "LAST-FETCH", "CAUGHT-UP", "DIRECTORY", "ADDRESS"},
        rows);
  }
}

int QuorumStatus(const QuorumOptions& options) {
  absl::StatusOr<std::vector<Endpoint>> controllers = ControllersOf(options);
  if (!controllers.ok()) {
    ReportError("quorum status", controllers.status());
    return kExitUsage;
  }
  const int timeout_ms = options.client.timeout_ms;
  absl::StatusOr<QuorumView> view = controllers->empty()
                                        ? QueryQuorumOfBroker(options.client.bootstrap, timeout_ms)
                                        : QueryQuorum(*controllers, timeout_ms);
  if (!view.ok()) {
    return ReportError("quorum status", view.status(),
                       controllers->empty() ? "quorate quorum status --controllers host:port,..."
                                              " asks the controllers themselves"
                                            : "");
  }
  if (!options.client.json()) {
    PrintQuorum(*view);
    return kExitDone;
  }
  json replicas = json::array();
  for (const QuorumReplicaView& replica : view->replicas) {
    replicas.push_back({{"node_id", replica.node_id},
                        {"directory_id", replica.directory_id},
                        {"voter", replica.voter},
                        {"address", replica.address.empty() ? json() : json(replica.address)},
                        {"log_end", replica.log_end},
                        {"lag", replica.lag},
                        {"last_fetch_age_ms", replica.last_fetch_age_ms},
                        {"last_caught_up_age_ms", replica.last_caught_up_age_ms}});
  }
  const json out = {{"schema", "quorate.quorum.status/1"},
                    {"cluster_id", view->cluster_id},
                    {"answered_by", view->node_id},
                    {"role", view->role},
                    {"term", view->term},
                    {"leader_id", view->leader_id},
                    {"commit_index", view->commit_index},
                    {"log_start", view->log_start ? json(*view->log_start) : json()},
                    {"log_end", view->log_end},
                    {"dynamic_voters", view->dynamic_voters ? json(*view->dynamic_voters) : json()},
                    {"replicas", replicas}};
  std::puts(out.dump(2).c_str());
  return kExitDone;
}

}  // namespace

void RegisterQuorumCommand(CLI::App& app, int* exit_code) {
  CLI::App* quorum = app.add_subcommand("quorum", "Look at the metadata quorum, change its voters");
  quorum->require_subcommand(1);
  auto options = std::make_shared<QuorumOptions>();
  CLI::App* status = quorum->add_subcommand(
      "status", "Leader, term, commit index, and how far each replica is behind");
  AddQuorumOptions(*status, options.get());
  status->callback([options, exit_code] { *exit_code = QuorumStatus(*options); });
  status->footer(
      "A broker has the active controller answer. Controllers that are asked directly answer\n"
      "also when none is active.\n"
      "Examples:\n  quorate quorum status\n  quorate quorum status -c server.properties\n"
      "  quorate quorum status --controllers 127.0.0.1:10092 -o json");
  RegisterVoterCommands(*quorum, exit_code);
}

}  // namespace quorate
