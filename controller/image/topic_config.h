// controller/image/topic_config.h
//
// The keys that can be set on a topic: types, defaults, broker synonyms, documentation, allowed
// values; and TopicConfig, what they resolve to for one topic.
//
// A value is looked up, first found wins: on the topic; under its broker synonym on this broker,
// then on the cluster default (both dynamic, in the image); in the broker's static configuration
// (server.properties); else the built-in default.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// Values as in Kafka's DescribeConfigs response.
enum class ConfigType : int8_t {
  kBoolean = 1,
  kString = 2,
  kInt = 3,
  kShort = 4,
  kLong = 5,
  kDouble = 6,
  kList = 7,
};

// Where a value comes from; values as in Kafka's DescribeConfigs response.
enum class ConfigSource : int8_t {
  kTopic = 1,
  kDynamicBroker = 2,
  kDynamicDefaultBroker = 3,
  kStaticBroker = 4,
  kDefault = 5,
};

struct TopicConfigKey {
  std::string_view name;  // "retention.ms"
  ConfigType type;
  std::string_view default_value;
  std::string_view broker_synonym;  // "log.retention.ms"; empty = none
  std::string_view documentation;
};

// All keys, sorted by name.
const std::vector<TopicConfigKey>& TopicConfigKeys();
// nullptr if there is no such key.
const TopicConfigKey* FindTopicConfigKey(std::string_view name);

// ERRORS: kInvalidArgument with a sentence that names the key, the value and what is allowed.
absl::Status ValidateTopicConfig(std::string_view name, std::string_view value);
// Each on its own and together (max.compaction.lag.ms >= min.compaction.lag.ms).
absl::Status ValidateTopicConfigs(const ConfigMap& configs);

// The value of one key for one topic.
struct ResolvedConfig {
  std::string value;
  ConfigSource source = ConfigSource::kDefault;
  std::string source_key;  // the name under which it was found: "log.retention.hours"
};

// `name` is a topic key; `topic` need not exist; `broker` is whose dynamic configs count
// (kNoNode: none); `static_broker` holds server.properties' keys. For retention.ms the synonyms
// log.retention.ms, .minutes, .hours are looked up in that order and converted, likewise
// log.roll.ms, .hours for segment.ms.
ResolvedConfig ResolveTopicConfigKey(const MetadataImage& image, std::string_view topic,
                                     NodeId broker, const ConfigMap& static_broker,
                                     const TopicConfigKey& key);
// Every place the key is set for this topic, the winner first, the built-in default last.
std::vector<ResolvedConfig> TopicConfigSynonyms(const MetadataImage& image, std::string_view topic,
                                                NodeId broker, const ConfigMap& static_broker,
                                                const TopicConfigKey& key);

// When an acknowledged record is safe (decision D10).
enum class Durability : uint8_t { kFlushBeforeAck, kOs };
enum class TopicTimestampType : uint8_t { kCreateTime, kLogAppendTime };
enum class TopicCompression : uint8_t { kProducer, kUncompressed, kGzip, kSnappy, kLz4, kZstd };

// All keys of one topic, parsed. The defaults are the built-in ones.
struct TopicConfig {
  bool cleanup_delete = true;
  bool cleanup_compact = false;
  int64_t retention_ms = 604800000;  // -1 = for ever
  int64_t retention_bytes = -1;      // -1 = without limit
  int32_t segment_bytes = 1073741824;
  int64_t segment_ms = 604800000;
  int64_t segment_jitter_ms = 0;
  int32_t segment_index_bytes = 10485760;
  int32_t index_interval_bytes = 4096;
  int64_t flush_messages = INT64_MAX;
  int64_t flush_ms = INT64_MAX;
  int32_t max_message_bytes = 1048588;
  int32_t min_insync_replicas = 1;
  bool unclean_leader_election = false;
  TopicCompression compression = TopicCompression::kProducer;
  int32_t compression_gzip_level = -1;
  int32_t compression_lz4_level = 9;
  int32_t compression_zstd_level = 3;
  TopicTimestampType timestamp_type = TopicTimestampType::kCreateTime;
  int64_t timestamp_before_max_ms = INT64_MAX;
  int64_t timestamp_after_max_ms = 3600000;
  int64_t delete_retention_ms = 86400000;
  int64_t min_compaction_lag_ms = 0;
  int64_t max_compaction_lag_ms = INT64_MAX;
  double min_cleanable_dirty_ratio = 0.5;
  int64_t file_delete_delay_ms = 60000;
  bool preallocate = false;
  Durability durability = Durability::kFlushBeforeAck;

  bool operator==(const TopicConfig&) const = default;
};

// Resolves every key. A stored value that no longer parses counts as not set.
TopicConfig ResolveTopicConfig(const MetadataImage& image, std::string_view topic, NodeId broker,
                               const ConfigMap& static_broker);

std::string_view ToString(Durability durability);  // "flush-before-ack" or "os"

}  // namespace quorate
