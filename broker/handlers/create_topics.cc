// CreateTopics (19): checked for form here, decided by the controller.
#include "proto/kafka/messages/create_topics.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/admin.h"
#include "broker/handlers/handler_env.h"
#include "controller/image/topic_config.h"
#include "proto/kafka/error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::CreateTopicsRequest;
using kafka::CreateTopicsResponse;
using kafka::ErrorFor;
using kafka::KafkaError;
using Result = CreateTopicsResponse::CreatableTopicResult;

struct Call {
  HandlerEnv env;
  CreateTopicsRequest request;
  Reply<CreateTopicsResponse> reply;
  CreateTopicsResponse response;
};

void Refuse(Result* out, KafkaError error, std::string message) {
  out->error_code = Code(error);
  out->error_message = std::move(message);
}

// Puts explicit assignments in order; false if they are not for partitions 0..n-1, each once.
bool CopyAssignments(const CreateTopicsRequest::CreatableTopic& asked,
                     pb::CreateTopicsRequest::Topic* out) {
  std::map<int32_t, const std::vector<int32_t>*> by_partition;
  for (const auto& assignment : asked.assignments) {
    by_partition[assignment.partition_index] = &assignment.broker_ids;
  }
  if (by_partition.size() != asked.assignments.size()) return false;
  int32_t next = 0;
  for (const auto& [partition, brokers] : by_partition) {
    if (partition != next++) return false;
    auto* list = out->add_assignments();
    for (int32_t broker : *brokers) list->add_values(broker);
  }
  return true;
}

// Adds the topic to `forward`, or refuses it in `out`.
void Prepare(const CreateTopicsRequest::CreatableTopic& asked, bool repeated,
             pb::CreateTopicsRequest* forward, Result* out) {
  out->name = asked.name;
  if (repeated) {
    return Refuse(out, KafkaError::kInvalidRequest, "the request names this topic twice");
  }
  pb::CreateTopicsRequest::Topic topic;
  topic.set_name(asked.name);
  topic.set_partitions(asked.num_partitions);
  topic.set_replication_factor(asked.replication_factor);
  if (!asked.assignments.empty()) {
    if (asked.num_partitions != -1 || asked.replication_factor != -1) {
      return Refuse(out, KafkaError::kInvalidRequest,
                    "with an assignment, partitions and replication factor must be -1");
    }
    if (!CopyAssignments(asked, &topic)) {
      return Refuse(out, KafkaError::kInvalidReplicaAssignment,
                    "an assignment must name partitions 0 to n-1, each once");
    }
  }
  for (const auto& config : asked.configs) {
    auto* entry = topic.add_configs();
    entry->set_name(config.name);
    if (config.value.has_value()) entry->set_value(*config.value);
  }
  *forward->add_topics() = std::move(topic);
}

// All configs the topic has, or would have.
void FillConfigs(const Call& call, const CreateTopicsRequest::CreatableTopic& asked, Result* out) {
  const MetadataImage& image = *call.env.images->image();
  auto& configs = out->configs.emplace();
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    ResolvedConfig resolved =
        ResolveTopicConfigKey(image, asked.name, kNoNode, call.env.config->static_configs, key);
    for (const auto& config : asked.configs) {
      if (config.name != key.name || !config.value.has_value()) continue;
      resolved.value = *config.value;
      resolved.source = ConfigSource::kTopic;
    }
    auto& entry = configs.emplace_back();
    entry.name = std::string(key.name);
    entry.value = resolved.value;
    entry.config_source = static_cast<int8_t>(resolved.source);
  }
}

void Finish(Call& call, const absl::StatusOr<pb::CreateTopicsResponse>& answer) {
  std::map<std::string, const pb::CreateTopicsResponse::Topic*> answers;
  if (answer.ok()) {
    for (const auto& topic : answer->topics()) answers[topic.name()] = &topic;
  }
  for (size_t i = 0; i < call.response.topics.size(); ++i) {
    Result& out = call.response.topics[i];
    if (out.error_code != 0) continue;
    if (!answer.ok()) {
      Refuse(&out, ErrorFor(answer.status()), std::string(answer.status().message()));
      continue;
    }
    auto found = answers.find(out.name);
    if (found == answers.end()) {
      Refuse(&out, KafkaError::kUnknownServerError, "the controller did not answer this topic");
      continue;
    }
    const auto& topic = *found->second;
    out.error_code = static_cast<int16_t>(topic.error());
    out.error_message = MessageFor(topic.error(), topic.error_message());
    if (topic.error() != 0) continue;
    if (topic.topic_id().size() == 16) out.topic_id = Uuid::FromBytes(topic.topic_id());
    out.num_partitions = topic.partitions();
    out.replication_factor = static_cast<int16_t>(topic.replication_factor());
    FillConfigs(call, call.request.topics[i], &out);
  }
  call.reply.Send(call.response);
}

}  // namespace

void RegisterCreateTopics(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<CreateTopicsRequest, CreateTopicsResponse>(
      Listeners::kClient, [env](const RequestContext& context, CreateTopicsRequest request,
                                Reply<CreateTopicsResponse> reply) {
        auto call = std::make_shared<Call>(Call{env, std::move(request), std::move(reply), {}});
        pb::CreateTopicsRequest forward;
        forward.set_validate_only(call->request.validate_only);
        std::multiset<std::string> names;
        for (const auto& topic : call->request.topics) names.insert(topic.name);
        for (const auto& topic : call->request.topics) {
          Prepare(topic, names.count(topic.name) > 1, &forward,
                  &call->response.topics.emplace_back());
        }
        if (forward.topics().empty()) {
          call->reply.Send(call->response);
          return;
        }
        Forward<pb::CreateTopicsResponse>(
            env, context, "Controller.CreateTopics", std::move(forward),
            AdminTimeout(call->request.timeout_ms),
            [call](const absl::StatusOr<pb::CreateTopicsResponse>& answer) {
              Finish(*call, answer);
            });
      });
}

}  // namespace quorate
