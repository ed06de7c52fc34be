// controller/controller_config.h
//
// ControllerConfig: what the quorum controller is told at start.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "controller/bug_switches.h"
#include "controller/image/metadata_image.h"

namespace quorate {

struct ControllerConfig {
  NodeId node_id{0};
  // Requests that name another cluster are refused; empty = not checked.
  std::string cluster_id;

  // How long a broker whose session broke may take to come back before it is fenced.
  Micros session_grace = Millis(50);
  // A broker that neither beats nor opens a session for so long is fenced. Brokers beat at least
  // three times as often.
  Micros lease = Millis(1500);
  // What every unfenced broker gets of it when this controller becomes active: time to find the
  // new controller.
  Micros activation_lease = Millis(1500);
  // The same for the broker on the node that led the quorum before: most often that node has just
  // died, and a live one opens a session with the new controller within milliseconds.
  Micros predecessor_lease = Millis(150);
  // How long after that a broker that has not been heard yet keeps another process from registering
  // in its place. The lease alone would keep a cluster that was restarted as a whole waiting for
  // processes that are gone.
  Micros believed_unheard = Millis(150);
  // How often leadership is given back to preferred replicas; zero = never.
  Micros preferred_leader_interval = Millis(5000);
  int32_t preferred_leaders_per_round = 1000;

  int32_t default_partitions = 1;          // num.partitions
  int32_t default_replication_factor = 1;  // default.replication.factor
  bool delete_topic_enable = true;         // delete.topic.enable
  int32_t max_partitions_per_topic = 10000;
  // Partitions that one CreateTopics or CreatePartitions call may create.
  int32_t max_partitions_per_request = 10000;
  int32_t producer_id_block = 1000;
  // Operations that may wait for their commit; beyond it requests of clients are refused with
  // REQUEST_TIMED_OUT, while brokers' own go on.
  size_t max_waiting = 10000;

  // server.properties, for the broker synonyms of topic configs.
  ConfigMap static_broker;
  ControllerBugSwitches bugs;  // tests only
};

}  // namespace quorate
