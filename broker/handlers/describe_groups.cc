// DescribeGroups (15): state and members of groups.
#include "proto/kafka/messages/describe_groups.h"

#include <string>
#include <utility>

#include "broker/handlers/group_handlers.h"

namespace quorate {
namespace {

using kafka::DescribeGroupsRequest;
using kafka::DescribeGroupsResponse;
using kafka::KafkaError;

constexpr int16_t kNotFoundVersion = 6;
// Read, delete, describe, describe and alter configs.
constexpr int32_t kAllGroupOperations = 0x0d48;

}  // namespace

void RegisterDescribeGroups(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<DescribeGroupsRequest, DescribeGroupsResponse>(
      Listeners::kClient, [env](const RequestContext& context, const DescribeGroupsRequest& request,
                                Reply<DescribeGroupsResponse> reply) {
        DescribeGroupsResponse response;
        for (const std::string& group_id : request.groups) {
          GroupDescription description = env.groups->Describe(group_id);
          auto& out = response.groups.emplace_back();
          out.group_id = group_id;
          out.error_code = Code(description.error);
          if (description.error == KafkaError::kGroupIdNotFound) {
            out.error_message = "group " + group_id + " does not exist";
            // Before that version a group that is not there was a dead one.
            if (context.version() < kNotFoundVersion) out.error_code = Code(KafkaError::kNone);
          }
          out.group_state = std::move(description.state);
          out.protocol_type = std::move(description.protocol_type);
          out.protocol_data = std::move(description.protocol);
          for (auto& member : description.members) {
            auto& described = out.members.emplace_back();
            described.member_id = std::move(member.member_id);
            described.group_instance_id = std::move(member.instance_id);
            described.client_id = std::move(member.client_id);
            described.client_host = std::move(member.client_host);
            described.member_metadata = std::move(member.metadata);
            described.member_assignment = std::move(member.assignment);
          }
          if (request.include_authorized_operations && out.error_code == 0) {
            out.authorized_operations = kAllGroupOperations;
          }
        }
        reply.Send(response);
      });
}

}  // namespace quorate
