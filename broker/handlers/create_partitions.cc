// CreatePartitions (37): raises a topic's partition count; decided by the controller.
#include "proto/kafka/messages/create_partitions.h"

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

using kafka::CreatePartitionsRequest;
using kafka::CreatePartitionsResponse;
using kafka::ErrorFor;
using kafka::KafkaError;

struct Call {
  Reply<CreatePartitionsResponse> reply;
  CreatePartitionsResponse response;
};

void Finish(Call& call, const absl::StatusOr<pb::CreatePartitionsResponse>& answer) {
  std::map<std::string, const pb::CreatePartitionsResponse::Topic*> answers;
  if (answer.ok()) {
    for (const auto& topic : answer->topics()) answers[topic.name()] = &topic;
  }
  for (auto& out : call.response.results) {
    if (out.error_code != 0) continue;
    auto found = answers.find(out.name);
    if (found != answers.end()) {
      out.error_code = static_cast<int16_t>(found->second->error());
      out.error_message = MessageFor(found->second->error(), found->second->error_message());
    } else if (answer.ok()) {
      out.error_code = Code(KafkaError::kUnknownServerError);
    } else {
      out.error_code = kafka::Code(ErrorFor(answer.status()));
      out.error_message = std::string(answer.status().message());
    }
  }
  call.reply.Send(call.response);
}

}  // namespace

void RegisterCreatePartitions(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<CreatePartitionsRequest, CreatePartitionsResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, const CreatePartitionsRequest& request,
            Reply<CreatePartitionsResponse> reply) {
        auto call = std::make_shared<Call>(Call{std::move(reply), {}});
        pb::CreatePartitionsRequest forward;
        forward.set_validate_only(request.validate_only);
        std::multiset<std::string> names;
        for (const auto& topic : request.topics) names.insert(topic.name);
        for (const auto& topic : request.topics) {
          auto& out = call->response.results.emplace_back();
          out.name = topic.name;
          if (names.count(topic.name) > 1) {
            out.error_code = Code(KafkaError::kInvalidRequest);
            out.error_message = "the request names this topic twice";
            continue;
          }
          auto* target = forward.add_topics();
          target->set_name(topic.name);
          target->set_count(topic.count);
          if (!topic.assignments.has_value()) continue;
          for (const auto& assignment : *topic.assignments) {
            auto* list = target->add_assignments();
            for (int32_t broker : assignment.broker_ids) list->add_values(broker);
          }
        }
        if (forward.topics().empty()) {
          call->reply.Send(call->response);
          return;
        }
        Forward<pb::CreatePartitionsResponse>(
            env, context, "Controller.CreatePartitions", std::move(forward),
            AdminTimeout(request.timeout_ms),
            [call](const absl::StatusOr<pb::CreatePartitionsResponse>& answer) {
              Finish(*call, answer);
            });
      });
}

}  // namespace quorate
