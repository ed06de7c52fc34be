#include "cli/node/node_config.h"

#include <algorithm>

#include "base/check.h"
#include "cli/config/config_keys.h"

namespace quorate {
namespace {

ConfigMap ValuesThat(const ServerConfig& config, bool are_set) {
  ConfigMap map;
  for (const auto& [key, value] : config.values) {
    if (value.second == are_set) map[key] = value.first;
  }
  return map;
}

// server.properties as the topic configs' static layer. Keys whose default here differs from
// Kafka's built-in one do not exist, so what was set is all that counts.
ConfigMap StaticConfigs(const ServerConfig& config) { return ValuesThat(config, true); }

}  // namespace

RaftConfig MakeRaftConfig(const ServerConfig& config, const NodeIdentity& identity) {
  RaftConfig raft;
  raft.node_id = config.node_id;
  raft.cluster_id = identity.cluster_id;
  raft.metadata_directory = config.metadata_log_dir;
  const auto at =
      std::find(config.log_dirs.begin(), config.log_dirs.end(), config.metadata_log_dir);
  raft.directory_id = identity.directory_ids[static_cast<size_t>(at - config.log_dirs.begin())];
  for (const VoterConfig& voter : config.voters) raft.voters[voter.id] = {voter.endpoint, Uuid()};
  raft.bootstrap_servers = config.bootstrap_servers;
  raft.is_controller = config.is_controller;
  if (config.is_controller) raft.endpoint = config.controller_listener->advertised;
  raft.auto_join = config.Bool("controller.quorum.auto.join.enable");
  raft.election_timeout = Millis(config.Int("controller.quorum.election.timeout.ms"));
  raft.fetch_timeout = Millis(config.Int("controller.quorum.fetch.timeout.ms"));
  raft.check_quorum_timeout = raft.fetch_timeout;
  raft.snapshot_bytes = config.Int("metadata.log.max.record.bytes.between.snapshots");
  const int64_t interval = config.Int("metadata.log.max.snapshot.interval.ms");
  raft.snapshot_interval = interval == 0 ? Micros::max() : Millis(interval);
  raft.snapshot_retention = {config.Int("metadata.max.retention.bytes"),
                             config.Int("metadata.max.retention.ms")};
  raft.snapshot_piece_bytes =
      static_cast<int32_t>(config.Int("quorate.metadata.snapshot.piece.bytes"));
  return raft;
}

ControllerConfig MakeControllerConfig(const ServerConfig& config, const NodeIdentity& identity) {
  ControllerConfig controller;
  controller.node_id = config.node_id;
  controller.cluster_id = identity.cluster_id;
  controller.session_grace = Millis(config.Int("quorate.broker.session.grace.ms"));
  controller.lease = Millis(config.Int("broker.session.timeout.ms"));
  controller.default_partitions = static_cast<int32_t>(config.Int("num.partitions"));
  controller.default_replication_factor =
      static_cast<int32_t>(config.Int("default.replication.factor"));
  controller.delete_topic_enable = config.Bool("delete.topic.enable");
  controller.static_broker = StaticConfigs(config);
  return controller;
}

BrokerConfig MakeBrokerConfig(const ServerConfig& config, const NodeIdentity& identity) {
  BrokerConfig broker;
  broker.node_id = config.node_id;
  broker.cluster_id = identity.cluster_id;
  broker.rack = config.Text("broker.rack");
  for (const ListenerConfig& listener : config.client_listeners) {
    broker.listeners.push_back(
        {listener.name, listener.security_protocol, listener.bind, listener.advertised});
  }
  if (config.internal_listener) {
    broker.internal_bind = *config.internal_listener;
  } else if (!config.client_listeners.empty()) {
    broker.internal_bind = {config.client_listeners.front().bind.host, 0};
    broker.internal_advertised_host = config.client_listeners.front().advertised.host;
  }
  broker.log_dirs = config.log_dirs;
  broker.log_directory_ids.assign(
      identity.directory_ids.begin(),
      identity.directory_ids.begin() + static_cast<ptrdiff_t>(config.log_dirs.size()));
  broker.static_configs = StaticConfigs(config);
  broker.default_configs = ValuesThat(config, false);
  broker.socket_request_max_bytes = static_cast<int32_t>(config.Int("socket.request.max.bytes"));
  broker.connections_max_idle = Millis(config.Int("connections.max.idle.ms"));
  broker.auto_create_topics = config.Bool("auto.create.topics.enable");
  broker.delete_topics_enabled = config.Bool("delete.topic.enable");
  broker.fetch_max_bytes = static_cast<int32_t>(config.Int("fetch.max.bytes"));
  broker.replica_lag_time_max = Millis(config.Int("replica.lag.time.max.ms"));
  broker.replica_fetch_wait_max = Millis(config.Int("replica.fetch.wait.max.ms"));
  broker.replica_fetch_max_bytes = static_cast<int32_t>(config.Int("replica.fetch.max.bytes"));
  broker.replica_fetch_response_max_bytes =
      static_cast<int32_t>(config.Int("replica.fetch.response.max.bytes"));
  broker.group_initial_rebalance_delay = Millis(config.Int("group.initial.rebalance.delay.ms"));
  broker.group_min_session_timeout = Millis(config.Int("group.min.session.timeout.ms"));
  broker.group_max_session_timeout = Millis(config.Int("group.max.session.timeout.ms"));
  broker.group_max_size = static_cast<int32_t>(config.Int("group.max.size"));
  broker.offsets_topic_partitions =
      static_cast<int32_t>(config.Int("offsets.topic.num.partitions"));
  broker.offsets_topic_replication_factor =
      static_cast<int32_t>(config.Int("offsets.topic.replication.factor"));
  broker.offsets_retention = std::chrono::minutes(config.Int("offsets.retention.minutes"));
  const std::vector<std::string> controllers = SplitList(config.Text("controller.listener.names"));
  if (!controllers.empty()) broker.controller_listener_name = controllers.front();
  broker.heartbeat_interval = Millis(config.Int("broker.heartbeat.interval.ms"));
  return broker;
}

}  // namespace quorate
