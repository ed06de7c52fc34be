#include "broker/handlers/handler_env.h"

namespace quorate {

void RegisterHandlers(HandlerRegistry& registry, const HandlerEnv& env) {
  RegisterApiVersions(registry, env);
  RegisterMetadata(registry, env);
  RegisterProduce(registry, env);
  RegisterFetch(registry, env);
  RegisterListOffsets(registry, env);
  RegisterOffsetForLeaderEpoch(registry, env);
  RegisterInitProducerId(registry, env);
  RegisterCreateTopics(registry, env);
  RegisterDeleteTopics(registry, env);
  RegisterCreatePartitions(registry, env);
  RegisterDescribeConfigs(registry, env);
  RegisterIncrementalAlterConfigs(registry, env);
  RegisterDescribeCluster(registry, env);
  RegisterDescribeQuorum(registry, env);
  RegisterRaftVoters(registry, env);
  RegisterDescribeTopicPartitions(registry, env);
}

}  // namespace quorate
