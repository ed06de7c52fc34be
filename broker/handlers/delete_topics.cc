// DeleteTopics (20): by name, or by id from version 6 on; decided by the controller.
#include "proto/kafka/messages/delete_topics.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/admin.h"
#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::DeleteTopicsRequest;
using kafka::DeleteTopicsResponse;
using kafka::ErrorFor;
using kafka::KafkaError;
using Result = DeleteTopicsResponse::DeletableTopicResult;

struct Call {
  HandlerEnv env;
  Reply<DeleteTopicsResponse> reply;
  DeleteTopicsResponse response;
  std::vector<size_t> forwarded;  // places in response, in the order they were forwarded
};

void Refuse(Result* out, KafkaError error, std::string message) {
  out->error_code = Code(error);
  out->error_message = std::move(message);
}

// What is asked, whatever the version.
std::vector<DeleteTopicsRequest::DeleteTopicState> Asked(const RequestContext& context,
                                                         const DeleteTopicsRequest& request) {
  if (context.version() >= 6) return request.topics;
  std::vector<DeleteTopicsRequest::DeleteTopicState> out;
  for (const std::string& name : request.topic_names) {
    out.emplace_back().name = name;
  }
  return out;
}

void Finish(Call& call, const absl::StatusOr<pb::DeleteTopicsResponse>& answer) {
  for (size_t i = 0; i < call.forwarded.size(); ++i) {
    Result& out = call.response.responses[call.forwarded[i]];
    if (!answer.ok()) {
      Refuse(&out, ErrorFor(answer.status()), std::string(answer.status().message()));
    } else if (i >= static_cast<size_t>(answer->topics_size())) {
      Refuse(&out, KafkaError::kUnknownServerError, "the controller did not answer this topic");
    } else {
      // In the order asked.
      const auto& topic = answer->topics(static_cast<int>(i));
      out.error_code = static_cast<int16_t>(topic.error());
      out.error_message = MessageFor(topic.error(), topic.error_message());
      if (!topic.name().empty()) out.name = topic.name();
      if (topic.topic_id().size() == 16) out.topic_id = Uuid::FromBytes(topic.topic_id());
    }
  }
  call.reply.Send(call.response);
}

void Delete(const HandlerEnv& env, const RequestContext& context,
            const DeleteTopicsRequest& request, Reply<DeleteTopicsResponse> reply) {
  auto call = std::make_shared<Call>(Call{env, std::move(reply), {}, {}});
  pb::DeleteTopicsRequest forward;
  std::set<std::pair<std::string, Uuid>> seen;
  for (const auto& asked : Asked(context, request)) {
    Result& out = call->response.responses.emplace_back();
    out.name = asked.name;
    out.topic_id = asked.topic_id;
    const bool by_id = !asked.topic_id.is_zero();
    if (!env.config->delete_topics_enabled) {
      Refuse(&out, KafkaError::kTopicDeletionDisabled, "delete.topic.enable is false");
    } else if (by_id == asked.name.has_value()) {
      Refuse(&out, KafkaError::kInvalidRequest, "exactly one of name and topic id is needed");
    } else if (!seen.emplace(asked.name.value_or(""), asked.topic_id).second) {
      Refuse(&out, KafkaError::kInvalidRequest, "the request names this topic twice");
    } else {
      auto* topic = forward.add_topics();
      if (by_id) {
        topic->set_topic_id(asked.topic_id.ToBytes());
      } else {
        topic->set_name(*asked.name);
      }
      call->forwarded.push_back(call->response.responses.size() - 1);
    }
  }
  if (call->forwarded.empty()) {
    call->reply.Send(call->response);
    return;
  }
  Forward<pb::DeleteTopicsResponse>(
      env, context, "Controller.DeleteTopics", std::move(forward), AdminTimeout(request.timeout_ms),
      [call](const absl::StatusOr<pb::DeleteTopicsResponse>& answer) { Finish(*call, answer); });
}

}  // namespace

void RegisterDeleteTopics(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<DeleteTopicsRequest, DeleteTopicsResponse>(
      Listeners::kClient, [env](const RequestContext& context, const DeleteTopicsRequest& request,
                                Reply<DeleteTopicsResponse> reply) {
        Delete(env, context, request, std::move(reply));
      });
}

}  // namespace quorate
