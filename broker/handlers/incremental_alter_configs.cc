// IncrementalAlterConfigs (44): set, delete, append, subtract, per key; decided by the controller.
#include "proto/kafka/messages/incremental_alter_configs.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "broker/handlers/admin.h"
#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::ErrorFor;
using kafka::IncrementalAlterConfigsRequest;
using kafka::IncrementalAlterConfigsResponse;
using kafka::KafkaError;
using Result = IncrementalAlterConfigsResponse::AlterConfigsResourceResponse;
using ResourceKey = std::pair<int8_t, std::string>;

constexpr int8_t kTopicResource = 2;
constexpr int8_t kBrokerResource = 4;
// The request has no timeout of its own.
constexpr Micros kTimeout = std::chrono::seconds(30);

struct Call {
  Reply<IncrementalAlterConfigsResponse> reply;
  IncrementalAlterConfigsResponse response;
};

void Refuse(Result* out, KafkaError error, std::string message) {
  out->error_code = Code(error);
  out->error_message = std::move(message);
}

void Prepare(const IncrementalAlterConfigsRequest::AlterConfigsResource& asked, bool repeated,
             pb::AlterConfigsRequest* forward, Result* out) {
  out->resource_type = asked.resource_type;
  out->resource_name = asked.resource_name;
  if (repeated) {
    return Refuse(out, KafkaError::kInvalidRequest, "the request names this resource twice");
  }
  if (asked.resource_type != kTopicResource && asked.resource_type != kBrokerResource) {
    return Refuse(out, KafkaError::kInvalidRequest,
                  "only configs of topics and brokers can be altered");
  }
  pb::AlterConfigsRequest::Resource resource;
  resource.set_type(static_cast<pb::ConfigRecord::ResourceType>(asked.resource_type));
  resource.set_name(asked.resource_name);
  std::set<std::string> keys;
  for (const auto& config : asked.configs) {
    if (!keys.insert(config.name).second) {
      return Refuse(out, KafkaError::kInvalidRequest,
                    "the request names the key " + config.name + " twice");
    }
    if (config.config_operation < 0 || config.config_operation > 3) {
      return Refuse(out, KafkaError::kInvalidRequest, "unknown config operation");
    }
    auto* entry = resource.add_entries();
    entry->set_name(config.name);
    entry->set_operation(static_cast<pb::AlterConfigsRequest::Operation>(config.config_operation));
    if (config.value.has_value()) entry->set_value(*config.value);
  }
  *forward->add_resources() = std::move(resource);
}

void Finish(Call& call, const absl::StatusOr<pb::AlterConfigsResponse>& answer) {
  std::map<ResourceKey, const pb::AlterConfigsResponse::Resource*> answers;
  if (answer.ok()) {
    for (const auto& resource : answer->resources()) {
      answers[{static_cast<int8_t>(resource.type()), resource.name()}] = &resource;
    }
  }
  for (Result& out : call.response.responses) {
    if (out.error_code != 0) continue;
    auto found = answers.find({out.resource_type, out.resource_name});
    if (found != answers.end()) {
      out.error_code = static_cast<int16_t>(found->second->error());
      out.error_message = MessageFor(found->second->error(), found->second->error_message());
    } else if (answer.ok()) {
      Refuse(&out, KafkaError::kUnknownServerError, "the controller did not answer this resource");
    } else {
      Refuse(&out, ErrorFor(answer.status()), std::string(answer.status().message()));
    }
  }
  call.reply.Send(call.response);
}

}  // namespace

void RegisterIncrementalAlterConfigs(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, const IncrementalAlterConfigsRequest& request,
            Reply<IncrementalAlterConfigsResponse> reply) {
        auto call = std::make_shared<Call>(Call{std::move(reply), {}});
        pb::AlterConfigsRequest forward;
        forward.set_validate_only(request.validate_only);
        std::multiset<ResourceKey> keys;
        for (const auto& resource : request.resources) {
          keys.insert({resource.resource_type, resource.resource_name});
        }
        for (const auto& resource : request.resources) {
          const bool repeated = keys.count({resource.resource_type, resource.resource_name}) > 1;
          Prepare(resource, repeated, &forward, &call->response.responses.emplace_back());
        }
        if (forward.resources().empty()) {
          call->reply.Send(call->response);
          return;
        }
        Forward<pb::AlterConfigsResponse>(
            env, context, "Controller.AlterConfigs", std::move(forward), kTimeout,
            [call](const absl::StatusOr<pb::AlterConfigsResponse>& answer) {
              Finish(*call, answer);
            });
      });
}

}  // namespace quorate
