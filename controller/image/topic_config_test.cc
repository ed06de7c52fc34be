#include "controller/image/topic_config.h"

#include "controller/image/testing/records.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

using namespace testing;  // NOLINT: record builders

TEST(TopicConfigTest, EveryDefaultIsValidAndEqualsTheStructsDefault) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    EXPECT_TRUE(ValidateTopicConfig(key.name, key.default_value).ok()) << key.name;
    EXPECT_FALSE(key.documentation.empty()) << key.name;
  }
  // Set every key on the topic to its default: nothing may change.
  std::vector<std::string> records;
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    records.push_back(
        TopicConfigRecord("a", std::string(key.name), std::string(key.default_value)));
  }
  EXPECT_EQ(ResolveTopicConfig(ImageOf(records), "a", kNoNode, {}), TopicConfig());
}

TEST(TopicConfigTest, EveryNumberReachesItsField) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (key.type != ConfigType::kInt && key.type != ConfigType::kLong) continue;
    const std::string value = key.name == "segment.bytes"                ? "1048577"
                              : key.name.substr(0, 12) == "compression." ? "7"
                                                                         : "12";
    const MetadataImage image = ImageOf({TopicConfigRecord("a", std::string(key.name), value)});
    EXPECT_NE(ResolveTopicConfig(image, "a", kNoNode, {}), TopicConfig()) << key.name;
  }
}

TEST(TopicConfigTest, ErrorsNameKeyValueAndWhatIsAllowed) {
  const absl::Status status = ValidateTopicConfig("cleanup.policy", "burn");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* part : {"cleanup.policy", "burn", "compact", "delete"}) {
    EXPECT_NE(status.message().find(part), absl::string_view::npos) << status;
  }
  EXPECT_FALSE(ValidateTopicConfig("no.such.key", "1").ok());
}

TEST(TopicConfigTest, ValuesOutsideTheirRangeAreRefused) {
  const std::vector<std::pair<const char*, const char*>> bad = {
      {"retention.ms", "-2"},
      {"retention.ms", "x"},
      {"retention.ms", ""},
      {"retention.ms", "99999999999999999999"},
      {"segment.bytes", "1000"},
      {"min.insync.replicas", "0"},
      {"preallocate", "yes"},
      {"min.cleanable.dirty.ratio", "1.5"},
      {"cleanup.policy", ""},
      {"quorate.durability", "maybe"},
      {"compression.gzip.level", "0"},
      {"follower.replication.throttled.replicas", "1"},
      {"max.message.bytes", "2147483648"}};
  for (const auto& [key, value] : bad) EXPECT_FALSE(ValidateTopicConfig(key, value).ok()) << key;
  const std::vector<std::pair<const char*, const char*>> good = {
      {"retention.ms", "-1"},
      {"cleanup.policy", "compact, delete"},
      {"preallocate", "TRUE"},
      {"leader.replication.throttled.replicas", "*"},
      {"leader.replication.throttled.replicas", "0:1,1:2"}};
  for (const auto& [key, value] : good) EXPECT_TRUE(ValidateTopicConfig(key, value).ok()) << key;
}

TEST(TopicConfigTest, CompactionLagsMustNotConflict) {
  EXPECT_FALSE(
      ValidateTopicConfigs({{"min.compaction.lag.ms", "10"}, {"max.compaction.lag.ms", "9"}}).ok());
  EXPECT_TRUE(
      ValidateTopicConfigs({{"min.compaction.lag.ms", "10"}, {"max.compaction.lag.ms", "10"}})
          .ok());
}

TEST(TopicConfigTest, TheTopicWinsOverTheClusterDefaultOverTheFile) {
  const MetadataImage image = ImageOf({BrokerConfigRecord("log.retention.bytes", "2"),
                                       TopicConfigRecord("a", "retention.bytes", "1")});
  const ConfigMap file = {{"log.retention.bytes", "3"}};
  EXPECT_EQ(ResolveTopicConfig(image, "a", kNoNode, file).retention_bytes, 1);
  EXPECT_EQ(ResolveTopicConfig(image, "b", kNoNode, file).retention_bytes, 2);
  EXPECT_EQ(ResolveTopicConfig(MetadataImage(), "b", kNoNode, file).retention_bytes, 3);
  const auto synonyms =
      TopicConfigSynonyms(image, "a", kNoNode, file, *FindTopicConfigKey("retention.bytes"));
  ASSERT_EQ(synonyms.size(), 4u);
  EXPECT_EQ(synonyms[0].source, ConfigSource::kTopic);
  EXPECT_EQ(synonyms[1].source, ConfigSource::kDynamicDefaultBroker);
  EXPECT_EQ(synonyms[2].source, ConfigSource::kStaticBroker);
  EXPECT_EQ(synonyms[2].source_key, "log.retention.bytes");
  EXPECT_EQ(synonyms[3].source, ConfigSource::kDefault);
}

TEST(TopicConfigTest, RetentionIsTakenFromMsThenMinutesThenHours) {
  const auto with = [](const ConfigMap& file) {
    return ResolveTopicConfig(MetadataImage(), "a", kNoNode, file).retention_ms;
  };
  EXPECT_EQ(with({{"log.retention.hours", "2"}}), 7200000);
  EXPECT_EQ(with({{"log.retention.hours", "2"}, {"log.retention.minutes", "3"}}), 180000);
  EXPECT_EQ(with({{"log.retention.minutes", "3"}, {"log.retention.ms", "5"}}), 5);
  EXPECT_EQ(with({{"log.retention.hours", "-1"}}), -1);
}

TEST(TopicConfigTest, AStoredValueThatDoesNotParseCountsAsNotSet) {
  const MetadataImage image = ImageOf({TopicConfigRecord("a", "retention.bytes", "soon")});
  EXPECT_EQ(ResolveTopicConfig(image, "a", kNoNode, {{"log.retention.bytes", "3"}}).retention_bytes,
            3);
}

TEST(TopicConfigTest, DurabilityAndPoliciesAreTyped) {
  const MetadataImage image =
      ImageOf({TopicConfigRecord("a", "quorate.durability", "os"),
               TopicConfigRecord("a", "cleanup.policy", "compact"),
               TopicConfigRecord("a", "compression.type", "zstd"),
               TopicConfigRecord("a", "message.timestamp.type", "LogAppendTime")});
  const TopicConfig config = ResolveTopicConfig(image, "a", kNoNode, {});
  EXPECT_EQ(config.durability, Durability::kOs);
  EXPECT_TRUE(config.cleanup_compact);
  EXPECT_FALSE(config.cleanup_delete);
  EXPECT_EQ(config.compression, TopicCompression::kZstd);
  EXPECT_EQ(config.timestamp_type, TopicTimestampType::kLogAppendTime);
  EXPECT_EQ(ToString(config.durability), "os");
}

}  // namespace
}  // namespace quorate
