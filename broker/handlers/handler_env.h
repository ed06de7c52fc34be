// broker/handlers/handler_env.h
//
// HandlerEnv is what handlers stand on, and the functions that register them. Every pointer
// outlives the registry.
//
// A value; what it points to belongs to the broker's loop.
#pragma once

#include <functional>

#include "base/event_loop.h"
#include "base/ids.h"
#include "broker/control/broker_config.h"
#include "broker/control/controller_channel.h"
#include "broker/control/image_view.h"
#include "broker/control/producer_id_allocator.h"
#include "broker/control/topic_creator.h"
#include "broker/handlers/handler_registry.h"
#include "broker/handlers/replica_api.h"
#include "broker/replica/fetch_session.h"

namespace quorate {

struct HandlerEnv {
  EventLoop* loop = nullptr;
  const BrokerConfig* config = nullptr;
  ImageView* images = nullptr;
  ControllerChannel* controller = nullptr;
  ReplicaApi* replicas = nullptr;
  TopicCreator* topics = nullptr;
  ProducerIdAllocator* producer_ids = nullptr;
  FetchSessionCache* sessions = nullptr;
  std::function<BrokerEpoch()> broker_epoch;
};

// One file each.
void RegisterApiVersions(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterMetadata(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterProduce(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterFetch(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterListOffsets(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterOffsetForLeaderEpoch(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterInitProducerId(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterCreateTopics(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterDeleteTopics(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterCreatePartitions(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterDescribeConfigs(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterIncrementalAlterConfigs(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterDescribeCluster(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterDescribeQuorum(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterRaftVoters(HandlerRegistry& registry, const HandlerEnv& env);
void RegisterDescribeTopicPartitions(HandlerRegistry& registry, const HandlerEnv& env);

// All of the above.
void RegisterHandlers(HandlerRegistry& registry, const HandlerEnv& env);

}  // namespace quorate
