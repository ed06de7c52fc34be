#include "broker/replica/replica_config.h"

#include "controller/image/topic_config.h"

namespace quorate {

ReplicaConfig ResolveReplicaConfig(const MetadataImage& image, std::string_view topic,
                                   NodeId broker, const ConfigMap& static_config,
                                   int64_t preallocate_bytes) {
  const TopicConfig from = ResolveTopicConfig(image, topic, broker, static_config);
  ReplicaConfig config;
  config.log.segment_bytes = from.segment_bytes;
  config.log.segment_ms = from.segment_ms;
  config.log.index_interval_bytes = from.index_interval_bytes;
  config.log.index_max_bytes = from.segment_index_bytes;
  config.log.preallocate_bytes = preallocate_bytes;
  config.log.flush_mark = true;
  config.log.max_batch_bytes = from.max_message_bytes;
  config.log.offset_gaps_allowed = from.cleanup_compact;
  if (from.cleanup_delete) {
    config.retention_ms = from.retention_ms;
    config.retention_bytes = from.retention_bytes;
  }
  config.min_isr = from.min_insync_replicas;
  config.flush_before_ack = from.durability == Durability::kFlushBeforeAck;
  config.log_append_time = from.timestamp_type == TopicTimestampType::kLogAppendTime;
  config.timestamp_before_max_ms = from.timestamp_before_max_ms;
  config.timestamp_after_max_ms = from.timestamp_after_max_ms;
  return config;
}

}  // namespace quorate
