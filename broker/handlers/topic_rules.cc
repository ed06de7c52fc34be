#include "broker/handlers/topic_rules.h"

namespace quorate {

using kafka::KafkaError;

bool IsValidTopicName(std::string_view name) {
  if (name.empty() || name.size() > 249 || name == "." || name == "..") return false;
  for (char c : name) {
    const bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!legal) return false;
  }
  return true;
}

bool IsInternalTopic(std::string_view name) {
  return name == "__consumer_offsets" || name == "__transaction_state" ||
         name == "__share_group_state";
}

const BrokerListener* LiveListener(const MetadataImage& image, NodeId broker,
                                   std::string_view listener) {
  const BrokerImage* found = image.FindBroker(broker);
  if (found == nullptr || found->fenced) return nullptr;
  return found->FindListener(listener);
}

NodeId AdminTarget(const MetadataImage& image, NodeId self, std::string_view listener) {
  if (LiveListener(image, self, listener) != nullptr) return self;
  for (const auto& [id, broker] : image.brokers()) {
    if (!broker.fenced && broker.FindListener(listener) != nullptr) return id;
  }
  return kNoNode;
}

std::vector<int32_t> ToInts(const ReplicaList& list) {
  std::vector<int32_t> out;
  out.reserve(list.size());
  for (NodeId id : list) out.push_back(id.value());
  return out;
}

std::vector<int32_t> OfflineReplicas(const MetadataImage& image, const PartitionState& partition) {
  std::vector<int32_t> out;
  for (NodeId id : partition.replicas) {
    if (!image.IsUnfenced(id)) out.push_back(id.value());
  }
  return out;
}

LeaderView LeaderFor(const MetadataImage& image, const PartitionState& partition,
                     std::string_view listener) {
  const BrokerImage* leader =
      partition.leader == kNoNode ? nullptr : image.FindBroker(partition.leader);
  if (leader == nullptr || leader->fenced) return {KafkaError::kLeaderNotAvailable, kNoNode};
  if (leader->FindListener(listener) == nullptr) return {KafkaError::kListenerNotFound, kNoNode};
  return {KafkaError::kNone, partition.leader};
}

std::optional<std::string> RackOf(const BrokerImage& broker) {
  if (broker.rack.empty()) return std::nullopt;
  return broker.rack;
}

}  // namespace quorate
