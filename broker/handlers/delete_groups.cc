// DeleteGroups (42): removes empty groups with their offsets.
#include "proto/kafka/messages/delete_groups.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "broker/handlers/group_handlers.h"

namespace quorate {

using kafka::DeleteGroupsRequest;
using kafka::DeleteGroupsResponse;
using kafka::KafkaError;

void RegisterDeleteGroups(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<DeleteGroupsRequest, DeleteGroupsResponse>(
      Listeners::kClient, [env](const RequestContext&, const DeleteGroupsRequest& request,
                                Reply<DeleteGroupsResponse> reply) {
        struct Waiting {
          Reply<DeleteGroupsResponse> reply;
          DeleteGroupsResponse response;
          size_t left;
        };
        auto waiting =
            std::make_shared<Waiting>(Waiting{std::move(reply), {}, request.groups_names.size()});
        for (const auto& name : request.groups_names) {
          waiting->response.results.emplace_back().group_id = name;
        }
        if (waiting->left == 0) return waiting->reply.Send(waiting->response);
        for (size_t i = 0; i < request.groups_names.size(); ++i) {
          env.groups->Delete(request.groups_names[i], [waiting, i](KafkaError error) {
            waiting->response.results[i].error_code = Code(error);
            if (--waiting->left == 0) waiting->reply.Send(waiting->response);
          });
        }
      });
}

}  // namespace quorate
