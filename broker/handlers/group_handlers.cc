#include "broker/handlers/group_handlers.h"

namespace quorate {

void RegisterGroupHandlers(HandlerRegistry& registry, const GroupHandlerEnv& env) {
  RegisterFindCoordinator(registry, env);
  RegisterJoinGroup(registry, env);
  RegisterSyncGroup(registry, env);
  RegisterHeartbeat(registry, env);
  RegisterLeaveGroup(registry, env);
  RegisterOffsetCommit(registry, env);
  RegisterOffsetFetch(registry, env);
  RegisterListGroups(registry, env);
  RegisterDescribeGroups(registry, env);
  RegisterDeleteGroups(registry, env);
}

}  // namespace quorate
