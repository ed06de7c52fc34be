// FindCoordinator (10): the broker that serves a group. The first one asked creates
// __consumer_offsets.
#include "proto/kafka/messages/find_coordinator.h"

#include <glog/logging.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "broker/handlers/group_handlers.h"
#include "broker/handlers/topic_rules.h"
#include "controller/image/topic_config.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::FindCoordinatorRequest;
using kafka::FindCoordinatorResponse;
using kafka::KafkaError;

constexpr int8_t kGroupKey = 0;
constexpr int16_t kManyKeysVersion = 4;
constexpr int32_t kOffsetsSegmentBytes = 100 << 20;

struct Found {
  KafkaError error = KafkaError::kNone;
  std::string message;
  int32_t node = -1;
  std::string host;
  int32_t port = -1;
};

Found NotFound(KafkaError error, std::string message) {
  Found found;
  found.error = error;
  found.message = std::move(message);
  return found;
}

Found Find(const GroupHandlerEnv& env, const std::string& listener, const std::string& group_id) {
  const ImagePtr image = env.base.images->image();
  const TopicImage* topic = image->FindTopicByName(kOffsetsTopic);
  const PartitionState* partition =
      topic == nullptr ? nullptr : topic->FindPartition(env.groups->PartitionFor(group_id));
  if (partition == nullptr || BUGGIFY("broker.no_coordinator", 0.1)) {
    return NotFound(KafkaError::kCoordinatorNotAvailable, "the offsets topic is not there yet");
  }
  const BrokerListener* address = LiveListener(*image, partition->leader, listener);
  if (address == nullptr) {
    return NotFound(KafkaError::kCoordinatorNotAvailable,
                    "the group's offsets partition has no leader");
  }
  Found found;
  found.node = partition->leader.value();
  found.host = address->host;
  found.port = address->port;
  return found;
}

void Answer(const GroupHandlerEnv& env, const RequestContext& context,
            const FindCoordinatorRequest& request, const Found* refused,
            Reply<FindCoordinatorResponse>& reply) {
  FindCoordinatorResponse response;
  const bool many = context.version() >= kManyKeysVersion;
  const std::vector<std::string> keys =
      many ? request.coordinator_keys : std::vector<std::string>{request.key};
  for (const std::string& key : keys) {
    const Found found = refused != nullptr ? *refused : Find(env, context.listener(), key);
    std::optional<std::string> message;
    if (found.error != KafkaError::kNone) message = found.message;
    if (!many) {
      response.error_code = Code(found.error);
      response.error_message = std::move(message);
      response.node_id = found.node;
      response.host = found.host;
      response.port = found.port;
      break;
    }
    auto& out = response.coordinators.emplace_back();
    out.key = key;
    out.error_code = Code(found.error);
    out.error_message = std::move(message);
    out.node_id = found.node;
    out.host = found.host;
    out.port = found.port;
  }
  reply.Send(response);
}

NewTopicSpec OffsetsTopicSpec(const GroupHandlerEnv& env) {
  const GroupCoordinatorOptions& options = env.groups->options();
  const ImagePtr image = env.base.images->image();
  int32_t live = 0;
  for (const auto& [id, broker] : image->brokers()) {
    if (!broker.fenced) ++live;
  }
  NewTopicSpec spec;
  spec.name = kOffsetsTopic;
  spec.partitions = options.topic_partitions;
  spec.replication_factor = std::clamp(options.topic_replication_factor, 1, std::max(live, 1));
  if (spec.replication_factor < options.topic_replication_factor) {
    LOG(WARNING) << kOffsetsTopic << " gets " << spec.replication_factor << " replicas instead of "
                 << options.topic_replication_factor << " (offsets.topic.replication.factor): only "
                 << live << " brokers are up";
  }
  spec.configs = {{"cleanup.policy", "compact"},
                  {"compression.type", "producer"},
                  {"segment.bytes", std::to_string(kOffsetsSegmentBytes)}};
  return spec;
}

// With fewer replicas nothing could be committed to the topic of offsets.
int32_t ReplicasToWrite(const GroupHandlerEnv& env) {
  const std::string min_isr = ResolveTopicConfigKey(*env.base.images->image(), kOffsetsTopic,
                                                    kNoNode, env.base.config->static_configs,
                                                    *FindTopicConfigKey("min.insync.replicas"))
                                  .value;
  int32_t needed = 1;
  if (!absl::SimpleAtoi(min_isr, &needed)) needed = 1;
  return std::min(needed, env.groups->options().topic_replication_factor);
}

void Handle(const GroupHandlerEnv& env, const RequestContext& context,
            FindCoordinatorRequest request, Reply<FindCoordinatorResponse> reply) {
  if (request.key_type != kGroupKey) {
    // Final for every client; COORDINATOR_NOT_AVAILABLE would let it ask for ever.
    const Found refused =
        NotFound(KafkaError::kInvalidRequest, "this cluster has coordinators of groups only");
    return Answer(env, context, request, &refused, reply);
  }
  if (env.base.images->image()->FindTopicByName(kOffsetsTopic) != nullptr) {
    return Answer(env, context, request, nullptr, reply);
  }
  const NewTopicSpec spec = OffsetsTopicSpec(env);
  if (const int32_t needed = ReplicasToWrite(env); spec.replication_factor < needed) {
    // Made now, it could never be written.
    const Found refused =
        NotFound(KafkaError::kCoordinatorNotAvailable,
                 absl::StrFormat("%s is made once %d brokers are up (min.insync.replicas)",
                                 kOffsetsTopic, needed));
    return Answer(env, context, request, &refused, reply);
  }
  auto shared = std::make_shared<Reply<FindCoordinatorResponse>>(std::move(reply));
  env.base.topics->Create(
      spec, [env, context, request = std::move(request), shared](const absl::Status& status) {
        if (status.ok()) return Answer(env, context, request, nullptr, *shared);
        const Found refused =
            NotFound(KafkaError::kCoordinatorNotAvailable, std::string(status.message()));
        Answer(env, context, request, &refused, *shared);
      });
}

}  // namespace

void RegisterFindCoordinator(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<FindCoordinatorRequest, FindCoordinatorResponse>(
      Listeners::kClient, [env](const RequestContext& context, FindCoordinatorRequest request,
                                Reply<FindCoordinatorResponse> reply) {
        Handle(env, context, std::move(request), std::move(reply));
      });
}

}  // namespace quorate
