// ListGroups (16): the groups this broker coordinates.
#include "proto/kafka/messages/list_groups.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "broker/handlers/group_handlers.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::ListGroupsRequest;
using kafka::ListGroupsResponse;

constexpr char kClassic[] = "classic";

// An empty filter lets everything pass; case does not matter.
bool Passes(const std::vector<std::string>& filter, const std::string& value) {
  return filter.empty() || std::any_of(filter.begin(), filter.end(), [&](const std::string& f) {
           return absl::EqualsIgnoreCase(f, value);
         });
}

}  // namespace

void RegisterListGroups(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  registry.Register<ListGroupsRequest, ListGroupsResponse>(
      Listeners::kClient, [env](const RequestContext&, const ListGroupsRequest& request,
                                Reply<ListGroupsResponse> reply) {
        ListGroupsResponse response;
        auto listing = env.groups->List();
        if (listing.loading) response.error_code = Code(KafkaError::kCoordinatorLoadInProgress);
        for (auto& group : listing.groups) {
          if (!Passes(request.states_filter, group.state)) continue;
          if (!Passes(request.types_filter, kClassic)) continue;
          auto& out = response.groups.emplace_back();
          out.group_id = std::move(group.group_id);
          out.protocol_type = std::move(group.protocol_type);
          out.group_state = std::move(group.state);
          out.group_type = kClassic;
        }
        reply.Send(response);
      });
}

}  // namespace quorate
