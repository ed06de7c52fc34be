// DescribeConfigs (32): topic configs as they resolve, and this broker's own.
#include "proto/kafka/messages/describe_configs.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/handler_env.h"
#include "broker/handlers/topic_rules.h"
#include "controller/image/topic_config.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::DescribeConfigsRequest;
using kafka::DescribeConfigsResponse;
using kafka::KafkaError;
using Result = DescribeConfigsResponse::DescribeConfigsResult;
using Entry = DescribeConfigsResponse::DescribeConfigsResourceResult;
using Resource = DescribeConfigsRequest::DescribeConfigsResource;

constexpr int8_t kTopicResource = 2;
constexpr int8_t kBrokerResource = 4;

bool Asked(const Resource& resource, std::string_view key) {
  if (!resource.configuration_keys.has_value() || resource.configuration_keys->empty()) return true;
  return std::find(resource.configuration_keys->begin(), resource.configuration_keys->end(), key) !=
         resource.configuration_keys->end();
}

void AddSynonym(std::string name, std::optional<std::string> value, ConfigSource source,
                Entry* out) {
  auto& synonym = out->synonyms.emplace_back();
  synonym.name = std::move(name);
  synonym.value = std::move(value);
  synonym.source = static_cast<int8_t>(source);
}

void DescribeTopic(const HandlerEnv& env, const DescribeConfigsRequest& request,
                   const Resource& asked, Result* out) {
  const MetadataImage& image = *env.images->image();
  if (!IsValidTopicName(asked.resource_name)) {
    out->error_code = Code(KafkaError::kInvalidTopicException);
    out->error_message = "this cannot be the name of a topic";
    return;
  }
  if (image.FindTopicByName(asked.resource_name) == nullptr) {
    out->error_code = Code(KafkaError::kUnknownTopicOrPartition);
    out->error_message = "there is no topic of this name";
    return;
  }
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (!Asked(asked, key.name)) continue;
    const std::vector<ResolvedConfig> all = TopicConfigSynonyms(
        image, asked.resource_name, env.config->node_id, env.config->static_configs, key);
    if (all.empty()) continue;
    Entry& entry = out->configs.emplace_back();
    entry.name = std::string(key.name);
    entry.value = all.front().value;
    entry.config_source = static_cast<int8_t>(all.front().source);
    entry.config_type = static_cast<int8_t>(key.type);
    entry.documentation = std::nullopt;
    if (request.include_documentation) entry.documentation = std::string(key.documentation);
    if (!request.include_synonyms) continue;
    for (const ResolvedConfig& one : all) {
      AddSynonym(one.source_key, one.value, one.source, &entry);
    }
  }
}

// The topic key that a broker key is the default of; nullptr if it is none's.
const TopicConfigKey* TopicKeyOf(std::string_view broker_key) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (!key.broker_synonym.empty() && key.broker_synonym == broker_key) return &key;
  }
  return nullptr;
}

bool IsSensitive(std::string_view key) {
  for (std::string_view part : {"password", "jaas.config", "keystore.key", "secret"}) {
    if (key.find(part) != std::string_view::npos) return true;
  }
  return false;
}

// By its look, as broker keys beyond the topic defaults are kept as text.
ConfigType TypeOf(const std::string& value) {
  if (value == "true" || value == "false") return ConfigType::kBoolean;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (!value.empty() && error == std::errc() && end == value.data() + value.size()) {
    return number >= INT32_MIN && number <= INT32_MAX ? ConfigType::kInt : ConfigType::kLong;
  }
  return ConfigType::kString;
}

using Layer = std::pair<ConfigSource, const ConfigMap*>;

void AddBrokerKey(const DescribeConfigsRequest& request, const std::string& name,
                  const std::vector<Layer>& layers, Result* out) {
  Entry entry;
  entry.name = name;
  entry.value = std::nullopt;
  entry.documentation = std::nullopt;
  entry.is_sensitive = IsSensitive(name);
  bool first = true;
  for (const auto& [source, values] : layers) {
    if (values == nullptr) continue;
    auto found = values->find(name);
    if (found == values->end()) continue;
    std::optional<std::string> value;
    if (!entry.is_sensitive) value = found->second;
    if (std::exchange(first, false)) {
      entry.value = value;
      entry.config_source = static_cast<int8_t>(source);
      entry.config_type = static_cast<int8_t>(TypeOf(found->second));
    }
    if (request.include_synonyms) AddSynonym(name, value, source, &entry);
  }
  const TopicConfigKey* topic_key = TopicKeyOf(name);
  entry.read_only = topic_key == nullptr;
  if (topic_key != nullptr) {
    entry.config_type = static_cast<int8_t>(topic_key->type);
    if (request.include_documentation) entry.documentation = std::string(topic_key->documentation);
  }
  out->configs.push_back(std::move(entry));
}

void DescribeBroker(const HandlerEnv& env, const DescribeConfigsRequest& request,
                    const Resource& asked, Result* out) {
  const MetadataImage& image = *env.images->image();
  const std::string self = std::to_string(env.config->node_id.value());
  if (!asked.resource_name.empty() && asked.resource_name != self) {
    out->error_code = Code(KafkaError::kInvalidRequest);
    out->error_message = "this is broker " + self + ": ask broker " + asked.resource_name +
                         " itself, or with an empty name for the cluster's defaults";
    return;
  }
  std::vector<Layer> layers = {
      {ConfigSource::kDynamicDefaultBroker, image.FindConfigs(ConfigResourceType::kBroker, "")}};
  if (!asked.resource_name.empty()) {
    layers.insert(layers.begin(), {ConfigSource::kDynamicBroker,
                                   image.FindConfigs(ConfigResourceType::kBroker, self)});
    layers.push_back({ConfigSource::kStaticBroker, &env.config->static_configs});
    layers.push_back({ConfigSource::kDefault, &env.config->default_configs});
  }
  std::set<std::string> names;
  for (const auto& [source, values] : layers) {
    if (values == nullptr) continue;
    for (const auto& [name, value] : *values) names.insert(name);
  }
  for (const std::string& name : names) {
    if (Asked(asked, name)) AddBrokerKey(request, name, layers, out);
  }
}

}  // namespace

void RegisterDescribeConfigs(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<DescribeConfigsRequest, DescribeConfigsResponse>(
      Listeners::kClient, [env](const RequestContext&, const DescribeConfigsRequest& request,
                                Reply<DescribeConfigsResponse> reply) {
        DescribeConfigsResponse response;
        for (const Resource& asked : request.resources) {
          Result& out = response.results.emplace_back();
          out.error_message = std::nullopt;
          out.resource_type = asked.resource_type;
          out.resource_name = asked.resource_name;
          if (asked.resource_type == kTopicResource) {
            DescribeTopic(env, request, asked, &out);
          } else if (asked.resource_type == kBrokerResource) {
            DescribeBroker(env, request, asked, &out);
          } else {
            out.error_code = Code(KafkaError::kInvalidRequest);
            out.error_message = "only configs of topics and brokers can be described";
          }
        }
        reply.Send(response);
      });
}

}  // namespace quorate
