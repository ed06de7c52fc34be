// LeaveGroup (13): members leave at once instead of by their session's end.
#include "proto/kafka/messages/leave_group.h"

#include <utility>
#include <vector>

#include "broker/handlers/group_handlers.h"

namespace quorate {

using kafka::KafkaError;
using kafka::LeaveGroupRequest;
using kafka::LeaveGroupResponse;

void RegisterLeaveGroup(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<LeaveGroupRequest, LeaveGroupResponse>(
      Listeners::kClient, [env](const RequestContext& context, const LeaveGroupRequest& request,
                                Reply<LeaveGroupResponse> reply) {
        constexpr int16_t kManyMembersVersion = 3;
        const bool many = context.version() >= kManyMembersVersion;
        std::vector<MemberIdentity> members;
        for (const auto& member : request.members) {
          members.push_back({member.member_id, member.group_instance_id});
        }
        if (!many) members = {{request.member_id, std::nullopt}};
        auto done = [many, members,
                     reply = std::move(reply)](GroupCoordinator::LeaveResult result) mutable {
          LeaveGroupResponse response;
          response.error_code = Code(result.error);
          if (!many && result.error == KafkaError::kNone) {
            response.error_code = Code(result.members.at(0));
          }
          if (many && result.error == KafkaError::kNone) {
            for (size_t i = 0; i < members.size(); ++i) {
              auto& out = response.members.emplace_back();
              out.member_id = members[i].member_id;
              out.group_instance_id = members[i].instance_id;
              out.error_code = Code(result.members.at(i));
            }
          }
          reply.Send(response);
        };
        env.groups->Leave(request.group_id, members, std::move(done));
      });
}

}  // namespace quorate
