// broker/control/broker_config.h
//
// BrokerConfig: all settings the broker's parts need, typed. Made from server.properties by cli/;
// tests fill it directly. The defaults are those of the keys named beside them.
//
// A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/network.h"
#include "base/uuid.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// A client listener.
struct BrokerListenerConfig {
  std::string name = "PLAINTEXT";
  std::string security_protocol = "PLAINTEXT";
  Endpoint bind;        // port 0: any free one
  Endpoint advertised;  // port 0: the bound one
};

struct BrokerConfig {
  NodeId node_id{0};
  std::string cluster_id;
  std::string rack;  // broker.rack; empty = none

  std::vector<BrokerListenerConfig> listeners;
  // Where the internal replication listener is (quorate.internal.listener). Port 0: any free one.
  Endpoint internal_bind;
  // The host followers are told; empty = internal_bind's, and if that is empty too, the host of
  // the first client listener.
  std::string internal_advertised_host;

  std::vector<std::string> log_dirs;    // not empty
  std::vector<Uuid> log_directory_ids;  // of log_dirs, in their order

  // server.properties as read: keys that were set. Static part of topic configs and
  // DescribeConfigs.
  ConfigMap static_configs;
  // Keys of DescribeConfigs for the broker resource that were not set, with Kafka's defaults.
  ConfigMap default_configs;

  // Network.
  int32_t socket_request_max_bytes = 100 << 20;            // socket.request.max.bytes
  int64_t queued_max_request_bytes = 256 << 20;            // queued.max.request.bytes
  Micros connections_max_idle = std::chrono::minutes(10);  // connections.max.idle.ms
  size_t max_connections = 10000;                          // max.connections, per listener
  size_t max_connections_per_ip = 1000;                    // max.connections.per.ip

  // Topics.
  bool auto_create_topics = true;      // auto.create.topics.enable
  bool delete_topics_enabled = true;   // delete.topic.enable
  int32_t fetch_max_bytes = 57671680;  // fetch.max.bytes
  size_t max_fetch_sessions = 1000;    // max.incremental.fetch.session.cache.slots

  // Replication.
  Micros replica_lag_time_max = std::chrono::seconds(30);          // replica.lag.time.max.ms
  Micros replica_fetch_wait_max = std::chrono::milliseconds(500);  // replica.fetch.wait.max.ms
  int32_t replica_fetch_max_bytes = 1 << 20;                       // replica.fetch.max.bytes
  int32_t replica_fetch_response_max_bytes = 10 << 20;  // replica.fetch.response.max.bytes

  // Consumer groups.
  Micros group_initial_rebalance_delay =
      std::chrono::seconds(3);                                  // group.initial.rebalance.delay.ms
  Micros group_min_session_timeout = std::chrono::seconds(6);   // group.min.session.timeout.ms
  Micros group_max_session_timeout = std::chrono::minutes(30);  // group.max.session.timeout.ms
  int32_t group_max_size = INT32_MAX;                           // group.max.size
  int32_t offsets_topic_partitions = 50;                        // offsets.topic.num.partitions
  int32_t offsets_topic_replication_factor = 3;                 // offsets.topic.replication.factor
  Micros offsets_retention = std::chrono::hours(7 * 24);        // offsets.retention.minutes
  Micros offsets_check_interval = std::chrono::minutes(10);  // offsets.retention.check.interval.ms
  int32_t offset_metadata_max_bytes = 4096;                  // offset.metadata.max.bytes
  Micros offsets_commit_timeout = std::chrono::seconds(5);   // offsets.commit.timeout.ms

  // Controller.
  std::string controller_listener_name = "CONTROLLER";  // controller.listener.names, the first
  Micros heartbeat_interval = std::chrono::milliseconds(500);  // broker.heartbeat.interval.ms
  Micros controlled_shutdown_max = std::chrono::seconds(30);
  // Time the connections get to finish what is outstanding at shutdown.
  Micros drain_max = std::chrono::seconds(2);
};

}  // namespace quorate
