// The table behind TopicConfigKeys: one entry per key, with what its values may be.
#include "controller/image/topic_config_keys.h"

#include <algorithm>

namespace quorate {
namespace {

constexpr int64_t kMax32 = INT32_MAX;
constexpr int64_t kMax64 = INT64_MAX;

std::vector<TopicConfigRule> MakeRules() {
  using enum ConfigType;
  std::vector<TopicConfigRule> rules = {
      {.key = {"cleanup.policy", kList, "delete", "log.cleanup.policy",
               "What happens to old data: 'delete' drops whole segments by age and size, 'compact' "
               "keeps "
               "the last record of each key; both may be given."},
       .allowed = {"compact", "delete"}},
      {.key =
           {"compression.gzip.level", kInt, "-1", "compression.gzip.level",
            "Level used when the server itself compresses with gzip; -1 is the library's default."},
       .min = -1,
       .max = 9},
      {.key = {"compression.lz4.level", kInt, "9", "compression.lz4.level",
               "Level used when the server itself compresses with lz4."},
       .min = 1,
       .max = 17},
      {.key = {"compression.type", kString, "producer", "compression.type",
               "Codec of stored batches; 'producer' keeps what the producer chose."},
       .allowed = {"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}},
      {.key = {"compression.zstd.level", kInt, "3", "compression.zstd.level",
               "Level used when the server itself compresses with zstd."},
       .min = -131072,
       .max = 22},
      {.key = {"delete.retention.ms", kLong, "86400000", "log.cleaner.delete.retention.ms",
               "How long a deletion marker stays readable in a compacted topic."},
       .min = 0,
       .max = kMax64},
      {.key = {"file.delete.delay.ms", kLong, "60000", "log.segment.delete.delay.ms",
               "How long the files of a dropped segment stay on disk."},
       .min = 0,
       .max = kMax64},
      {.key = {"flush.messages", kLong, "9223372036854775807", "log.flush.interval.messages",
               "Records after which a flush to disk is forced (durability level 'os')."},
       .min = 1,
       .max = kMax64},
      {.key = {"flush.ms", kLong, "9223372036854775807", "log.flush.interval.ms",
               "Time after which a flush to disk is forced (durability level 'os')."},
       .min = 0,
       .max = kMax64},
      {.key =
           {"follower.replication.throttled.replicas", kList, "", "",
            "Replicas whose replication is throttled on the follower: 'partition:broker' pairs, or "
            "'*'."},
       .throttled = true},
      {.key = {"index.interval.bytes", kInt, "4096", "log.index.interval.bytes",
               "Bytes of log between two entries of the offset index."},
       .min = 0,
       .max = kMax32},
      {.key =
           {"leader.replication.throttled.replicas", kList, "", "",
            "Replicas whose replication is throttled on the leader: 'partition:broker' pairs, or "
            "'*'."},
       .throttled = true},
      {.key = {"max.compaction.lag.ms", kLong, "9223372036854775807",
               "log.cleaner.max.compaction.lag.ms",
               "Longest time a record may stay uncompacted in a compacted topic."},
       .min = 1,
       .max = kMax64},
      {.key = {"max.message.bytes", kInt, "1048588", "message.max.bytes",
               "Largest record batch accepted, in bytes as sent (compressed if it is)."},
       .min = 0,
       .max = kMax32},
      {.key = {"message.timestamp.after.max.ms", kLong, "3600000",
               "log.message.timestamp.after.max.ms",
               "How far a record's timestamp may lie after the broker's clock."},
       .min = 0,
       .max = kMax64},
      {.key = {"message.timestamp.before.max.ms", kLong, "9223372036854775807",
               "log.message.timestamp.before.max.ms",
               "How far a record's timestamp may lie before the broker's clock."},
       .min = 0,
       .max = kMax64},
      {.key = {"message.timestamp.type", kString, "CreateTime", "log.message.timestamp.type",
               "Whose time a record carries: the producer's or that of the append."},
       .allowed = {"CreateTime", "LogAppendTime"}},
      {.key = {"min.cleanable.dirty.ratio", kDouble, "0.5", "log.cleaner.min.cleanable.ratio",
               "Share of a log that must be uncompacted before it is compacted."},
       .min = 0,
       .max = 1},
      {.key = {"min.compaction.lag.ms", kLong, "0", "log.cleaner.min.compaction.lag.ms",
               "Shortest time a record stays uncompacted in a compacted topic."},
       .min = 0,
       .max = kMax64},
      {.key =
           {"min.insync.replicas", kInt, "1", "min.insync.replicas",
            "In-sync replicas without which a write with acks=all is refused and no record becomes "
            "committed."},
       .min = 1,
       .max = kMax32},
      {.key = {"preallocate", kBoolean, "false", "log.preallocate",
               "Whether a new segment reserves its full size on disk at once."}},
      {.key =
           {"quorate.durability", kString, "flush-before-ack", "quorate.default.durability",
            "When a record counts as stored: 'flush-before-ack' once it is flushed to the disks of "
            "the in-sync replicas, 'os' once it is in their page caches."},
       .allowed = {"flush-before-ack", "os"}},
      {.key = {"retention.bytes", kLong, "-1", "log.retention.bytes",
               "Size of a partition above which old segments are dropped; -1 is no limit."},
       .min = -1,
       .max = kMax64},
      {.key = {"retention.ms", kLong, "604800000", "log.retention.ms",
               "Age above which segments are dropped; -1 is no limit."},
       .min = -1,
       .max = kMax64},
      {.key = {"segment.bytes", kInt, "1073741824", "log.segment.bytes",
               "Size at which a new segment is begun."},
       .min = 1048576,
       .max = kMax32},
      {.key = {"segment.index.bytes", kInt, "10485760", "log.index.size.max.bytes",
               "Largest size of a segment's index."},
       .min = 4,
       .max = kMax32},
      {.key = {"segment.jitter.ms", kLong, "0", "log.roll.jitter.ms",
               "Largest random time taken off segment.ms, so that segments are not begun all at "
               "once."},
       .min = 0,
       .max = kMax64},
      {.key = {"segment.ms", kLong, "604800000", "log.roll.ms",
               "Age at which a new segment is begun even if the old one is not full."},
       .min = 1,
       .max = kMax64},
      {.key = {"unclean.leader.election.enable", kBoolean, "false",
               "unclean.leader.election.enable",
               "Whether a replica that may lack committed records can be elected when no other is "
               "left."}},
  };
  std::sort(rules.begin(), rules.end(), [](const TopicConfigRule& a, const TopicConfigRule& b) {
    return a.key.name < b.key.name;
  });
  return rules;
}

}  // namespace

const std::vector<TopicConfigRule>& TopicConfigRules() {
  static const auto* rules = new std::vector<TopicConfigRule>(MakeRules());
  return *rules;
}

const TopicConfigRule* FindTopicConfigRule(std::string_view name) {
  const auto& rules = TopicConfigRules();
  auto it = std::lower_bound(
      rules.begin(), rules.end(), name,
      [](const TopicConfigRule& rule, std::string_view key) { return rule.key.name < key; });
  return it != rules.end() && it->key.name == name ? &*it : nullptr;
}

}  // namespace quorate
