#include "controller/image/metadata_image.h"

#include <algorithm>
#include <utility>

namespace quorate {

bool Contains(const ReplicaList& list, NodeId id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

const BrokerListener* BrokerImage::FindListener(std::string_view name) const {
  for (const BrokerListener& listener : listeners) {
    if (listener.name == name) return &listener;
  }
  return nullptr;
}

bool MetadataImage::IsUnfenced(NodeId id) const {
  const BrokerImage* broker = FindBroker(id);
  return broker != nullptr && !broker->fenced;
}

const TopicImage* MetadataImage::FindTopicByName(std::string_view name) const {
  const Uuid* id = topic_ids_.Find(name);
  return id == nullptr ? nullptr : topics_.Find(*id);
}

const PartitionState* MetadataImage::FindPartition(const Uuid& topic_id,
                                                   PartitionIndex partition) const {
  const TopicImage* topic = FindTopic(topic_id);
  return topic == nullptr ? nullptr : topic->FindPartition(partition);
}

const ConfigMap* MetadataImage::FindConfigs(ConfigResourceType type, std::string_view name) const {
  return configs_.Find(ConfigResource{type, std::string(name)});
}

const std::string* MetadataImage::FindConfig(ConfigResourceType type, std::string_view name,
                                             std::string_view key) const {
  const ConfigMap* configs = FindConfigs(type, name);
  if (configs == nullptr) return nullptr;
  auto it = configs->find(key);
  return it == configs->end() ? nullptr : &it->second;
}

}  // namespace quorate
