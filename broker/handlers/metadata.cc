// Metadata (3): brokers, topics and leaders as the asker's listener sees them; creates topics that
// are merely named, if both sides allow it.
#include "proto/kafka/messages/metadata.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "broker/handlers/handler_env.h"
#include "broker/handlers/topic_rules.h"
#include "proto/kafka/error.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using kafka::MetadataRequest;
using kafka::MetadataResponse;
using Topic = MetadataResponse::MetadataResponseTopic;

// One request on its way: creations it waits for, then the answer.
struct Call {
  HandlerEnv env;
  RequestContext context;
  MetadataRequest request;
  Reply<MetadataResponse> reply;
  size_t creating = 0;
  // Topics whose creation was refused, with the error to tell.
  std::map<std::string, KafkaError> refused;
};

KafkaError CreationError(const absl::Status& status) {
  const KafkaError error = ErrorFor(status);
  switch (error) {
    case KafkaError::kInvalidTopicException:
    case KafkaError::kInvalidReplicationFactor:
    case KafkaError::kInvalidPartitions:
    case KafkaError::kPolicyViolation:
    case KafkaError::kTopicAuthorizationFailed:
    case KafkaError::kClusterAuthorizationFailed:
      return error;
    default:
      // Not now; it may well be there at the next try.
      return KafkaError::kLeaderNotAvailable;
  }
}

void FillTopic(const Call& call, const MetadataImage& image, const TopicImage& topic, Topic* out) {
  const int16_t version = call.context.version();
  out->name = topic.name;
  out->topic_id = topic.id;
  out->is_internal = IsInternalTopic(topic.name);
  out->partitions.reserve(topic.partitions.size());
  for (const auto& [index, state] : topic.partitions) {
    auto& partition = out->partitions.emplace_back();
    LeaderView leader = LeaderFor(image, state, call.context.listener());
    if (BUGGIFY("broker.leader_not_available", 0.02)) {
      leader = {KafkaError::kLeaderNotAvailable, kNoNode};
    }
    KafkaError error = leader.error;
    // Versions before 6 have no LISTENER_NOT_FOUND.
    if (error == KafkaError::kListenerNotFound && version < 6) {
      error = KafkaError::kLeaderNotAvailable;
    }
    partition.error_code = Code(error);
    partition.partition_index = index.value();
    partition.leader_id = leader.leader.value();
    partition.leader_epoch = state.leader_epoch.value();
    partition.replica_nodes = ToInts(state.replicas);
    partition.isr_nodes = ToInts(state.isr);
    partition.offline_replicas = OfflineReplicas(image, state);
  }
  if (call.request.include_topic_authorized_operations) {
    out->topic_authorized_operations = kAllTopicOperations;
  }
}

void FillNamed(const Call& call, const MetadataImage& image,
               const MetadataRequest::MetadataRequestTopic& asked, Topic* out) {
  const bool by_id = !asked.topic_id.is_zero();
  if (call.context.version() < 12 && (by_id || !asked.name.has_value())) {
    out->name = asked.name.value_or("");
    out->topic_id = asked.topic_id;
    out->error_code = Code(KafkaError::kInvalidRequest);
    return;
  }
  if (by_id) {
    const TopicImage* topic = image.FindTopic(asked.topic_id);
    if (topic != nullptr) return FillTopic(call, image, *topic, out);
    out->name = std::nullopt;
    out->topic_id = asked.topic_id;
    out->error_code = Code(KafkaError::kUnknownTopicId);
    return;
  }
  const std::string name = asked.name.value_or("");
  const TopicImage* topic = image.FindTopicByName(name);
  if (topic != nullptr) return FillTopic(call, image, *topic, out);
  out->name = name;
  auto refused = call.refused.find(name);
  if (refused != call.refused.end()) {
    out->error_code = Code(refused->second);
  } else if (!IsValidTopicName(name)) {
    out->error_code = Code(KafkaError::kInvalidTopicException);
  } else {
    out->error_code = Code(KafkaError::kUnknownTopicOrPartition);
  }
}

bool WantsAllTopics(const Call& call) {
  if (!call.request.topics.has_value()) return true;
  return call.context.version() == 0 && call.request.topics->empty();
}

void Answer(Call& call) {
  const ImagePtr image = call.env.images->image();
  MetadataResponse response;
  const std::string& listener = call.context.listener();
  for (const auto& [id, broker] : image->brokers()) {
    const BrokerListener* address = LiveListener(*image, id, listener);
    if (address == nullptr) continue;
    auto& out = response.brokers.emplace_back();
    out.node_id = id.value();
    out.host = address->host;
    out.port = address->port;
    out.rack = RackOf(broker);
  }
  response.cluster_id = call.env.config->cluster_id;
  response.controller_id = AdminTarget(*image, call.env.config->node_id, listener).value();
  if (call.request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = kAllClusterOperations;
  }
  if (WantsAllTopics(call)) {
    response.topics.reserve(image->topics().size());
    for (const auto& [name, id] : image->topic_ids()) {
      FillTopic(call, *image, *image->FindTopic(id), &response.topics.emplace_back());
    }
  } else {
    response.topics.reserve(call.request.topics->size());
    for (const auto& asked : *call.request.topics) {
      FillNamed(call, *image, asked, &response.topics.emplace_back());
    }
  }
  call.reply.Send(response);
}

// Names that have to be created first.
std::vector<std::string> ToCreate(const Call& call) {
  std::vector<std::string> names;
  if (WantsAllTopics(call) || !call.env.config->auto_create_topics ||
      !call.request.allow_auto_topic_creation) {
    return names;
  }
  const MetadataImage& image = *call.env.images->image();
  for (const auto& asked : *call.request.topics) {
    if (!asked.topic_id.is_zero() || !asked.name.has_value()) continue;
    if (!IsValidTopicName(*asked.name) || IsInternalTopic(*asked.name)) continue;
    if (image.FindTopicByName(*asked.name) == nullptr) names.push_back(*asked.name);
  }
  return names;
}

}  // namespace

void RegisterMetadata(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<MetadataRequest, MetadataResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, MetadataRequest request, Reply<MetadataResponse> reply) {
        auto call =
            std::make_shared<Call>(Call{env, context, std::move(request), std::move(reply), 0, {}});
        const std::vector<std::string> names = ToCreate(*call);
        if (names.empty()) {
          Answer(*call);
          return;
        }
        call->creating = names.size();
        for (const std::string& name : names) {
          NewTopicSpec spec;
          spec.name = name;
          env.topics->Create(spec, [call, name](const absl::Status& status) {
            if (!status.ok()) call->refused[name] = CreationError(status);
            if (--call->creating == 0) Answer(*call);
          });
        }
      });
}

}  // namespace quorate
