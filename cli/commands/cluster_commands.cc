// quorate cluster info, quorate quorum status
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/status_macros.h"
#include "cli/client/admin_client.h"
#include "cli/client/quorum_client.h"
#include "cli/commands/commands.h"
#include "cli/config/config_keys.h"
#include "cli/config/server_config.h"
#include "cli/terminal/terminal.h"
#include "proto/kafka/messages/describe_cluster.h"
#include "proto/kafka/messages/metadata.h"

namespace quorate {
namespace {

using nlohmann::json;

struct ClusterView {
  kafka::DescribeClusterResponse cluster;
  kafka::MetadataResponse metadata;
};

absl::StatusOr<ClusterView> ReadCluster(const ClientOptions& options) {
  Q_ASSIGN_OR_RETURN(auto client, AdminClient::Connect(options.bootstrap, options.timeout_ms));
  kafka::DescribeClusterRequest describe;
  describe.include_fenced_brokers = true;
  ClusterView view;
  Q_ASSIGN_OR_RETURN(view.cluster,
                     client->Call<kafka::DescribeClusterResponse>(describe, options.timeout_ms));
  kafka::MetadataRequest metadata;
  metadata.topics.reset();
  metadata.allow_auto_topic_creation = false;
  Q_ASSIGN_OR_RETURN(view.metadata,
                     client->Call<kafka::MetadataResponse>(metadata, options.timeout_ms));
  return view;
}

// Partitions led, held in sync, and held at all, by broker.
struct BrokerLoad {
  int leads = 0;
  int in_sync = 0;
  int replicas = 0;
};

struct ClusterHealth {
  std::map<int32_t, BrokerLoad> load;
  int topics = 0;
  int partitions = 0;
  int leaderless = 0;
  int under_replicated = 0;
};

ClusterHealth HealthOf(const kafka::MetadataResponse& metadata) {
  ClusterHealth health;
  for (const auto& topic : metadata.topics) {
    ++health.topics;
    for (const auto& partition : topic.partitions) {
      ++health.partitions;
      ++health.load[partition.leader_id].leads;
      for (int32_t id : partition.isr_nodes) ++health.load[id].in_sync;
      for (int32_t id : partition.replica_nodes) ++health.load[id].replicas;
      health.leaderless += partition.leader_id < 0;
      health.under_replicated += partition.isr_nodes.size() < partition.replica_nodes.size();
    }
  }
  return health;
}

int ClusterInfo(const ClientOptions& options) {
  absl::StatusOr<ClusterView> view = ReadCluster(options);
  if (!view.ok()) {
    return ReportError("cluster not described", view.status(),
                       "quorate quickstart   # or give --bootstrap-server");
  }
  ClusterHealth health = HealthOf(view->metadata);
  if (options.json()) {
    json brokers = json::array();
    for (const auto& broker : view->cluster.brokers) {
      const BrokerLoad& load = health.load[broker.broker_id];
      brokers.push_back({{"id", broker.broker_id},
                         {"host", broker.host},
                         {"port", broker.port},
                         {"rack", broker.rack ? json(*broker.rack) : json()},
                         {"fenced", broker.is_fenced},
                         {"leads", load.leads},
                         {"in_sync", load.in_sync},
                         {"replicas", load.replicas}});
    }
    const json out = {{"schema", "quorate.cluster.info/1"},
                      {"cluster_id", view->cluster.cluster_id},
                      {"brokers", brokers},
                      {"topics", health.topics},
                      {"partitions", health.partitions},
                      {"leaderless_partitions", health.leaderless},
                      {"under_replicated_partitions", health.under_replicated}};
    std::puts(out.dump(2).c_str());
    return kExitDone;
  }
  std::puts(absl::StrFormat("Cluster %s: %d topics, %d partitions (%d without leader, %d under-"
                            "replicated)",
                            view->cluster.cluster_id, health.topics, health.partitions,
                            health.leaderless, health.under_replicated)
                .c_str());
  std::vector<std::vector<std::string>> rows;
  for (const auto& broker : view->cluster.brokers) {
    const BrokerLoad& load = health.load[broker.broker_id];
    rows.push_back({std::to_string(broker.broker_id), Endpoint{broker.host, broker.port}.ToString(),
                    broker.rack.value_or("-"), broker.is_fenced ? "fenced" : "up",
                    std::to_string(load.leads),
                    absl::StrFormat("%d/%d", load.in_sync, load.replicas)});
  }
  PrintTable({"BROKER", "ADDRESS", "RACK", "STATE", "LEADS", "IN-SYNC"}, rows);
  return kExitDone;
}

struct QuorumOptions {
  ClientOptions client;
  std::string controllers;
  std::string config_file;
};

absl::StatusOr<std::vector<Endpoint>> Controllers(const QuorumOptions& options) {
  std::vector<Endpoint> endpoints;
  if (!options.config_file.empty()) {
    PosixFileSystem files;
    std::vector<std::string> warnings;
    Q_ASSIGN_OR_RETURN(ServerConfig config,
                       LoadServerConfig(files, options.config_file, {}, &warnings));
    for (const VoterConfig& voter : config.voters) endpoints.push_back(voter.endpoint);
  }
  for (const std::string& item : SplitList(options.controllers)) {
    const std::optional<Endpoint> endpoint = ParseEndpoint(item);
    if (!endpoint) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--controllers %s: host:port expected", item));
    }
    endpoints.push_back(*endpoint);
  }
  if (endpoints.empty()) {
    return absl::InvalidArgumentError(
        "give the controllers: -c server.properties, or --controllers host:port,...");
  }
  return endpoints;
}

std::string Age(int64_t ms) { return ms < 0 ? "-" : absl::StrFormat("%d ms", ms); }

void PrintQuorum(const QuorumView& view) {
  std::puts(absl::StrFormat("Cluster %s  leader %s  term %d  commit index %d  log [%d,%d)%s",
                            view.cluster_id,
                            view.leader_id < 0 ? "none" : std::to_string(view.leader_id), view.term,
                            view.commit_index, view.log_start, view.log_end,
                            view.node_id == view.leader_id
                                ? ""
                                : absl::StrFormat("  (as %s %d knows it)", view.role, view.node_id))
                .c_str());
  std::vector<std::vector<std::string>> rows;
  for (const QuorumReplicaView& replica : view.replicas) {
    const bool leads = replica.node_id == view.leader_id;
    rows.push_back({std::to_string(replica.node_id),
                    leads           ? "leader"
                    : replica.voter ? "voter"
                                    : "observer",
                    replica.log_end < 0 ? "-" : std::to_string(replica.log_end),
                    std::to_string(replica.lag), leads ? "-" : Age(replica.last_fetch_age_ms),
                    leads ? "-" : Age(replica.last_caught_up_age_ms), replica.directory_id});
  }
  if (!rows.empty()) {
    PrintTable({"NODE", "ROLE", "LOG-END", "LAG", "LAST-FETCH", "CAUGHT-UP", "DIRECTORY"}, rows);
  }
}

int QuorumStatus(const QuorumOptions& options) {
  absl::StatusOr<std::vector<Endpoint>> controllers = Controllers(options);
  if (!controllers.ok()) {
    ReportError("quorum status", controllers.status());
    return kExitUsage;
  }
  absl::StatusOr<QuorumView> view = QueryQuorum(*controllers, options.client.timeout_ms);
  if (!view.ok()) return ReportError("quorum status", view.status());
  if (!options.client.json()) {
    PrintQuorum(*view);
    return kExitDone;
  }
  json replicas = json::array();
  for (const QuorumReplicaView& replica : view->replicas) {
    replicas.push_back({{"node_id", replica.node_id},
                        {"directory_id", replica.directory_id},
                        {"voter", replica.voter},
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
                    {"log_start", view->log_start},
                    {"log_end", view->log_end},
                    {"replicas", replicas}};
  std::puts(out.dump(2).c_str());
  return kExitDone;
}

}  // namespace

void RegisterClusterCommands(CLI::App& app, int* exit_code) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look at the cluster");
  cluster->require_subcommand(1);
  auto client = std::make_shared<ClientOptions>();
  CLI::App* describe = cluster->add_subcommand("info", "Brokers, their state and load");
  AddClientOptions(*describe, client.get());
  describe->callback([client, exit_code] { *exit_code = ClusterInfo(*client); });
  describe->footer(
      "Examples:\n  quorate cluster info\n"
      "  quorate cluster info -o json --bootstrap-server host1:9092,host2:9092");

  CLI::App* quorum = app.add_subcommand("quorum", "Look at the metadata quorum");
  quorum->require_subcommand(1);
  auto options = std::make_shared<QuorumOptions>();
  CLI::App* status = quorum->add_subcommand(
      "status", "Leader, term, commit index, and how far each replica is behind");
  AddClientOptions(*status, &options->client);
  status->remove_option(status->get_option("--bootstrap-server"));
  status->add_option("-c,--config", options->config_file,
                     "server.properties of a node: its controller.quorum.voters are asked");
  status->add_option("--controllers", options->controllers, "Controllers, host:port,...");
  status->callback([options, exit_code] { *exit_code = QuorumStatus(*options); });
  status->footer(
      "Examples:\n  quorate quorum status -c server.properties\n"
      "  quorate quorum status --controllers 127.0.0.1:10092 -o json");
}

}  // namespace quorate
