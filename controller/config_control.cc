#include "controller/config_control.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "controller/image/topic_config.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;
using Request = pb::AlterConfigsRequest;

absl::Status InvalidConfig(const std::string& message) {
  return KafkaStatus(KafkaError::kInvalidConfig, message);
}

// The topic key whose values a config of this resource takes, or nullptr.
const TopicConfigKey* KeyFor(ConfigResourceType type, const std::string& name) {
  if (type == ConfigResourceType::kTopic) return FindTopicConfigKey(name);
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (key.broker_synonym == name) return &key;
  }
  return nullptr;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin <= list.size() && !list.empty()) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    std::string item = list.substr(begin, comma - begin);
    item.erase(0, item.find_first_not_of(' '));
    item.erase(item.find_last_not_of(' ') + 1);
    if (!item.empty()) out.push_back(std::move(item));
    begin = comma + 1;
  }
  return out;
}

std::string Join(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
  return out;
}

// The value after `entry`; nullopt if the key is removed.
absl::StatusOr<std::optional<std::string>> NewValue(const Request::Entry& entry,
                                                    const TopicConfigKey& key,
                                                    const ConfigMap& now) {
  if (entry.operation() == Request::DELETE) return std::optional<std::string>();
  if (!entry.has_value()) return InvalidConfig(entry.name() + " has no value");
  if (entry.operation() == Request::SET) return std::optional<std::string>(entry.value());
  if (key.type != ConfigType::kList) {
    return InvalidConfig(entry.name() + " is no list: it can be set or deleted");
  }
  auto it = now.find(entry.name());
  std::vector<std::string> items =
      Split(it == now.end() ? std::string(key.default_value) : it->second);
  for (const std::string& item : Split(entry.value())) {
    auto found = std::find(items.begin(), items.end(), item);
    if (entry.operation() == Request::APPEND && found == items.end()) items.push_back(item);
    if (entry.operation() == Request::SUBTRACT && found != items.end()) items.erase(found);
  }
  return std::optional<std::string>(Join(items));
}

absl::StatusOr<ConfigResource> CheckResource(const MetadataImage& image,
                                             const Request::Resource& resource) {
  if (resource.type() == pb::ConfigRecord::TOPIC) {
    if (image.FindTopicByName(resource.name()) == nullptr) {
      return KafkaStatus(KafkaError::kUnknownTopicOrPartition);
    }
    return ConfigResource{ConfigResourceType::kTopic, resource.name()};
  }
  if (resource.type() != pb::ConfigRecord::BROKER) {
    return KafkaStatus(KafkaError::kInvalidRequest,
                       absl::StrFormat("resource type %d has no configs here", resource.type()));
  }
  if (resource.name().empty()) return ConfigResource{ConfigResourceType::kBroker, ""};
  int32_t id = -1;
  const char* end = resource.name().data() + resource.name().size();
  const auto parsed = std::from_chars(resource.name().data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || id < 0) {
    return KafkaStatus(KafkaError::kInvalidRequest, "'" + resource.name() + "' is no broker id");
  }
  return ConfigResource{ConfigResourceType::kBroker, std::to_string(id)};
}

bool ConcernsElections(const std::string& name) {
  return name == "min.insync.replicas" || name == "unclean.leader.election.enable";
}

}  // namespace

void ConfigControl::Alter(const Request& request, ChangeSet* changes,
                          pb::AlterConfigsResponse* response) const {
  std::set<std::pair<int, std::string>> seen;
  for (const auto& resource : request.resources()) {
    auto* out = response->add_resources();
    out->set_type(resource.type());
    out->set_name(resource.name());
    const ChangeSet::Mark mark = changes->Here();
    absl::Status status =
        seen.insert({static_cast<int>(resource.type()), resource.name()}).second
            ? AlterOne(resource, changes)
            : KafkaStatus(KafkaError::kInvalidRequest, "the request names this resource twice");
    if (status.ok()) {
      changes->EndUnit();
    } else {
      changes->RollBack(mark);
      out->set_error(kafka::Code(kafka::ErrorFor(status)));
      out->set_error_message(std::string(status.message()));
    }
  }
}

absl::Status ConfigControl::AlterOne(const Request::Resource& resource, ChangeSet* changes) const {
  Q_ASSIGN_OR_RETURN(const ConfigResource id, CheckResource(changes->image(), resource));
  const ConfigMap* found = changes->image().configs().Find(id);
  const ConfigMap before = found == nullptr ? ConfigMap() : *found;
  ConfigMap now = before;
  std::set<std::string> names;
  bool elections = false;
  for (const auto& entry : resource.entries()) {
    const TopicConfigKey* key = KeyFor(id.type, entry.name());
    if (key == nullptr) {
      return InvalidConfig(id.type == ConfigResourceType::kTopic
                               ? "Unknown topic config name: " + entry.name()
                               : entry.name() + " cannot be changed while the broker runs");
    }
    if (!names.insert(entry.name()).second) {
      return KafkaStatus(KafkaError::kInvalidRequest, entry.name() + " is named twice");
    }
    if (entry.name() == "min.insync.replicas" && id.type == ConfigResourceType::kBroker &&
        !id.name.empty()) {
      return InvalidConfig(
          "min.insync.replicas differs per topic or for the whole cluster, not "
          "per broker");
    }
    Q_ASSIGN_OR_RETURN(const std::optional<std::string> value, NewValue(entry, *key, now));
    if (!value) {
      now.erase(entry.name());
    } else {
      const absl::Status valid = ValidateTopicConfig(key->name, *value);
      if (!valid.ok()) return InvalidConfig(std::string(valid.message()));
      now[entry.name()] = *value;
    }
    elections |= ConcernsElections(entry.name());
  }
  if (id.type == ConfigResourceType::kTopic) {
    const absl::Status valid = ValidateTopicConfigs(now);
    if (!valid.ok()) return InvalidConfig(std::string(valid.message()));
  }
  for (const std::string& name : names) {
    auto old_value = before.find(name);
    auto new_value = now.find(name);
    const bool was = old_value != before.end();
    const bool is = new_value != now.end();
    if (was == is && (!is || old_value->second == new_value->second)) continue;
    pb::MetadataRecord record;
    record.mutable_config()->set_resource_type(resource.type());
    record.mutable_config()->set_resource_name(id.name);
    record.mutable_config()->set_name(name);
    if (is) record.mutable_config()->set_value(new_value->second);
    changes->Add(record);
  }
  if (elections && id.type == ConfigResourceType::kTopic) {
    const TopicImage topic = *changes->image().FindTopicByName(id.name);
    replication_.ConfigsChanged(&topic, changes);
  } else if (elections) {
    replication_.ConfigsChanged(nullptr, changes);
  }
  return absl::OkStatus();
}

}  // namespace quorate
