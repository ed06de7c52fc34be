#include "controller/image/topic_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "controller/image/topic_config_keys.h"

namespace quorate {
namespace {

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> SplitList(std::string_view text) {
  std::vector<std::string_view> out;
  while (!Trim(text).empty()) {
    const size_t comma = text.find(',');
    out.push_back(Trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

std::optional<int64_t> ParseInt(std::string_view text) {
  text = Trim(text);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(absl::string_view(text.data(), text.size()), &value)) return {};
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  const std::string lower = Lower(Trim(text));
  if (lower == "true") return true;
  if (lower == "false") return false;
  return {};
}

absl::Status Invalid(std::string_view name, std::string_view value, const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrFormat("Invalid value '%s' for configuration %s: %s", value, name, why));
}

std::string OneOf(const std::vector<std::string_view>& allowed) {
  std::string out = "must be one of ";
  for (size_t i = 0; i < allowed.size(); ++i) {
    if (i > 0) out += ", ";
    out += allowed[i];
  }
  return out;
}

bool IsAllowed(const TopicConfigRule& rule, std::string_view value) {
  return std::find(rule.allowed.begin(), rule.allowed.end(), value) != rule.allowed.end();
}

absl::Status ValidateList(const TopicConfigRule& rule, std::string_view value) {
  const std::vector<std::string_view> elements = SplitList(value);
  if (rule.throttled) {
    for (std::string_view element : elements) {
      if (element == "*" && elements.size() == 1) continue;
      const size_t colon = element.find(':');
      if (colon == std::string_view::npos || !ParseInt(element.substr(0, colon)) ||
          !ParseInt(element.substr(colon + 1))) {
        return Invalid(rule.key.name, value, "must be '*' or a list of partition:broker pairs");
      }
    }
    return absl::OkStatus();
  }
  if (elements.empty()) return Invalid(rule.key.name, value, "must not be empty");
  for (std::string_view element : elements) {
    if (!IsAllowed(rule, element)) {
      return Invalid(rule.key.name, value, "each element " + OneOf(rule.allowed));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateByRule(const TopicConfigRule& rule, std::string_view value) {
  switch (rule.key.type) {
    case ConfigType::kBoolean:
      if (ParseBool(value)) return absl::OkStatus();
      return Invalid(rule.key.name, value, "must be true or false");
    case ConfigType::kString:
      if (IsAllowed(rule, Trim(value))) return absl::OkStatus();
      return Invalid(rule.key.name, value, OneOf(rule.allowed));
    case ConfigType::kList:
      return ValidateList(rule, value);
    case ConfigType::kDouble: {
      const auto number = ParseDouble(value);
      if (number && *number >= static_cast<double>(rule.min) &&
          *number <= static_cast<double>(rule.max)) {
        return absl::OkStatus();
      }
      return Invalid(rule.key.name, value,
                     absl::StrFormat("must be a number from %d to %d", rule.min, rule.max));
    }
    case ConfigType::kInt:
    case ConfigType::kShort:
    case ConfigType::kLong: {
      const auto number = ParseInt(value);
      const bool gzip_zero = rule.key.name == "compression.gzip.level" && number == 0;
      if (number && *number >= rule.min && *number <= rule.max && !gzip_zero) {
        return absl::OkStatus();
      }
      return Invalid(rule.key.name, value,
                     absl::StrFormat("must be a whole number from %d to %d%s", rule.min, rule.max,
                                     gzip_zero ? ", not 0" : ""));
    }
  }
  return absl::InternalError("config type");
}

// A broker key that sets a topic key, and by what its value is multiplied (1: taken as it is).
struct Synonym {
  std::string name;
  int64_t factor = 1;
};

std::vector<Synonym> SynonymsFor(const TopicConfigKey& key) {
  if (key.name == "retention.ms") {
    return {
        {"log.retention.ms"}, {"log.retention.minutes", 60000}, {"log.retention.hours", 3600000}};
  }
  if (key.name == "segment.ms") return {{"log.roll.ms"}, {"log.roll.hours", 3600000}};
  if (key.name == "segment.jitter.ms") {
    return {{"log.roll.jitter.ms"}, {"log.roll.jitter.hours", 3600000}};
  }
  if (key.broker_synonym.empty()) return {};
  return {{std::string(key.broker_synonym)}};
}

// The topic's value that a broker's `value` stands for; nullopt if it is not valid.
std::optional<std::string> FromBroker(const TopicConfigRule& rule, const Synonym& synonym,
                                      const std::string& value) {
  std::string converted = value;
  if (synonym.factor != 1) {
    const auto number = ParseInt(value);
    if (!number || *number > INT64_MAX / synonym.factor) return std::nullopt;
    converted = std::to_string(*number < 0 ? -1 : *number * synonym.factor);
  }
  if (!ValidateByRule(rule, converted).ok()) return std::nullopt;
  return converted;
}

void AddFrom(const TopicConfigRule& rule, const ConfigMap* configs, ConfigSource source,
             std::vector<ResolvedConfig>* out) {
  if (configs == nullptr) return;
  for (const Synonym& synonym : SynonymsFor(rule.key)) {
    auto it = configs->find(synonym.name);
    if (it == configs->end()) continue;
    if (auto value = FromBroker(rule, synonym, it->second)) {
      out->push_back({*std::move(value), source, synonym.name});
    }
  }
}

TopicCompression CompressionOf(std::string_view value) {
  if (value == "uncompressed") return TopicCompression::kUncompressed;
  if (value == "gzip") return TopicCompression::kGzip;
  if (value == "snappy") return TopicCompression::kSnappy;
  if (value == "lz4") return TopicCompression::kLz4;
  if (value == "zstd") return TopicCompression::kZstd;
  return TopicCompression::kProducer;
}

// Puts `value`, which is valid, into the field of `key`.
class Setter {
 public:
  Setter(std::string_view key, const std::string& value, TopicConfig* out)
      : key_(key), value_(value), out_(*out) {}

  void Run() {
    Numbers();
    Others();
  }

 private:
  template <typename T>
  void Number(std::string_view key, T* field) {
    if (key_ == key) *field = static_cast<T>(ParseInt(value_).value_or(*field));
  }
  void Numbers() {
    Number("retention.ms", &out_.retention_ms);
    Number("retention.bytes", &out_.retention_bytes);
    Number("segment.bytes", &out_.segment_bytes);
    Number("segment.ms", &out_.segment_ms);
    Number("segment.jitter.ms", &out_.segment_jitter_ms);
    Number("segment.index.bytes", &out_.segment_index_bytes);
    Number("index.interval.bytes", &out_.index_interval_bytes);
    Number("flush.messages", &out_.flush_messages);
    Number("flush.ms", &out_.flush_ms);
    Number("max.message.bytes", &out_.max_message_bytes);
    Number("min.insync.replicas", &out_.min_insync_replicas);
    Number("compression.gzip.level", &out_.compression_gzip_level);
    Number("compression.lz4.level", &out_.compression_lz4_level);
    Number("compression.zstd.level", &out_.compression_zstd_level);
    Number("message.timestamp.before.max.ms", &out_.timestamp_before_max_ms);
    Number("message.timestamp.after.max.ms", &out_.timestamp_after_max_ms);
    Number("delete.retention.ms", &out_.delete_retention_ms);
    Number("min.compaction.lag.ms", &out_.min_compaction_lag_ms);
    Number("max.compaction.lag.ms", &out_.max_compaction_lag_ms);
    Number("file.delete.delay.ms", &out_.file_delete_delay_ms);
  }
  void Others() {
    const std::string_view value = Trim(value_);
    if (key_ == "cleanup.policy") {
      const auto list = SplitList(value);
      out_.cleanup_delete = std::find(list.begin(), list.end(), "delete") != list.end();
      out_.cleanup_compact = std::find(list.begin(), list.end(), "compact") != list.end();
    } else if (key_ == "unclean.leader.election.enable") {
      out_.unclean_leader_election = ParseBool(value).value_or(false);
    } else if (key_ == "preallocate") {
      out_.preallocate = ParseBool(value).value_or(false);
    } else if (key_ == "compression.type") {
      out_.compression = CompressionOf(value);
    } else if (key_ == "message.timestamp.type") {
      out_.timestamp_type = value == "LogAppendTime" ? TopicTimestampType::kLogAppendTime
                                                     : TopicTimestampType::kCreateTime;
    } else if (key_ == "min.cleanable.dirty.ratio") {
      out_.min_cleanable_dirty_ratio = ParseDouble(value).value_or(0.5);
    } else if (key_ == "quorate.durability") {
      out_.durability = value == "os" ? Durability::kOs : Durability::kFlushBeforeAck;
    }
  }

  std::string_view key_;
  const std::string& value_;
  TopicConfig& out_;
};

}  // namespace

const std::vector<TopicConfigKey>& TopicConfigKeys() {
  static const auto* keys = [] {
    auto* out = new std::vector<TopicConfigKey>();
    for (const TopicConfigRule& rule : TopicConfigRules()) out->push_back(rule.key);
    return out;
  }();
  return *keys;
}

const TopicConfigKey* FindTopicConfigKey(std::string_view name) {
  const TopicConfigRule* rule = FindTopicConfigRule(name);
  return rule == nullptr ? nullptr : &rule->key;
}

absl::Status ValidateTopicConfig(std::string_view name, std::string_view value) {
  const TopicConfigRule* rule = FindTopicConfigRule(name);
  if (rule == nullptr) {
    return absl::InvalidArgumentError(absl::StrFormat("Unknown topic config name: %s", name));
  }
  return ValidateByRule(*rule, value);
}

absl::Status ValidateTopicConfigs(const ConfigMap& configs) {
  TopicConfig parsed;
  for (const auto& [name, value] : configs) {
    Q_RETURN_IF_ERROR(ValidateTopicConfig(name, value));
    Setter(name, value, &parsed).Run();
  }
  if (parsed.min_compaction_lag_ms > parsed.max_compaction_lag_ms) {
    return absl::InvalidArgumentError(
        absl::StrFormat("conflict: min.compaction.lag.ms=%d is above max.compaction.lag.ms=%d",
                        parsed.min_compaction_lag_ms, parsed.max_compaction_lag_ms));
  }
  return absl::OkStatus();
}

std::vector<ResolvedConfig> TopicConfigSynonyms(const MetadataImage& image, std::string_view topic,
                                                NodeId broker, const ConfigMap& static_broker,
                                                const TopicConfigKey& key) {
  std::vector<ResolvedConfig> out;
  const TopicConfigRule& rule = *FindTopicConfigRule(key.name);
  const std::string* own = image.FindConfig(ConfigResourceType::kTopic, topic, key.name);
  if (own != nullptr && ValidateByRule(rule, *own).ok()) {
    out.push_back({*own, ConfigSource::kTopic, std::string(key.name)});
  }
  if (broker != kNoNode) {
    AddFrom(rule, image.FindConfigs(ConfigResourceType::kBroker, std::to_string(broker.value())),
            ConfigSource::kDynamicBroker, &out);
  }
  AddFrom(rule, image.FindConfigs(ConfigResourceType::kBroker, ""),
          ConfigSource::kDynamicDefaultBroker, &out);
  AddFrom(rule, &static_broker, ConfigSource::kStaticBroker, &out);
  const std::string_view default_key = key.broker_synonym.empty() ? key.name : key.broker_synonym;
  out.push_back({std::string(key.default_value), ConfigSource::kDefault, std::string(default_key)});
  return out;
}

ResolvedConfig ResolveTopicConfigKey(const MetadataImage& image, std::string_view topic,
                                     NodeId broker, const ConfigMap& static_broker,
                                     const TopicConfigKey& key) {
  return TopicConfigSynonyms(image, topic, broker, static_broker, key).front();
}

TopicConfig ResolveTopicConfig(const MetadataImage& image, std::string_view topic, NodeId broker,
                               const ConfigMap& static_broker) {
  TopicConfig out;
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    const ResolvedConfig resolved = ResolveTopicConfigKey(image, topic, broker, static_broker, key);
    if (resolved.source != ConfigSource::kDefault) Setter(key.name, resolved.value, &out).Run();
  }
  return out;
}

std::string_view ToString(Durability durability) {
  return durability == Durability::kOs ? "os" : "flush-before-ack";
}

}  // namespace quorate
