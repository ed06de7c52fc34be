// broker/handlers/group_handlers.h
//
// The APIs of consumer groups: what their handlers stand on, and the functions that register them,
// one file each.
//
// Owned by the broker's loop; every pointer outlives the registry.
#pragma once

#include "broker/group/group_coordinator.h"
#include "broker/handlers/handler_env.h"
#include "broker/handlers/handler_registry.h"

namespace quorate {

struct GroupHandlerEnv {
  HandlerEnv base;
  GroupCoordinator* groups = nullptr;
};

void RegisterFindCoordinator(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterJoinGroup(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterSyncGroup(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterHeartbeat(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterLeaveGroup(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterOffsetCommit(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterOffsetFetch(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterListGroups(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterDescribeGroups(HandlerRegistry& registry, const GroupHandlerEnv& env);
void RegisterDeleteGroups(HandlerRegistry& registry, const GroupHandlerEnv& env);

// All of the above.
void RegisterGroupHandlers(HandlerRegistry& registry, const GroupHandlerEnv& env);

}  // namespace quorate
