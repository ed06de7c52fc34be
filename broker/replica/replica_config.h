// broker/replica/replica_config.h
//
// ReplicaConfig: the topic's settings as replication and the log use them.
//
// Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "controller/image/metadata_image.h"
#include "storage/log_types.h"

namespace quorate {

struct ReplicaConfig {
  LogConfig log;
  int64_t retention_ms = -1;     // -1 = for ever, or not by deletion
  int64_t retention_bytes = -1;  // -1 = all
  int32_t min_isr = 1;
  // Durability level (decision D10): true = flush-before-ack, false = os.
  bool flush_before_ack = true;
  // Batches are stamped with the time of the append.
  bool log_append_time = false;
  // Furthest a record's timestamp may lie in the past or future of the append, ms.
  int64_t timestamp_before_max_ms = INT64_MAX;
  int64_t timestamp_after_max_ms = 3600000;
};

ReplicaConfig ResolveReplicaConfig(const MetadataImage& image, std::string_view topic,
                                   NodeId broker, const ConfigMap& static_config,
                                   int64_t preallocate_bytes);

}  // namespace quorate
