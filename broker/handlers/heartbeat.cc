// Heartbeat (12): a member is alive; REBALANCE_IN_PROGRESS calls it to rejoin.
#include "proto/kafka/messages/heartbeat.h"

#include <utility>

#include "broker/handlers/group_handlers.h"

namespace quorate {

using kafka::HeartbeatRequest;
using kafka::HeartbeatResponse;

void RegisterHeartbeat(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<HeartbeatRequest, HeartbeatResponse>(
      Listeners::kClient, [env](const RequestContext&, const HeartbeatRequest& request,
                                Reply<HeartbeatResponse> reply) {
        HeartbeatResponse response;
        response.error_code = Code(
            env.groups->Heartbeat(request.group_id, {request.member_id, request.group_instance_id},
                                  request.generation_id));
        reply.Send(response);
      });
}

}  // namespace quorate
