// AddRaftVoter (80), RemoveRaftVoter (81): changes of the metadata quorum's voters, carried out by
// its leader. UpdateRaftVoter (82) is a matter between controllers, which have their own protocol.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "broker/handlers/admin.h"
#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"
#include "proto/kafka/messages/add_raft_voter.h"
#include "proto/kafka/messages/remove_raft_voter.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;

// RemoveRaftVoter names no timeout: as DescribeQuorum.
constexpr int32_t kTimeoutMs = 10000;

template <typename Response>
Response Refused(KafkaError error, std::string message) {
  Response response;
  response.error_code = Code(error);
  response.error_message = std::move(message);
  return response;
}

void FillVoter(int32_t id, const Uuid& directory, pb::ChangeVotersRequest* out) {
  out->mutable_voter()->set_node_id(id);
  if (!directory.is_zero()) out->mutable_voter()->set_directory_id(directory.ToBytes());
}

template <typename Response>
void ForwardChange(const HandlerEnv& env, const RequestContext& context,
                   const std::optional<std::string>& cluster_id, int32_t timeout_ms,
                   pb::ChangeVotersRequest change, Reply<Response> reply) {
  if (cluster_id && *cluster_id != env.config->cluster_id) {
    return reply.Send(Refused<Response>(KafkaError::kInconsistentClusterId,
                                        absl::StrFormat("the request is for cluster %s, this is %s",
                                                        *cluster_id, env.config->cluster_id)));
  }
  pb::AdminChangeVotersRequest request;
  *request.mutable_change() = std::move(change);
  auto shared = std::make_shared<Reply<Response>>(std::move(reply));
  Forward<pb::AdminChangeVotersResponse>(
      env, context, "Controller.ChangeVoters", std::move(request), AdminTimeout(timeout_ms),
      [shared](const absl::StatusOr<pb::AdminChangeVotersResponse>& answer) {
        if (!answer.ok()) {
          return shared->Send(Refused<Response>(kafka::ErrorFor(answer.status()),
                                                std::string(answer.status().message())));
        }
        Response response;
        response.error_message.reset();
        shared->Send(response);
      });
}

// The listener that controllers are reached at; the only one if there is one.
const kafka::AddRaftVoterRequest::Listener* ControllerListener(
    const HandlerEnv& env, const kafka::AddRaftVoterRequest& request) {
  for (const auto& listener : request.listeners) {
    if (listener.name == env.config->controller_listener_name) return &listener;
  }
  return request.listeners.size() == 1 ? &request.listeners.front() : nullptr;
}

}  // namespace

void RegisterRaftVoters(HandlerRegistry& registry, const HandlerEnv& env) {
  using kafka::AddRaftVoterRequest;
  using kafka::AddRaftVoterResponse;
  using kafka::RemoveRaftVoterRequest;
  using kafka::RemoveRaftVoterResponse;
  registry.Register<AddRaftVoterRequest, AddRaftVoterResponse>(
      Listeners::kClient, [env](const RequestContext& context, const AddRaftVoterRequest& request,
                                Reply<AddRaftVoterResponse> reply) {
        const auto* listener = ControllerListener(env, request);
        if (listener == nullptr) {
          return reply.Send(Refused<AddRaftVoterResponse>(
              KafkaError::kInvalidRequest,
              absl::StrFormat("none of the voter's listeners is named %s",
                              env.config->controller_listener_name)));
        }
        pb::ChangeVotersRequest change;
        change.set_kind(pb::ChangeVotersRequest::ADD);
        FillVoter(request.voter_id, request.voter_directory_id, &change);
        change.mutable_address()->set_host(listener->host);
        change.mutable_address()->set_port(listener->port);
        ForwardChange(env, context, request.cluster_id, request.timeout_ms, std::move(change),
                      std::move(reply));
      });
  registry.Register<RemoveRaftVoterRequest, RemoveRaftVoterResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, const RemoveRaftVoterRequest& request,
            Reply<RemoveRaftVoterResponse> reply) {
        pb::ChangeVotersRequest change;
        change.set_kind(pb::ChangeVotersRequest::REMOVE);
        FillVoter(request.voter_id, request.voter_directory_id, &change);
        ForwardChange(env, context, request.cluster_id, kTimeoutMs, std::move(change),
                      std::move(reply));
      });
}

}  // namespace quorate
