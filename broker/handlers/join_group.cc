// JoinGroup (11): a member (re)joins; answered when the rebalance completes.
#include "proto/kafka/messages/join_group.h"

#include <memory>
#include <utility>

#include "broker/handlers/group_handlers.h"

namespace quorate {
namespace {

using kafka::JoinGroupRequest;
using kafka::JoinGroupResponse;

constexpr int16_t kKnownMemberIdVersion = 4;
constexpr int16_t kSkipAssignmentVersion = 9;

JoinRequest ToJoin(const RequestContext& context, JoinGroupRequest request) {
  JoinRequest join;
  join.group_id = std::move(request.group_id);
  join.member_id = std::move(request.member_id);
  join.instance_id = std::move(request.group_instance_id);
  join.client_id = context.client_id();
  join.client_host = "/" + context.connection->peer.host;  // as Kafka writes it
  join.session_timeout = Millis(request.session_timeout_ms);
  // Version 0 has one timeout for both.
  join.rebalance_timeout = Millis(request.rebalance_timeout_ms < 0 ? request.session_timeout_ms
                                                                   : request.rebalance_timeout_ms);
  join.protocol_type = std::move(request.protocol_type);
  for (auto& protocol : request.protocols) {
    join.protocols.push_back({std::move(protocol.name), std::move(protocol.metadata)});
  }
  join.require_known_member_id = context.version() >= kKnownMemberIdVersion;
  join.can_skip_assignment = context.version() >= kSkipAssignmentVersion;
  return join;
}

JoinGroupResponse ToResponse(JoinResult result) {
  JoinGroupResponse response;
  response.error_code = Code(result.error);
  response.generation_id = result.generation;
  response.protocol_type = std::move(result.protocol_type);
  response.protocol_name = std::move(result.protocol_name);
  response.leader = std::move(result.leader);
  response.skip_assignment = result.skip_assignment;
  response.member_id = std::move(result.member_id);
  for (auto& member : result.members) {
    auto& out = response.members.emplace_back();
    out.member_id = std::move(member.member_id);
    out.group_instance_id = std::move(member.instance_id);
    out.metadata = std::move(member.metadata);
  }
  return response;
}

}  // namespace

void RegisterJoinGroup(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<JoinGroupRequest, JoinGroupResponse>(
      Listeners::kClient, [env](const RequestContext& context, JoinGroupRequest request,
                                Reply<JoinGroupResponse> reply) {
        env.groups->Join(ToJoin(context, std::move(request)),
                         [reply = std::move(reply)](JoinResult result) mutable {
                           reply.Send(ToResponse(std::move(result)));
                         });
      });
}

}  // namespace quorate
