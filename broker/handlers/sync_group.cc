// SyncGroup (14): the leader brings the assignment, everybody gets theirs.
#include "proto/kafka/messages/sync_group.h"

#include <utility>

#include "broker/handlers/group_handlers.h"

namespace quorate {

using kafka::SyncGroupRequest;
using kafka::SyncGroupResponse;

void RegisterSyncGroup(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<SyncGroupRequest, SyncGroupResponse>(
      Listeners::kClient, [env](const RequestContext& context, SyncGroupRequest request,
                                Reply<SyncGroupResponse> reply) {
        constexpr int16_t kProtocolVersion = 5;
        if (context.version() >= kProtocolVersion &&
            (!request.protocol_type.has_value() || !request.protocol_name.has_value())) {
          SyncGroupResponse response;
          response.error_code = Code(kafka::KafkaError::kInconsistentGroupProtocol);
          return reply.Send(response);
        }
        SyncRequest sync;
        sync.group_id = std::move(request.group_id);
        sync.generation = request.generation_id;
        sync.member_id = std::move(request.member_id);
        sync.instance_id = std::move(request.group_instance_id);
        sync.protocol_type = std::move(request.protocol_type);
        sync.protocol_name = std::move(request.protocol_name);
        for (auto& given : request.assignments) {
          sync.assignments.push_back({std::move(given.member_id), std::move(given.assignment)});
        }
        env.groups->Sync(sync, [reply = std::move(reply)](SyncResult result) mutable {
          SyncGroupResponse response;
          response.error_code = Code(result.error);
          response.protocol_type = std::move(result.protocol_type);
          response.protocol_name = std::move(result.protocol_name);
          response.assignment = std::move(result.assignment);
          reply.Send(response);
        });
      });
}

}  // namespace quorate
