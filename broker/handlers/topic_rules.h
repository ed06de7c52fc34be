// broker/handlers/topic_rules.h
//
// What several handlers need to say about topics and brokers: names, authorised operations, the
// address of a broker on the asker's listener, the state of a partition for a client.
//
// Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/image/metadata_image.h"
#include "proto/kafka/error.h"

namespace quorate {

// Legal: 1..249 of [a-zA-Z0-9._-], not "." or "..".
bool IsValidTopicName(std::string_view name);

// A topic that Kafka's clients leave out of patterns: "__consumer_offsets" and its like.
bool IsInternalTopic(std::string_view name);

// Bit fields of authorised operations (bit n = operation n of Kafka's ACLs). Without an authoriser
// everything is allowed on whatever exists.
inline constexpr int32_t kAllTopicOperations = 0x0df8;
inline constexpr int32_t kAllClusterOperations = 0x1fa0;
inline constexpr int32_t kOperationsNotAsked = std::numeric_limits<int32_t>::min();

// Address of `broker` on the listener with this name; nullptr if it has none, is not registered or
// is fenced. Valid while the image lives.
const BrokerListener* LiveListener(const MetadataImage& image, NodeId broker,
                                   std::string_view listener);

// A broker that admin calls may go to, instead of the controller, which has no Kafka listener:
// `self` if it is alive, else the first one alive, else kNoNode.
NodeId AdminTarget(const MetadataImage& image, NodeId self, std::string_view listener);

std::vector<int32_t> ToInts(const ReplicaList& list);

// Replicas on brokers that are fenced or not registered.
std::vector<int32_t> OfflineReplicas(const MetadataImage& image, const PartitionState& partition);

// What clients of `listener` are told of a partition's leader.
struct LeaderView {
  kafka::KafkaError error = kafka::KafkaError::kNone;
  NodeId leader = kNoNode;
};
LeaderView LeaderFor(const MetadataImage& image, const PartitionState& partition,
                     std::string_view listener);

// nullopt for an empty rack.
std::optional<std::string> RackOf(const BrokerImage& broker);

}  // namespace quorate
