// quorate cluster info
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/client/admin_client.h"
#include "cli/commands/commands.h"
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
}

}  // namespace quorate
